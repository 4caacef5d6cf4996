//! A disk that can be filled: a folder enters, a small file system of its own is mounted there.
//!
//! Mounting needs the rights to do so: the command runs itself again in a mount namespace of its own, where whatever is
//! mounted ends with it. Promise: nothing is mounted outside of that namespace.

use std::{
    fs::File,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Room for the data of a long run.
const SIZE: &str = "size=2g";
const INSIDE: &str = "CALLMETER_CHAOS_MOUNTS";

/// Whether small disks can be mounted here.
pub(crate) fn is_possible() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this command again where it may mount; returns only when that is impossible, with the reason.
pub(crate) fn enter_namespace() -> String {
    let program = std::env::current_exe().expect("a test is a file");
    let probe = Command::new("unshare")
        .args(["--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => return String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => return format!("unshare: {error}"),
    }
    let error = Command::new("unshare")
        .args(["--mount", "--map-root-user", "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    format!("unshare: {error}")
}

/// A mounted small disk.
pub(crate) struct SmallDisk {
    ballast: PathBuf,
}

impl SmallDisk {
    /// Mounts it in place of the folder.
    pub(crate) fn mount(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("the folder can be created");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder).output();
        let mounted = mounted.expect("mount is a program");
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Self { ballast: folder.join("ballast") }
    }

    /// Writes until nothing more fits.
    pub(crate) fn fill(&self) {
        let mut file = File::create(&self.ballast).expect("the disk is there");
        for piece in [1 << 20, 4 << 10, 1] {
            let zeros = vec![0; piece];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        // There may be none.
        let _ = std::fs::remove_file(&self.ballast);
    }
}
