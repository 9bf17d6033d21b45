//! The end of an attempt (completed, cancelled, failed or timed out), which may end the activity.
//!
//! Extends `Transaction`.

use super::activity::Activity;
use crate::engine::api::enums::{RetryState, TimeoutType};
use crate::engine::api::failure::failure::FailureInfo;
use crate::engine::api::{common, failure, history};
use crate::engine::history::Extras;
use crate::engine::limits;
use crate::engine::retry;
use crate::engine::time::Time;
use crate::engine::transaction::Transaction;

/// Maximum size in bytes of the last failure that is kept between attempts.
const LAST_FAILURE_LIMIT: usize = 4096;

/// The worker or client that reports the end of an attempt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reporter {
    pub(crate) identity: String,
    /// The worker's build. It is shown in the attempt's started event, which is written when the attempt has ended.
    pub(crate) worker_version: Option<common::WorkerVersionStamp>,
}

impl Reporter {
    /// Returns a reporter that is not a worker, or reports no version.
    pub(crate) fn without_version(identity: String) -> Self {
        Self { identity, worker_version: None }
    }
}

impl Transaction<'_> {
    pub(crate) fn complete_activity(&mut self, id: i64, result: Option<common::Payloads>, by: Reporter) {
        if result.as_ref().is_some_and(limits::is_too_large) {
            let info = failure::ServerFailureInfo { non_retryable: true };
            let message = "Complete result exceeds size limit.".to_owned();
            let failure_info = Some(FailureInfo::ServerFailureInfo(info));
            return self.fail_activity(id, failure::Failure { message, failure_info, ..Default::default() }, by);
        }
        let Some(activity) = self.remove_activity(id) else { return };
        let started_event_id = self.record_activity_started(&activity, Some(&by));
        self.record(history::ActivityTaskCompletedEventAttributes {
            result,
            scheduled_event_id: id,
            started_event_id,
            identity: by.identity,
            ..Default::default()
        });
        self.ensure_workflow_task();
    }

    /// Fails the attempt, and retries it if the retry policy allows that.
    pub(crate) fn fail_activity(&mut self, id: i64, failure: failure::Failure, by: Reporter) {
        let Some(retry_state) = self.retry_activity(id, &failure) else { return };
        let Some(activity) = self.remove_activity(id) else { return };
        let started_event_id = self.record_activity_started(&activity, Some(&by));
        self.record(history::ActivityTaskFailedEventAttributes {
            failure: Some(failure),
            scheduled_event_id: id,
            started_event_id,
            identity: by.identity,
            retry_state: retry_state.into(),
            ..Default::default()
        });
        self.ensure_workflow_task();
    }

    /// Ends the activity as cancelled, as reported by the worker.
    pub(crate) fn cancel_activity(&mut self, id: i64, details: Option<common::Payloads>, identity: String) {
        let Some(activity) = self.remove_activity(id) else { return };
        let started_event_id =
            if activity.started.is_some() { self.record_activity_started(&activity, None) } else { 0 };
        self.record(history::ActivityTaskCanceledEventAttributes {
            details,
            latest_cancel_requested_event_id: activity.cancel_requested.unwrap_or(0),
            scheduled_event_id: id,
            started_event_id,
            identity,
            ..Default::default()
        });
    }

    /// Ends or retries every activity that has passed one of its timeouts, the earliest first; then wakes the workflow
    /// once.
    pub(crate) fn time_out_activities(&mut self) {
        let now = self.time();
        let mut due: Vec<(Time, i64, u8, TimeoutType)> = Vec::new();
        for (id, activity) in &self.execution.state.activities {
            due.extend(
                activity.timeouts_set().filter(|(at, _)| *at <= now).map(|(at, kind)| (at, *id, rank(kind), kind)),
            );
        }
        due.sort_unstable_by_key(|(at, id, rank, _)| (*at, *id, *rank));
        let mut closed = false;
        for (at, id, _, kind) in due {
            let activity = self.execution.state.activities.get(&id);
            let still_set = activity.is_some_and(|activity| activity.timeouts_set().any(|set| set == (at, kind)));
            closed |= still_set && self.time_out_activity(id, kind);
        }
        if closed {
            self.ensure_workflow_task();
        }
    }

    /// Returns true if the timeout ended the activity.
    fn time_out_activity(&mut self, id: i64, kind: TimeoutType) -> bool {
        let mut failure = timeout_failure(kind, format!("activity {} timeout", name_of(kind)));
        let Some(retry_state) = self.retry_activity(id, &failure) else { return false };
        if retry_state == RetryState::Timeout && kind != TimeoutType::ScheduleToStart {
            failure = timeout_failure(TimeoutType::ScheduleToClose, NOT_ENOUGH_TIME.to_owned());
        }
        let Some(activity) = self.remove_activity(id) else { return false };
        let started_event_id =
            if activity.started.is_some() { self.record_activity_started(&activity, None) } else { 0 };
        if let Some(FailureInfo::TimeoutFailureInfo(info)) = &mut failure.failure_info {
            info.last_heartbeat_details = activity.heartbeat_details;
        }
        failure.cause = activity.last_failure;
        self.record(history::ActivityTaskTimedOutEventAttributes {
            failure: Some(failure),
            scheduled_event_id: id,
            started_event_id,
            retry_state: retry_state.into(),
        });
        true
    }

    /// Starts the backoff of the activity, or returns the reason that it is not retried.
    fn retry_activity(&mut self, id: i64, failure: &failure::Failure) -> Option<RetryState> {
        let activity = self.execution.state.activities.get(&id)?;
        if activity.cancel_requested.is_some() {
            return Some(RetryState::CancelRequested);
        }
        let attempt = retry::FailedAttempt {
            attempt: activity.attempt,
            now: self.time(),
            expires: activity.expires(),
            failure,
            of: retry::Subject::Activity,
        };
        match retry::next_attempt(&activity.retry_policy, &attempt) {
            Ok(interval) => {
                self.back_off_activity(id, truncated(failure), interval);
                None
            }
            Err(state) => Some(state),
        }
    }

    /// Writes the started event of the last attempt. For an attempt that never started, the reporter of its end is
    /// shown as its worker.
    #[expect(deprecated, reason = "the real server still records it")]
    fn record_activity_started(&mut self, activity: &Activity, ended_by: Option<&Reporter>) -> i64 {
        let started = activity.started.clone();
        let time = started.as_ref().map_or(self.now.time, |started| started.time);
        let (request_id, identity) = match started {
            Some(started) => (started.request_id, started.identity),
            None => (String::new(), ended_by.map(|by| by.identity.clone()).unwrap_or_default()),
        };
        let attributes = history::ActivityTaskStartedEventAttributes {
            scheduled_event_id: activity.scheduled_event_id,
            identity,
            request_id,
            attempt: activity.attempt,
            last_failure: activity.last_failure.as_deref().cloned(),
            worker_version: ended_by.and_then(|by| by.worker_version.clone()),
            ..Default::default()
        };
        self.record_with(attributes, Extras::at(time))
    }
}

const NOT_ENOUGH_TIME: &str =
    "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";

pub(crate) fn timeout_failure(kind: TimeoutType, message: String) -> failure::Failure {
    let info = failure::TimeoutFailureInfo { timeout_type: kind.into(), last_heartbeat_details: None };
    failure::Failure {
        message,
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(info)),
        ..Default::default()
    }
}

fn name_of(kind: TimeoutType) -> &'static str {
    match kind {
        TimeoutType::Unspecified => "Unspecified",
        TimeoutType::StartToClose => "StartToClose",
        TimeoutType::ScheduleToStart => "ScheduleToStart",
        TimeoutType::ScheduleToClose => "ScheduleToClose",
        TimeoutType::Heartbeat => "Heartbeat",
    }
}

/// Returns a failure cut to the maximum size.
fn truncated(failure: &failure::Failure) -> failure::Failure {
    use abide_protos::prost::Message;
    if failure.encoded_len() <= LAST_FAILURE_LIMIT {
        return failure.clone();
    }
    let cut = |text: &str| text.char_indices().take_while(|(at, _)| *at < 1000).map(|(_, c)| c).collect::<String>();
    failure::Failure {
        message: cut(&failure.message),
        source: failure.source.clone(),
        stack_trace: cut(&failure.stack_trace),
        failure_info: match &failure.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => {
                let info = failure::ApplicationFailureInfo { details: None, ..info.clone() };
                Some(FailureInfo::ApplicationFailureInfo(info))
            }
            other => other.clone(),
        },
        ..Default::default()
    }
}

/// Orders timeouts that pass at the same instant. On this server's clock an attempt may start at the instant it was
/// scheduled (for example an eager one). Really it starts later, so its start-to-close timeout ranks after the others.
fn rank(kind: TimeoutType) -> u8 {
    match kind {
        TimeoutType::ScheduleToStart => 0,
        TimeoutType::ScheduleToClose => 1,
        TimeoutType::StartToClose => 2,
        TimeoutType::Heartbeat | TimeoutType::Unspecified => 3,
    }
}
