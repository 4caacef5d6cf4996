//! What a process has used: its id enters, CPU seconds and memory leave, from Linux's `/proc`.

use anyhow::Context;

/// Unit of the times in `/proc/PID/stat`, which Linux keeps at 100 for programs whatever its own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of all its threads, user and system, seconds.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // Its name may hold blanks; what follows it begins with the third field.
    let (_, fields) = stat.rsplit_once(") ").context("an unknown form of stat")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|ticks| ticks.parse::<f64>().ok());
    let (user, system) = ticks(14).zip(ticks(15)).context("stat without times")?;
    Ok((user + system) / TICKS_PER_SECOND)
}

/// Most memory that it ever held, MiB.
pub(crate) fn peak_memory_mib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kib.context("status without VmHWM")? / 1024.0)
}
