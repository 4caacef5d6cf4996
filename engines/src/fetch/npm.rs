//! ClickHouse's library out of one npm package. Enters: an empty folder. Leaves: `libchdb.so` in it.
//!
//! Version and hash are pinned together: the package's `latest` tag is an older build without the HTTP server.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Sha512;

use super::client::Client;
use super::progress::Progress;
use crate::cache::{Package, hash_file};
use crate::error::{EngineError, Problem};
use crate::machine;

const NPM_PACKAGE: &str = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1";
const TARBALL: &str = "chdb-lib-linux-x64-gnu-26.7.3-stable.1.tgz";
const TARBALL_SHA512: &str =
    "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==";
const LIBRARY_IN_TARBALL: &str = "package/libchdb.so";

/// ClickHouse 26.7.2.1 as a library.
pub(crate) const CLICKHOUSE: Package = Package {
    name: "clickhouse-26.7.3-stable.1",
    hashes: include_str!("../../libchdb-linux-x64.sha256"),
    download_bytes: 177_817_999,
    // The tarball, npm's own copy of it, and the library.
    peak_bytes: 2 * 177_817_999 + 566_330_096,
};

pub(super) fn fill(dir: &Path, package: &Package, cancelled: &AtomicBool) -> Result<(), EngineError> {
    let (npm, _) = machine::program("npm")?;
    let (tar, _) = machine::program("tar")?;
    let client = Client { output: dir.join("npm.log"), cancelled };
    {
        let progress = Progress::start("ClickHouse", package.download_bytes);
        let mut command = Command::new(npm);
        command.arg("pack").arg("--pack-destination").arg(dir).arg(NPM_PACKAGE).current_dir(dir);
        client.run(command, &format!("npm pack {NPM_PACKAGE}"), &progress)?;
    }
    let tarball = dir.join(TARBALL);
    check_integrity(&tarball)?;
    {
        let progress = Progress::start("ClickHouse (unpacking)", package.download_bytes);
        let mut command = Command::new(tar);
        command
            .arg("-xzf")
            .arg(&tarball)
            .arg("-C")
            .arg(dir)
            .arg("--strip-components=1")
            .arg(LIBRARY_IN_TARBALL);
        client.run(command, &format!("tar -xzf {}", tarball.display()), &progress)?;
    }
    for done in [tarball, client.output] {
        std::fs::remove_file(&done).map_err(|error| EngineError::io("cannot remove", &done, error))?;
    }
    Ok(())
}

fn check_integrity(tarball: &Path) -> Result<(), EngineError> {
    let digest =
        hash_file::<Sha512>(tarball).map_err(|error| EngineError::io("cannot read", tarball, error))?;
    let found = STANDARD.encode(digest);
    if found == TARBALL_SHA512 {
        return Ok(());
    }
    let expected = TARBALL_SHA512.to_owned();
    Err(Problem::HashMismatch { file: TARBALL.to_owned(), algorithm: "sha512", found, expected }.into())
}
