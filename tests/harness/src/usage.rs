//! What a process has used: its id enters, CPU time and peak memory leave.

use nix::{time::ClockId, unistd::Pid};
use serde::{Deserialize, Serialize};
use std::{io, time::Duration};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Usage {
    /// User and system time of all its threads, those that ended too.
    pub cpu: Duration,
    /// Most bytes that were resident at once, since the start or the last [`forget_peak`].
    pub peak_bytes: u64,
}

impl Usage {
    /// Of a running process. Its CPU clock says in ns what `/proc/PID/stat` says in hundredths of a second.
    pub fn of(pid: Pid) -> io::Result<Self> {
        let cpu = Duration::from(ClockId::pid_cpu_clock_id(pid)?.now()?);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let kib = kib.ok_or_else(|| io::Error::other(format!("process {pid} has no VmHWM")))?;
        Ok(Self { cpu, peak_bytes: kib * 1024 })
    }
}

/// Lets the peak of a process begin anew.
pub fn forget_peak(pid: Pid) -> io::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")
}
