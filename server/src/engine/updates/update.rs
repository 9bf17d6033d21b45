//! The updates of a run (Temporal's "update registry"), from their admission until all waiting callers know their
//! result.
//!
//! ```text
//!   Admitted ──task started──► Sent ──Acceptance──► Accepted ──Response──► completed (its event has the result)
//!      ▲                        │ Rejection, or not answered
//!      └──task failed──────────┤
//!                               └──► Over (no event: only callers that wait now are told)
//! ```
//!
//! When a run closes, its unaccepted updates become Over; an accepted update of a closed run counts as failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::api::{Attributes, common, enums, failure, protocol, update};
use crate::engine::errors::Error;
use crate::engine::workflow::Execution;

/// Maximum updates in progress.
const IN_FLIGHT_LIMIT: usize = 10;
/// Maximum updates of a run.
const TOTAL_LIMIT: usize = 2000;
/// Number of updates from which on continue-as-new is suggested.
const SUGGEST_CONTINUE_AS_NEW: usize = TOTAL_LIMIT / 10 * 9;

/// An update that is not completed.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) id: String,
    pub(crate) request: Arc<update::Request>,
    pub(crate) stage: UpdateStage,
    /// The event that admitted it, if a reset has reapplied it: the worker finds it in the history.
    pub(crate) admitted_event_id: Option<i64>,
}

/// The stage of an update.
#[derive(Clone, Debug)]
pub(crate) enum UpdateStage {
    Admitted,
    Sent,
    /// With the id of its accepted event.
    Accepted(i64),
    /// Rejected, or aborted; removed as soon as the waiting callers have been told.
    Over(Result<Box<update::Outcome>, Error>),
}

impl UpdateStage {
    /// Returns the stage's name in the server's messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Admitted => "Admitted",
            Self::Sent => "Sent",
            Self::Accepted(_) => "Accepted",
            Self::Over(_) => "Completed",
        }
    }
}

/// All updates of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Updates {
    /// In order of admission.
    open: Vec<Update>,
    /// The completed event of each completed update.
    completed: BTreeMap<String, i64>,
}

/// The progress of an update, as told to callers.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) stage: Lifecycle,
    pub(crate) outcome: Option<update::Outcome>,
    /// The request id of the accepted update, for the link to its event.
    pub(crate) accepted_request_id: Option<String>,
}

pub(crate) type Lifecycle = enums::UpdateWorkflowExecutionLifecycleStage;

impl Updates {
    pub(crate) fn is_known(&self, id: &str) -> bool {
        self.completed.contains_key(id) || self.open.iter().any(|update| update.id == id)
    }

    pub(crate) fn is_completed(&self, id: &str) -> bool {
        self.completed.contains_key(id)
    }

    /// Returns the name of the handler of an update in progress.
    pub(crate) fn handler_of(&self, id: &str) -> Option<&str> {
        let update = self.open.iter().find(|update| update.id == id)?;
        update.request.input.as_ref().map(|input| &*input.name)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Update> {
        self.open.iter_mut().find(|update| update.id == id)
    }

    /// Refuses an update beyond the limits.
    pub(crate) fn check_limits(&self) -> Result<(), Error> {
        if self.open.len() >= IN_FLIGHT_LIMIT {
            return Err(Error::concurrent_limit(format!(
                "limit on number of concurrent in-flight updates has been reached ({IN_FLIGHT_LIMIT})"
            )));
        }
        if self.total() >= TOTAL_LIMIT {
            return Err(Error::failed_precondition(format!(
                "The limit on the total number of distinct updates in this workflow has been reached ({TOTAL_LIMIT})"
            )));
        }
        Ok(())
    }

    pub(crate) fn are_too_many(&self) -> bool {
        self.total() >= SUGGEST_CONTINUE_AS_NEW
    }

    fn total(&self) -> usize {
        self.open.len() + self.completed.len()
    }

    /// Admits a new update; by an event if a reset reapplies it.
    pub(crate) fn admit(&mut self, request: update::Request, admitted_event_id: Option<i64>) {
        let id = update_id(&request).to_owned();
        self.open.push(Update { id, request: Arc::new(request), stage: UpdateStage::Admitted, admitted_event_id });
    }

    /// Restores an update that the copied history of a reset has already accepted.
    pub(crate) fn restore_accepted(&mut self, id: &str, request: Option<&update::Request>, event_id: i64) {
        if self.get_mut(id).is_none() {
            self.admit(request.cloned().unwrap_or_default(), None);
        }
        if let Some(update) = self.open.iter_mut().rfind(|update| update.id == id) {
            update.stage = UpdateStage::Accepted(event_id);
        }
    }

    pub(crate) fn complete(&mut self, id: &str, event_id: i64) {
        self.open.retain(|update| update.id != id);
        self.completed.insert(id.to_owned(), event_id);
    }

    /// Returns true if updates wait for a workflow task.
    pub(crate) fn has_admitted(&self) -> bool {
        self.open.iter().any(|update| matches!(update.stage, UpdateStage::Admitted))
    }

    /// Returns the messages of a workflow task that is being started.
    pub(crate) fn send(&mut self, sequencing_event_id: i64) -> Vec<protocol::Message> {
        let mut messages = Vec::new();
        for update in self.open.iter_mut().filter(|update| matches!(update.stage, UpdateStage::Admitted)) {
            update.stage = UpdateStage::Sent;
            if update.admitted_event_id.is_none() {
                messages.push(super::messages::request_message(update, sequencing_event_id));
            }
        }
        messages
    }

    /// Returns sent updates to the admitted stage after their task has failed or timed out: the next task has them
    /// again.
    pub(crate) fn take_back_sent(&mut self) {
        self.open.iter_mut().filter(|update| matches!(update.stage, UpdateStage::Sent)).for_each(|update| {
            update.stage = UpdateStage::Admitted;
        });
    }

    /// Handles unusable answers of the worker. Updates with an event of their own are sent again, others are aborted.
    pub(crate) fn give_up_sent(&mut self) {
        for update in self.open.iter_mut().filter(|update| matches!(update.stage, UpdateStage::Sent)) {
            update.stage = match update.admitted_event_id {
                Some(_) => UpdateStage::Admitted,
                None => UpdateStage::Over(Err(Error::not_ready(
                    "Unable to perform workflow execution update due to unexpected workflow task failure.",
                ))),
            };
        }
    }

    /// Rejects updates that the worker's answer to the task does not mention, because the worker does not know them.
    pub(crate) fn reject_unprocessed(&mut self) {
        for update in self.open.iter_mut().filter(|update| matches!(update.stage, UpdateStage::Sent)) {
            update.stage = UpdateStage::Over(Ok(Box::new(failed_outcome(server_application_failure(
                "UnprocessedUpdate",
                "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not \
                 supported by the worker.",
            )))));
        }
    }

    /// Aborts unaccepted updates of a closed run. If `continues`, another run follows, to which they may be sent.
    pub(crate) fn abort_pending(&mut self, continues: bool) {
        let error = if continues { Error::workflow_closing() } else { Error::update_aborted() };
        for update in &mut self.open {
            if matches!(update.stage, UpdateStage::Admitted | UpdateStage::Sent) {
                update.stage = UpdateStage::Over(Err(error.clone()));
            }
        }
    }

    /// Removes updates whose waiting callers have been told.
    pub(crate) fn forget_over(&mut self) {
        self.open.retain(|update| !matches!(update.stage, UpdateStage::Over(_)));
    }
}

impl Execution {
    /// Returns the progress of an update, or the reason that it was aborted; `None` if there is no such update.
    pub(crate) fn update_progress(&self, id: &str) -> Option<Result<Progress, Error>> {
        let updates = &self.state.updates;
        if let Some(event_id) = updates.completed.get(id) {
            let Some(Attributes::WorkflowExecutionUpdateCompletedEventAttributes(completed)) =
                self.history.get(*event_id).and_then(|event| event.attributes.as_ref())
            else {
                return None;
            };
            let accepted_request_id = Some(self.accepted_request_id(completed.accepted_event_id));
            let outcome = completed.outcome.clone();
            return Some(Ok(Progress { stage: Lifecycle::Completed, outcome, accepted_request_id }));
        }
        let update = updates.open.iter().find(|update| update.id == id)?;
        let (stage, outcome) = match &update.stage {
            UpdateStage::Admitted | UpdateStage::Sent => (Lifecycle::Admitted, None),
            UpdateStage::Accepted(_) if self.is_running() => (Lifecycle::Accepted, None),
            UpdateStage::Accepted(_) => (Lifecycle::Completed, Some(workflow_completed_outcome())),
            UpdateStage::Over(Ok(outcome)) => (Lifecycle::Completed, Some((**outcome).clone())),
            UpdateStage::Over(Err(error)) => return Some(Err(error.clone())),
        };
        let accepted = stage == Lifecycle::Accepted;
        let accepted_request_id = accepted.then(|| update.request.request_id.clone());
        Some(Ok(Progress { stage, outcome, accepted_request_id }))
    }

    fn accepted_request_id(&self, accepted_event_id: i64) -> String {
        match self.history.get(accepted_event_id).and_then(|event| event.attributes.as_ref()) {
            Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                accepted.accepted_request.as_ref().map(|request| request.request_id.clone()).unwrap_or_default()
            }
            _ => String::new(),
        }
    }
}

/// Returns the update id in a request; empty if there is none.
pub(crate) fn update_id(request: &update::Request) -> &str {
    request.meta.as_ref().map_or("", |meta| &meta.update_id)
}

pub(crate) fn failed_outcome(failure: failure::Failure) -> update::Outcome {
    update::Outcome { value: Some(update::outcome::Value::Failure(failure)) }
}

fn workflow_completed_outcome() -> update::Outcome {
    failed_outcome(server_application_failure(
        "AcceptedUpdateCompletedWorkflow",
        "Workflow Update failed because the Workflow completed before the Update completed.",
    ))
}

fn server_application_failure(kind: &str, message: &str) -> failure::Failure {
    let info = failure::ApplicationFailureInfo { r#type: kind.to_owned(), non_retryable: true, ..Default::default() };
    failure::Failure {
        message: message.to_owned(),
        source: "Server".to_owned(),
        failure_info: Some(failure::failure::FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    }
}

/// Returns the reference with which clients poll for an update.
pub(crate) fn update_ref(execution: &Execution, id: &str) -> update::UpdateRef {
    let workflow_execution: Option<common::WorkflowExecution> = Some(execution.execution());
    update::UpdateRef { workflow_execution, update_id: id.to_owned() }
}
