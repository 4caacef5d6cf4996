//! Fetched packages on disk. Enters: a package's file list with hashes, pinned in this crate. Leaves: a folder that holds
//! exactly these files, or the reason why it does not.
//!
//! A package is put together in a temporary folder, hashed file by file, stamped, and renamed into place: what stands
//! under the final name was complete once. Later a stamp of sizes and modification times decides; a file that differs
//! from its stamp is hashed again.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use crate::error::{EngineError, Problem};

const STAMP: &str = "stamp";

/// A package that this crate knows by heart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    /// Folder name below the cache folder; it names the version.
    pub(crate) name: &'static str,
    /// Lines of `sha256sum`.
    pub(crate) hashes: &'static str,
    /// Bytes that cross the network.
    pub(crate) download_bytes: u64,
    /// Bytes needed while fetching, at the peak.
    pub(crate) peak_bytes: u64,
}

impl Package {
    /// Each file with its SHA-256 in hex.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.hashes.lines().filter_map(|line| line.split_once("  ")).map(|(hash, file)| (file, hash))
    }

    /// Where the package stands once fetched.
    pub(crate) fn dir(&self, cache_dir: &Path) -> PathBuf {
        cache_dir.join(self.name)
    }

    /// Whether the package is complete; reads no file contents unless a stamp differs.
    pub(crate) fn complete(&self, cache_dir: &Path) -> bool {
        let dir = self.dir(cache_dir);
        let Ok(stamped) = std::fs::read_to_string(dir.join(STAMP)) else { return false };
        match self.stamp(&dir) {
            Ok(now) if now == stamped => true,
            Ok(now) => self.verify(&dir).is_ok() && std::fs::write(dir.join(STAMP), now).is_ok(),
            Err(_) => false,
        }
    }

    /// Hashes every file of a freshly filled folder and stamps it.
    pub(crate) fn seal(&self, dir: &Path) -> Result<(), EngineError> {
        self.verify(dir)?;
        let stamp = self.stamp(dir).map_err(|error| EngineError::io("cannot read", dir, error))?;
        let path = dir.join(STAMP);
        std::fs::write(&path, stamp).map_err(|error| EngineError::io("cannot write", &path, error))
    }

    fn verify(&self, dir: &Path) -> Result<(), EngineError> {
        for (file, expected) in self.files() {
            let path = dir.join(file);
            let found =
                hash_file::<Sha256>(&path).map_err(|error| EngineError::io("cannot read", &path, error))?;
            let found = hex(&found);
            if found != expected {
                return Err(Problem::HashMismatch {
                    file: file.to_owned(),
                    algorithm: "sha256",
                    found,
                    expected: expected.to_owned(),
                }
                .into());
            }
        }
        Ok(())
    }

    fn stamp(&self, dir: &Path) -> io::Result<String> {
        let mut stamp = String::new();
        for (file, hash) in self.files() {
            let meta = dir.join(file).metadata()?;
            let modified = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            let _ = writeln!(stamp, "{hash} {} {modified} {file}", meta.len());
        }
        Ok(stamp)
    }
}

/// The digest of a file, read in pieces.
pub(crate) fn hash_file<D: Digest>(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().to_vec()),
            length => digest.update(&buffer[..length]),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Package = Package {
        name: "hello-1",
        hashes: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  hello.txt\n",
        download_bytes: 5,
        peak_bytes: 5,
    };

    fn sealed(text: &str) -> (tempfile::TempDir, Result<(), EngineError>) {
        let cache = tempfile::tempdir().expect("a folder");
        let dir = HELLO.dir(cache.path());
        std::fs::create_dir(&dir).expect("a folder");
        std::fs::write(dir.join("hello.txt"), text).expect("a file");
        let sealed = HELLO.seal(&dir);
        (cache, sealed)
    }

    #[test]
    fn wrong_file_is_never_sealed() {
        let (cache, result) = sealed("hallo");
        assert!(matches!(result.expect_err("wrong").problem(), Problem::HashMismatch { .. }));
        assert!(!HELLO.complete(cache.path()));
    }

    #[test]
    fn corruption_and_loss_after_sealing_are_noticed() {
        let (cache, result) = sealed("hello");
        result.expect("sealed");
        assert!(HELLO.complete(cache.path()));
        let file = HELLO.dir(cache.path()).join("hello.txt");
        std::fs::write(&file, "hello").expect("touched");
        assert!(HELLO.complete(cache.path()), "a new time with the old contents is fine");
        std::fs::write(&file, "hellO").expect("corrupted");
        assert!(!HELLO.complete(cache.path()));
        std::fs::remove_file(&file).expect("lost");
        assert!(!HELLO.complete(cache.path()));
    }
}
