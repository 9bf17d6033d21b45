//! The retry policy of failed activities and workflows.

use std::time::Duration;

use abide_protos::temporal::api::common::v1::RetryPolicy as RetryPolicyProto;

use crate::duration::to_proto;
use crate::presence;

const DEFAULT_INITIAL_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_BACKOFF_COEFFICIENT: f64 = 2.0;
/// Default maximum interval as a multiple of the initial interval.
const DEFAULT_MAXIMUM_FACTOR: u32 = 100;

/// Retry policy of a failed activity or workflow (Temporal's `RetryPolicy`).
///
/// The server fills in unset values: an initial interval of 1 s, a coefficient of 2.0, a maximum interval of 100 times
/// the initial interval, and unlimited attempts.
///
/// ```
/// use abide::prelude::*;
/// // Every minute, at most ten times.
/// let policy = RetryPolicy::new().initial_interval(mins(1)).backoff_coefficient(1.0).maximum_attempts(10);
/// # let _ = policy;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a retry policy does nothing until a call takes it with `.retry_policy(..)`"]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Time between the end of the first attempt and the start of the second one; `None` is the server's default.
    pub initial_interval: Option<Duration>,
    /// Factor from one interval to the next; `None` is the server's default.
    pub backoff_coefficient: Option<f64>,
    /// Upper limit of the interval; `None` is the server's default.
    pub maximum_interval: Option<Duration>,
    /// Maximum attempts in total; 0 is unlimited.
    pub maximum_attempts: u32,
    /// Error types that are not retried.
    pub non_retryable_error_types: Vec<String>,
}

impl RetryPolicy {
    /// Creates a policy with the server's default for every value.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time between the first attempt's end and the second attempt's start. Default: 1 s.
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.initial_interval = Some(interval);
        self
    }

    /// Factor from one interval to the next, 1.0 or more. Default: 2.0.
    pub fn backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.backoff_coefficient = Some(coefficient);
        self
    }

    /// Upper limit of the interval. Default: 100 times the initial interval.
    pub fn maximum_interval(mut self, interval: Duration) -> Self {
        self.maximum_interval = Some(interval);
        self
    }

    /// Maximum attempts in total; 1 means no retries, 0 means unlimited. Default: 0.
    pub fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.maximum_attempts = attempts;
        self
    }

    /// Adds a failure type (see [`ApplicationFailure`](crate::ApplicationFailure)) that is not retried.
    pub fn non_retryable_error_type(mut self, error_type: impl Into<String>) -> Self {
        self.non_retryable_error_types.push(error_type.into());
        self
    }

    /// Returns what is wrong with the policy, as the end of a sentence that begins with its owner. The server refuses some
    /// mistakes without naming the call, and accepts a factor that is no number.
    pub(crate) fn mistake(&self) -> Option<String> {
        let coefficient = self.backoff_coefficient?;
        let is_valid = coefficient.is_finite() && coefficient >= 1.0;
        (!is_valid).then(|| format!("has the `backoff_coefficient` {coefficient}: expected a number from 1 up"))
    }

    /// Returns the time from the end of that attempt (from 1) to the start of the next one; `None` if there is no next
    /// one.
    pub(crate) fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if self.maximum_attempts > 0 && attempt >= self.maximum_attempts {
            return None;
        }
        let initial = self.initial_interval.unwrap_or(DEFAULT_INITIAL_INTERVAL);
        let maximum = self.maximum_interval.unwrap_or(initial.saturating_mul(DEFAULT_MAXIMUM_FACTOR));
        let coefficient = self.backoff_coefficient.unwrap_or(DEFAULT_BACKOFF_COEFFICIENT);
        let factor = coefficient.powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
        let delay = Duration::try_from_secs_f64(initial.as_secs_f64() * factor).unwrap_or(maximum);
        Some(delay.min(maximum))
    }

    /// Returns true if failures of that type are retried.
    pub(crate) fn retries_type(&self, error_type: &str) -> bool {
        !self.non_retryable_error_types.iter().any(|listed| listed == error_type)
    }

    pub(crate) fn to_proto(&self) -> RetryPolicyProto {
        RetryPolicyProto {
            initial_interval: self.initial_interval.map(to_proto),
            backoff_coefficient: self.backoff_coefficient.unwrap_or_default(),
            maximum_interval: self.maximum_interval.map(to_proto),
            maximum_attempts: i32::try_from(self.maximum_attempts).unwrap_or(i32::MAX),
            non_retryable_error_types: self.non_retryable_error_types.clone(),
        }
    }

    /// Converts from protobuf, where zero means the default. An empty policy is `None`.
    pub(crate) fn from_proto(proto: Option<&RetryPolicyProto>) -> Option<Self> {
        let proto = proto.filter(|proto| **proto != RetryPolicyProto::default())?;
        Some(Self {
            initial_interval: presence::duration(proto.initial_interval.as_ref()),
            backoff_coefficient: (proto.backoff_coefficient != 0.0).then_some(proto.backoff_coefficient),
            maximum_interval: presence::duration(proto.maximum_interval.as_ref()),
            maximum_attempts: u32::try_from(proto.maximum_attempts).unwrap_or_default(),
            non_retryable_error_types: proto.non_retryable_error_types.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: &RetryPolicy, attempts: u32) -> Vec<f64> {
        (1..=attempts).map_while(|attempt| policy.delay_after(attempt)).map(|delay| delay.as_secs_f64()).collect()
    }

    #[test]
    fn intervals_double_from_a_second_to_a_hundred() {
        assert_eq!(delays(&RetryPolicy::new(), 9), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0, 100.0]);
        assert_eq!(RetryPolicy::new().delay_after(u32::MAX), Some(Duration::from_secs(100)));
    }

    #[test]
    fn a_factor_that_is_no_number_from_one_up_is_a_mistake() {
        for (coefficient, text) in [(0.5, "0.5"), (-2.0, "-2"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
            let mistake = RetryPolicy::new().backoff_coefficient(coefficient).mistake();
            let expected = format!("has the `backoff_coefficient` {text}: expected a number from 1 up");
            assert_eq!(mistake, Some(expected));
        }
        assert_eq!(RetryPolicy::new().backoff_coefficient(1.0).mistake(), None);
        assert_eq!(RetryPolicy::new().mistake(), None);
    }

    #[test]
    fn fields_absent_or_zero_on_the_wire_are_defaults() {
        let zero = Some(abide_protos::Duration::default());
        let proto = RetryPolicyProto {
            initial_interval: zero,
            maximum_interval: zero,
            maximum_attempts: 3,
            ..Default::default()
        };
        let policy = RetryPolicy::from_proto(Some(&proto)).unwrap();
        assert_eq!(delays(&policy, 9), [1.0, 2.0]);
        assert_eq!(RetryPolicy::from_proto(Some(&RetryPolicyProto::default())), None);
    }

    #[test]
    fn a_policy_sets_each_part() {
        let policy = RetryPolicy::new().initial_interval(Duration::from_millis(1500)).backoff_coefficient(1.0);
        assert_eq!(delays(&policy.clone().maximum_attempts(3), 9), [1.5, 1.5]);
        assert_eq!(
            delays(&policy.backoff_coefficient(4.0).maximum_interval(Duration::from_secs(5)), 3),
            [1.5, 5.0, 5.0]
        );
        assert_eq!(delays(&RetryPolicy::new().maximum_attempts(1), 9), [0.0; 0]);
    }
}
