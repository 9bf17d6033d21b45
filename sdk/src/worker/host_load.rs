//! CPU and memory use of the host, for the worker's heartbeat: read from `/proc`, so only on Linux. Elsewhere nothing is
//! reported, which the server shows as 0.

/// Time of all processors since the machine started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuTime {
    busy: u64,
    all: u64,
}

impl CpuTime {
    /// Returns the time until now; `None` if it cannot be read.
    pub(super) fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
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
    parse_memory(&std::fs::read_to_string("/proc/meminfo").ok()?)
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

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_processors_and_memory() {
        let now = CpuTime::now().unwrap();
        assert!(now.all > 0 && now.busy <= now.all);
        assert!((0.0..=1.0).contains(&memory_usage().unwrap()));
    }
}
