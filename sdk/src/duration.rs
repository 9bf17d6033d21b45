//! Durations and times: short constructors for authors, conversions for the wire.

use std::time::{Duration, SystemTime};

use abide_protos::{Duration as DurationProto, Timestamp};

/// A duration of `n` milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A duration of `n` seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A duration of `n` minutes.
pub const fn mins(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// A duration of `n` hours.
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

/// A duration of `n` days of 24 hours.
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

pub(crate) fn to_proto(duration: Duration) -> DurationProto {
    DurationProto {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A negative duration reads as zero: no API that is read here means anything by one.
pub(crate) fn from_proto(proto: &DurationProto) -> Duration {
    let seconds = u64::try_from(proto.seconds).unwrap_or_default();
    Duration::new(seconds, u32::try_from(proto.nanos).unwrap_or_default().min(999_999_999))
}

#[cfg(feature = "worker")]
pub(crate) fn time_to_proto(time: SystemTime) -> Timestamp {
    // No clock that is read here stands before 1970.
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let proto = to_proto(since);
    Timestamp { seconds: proto.seconds, nanos: proto.nanos }
}

pub(crate) fn time_from_proto(proto: &Timestamp) -> SystemTime {
    let nanos = Duration::from_nanos(u64::try_from(proto.nanos).unwrap_or_default());
    let seconds = Duration::from_secs(proto.seconds.unsigned_abs());
    let base = if proto.seconds < 0 { SystemTime::UNIX_EPOCH - seconds } else { SystemTime::UNIX_EPOCH + seconds };
    base + nanos
}
