//! Linux's measurements of a process: CPU time, memory, threads and context switches.

use std::fs;

/// Microseconds of a tick, the unit of CPU time in `/proc/PID/stat`: `USER_HZ` is 100 on all common architectures.
const TICK_US: u64 = 10_000;

/// CPU time of all threads of a process so far.
#[derive(Clone, Copy)]
pub(crate) struct CpuTime {
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
}

impl CpuTime {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user_us: self.user_us - earlier.user_us, system_us: self.system_us - earlier.system_us }
    }

    pub(crate) fn total_us(self) -> f64 {
        (self.user_us + self.system_us) as f64
    }
}

/// Resident memory of a process, now and at its peak.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) rss_kb: u64,
    pub(crate) peak_kb: u64,
}

/// Returns the CPU time of the process with this id; `self` is this process.
pub(crate) fn cpu_time(pid: &str) -> Result<CpuTime, String> {
    let path = format!("/proc/{pid}/stat");
    let text = read(&path)?;
    // The second field is the program's name in parentheses, which can hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |index| fields.split_whitespace().nth(index)?.parse::<u64>().ok();
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok(CpuTime { user_us: user * TICK_US, system_us: system * TICK_US }),
        _ => Err(format!("{path}: expected CPU times as fields 14 and 15, found {text:?}")),
    }
}

/// Returns the memory of the process with this id.
pub(crate) fn memory(pid: &str) -> Result<Memory, String> {
    let path = format!("/proc/{pid}/status");
    Ok(Memory { rss_kb: status_field(&path, "VmRSS:")?, peak_kb: status_field(&path, "VmHWM:")? })
}

/// Returns the number of threads of the process with this id.
pub(crate) fn threads(pid: &str) -> Result<u64, String> {
    status_field(&format!("/proc/{pid}/status"), "Threads:")
}

/// Returns the number of context switches of all threads of the process with this id. Ended threads are not counted.
pub(crate) fn context_switches(pid: &str) -> Result<u64, String> {
    let folder = format!("/proc/{pid}/task");
    let mut switches = 0;
    for thread in fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?.flatten() {
        let path = thread.path().join("status");
        let count = |name| status_field(&path.to_string_lossy(), name);
        // A thread may have ended since the folder was read.
        if let (Ok(voluntary), Ok(other)) = (count("voluntary_ctxt_switches:"), count("nonvoluntary_ctxt_switches:")) {
            switches += voluntary + other;
        }
    }
    Ok(switches)
}

fn status_field(path: &str, name: &str) -> Result<u64, String> {
    let text = read(path)?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| format!("{path}: no {name}"))
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}
