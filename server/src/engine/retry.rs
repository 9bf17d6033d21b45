//! Retry policies: defaults, validation, and the decision if and when a failed attempt is retried. The same rules apply
//! to activities and workflows.

use std::time::Duration;

use super::api::{common, enums, enums::RetryState, failure, failure::failure::FailureInfo};
use super::errors::Error;
use super::time::{self, Time};

const INITIAL_INTERVAL: Duration = Duration::from_secs(1);

/// Prefix of a timeout's name in the list of non-retryable errors.
const TIMEOUT_PREFIX: &str = "TemporalTimeout:";

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailedAttempt<'a> {
    pub(crate) attempt: i32,
    pub(crate) now: Time,
    /// The time after which no attempt may start.
    pub(crate) expires: Option<Time>,
    pub(crate) failure: &'a failure::Failure,
    pub(crate) of: Subject,
}

/// The subject of a retry. A delay set by the failure applies to an activity regardless of the policy, and to a workflow
/// up to the policy's maximum interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Activity,
    Workflow,
}

/// Sets the defaults of a policy.
pub(crate) fn with_defaults(policy: Option<common::RetryPolicy>) -> common::RetryPolicy {
    let mut policy = policy.unwrap_or_default();
    let initial = time::stored(policy.initial_interval.as_ref()).unwrap_or(INITIAL_INTERVAL);
    policy.initial_interval = Some(time::proto(initial));
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = 2.0;
    }
    if time::stored(policy.maximum_interval.as_ref()).is_none() {
        policy.maximum_interval = Some(time::proto(initial.saturating_mul(100)));
    }
    policy
}

/// Refuses an invalid policy.
pub(crate) fn validate(policy: &common::RetryPolicy) -> Result<(), Error> {
    if policy.maximum_attempts == 1 {
        return Ok(());
    }
    let interval = |field: Option<&abide_protos::Duration>, name: &str| {
        let refused = |cause| Error::invalid_argument(format!("invalid {name} set on retry policy: {cause}"));
        time::checked(field).map_err(refused)
    };
    let initial = interval(policy.initial_interval.as_ref(), "InitialInterval")?;
    if policy.backoff_coefficient != 0.0 && policy.backoff_coefficient < 1.0 {
        return Err(Error::invalid_argument("BackoffCoefficient cannot be less than 1 on retry policy."));
    }
    let maximum = interval(policy.maximum_interval.as_ref(), "MaximumInterval")?;
    if maximum.is_some_and(|maximum| maximum < initial.unwrap_or(INITIAL_INTERVAL)) {
        let text = "MaximumInterval cannot be less than InitialInterval on retry policy.";
        return Err(Error::invalid_argument(text));
    }
    if policy.maximum_attempts < 0 {
        return Err(Error::invalid_argument("MaximumAttempts cannot be negative on retry policy."));
    }
    let of_timeouts = policy.non_retryable_error_types.iter().filter_map(|listed| listed.strip_prefix(TIMEOUT_PREFIX));
    match of_timeouts.into_iter().find(|kind| !is_timeout_type(kind)) {
        Some(kind) => Err(Error::invalid_argument(format!("Invalid timeout type value: {kind}."))),
        None => Ok(()),
    }
}

/// Returns true for both names of a timeout type: `Heartbeat`, `TIMEOUT_TYPE_HEARTBEAT`.
fn is_timeout_type(name: &str) -> bool {
    let all = [
        enums::TimeoutType::StartToClose,
        enums::TimeoutType::ScheduleToStart,
        enums::TimeoutType::ScheduleToClose,
        enums::TimeoutType::Heartbeat,
    ];
    all.iter().any(|kind| name == kind.as_str_name() || name == format!("{kind:?}"))
}

/// Returns the wait before the next attempt, or the reason that there is none.
pub(crate) fn next_attempt(policy: &common::RetryPolicy, attempt: &FailedAttempt<'_>) -> Result<Duration, RetryState> {
    if let Some(state) = timeout_that_ends_all(attempt.failure) {
        return Err(state);
    }
    if !is_retryable(attempt.failure, &policy.non_retryable_error_types) {
        return Err(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts > 0 && attempt.attempt >= policy.maximum_attempts {
        return Err(RetryState::MaximumAttemptsReached);
    }
    let interval = match (requested_delay(attempt.failure), attempt.of) {
        (None, _) => interval(policy, attempt.attempt),
        // A delay of zero counts as a missing interval, and a negative one as already over.
        (Some(delay), Subject::Activity) => (delay != 0).then(|| from_nanos(delay)),
        (Some(delay), Subject::Workflow) => {
            let maximum = time::stored(policy.maximum_interval.as_ref());
            let delay = Some(from_nanos(delay)).filter(|delay| !delay.is_zero());
            time::shorter(delay, maximum)
        }
    };
    let interval = interval.ok_or(RetryState::Timeout)?;
    match attempt.expires {
        // An attempt that starts exactly at the deadline cannot do anything. On a real server latency always decides
        // this, but on a clock that stands still both may be the same instant.
        Some(expires) if attempt.now.plus(interval) >= expires => Err(RetryState::Timeout),
        _ => Ok(interval),
    }
}

/// Returns the policy's interval after attempt number `attempt`; `None` if the policy has none.
fn interval(policy: &common::RetryPolicy, attempt: i32) -> Option<Duration> {
    let initial = time::stored(policy.initial_interval.as_ref()).unwrap_or_default();
    let maximum = time::stored(policy.maximum_interval.as_ref());
    let nanos = initial.as_nanos() as f64 * policy.backoff_coefficient.powi(attempt - 1);
    let interval = if nanos < i64::MAX as f64 { Some(Duration::from_nanos(nanos as u64)) } else { None };
    let interval = match (interval, maximum) {
        (Some(interval), Some(maximum)) => interval.min(maximum),
        (Some(interval), None) => interval,
        (None, maximum) => maximum?,
    };
    if interval.is_zero() { None } else { Some(interval) }
}

/// Returns the retry delay set by the failed attempt itself, in nanoseconds; it may be negative.
fn requested_delay(failure: &failure::Failure) -> Option<i64> {
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            let delay = info.next_retry_delay.as_ref()?;
            Some(delay.seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(delay.nanos)))
        }
        _ => None,
    }
}

fn from_nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn timeout_that_ends_all(failure: &failure::Failure) -> Option<RetryState> {
    let Some(FailureInfo::TimeoutFailureInfo(info)) = &failure.failure_info else { return None };
    match info.timeout_type() {
        enums::TimeoutType::ScheduleToStart | enums::TimeoutType::ScheduleToClose => Some(RetryState::Timeout),
        _ => None,
    }
}

fn is_retryable(failure: &failure::Failure, non_retryable_types: &[String]) -> bool {
    let listed = |name: &str| non_retryable_types.iter().any(|listed| listed == name);
    match &failure.failure_info {
        Some(FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_)) => false,
        Some(FailureInfo::TimeoutFailureInfo(info)) => match info.timeout_type() {
            enums::TimeoutType::StartToClose => !listed("TemporalTimeout:StartToClose"),
            enums::TimeoutType::Heartbeat => !listed("TemporalTimeout:Heartbeat"),
            _ => false,
        },
        Some(FailureInfo::ServerFailureInfo(info)) => !info.non_retryable,
        Some(FailureInfo::ApplicationFailureInfo(info)) => !info.non_retryable && !listed(&info.r#type),
        Some(
            FailureInfo::ActivityFailureInfo(_)
            | FailureInfo::ChildWorkflowExecutionFailureInfo(_)
            | FailureInfo::ResetWorkflowFailureInfo(_)
            | FailureInfo::NexusOperationExecutionFailureInfo(_)
            | FailureInfo::NexusHandlerFailureInfo(_),
        )
        | None => true,
    }
}
