//! When and how often a failed activity or workflow is tried again.

use std::time::Duration;

use abide_protos::temporal::api::common::v1::RetryPolicy as RetryPolicyProto;

use crate::duration::{from_proto, to_proto};

/// When and how often a failed activity or workflow is tried again (Temporal's `RetryPolicy`).
///
/// What is left unset is filled in by the server: 1 s initial interval, coefficient 2.0, a maximum interval of 100
/// times the initial one, no limit of attempts.
///
/// ```
/// use abide::prelude::*;
/// // Every minute, at most ten times.
/// let policy = RetryPolicy::new().initial_interval(mins(1)).backoff_coefficient(1.0).maximum_attempts(10);
/// # let _ = policy;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetryPolicy {
    initial_interval: Option<Duration>,
    backoff_coefficient: Option<f64>,
    maximum_interval: Option<Duration>,
    maximum_attempts: i32,
    non_retryable_error_types: Vec<String>,
}

impl RetryPolicy {
    /// A policy that leaves everything to the server's defaults.
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

    /// Upper bound of the interval. Default: 100 times the initial interval.
    pub fn maximum_interval(mut self, interval: Duration) -> Self {
        self.maximum_interval = Some(interval);
        self
    }

    /// How many attempts there may be in all; 1 means no retry, 0 means no limit. Default: 0.
    pub fn maximum_attempts(mut self, attempts: u32) -> Self {
        self.maximum_attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
        self
    }

    /// Adds a failure type (see [`ApplicationFailure`](crate::ApplicationFailure)) that is not tried again.
    pub fn non_retryable_error_type(mut self, error_type: impl Into<String>) -> Self {
        self.non_retryable_error_types.push(error_type.into());
        self
    }

    pub(crate) fn to_proto(&self) -> RetryPolicyProto {
        RetryPolicyProto {
            initial_interval: self.initial_interval.map(to_proto),
            backoff_coefficient: self.backoff_coefficient.unwrap_or_default(),
            maximum_interval: self.maximum_interval.map(to_proto),
            maximum_attempts: self.maximum_attempts,
            non_retryable_error_types: self.non_retryable_error_types.clone(),
        }
    }

    pub(crate) fn from_proto(proto: &RetryPolicyProto) -> Self {
        Self {
            initial_interval: proto.initial_interval.as_ref().map(from_proto),
            backoff_coefficient: (proto.backoff_coefficient != 0.0).then_some(proto.backoff_coefficient),
            maximum_interval: proto.maximum_interval.as_ref().map(from_proto),
            maximum_attempts: proto.maximum_attempts,
            non_retryable_error_types: proto.non_retryable_error_types.clone(),
        }
    }
}
