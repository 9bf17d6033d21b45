//! CPU and memory use of the host, for the worker's heartbeat and for resource-based slots: read from `/proc`, so only on
//! Linux. Elsewhere nothing is reported, which the server shows as 0.
//!
//! In a container with limits of its own, they are those of the container: of its control group, version 2.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

/// The control group of this container. On the host itself, the files are not there.
const CGROUP: &str = "/sys/fs/cgroup";

/// Time of all processors since some moment: in ticks, or in microseconds of a control group's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTime {
    busy: u64,
    all: u64,
}

impl CpuTime {
    /// Returns the time until now; `None` if it cannot be read.
    pub(super) fn now() -> Option<Self> {
        Self::of_cgroup(Path::new(CGROUP)).or_else(|| Self::parse(&std::fs::read_to_string("/proc/stat").ok()?))
    }

    #[expect(clippy::disallowed_methods, reason = "the use of processors is measured in real time")]
    fn of_cgroup(cgroup: &Path) -> Option<Self> {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        let read = |file: &str| std::fs::read_to_string(cgroup.join(file)).ok();
        let elapsed = BEGAN.get_or_init(Instant::now).elapsed().as_micros() as f64;
        Self::parse_cgroup(&read("cpu.max")?, &read("cpu.stat")?, elapsed)
    }

    /// Reads the quota, such as `200000 100000` for two processors or `max 100000` for no limit, and the time used.
    fn parse_cgroup(max: &str, stat: &str, elapsed: f64) -> Option<Self> {
        let mut quota = max.split_whitespace().map(str::parse::<f64>);
        let (quota, period) = (quota.next()?.ok()?, quota.next()?.ok()?);
        let used = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        (period > 0.0).then_some(Self { busy: used.trim().parse().ok()?, all: (elapsed * quota / period) as u64 })
    }

    /// Reads the first line: `cpu`, then the ticks in user, nice, system, idle, iowait, irq, softirq and steal. The time of
    /// guests, which follows, is part of the first two.
    fn parse(stat: &str) -> Option<Self> {
        let ticks = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
        let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all: u64 = ticks.iter().sum();
        Some(Self { busy: all - idle, all })
    }

    /// Returns the share of time since an earlier moment in which the processors were busy, from 0 to 1.
    pub(super) fn usage_since(self, earlier: Self) -> f32 {
        let (busy, all) = (self.busy.saturating_sub(earlier.busy), self.all.saturating_sub(earlier.all));
        if all == 0 { 0.0 } else { (busy as f32 / all as f32).min(1.0) }
    }
}

/// Returns the share of memory that is in use, from 0 to 1; `None` if it cannot be read.
pub(super) fn memory_usage() -> Option<f32> {
    let read = |file: &str| std::fs::read_to_string(Path::new(CGROUP).join(file)).ok();
    let of_cgroup = || parse_cgroup_memory(&read("memory.max")?, &read("memory.current")?, &read("memory.stat")?);
    of_cgroup().or_else(|| parse_memory(&std::fs::read_to_string("/proc/meminfo").ok()?))
}

/// Reads the limit, which is `max` if there is none, and what is in use without the caches that the kernel would give up.
fn parse_cgroup_memory(max: &str, current: &str, stat: &str) -> Option<f32> {
    let (max, current): (u64, u64) = (max.trim().parse().ok()?, current.trim().parse().ok()?);
    let inactive = stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?.trim().parse().ok()?;
    (max > 0).then(|| (current.saturating_sub(inactive) as f32 / max as f32).min(1.0))
}

fn parse_memory(meminfo: &str) -> Option<f32> {
    let kilobytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // "Available" is what programs could get without swapping: free memory, and caches that the kernel would give up.
    let (total, available) = (kilobytes("MemTotal:")?, kilobytes("MemAvailable:")?);
    (total > 0).then(|| total.saturating_sub(available) as f32 / total as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_the_processors_is_that_of_the_time_in_between() {
        let earlier = CpuTime::parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 0 0\n").unwrap();
        assert_eq!(earlier, CpuTime { busy: 150, all: 1000 });
        let later = CpuTime::parse("cpu  150 0 60 820 60 4 3 3 0 0").unwrap();
        assert_eq!(later.usage_since(earlier), 0.7);
        assert_eq!(later.usage_since(later), 0.0);
        for text in ["", "cpu", "cpu  1 2 3", "cpu  1 2 3 four 5", "intr 1"] {
            assert_eq!(CpuTime::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn memory_is_in_use_if_it_is_not_available() {
        let text = "MemTotal:        8000 kB\nMemFree:         1000 kB\nMemAvailable:    6000 kB\n";
        assert_eq!(parse_memory(text), Some(0.25));
        for text in ["", "MemTotal: 8000 kB", "MemTotal: 0 kB\nMemAvailable: 0 kB", "MemTotal: x\nMemAvailable: 1"] {
            assert_eq!(parse_memory(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_container_has_the_limits_of_its_control_group() {
        let stat = "usage_usec 3000000\nuser_usec 1\n";
        // Two processors for ten seconds.
        let earlier = CpuTime::parse_cgroup("200000 100000\n", stat, 10e6).unwrap();
        assert_eq!(earlier, CpuTime { busy: 3_000_000, all: 20_000_000 });
        let later = CpuTime::parse_cgroup("200000 100000", "usage_usec 4000000", 11e6).unwrap();
        assert_eq!(later.usage_since(earlier), 0.5);
        for (max, stat) in [("max 100000", stat), ("", stat), ("1 0", stat), ("200000 100000", "user_usec 1")] {
            assert_eq!(CpuTime::parse_cgroup(max, stat, 1e6), None, "{max:?} {stat:?}");
        }
        let stat = "anon 1\ninactive_file 100\n";
        assert_eq!(parse_cgroup_memory("1000\n", "600\n", stat), Some(0.5));
        assert_eq!(parse_cgroup_memory("max\n", "600\n", stat), None);
        assert_eq!(parse_cgroup_memory("1000", "600", "anon 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_processors_and_memory() {
        let now = CpuTime::now().unwrap();
        assert!(now.busy > 0, "{now:?}");
        assert!((0.0..=1.0).contains(&memory_usage().unwrap()));
    }
}
