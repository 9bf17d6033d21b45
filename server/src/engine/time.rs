//! Points in time and durations of the engine: nanoseconds since the Unix epoch, never read from a clock.

use std::time::Duration;

use super::errors::Error;

/// A point in time, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(i64);

/// The two clocks at the time of a request: the server's own (which may skip) and the machine's.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    /// The server's clock: event times, timers, timeouts.
    pub(crate) time: Time,
    /// The machine's clock: workflow task timeouts, liveness of sticky workers.
    pub(crate) wall: Time,
}

impl Time {
    pub(crate) fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    pub(crate) fn nanos(self) -> i64 {
        self.0
    }

    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.0 / 1_000_000).unwrap_or(0)
    }

    /// Returns `self + duration`, or the maximum time if that is not representable.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// Returns the time since `earlier`; zero if it is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    pub(crate) fn proto(self) -> abide_protos::Timestamp {
        let nanos = self.0.rem_euclid(1_000_000_000);
        abide_protos::Timestamp { seconds: self.0.div_euclid(1_000_000_000), nanos: i32::try_from(nanos).unwrap_or(0) }
    }

    pub(crate) fn from_proto(timestamp: &abide_protos::Timestamp) -> Self {
        Self(timestamp.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(timestamp.nanos)))
    }
}

/// Converts a duration to the API's form.
pub(crate) fn proto(duration: Duration) -> abide_protos::Duration {
    abide_protos::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// Maximum duration. A longer one is cut to it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Returns the duration in a field: `None` if it is absent or zero, a reason if it is negative or malformed.
pub(crate) fn checked(field: Option<&abide_protos::Duration>) -> Result<Option<Duration>, &'static str> {
    let Some(duration) = field else { return Ok(None) };
    let (seconds, nanos) = (duration.seconds, duration.nanos);
    if (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) {
        return Err("duration has seconds and nanos with different signs");
    }
    if seconds < 0 || nanos < 0 {
        return Err("negative duration");
    }
    let nanos = Duration::from_nanos(u64::from(nanos.unsigned_abs()));
    let duration = Duration::from_secs(seconds.unsigned_abs()).saturating_add(nanos).min(LONGEST);
    Ok(Some(duration).filter(|duration| !duration.is_zero()))
}

/// Like [`checked`], with an error that names the field of the request.
pub(crate) fn positive(field: Option<&abide_protos::Duration>, name: &str) -> Result<Option<Duration>, Error> {
    checked(field)
        .map_err(|cause| Error::invalid_argument(format!("An invalid {name} is set on request. cause: {cause}")))
}

/// Returns the duration in a field that was validated when it was stored; `None` if it is absent or zero.
pub(crate) fn stored(field: Option<&abide_protos::Duration>) -> Option<Duration> {
    checked(field).ok().flatten()
}

/// Returns the smaller of two limits, where `None` means unlimited.
pub(crate) fn shorter(left: Option<Duration>, right: Option<Duration>) -> Option<Duration> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

/// Parses a Go duration to nanoseconds: `90s`, `1h30m`, `-1.5h`, `250ms`.
pub(crate) fn go_duration(text: &str) -> Option<i64> {
    parsed(text, None)
}

/// Like [`go_duration`], and `2d` are two days.
pub(crate) fn go_duration_with_days(text: &str) -> Option<i64> {
    parsed(text, Some(86_400e9))
}

fn parsed(text: &str, day: Option<f64>) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanos = 0_f64;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3_600e9,
            "d" => day?,
            _ => return None,
        };
        nanos += number.parse::<f64>().ok()? * scale;
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    let fits = nanos < i64::MAX as f64;
    fits.then_some(if negative { -nanos as i64 } else { nanos as i64 })
}
