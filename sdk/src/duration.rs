//! Durations and times: short constructors, and conversions from and to protobuf.

use std::time::{Duration, SystemTime};

use abide_protos::{Duration as DurationProto, Timestamp};

/// The longest duration in protobuf, in seconds: ten thousand years.
const LONGEST: u64 = 315_576_000_000;
/// The first and last second of a protobuf timestamp, in the years 1 to 9999.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// Returns a duration of `n` milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Returns a duration of `n` seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Returns a duration of `n` minutes.
pub const fn mins(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(60))
}

/// Returns a duration of `n` hours.
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(3600))
}

/// Returns a duration of `n` days of 24 hours.
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(86_400))
}

/// For messages: `90s`, `2d`.
pub(crate) fn text(duration: Duration) -> String {
    abide_protos::fields::std_duration_text(duration)
}

/// For messages, of a duration that was measured: in whole seconds from ten on, and in tenths below.
#[cfg(feature = "client")]
pub(crate) fn measured_text(duration: Duration) -> String {
    let unit = if duration < Duration::from_secs(10) { 100 } else { 1000 };
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) / unit * unit;
    abide_protos::fields::std_duration_text(Duration::from_millis(millis))
}

pub(crate) fn to_proto(duration: Duration) -> DurationProto {
    DurationProto {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// Converts a duration. A negative one becomes zero, because it has no meaning in this API. One above protobuf's
/// maximum becomes the maximum, so that it can be added to any converted time.
pub(crate) fn from_proto(proto: &DurationProto) -> Duration {
    let seconds = u64::try_from(proto.seconds).unwrap_or_default().min(LONGEST);
    Duration::new(seconds, nanos(proto.nanos))
}

#[cfg(any(feature = "client", feature = "worker"))]
pub(crate) fn time_to_proto(time: SystemTime) -> Timestamp {
    // No relevant clock is before 1970.
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let proto = to_proto(since);
    Timestamp { seconds: proto.seconds, nanos: proto.nanos }
}

/// Converts a time. One outside protobuf's range becomes the first or the last of the range.
pub(crate) fn time_from_proto(proto: &Timestamp) -> SystemTime {
    let seconds = proto.seconds.clamp(FIRST, LAST);
    let since = Duration::from_secs(seconds.unsigned_abs());
    // Not every system's clock can represent the year 1.
    let base = match seconds {
        ..0 => SystemTime::UNIX_EPOCH.checked_sub(since),
        0.. => SystemTime::UNIX_EPOCH.checked_add(since),
    };
    base.unwrap_or(SystemTime::UNIX_EPOCH) + Duration::from_nanos(nanos(proto.nanos).into())
}

fn nanos(nanos: i32) -> u32 {
    u32::try_from(nanos).unwrap_or_default().min(999_999_999)
}

/// Random times and durations for property tests, with a bias to the ends of the range.
#[cfg(test)]
pub(crate) mod extremes {
    use abide_protos::{Duration, Timestamp};
    use proptest::prelude::*;

    fn extreme_seconds() -> impl Strategy<Value = i64> {
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MIN + 1), Just(0), Just(-1), any::<i64>()]
    }

    fn extreme_nanos() -> impl Strategy<Value = i32> {
        prop_oneof![Just(i32::MIN), Just(i32::MAX), Just(-1), Just(1_000_000_000), Just(0), any::<i32>()]
    }

    /// Any time, with a bias to the ends of the range.
    pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
        (extreme_seconds(), extreme_nanos()).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
    }

    /// Any duration, with a bias to the ends of the range.
    pub(crate) fn duration() -> impl Strategy<Value = Duration> {
        (extreme_seconds(), extreme_nanos()).prop_map(|(seconds, nanos)| Duration { seconds, nanos })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_their_range_are_read_as_what_protobuf_allows() {
        let duration = |seconds, nanos| from_proto(&DurationProto { seconds, nanos });
        assert_eq!(duration(5, 7), Duration::new(5, 7));
        assert_eq!(duration(i64::MAX, i32::MAX), Duration::new(LONGEST, 999_999_999));
        assert_eq!(duration(i64::MIN, i32::MIN), Duration::ZERO);
        let time = |seconds, nanos| time_from_proto(&Timestamp { seconds, nanos });
        assert_eq!(time(5, 7), SystemTime::UNIX_EPOCH + Duration::new(5, 7));
        assert_eq!(time(-1, 250_000_000), SystemTime::UNIX_EPOCH - millis(750));
        assert_eq!(time(i64::MAX, i32::MAX), time(LAST, 999_999_999));
        assert_eq!(time(i64::MIN, i32::MIN), time(FIRST, 0));
        let latest = time(i64::MAX, i32::MAX).checked_add(duration(i64::MAX, i32::MAX));
        assert!(latest.is_some(), "any two can be added");
    }

    #[cfg(feature = "worker")]
    #[test]
    fn messages_tell_durations_in_whole_units_and_measured_ones_rounded() {
        assert_eq!((text(days(2)), text(millis(90_500))), ("2d".into(), "90.5s".into()));
        let measured = [1_234_567, 9_999_999, 12_345_678, 120_999_999].map(Duration::from_micros).map(measured_text);
        assert_eq!(measured, ["1.2s", "9.9s", "12s", "2m"]);
    }

    #[test]
    fn as_many_days_as_there_are_numbers_are_a_very_long_time() {
        assert_eq!((mins(u64::MAX), hours(u64::MAX), days(u64::MAX)), (secs(u64::MAX), secs(u64::MAX), secs(u64::MAX)));
    }
}
