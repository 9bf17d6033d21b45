//! The retry schedules of calls, with the values of Temporal's Core, as pure functions.
//!
//! | for | first | factor | at most | ends |
//! | --- | --- | --- | --- | --- |
//! | calls | 100 ms | 1.7 | 5 s | after 10 attempts, or 10 s |
//! | answers to tasks | 100 ms | 1.7 | 5 s | at the task's own deadline |
//! | polls | 200 ms | 2 | 10 s | never |
//! | polls that are answered at once with nothing | 100 ms | 2 | 10 s | never |
//! | any, RESOURCE_EXHAUSTED | 1 s | 2 | 10 s | as the call |
//!
//! Every interval is spread by 20 % in both directions, so that clients that lost the same server do not return at the
//! same moment.

use std::time::Duration;

use super::rpc_error::RpcError;

const JITTER: f64 = 0.2;

/// Growth and limits of retry intervals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetrySchedule {
    initial: Duration,
    factor: f64,
    maximum: Duration,
    maximum_attempts: u32,
    maximum_elapsed: Duration,
}

impl RetrySchedule {
    /// For calls with a waiting caller.
    pub(crate) const CALL: Self = Self {
        initial: Duration::from_millis(100),
        factor: 1.7,
        maximum: Duration::from_secs(5),
        maximum_attempts: 10,
        maximum_elapsed: Duration::from_secs(10),
    };

    /// For polls: a worker waits for its server indefinitely.
    pub(crate) const POLL: Self = Self {
        initial: Duration::from_millis(200),
        factor: 2.0,
        maximum: Duration::from_secs(10),
        maximum_attempts: u32::MAX,
        maximum_elapsed: Duration::MAX,
    };

    /// For calls whose loss would lose finished work: retried as long as there is time.
    pub(crate) const fn within(time: Duration) -> Self {
        Self { maximum_attempts: u32::MAX, maximum_elapsed: time, ..Self::CALL }
    }

    /// For callers that retry by themselves.
    pub(crate) const NEVER: Self = Self { maximum_attempts: 1, ..Self::CALL };

    /// For long polls that return empty at once.
    const EMPTY: Self = Self { initial: Duration::from_millis(100), ..Self::POLL };

    const EXHAUSTED: Self =
        Self { initial: Duration::from_secs(1), factor: 2.0, maximum: Duration::from_secs(10), ..Self::CALL };

    /// Returns the interval after this many failed attempts (at least 1), before jitter.
    fn interval(&self, failed: u32) -> Duration {
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        // Capped before the conversion, because the power may overflow to infinity, which `min` handles.
        Duration::from_secs_f64(
            (self.initial.as_secs_f64() * self.factor.powi(exponent)).min(self.maximum.as_secs_f64()),
        )
    }
}

/// The attempts of one call or one poller.
#[derive(Debug)]
pub(crate) struct Backoff {
    schedule: RetrySchedule,
    failed: u32,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(schedule: RetrySchedule) -> Self {
        Self::seeded(schedule, uuid::Uuid::new_v4().as_u64_pair().0)
    }

    fn seeded(schedule: RetrySchedule, seed: u64) -> Self {
        Self { schedule, failed: 0, random: seed }
    }

    /// Starts over, after a successful attempt.
    pub(crate) fn reset(&mut self) {
        self.failed = 0;
    }

    /// Returns the wait before the next attempt; `None` to give up. `elapsed` counts from the start of the first
    /// attempt.
    ///
    /// The caller decides if the error is worth a retry ([`RpcError::is_transient`]).
    pub(crate) fn next(&mut self, error: &RpcError, elapsed: Duration) -> Option<Duration> {
        let intervals = if error.is_resource_exhausted() { RetrySchedule::EXHAUSTED } else { self.schedule };
        self.next_by(intervals, elapsed)
    }

    fn next_by(&mut self, intervals: RetrySchedule, elapsed: Duration) -> Option<Duration> {
        self.failed = self.failed.saturating_add(1);
        let left = self.schedule.maximum_elapsed.checked_sub(elapsed)?;
        if left.is_zero() || self.failed >= self.schedule.maximum_attempts {
            return None;
        }
        // The last attempt comes at the end of the remaining time, never after it.
        Some(intervals.interval(self.failed).mul_f64(1.0 - JITTER + 2.0 * JITTER * self.unit()).min(left))
    }

    /// Returns the next number of splitmix64, as a fraction of 1.
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}

/// Slows down long polls that the server, or a proxy in front of it, answers empty and at once.
#[derive(Debug)]
pub(crate) struct EmptyAnswers {
    backoff: Backoff,
    reported: bool,
}

impl EmptyAnswers {
    /// An answer that took longer did not come at once, wherever the server is.
    const AT_ONCE: Duration = Duration::from_millis(300);

    pub(crate) fn new() -> Self {
        Self { backoff: Backoff::new(RetrySchedule::EMPTY), reported: false }
    }

    /// Starts over, after an answer with content.
    pub(crate) fn reset(&mut self) {
        self.backoff.reset();
    }

    /// Returns true, once, when the waits have become long enough for a line in the log.
    pub(crate) fn is_worth_a_line(&mut self) -> bool {
        self.backoff.failed >= 7 && !std::mem::replace(&mut self.reported, true)
    }

    /// Returns the wait after an empty answer that took this long.
    pub(crate) fn next(&mut self, took: Duration) -> Duration {
        if took > Self::AT_ONCE {
            self.reset();
            return Duration::ZERO;
        }
        self.backoff.next_by(RetrySchedule::EMPTY, Duration::ZERO).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn intervals(schedule: RetrySchedule, code: Code, attempts: usize) -> Vec<Option<Duration>> {
        let mut backoff = Backoff::seeded(schedule, 7);
        let error = RpcError::for_test(code, "");
        (0..attempts).map(|_| backoff.next(&error, Duration::ZERO)).collect()
    }

    #[track_caller]
    fn check(schedule: RetrySchedule, code: Code, expected_millis: &[u64]) {
        let found = intervals(schedule, code, expected_millis.len());
        for (at, (found, expected)) in found.into_iter().zip(expected_millis).enumerate() {
            let (found, expected) = (found.unwrap().as_secs_f64(), *expected as f64 / 1000.0);
            assert!((found / expected - 1.0).abs() <= 0.201, "interval {at}: {found} s, expected {expected} s +- 20 %");
        }
    }

    #[test]
    fn calls_wait_from_100_ms_by_1_7_up_to_5_s() {
        check(RetrySchedule::CALL, Code::Unavailable, &[100, 170, 289, 491, 835, 1_420, 2_414, 4_103, 5_000]);
    }

    #[test]
    fn calls_end_after_ten_attempts_or_ten_seconds() {
        assert_eq!(intervals(RetrySchedule::CALL, Code::Unavailable, 10).last(), Some(&None));
        let mut backoff = Backoff::seeded(RetrySchedule::CALL, 7);
        assert_eq!(backoff.next(&RpcError::for_test(Code::Unavailable, ""), Duration::from_secs(10)), None);
    }

    #[test]
    fn an_overloaded_server_is_left_alone_for_a_second() {
        check(RetrySchedule::CALL, Code::ResourceExhausted, &[1_000, 2_000, 4_000, 8_000, 10_000]);
    }

    #[test]
    fn polls_go_on_for_ever() {
        check(RetrySchedule::POLL, Code::Unavailable, &[200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert!(intervals(RetrySchedule::POLL, Code::Unavailable, 5_000).iter().all(Option::is_some));
    }

    #[test]
    fn empty_answers_slow_polls_down_unless_they_took_their_time() {
        let mut empty = EmptyAnswers::new();
        let mut waits = |took: &[u64]| -> Vec<f64> {
            took.iter().map(|took| empty.next(Duration::from_millis(*took)).as_secs_f64()).collect()
        };
        for (wait, expected) in waits(&[0, 1, 300, 0, 0, 0, 0, 0, 0]).into_iter().zip([0.1, 0.2, 0.4, 0.8]) {
            assert!((wait / expected - 1.0).abs() <= 0.201, "{wait} s, expected {expected} s +- 20 %");
        }
        assert!(waits(&[0])[0] >= 8.0);
        assert_eq!(waits(&[60_000]), [0.0]);
        assert!(waits(&[0])[0] < 0.13);
    }

    #[test]
    fn a_completion_is_tried_until_the_deadline_of_its_task() {
        let schedule = RetrySchedule::within(Duration::from_secs(60));
        let error = RpcError::for_test(Code::Unavailable, "");
        let mut backoff = Backoff::seeded(schedule, 7);
        for _ in 0..30 {
            assert!(backoff.next(&error, Duration::from_secs(30)).is_some());
        }
        assert_eq!(backoff.next(&error, Duration::from_millis(59_900)), Some(Duration::from_millis(100)));
        assert_eq!(backoff.next(&error, Duration::from_secs(60)), None);
    }

    #[test]
    fn a_success_starts_the_schedule_over() {
        let error = RpcError::for_test(Code::Unavailable, "");
        let mut backoff = Backoff::seeded(RetrySchedule::POLL, 7);
        for _ in 0..10 {
            backoff.next(&error, Duration::ZERO);
        }
        backoff.reset();
        assert!(backoff.next(&error, Duration::ZERO).unwrap() < Duration::from_millis(250));
    }

    #[test]
    fn codes_that_may_pass_are_retried_and_no_others() {
        let transient = |code| RpcError::for_test(code, "").is_transient(true);
        for code in [Code::DataLoss, Code::Internal, Code::Unknown, Code::ResourceExhausted, Code::Aborted] {
            assert!(transient(code), "{code:?}");
        }
        assert!(transient(Code::OutOfRange) && transient(Code::Unavailable));
        for code in [Code::NotFound, Code::InvalidArgument, Code::AlreadyExists, Code::PermissionDenied] {
            assert!(!transient(code), "{code:?}");
        }
        assert!(!RpcError::for_test(Code::Internal, "").is_transient(false));
    }

    #[test]
    fn a_message_that_is_too_large_is_not_sent_again() {
        let sent = RpcError::for_test(Code::ResourceExhausted, "grpc: received message larger than max (5 vs. 4)");
        let received = RpcError::for_test(Code::OutOfRange, "Error, decoded message length too large: found 9 bytes");
        assert!(!sent.is_transient(true) && !received.is_transient(true));
    }
}
