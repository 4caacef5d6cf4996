//! Asks the kernel to kill a child when the thread that started it ends, which it does with its process at the latest.
//! Enters: a command. Leaves: the same command; the child dies however the parent dies.

use std::process::Command;

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "std offers no safe way to run a system call between fork and exec")]
pub(crate) fn die_with_this_thread(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let parent = std::process::id();
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The parent may have died before the line above; then nobody would send the signal.
        if nix::unistd::getppid().as_raw().unsigned_abs() == parent {
            Ok(())
        } else {
            Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH))
        }
    };
    // SAFETY: the closure runs in the forked child; it makes two system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(ask);
    }
}

/// Other systems have no such signal; a held standard input is what remains.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_this_thread(_command: &mut Command) {}
