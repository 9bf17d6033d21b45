//! Linux's measurements of this process: CPU time and peak memory, without unsafe code and without a dependency.

use std::fs;

/// Returns the CPU time of the calling thread so far, in nanoseconds.
///
/// # Errors
/// Returns an error if the kernel does not report it (not Linux, or built without schedstats).
pub fn thread_cpu_ns() -> Result<u64, String> {
    // The kernel updates a running thread's time at ticks and when the scheduler is called. So call it.
    std::thread::yield_now();
    let path = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let first = text.split_whitespace().next().unwrap_or_default();
    first.parse().map_err(|_| format!("{path}: expected nanoseconds first, found {text:?}"))
}

/// Returns the peak resident memory of this process, in KB.
///
/// # Errors
/// Returns an error if the kernel does not report it.
pub fn peak_rss_kb() -> Result<u64, String> {
    let path = "/proc/self/status";
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let value = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| format!("{path}: no VmHWM"))
}

/// Returns the median; 0 for no values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
