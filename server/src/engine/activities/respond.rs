//! Workers' reports about activities (completed, failed, cancelled, heartbeat), by task token or by activity id.
//!
//! Extends `Engine`.

use super::activity::LeftOpen;
use super::close::Reporter;
use crate::engine::Engine;
use crate::engine::api::failure::failure::FailureInfo;
use crate::engine::api::{common, failure, service};
use crate::engine::errors::Error;
use crate::engine::token::TaskToken;
use crate::engine::workflow::ExecutionId;

/// The activity that a report is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReportedActivity {
    execution: ExecutionId,
    scheduled_event_id: i64,
}

impl Engine {
    /// Returns the started attempt to which a task token belongs.
    pub(crate) fn activity_of_token(&self, task_token: &[u8]) -> Result<ReportedActivity, Error> {
        let token = TaskToken::decode_token(task_token)?;
        let id =
            self.by_run_id.get(&token.run_id).copied().ok_or_else(|| Error::workflow_not_found(&token.workflow_id))?;
        let execution = self.execution(id);
        if !execution.is_running() {
            return Err(Error::completed());
        }
        let activity = execution.state.activities.get(&token.scheduled_event_id).filter(|activity| {
            let started = activity.started.as_ref().is_some_and(|started| started.time.nanos() == token.started_time);
            started && activity.attempt == token.attempt
        });
        let activity = activity.ok_or_else(Error::activity_not_found)?;
        Ok(ReportedActivity { execution: id, scheduled_event_id: activity.scheduled_event_id })
    }

    /// Records a heartbeat made by code in this process; the details arrive when they can be delivered.
    pub(crate) fn attempt_lives(&mut self, run_id: &str, activity_id: &str, attempt: i32) {
        let Some(id) = self.by_run_id.get(run_id).copied() else { return };
        let activity = self.execution(id).activity_by_id(activity_id);
        let Some(activity) = activity.filter(|one| one.attempt == attempt && one.started.is_some()) else { return };
        let scheduled_event_id = activity.scheduled_event_id;
        self.transact(id, |transaction| transaction.renew_heartbeat_deadline(scheduled_event_id));
    }

    /// Records that an attempt's code in this process has ended, with its result to be reported later.
    pub(crate) fn attempt_left_open(&mut self, run_id: &str, activity_id: &str, attempt: i32) {
        let Some(id) = self.by_run_id.get(run_id).copied() else { return };
        let Some(activity) = self.execution(id).activity_by_id(activity_id).filter(|one| one.attempt == attempt) else {
            return;
        };
        let scheduled_event_id = activity.scheduled_event_id;
        self.transact(id, |transaction| {
            let activity = transaction.state().activities.get_mut(&scheduled_event_id);
            if let Some(started) = activity.and_then(|activity| activity.started.as_mut()) {
                started.left_open = LeftOpen::Just;
            }
        });
    }

    /// Returns the pending activity with that id.
    pub(crate) fn activity_by_id(
        &self,
        namespace: &str,
        workflow_id: &str,
        run_id: &str,
        activity_id: &str,
    ) -> Result<ReportedActivity, Error> {
        if activity_id.is_empty() {
            return Err(Error::invalid_argument("ActivityId is not set on request."));
        }
        if workflow_id.is_empty() {
            // An activity without a workflow, which nobody can start here.
            return Err(Error::not_found(format!("activity not found for ID: {activity_id}")));
        }
        if !run_id.is_empty() && uuid::Uuid::parse_str(run_id).is_err() {
            return Err(Error::invalid_argument("RunId is not valid UUID."));
        }
        let execution = common::WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: run_id.to_owned() };
        let id = self.find_running(namespace, Some(&execution))?;
        let activity = self.execution(id).activity_by_id(activity_id).ok_or_else(|| {
            Error::not_found(format!(
                "cannot find pending activity with ActivityID {activity_id}, check workflow execution history for more details"
            ))
        })?;
        Ok(ReportedActivity { execution: id, scheduled_event_id: activity.scheduled_event_id })
    }

    pub(crate) fn complete_activity(
        &mut self,
        target: ReportedActivity,
        result: Option<common::Payloads>,
        by: Reporter,
    ) -> Result<(), Error> {
        self.try_transact(target.execution, |transaction| {
            transaction.complete_activity(target.scheduled_event_id, result, by);
        })
    }

    pub(crate) fn fail_activity(
        &mut self,
        target: ReportedActivity,
        failure: Option<failure::Failure>,
        last_heartbeat_details: Option<common::Payloads>,
        by: Reporter,
    ) -> Result<(), Error> {
        let failure = failure.unwrap_or_default();
        let known = matches!(failure.failure_info, None | Some(FailureInfo::ApplicationFailureInfo(_)));
        if !known {
            return Err(Error::invalid_argument("Failure must have ApplicationFailureInfo."));
        }
        let id = target.scheduled_event_id;
        self.try_transact(target.execution, |transaction| {
            if last_heartbeat_details.is_some()
                && let Some(activity) = transaction.state().activities.get_mut(&id)
            {
                activity.heartbeat_details = last_heartbeat_details;
            }
            transaction.fail_activity(id, failure, by);
        })
    }

    pub(crate) fn cancel_activity(
        &mut self,
        target: ReportedActivity,
        details: Option<common::Payloads>,
        identity: String,
    ) -> Result<(), Error> {
        let id = target.scheduled_event_id;
        let activity = self.execution(target.execution).state.activities.get(&id);
        if activity.is_none_or(|activity| activity.cancel_requested.is_none()) {
            let text = "unable to mark activity as canceled without activity being request canceled first";
            return Err(Error::invalid_argument(text));
        }
        self.try_transact(target.execution, |transaction| {
            transaction.cancel_activity(id, details, identity);
            transaction.ensure_workflow_task();
        })
    }

    /// Records a heartbeat. Returns true if the worker should cancel the attempt.
    pub(crate) fn heartbeat_activity(
        &mut self,
        target: ReportedActivity,
        details: Option<common::Payloads>,
    ) -> Result<bool, Error> {
        let id = target.scheduled_event_id;
        let activity = self.execution(target.execution).state.activities.get(&id);
        let activity = activity.filter(|activity| activity.started.is_some()).ok_or_else(Error::activity_not_found)?;
        let cancel_requested = activity.cancel_requested.is_some();
        self.try_transact(target.execution, |transaction| transaction.heartbeat_activity(id, details))?;
        Ok(cancel_requested)
    }

    pub(crate) fn record_activity_task_heartbeat(
        &mut self,
        request: service::RecordActivityTaskHeartbeatRequest,
    ) -> Result<service::RecordActivityTaskHeartbeatResponse, Error> {
        let target = self.activity_of_token(&request.task_token)?;
        let cancel_requested = self.heartbeat_activity(target, request.details)?;
        Ok(service::RecordActivityTaskHeartbeatResponse { cancel_requested, ..Default::default() })
    }

    pub(crate) fn record_activity_task_heartbeat_by_id(
        &mut self,
        request: service::RecordActivityTaskHeartbeatByIdRequest,
    ) -> Result<service::RecordActivityTaskHeartbeatByIdResponse, Error> {
        let target =
            self.activity_by_id(&request.namespace, &request.workflow_id, &request.run_id, &request.activity_id)?;
        let cancel_requested = self.heartbeat_activity(target, request.details)?;
        Ok(service::RecordActivityTaskHeartbeatByIdResponse { cancel_requested, ..Default::default() })
    }
}
