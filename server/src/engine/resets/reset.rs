//! ResetWorkflowExecution: a new run continues from a workflow task of an old one. It copies the events before that
//! task, marks the task as failed by the reset, and reapplies later signals, updates and events of children.
//!
//! Extends `Engine` and `Transaction`.

use super::children::is_of_child;
use super::rebuild::{Pending, pending_workflow_task};
use crate::engine::Engine;
use crate::engine::api::enums::{
    ResetReapplyExcludeType, ResetReapplyType, UpdateAdmittedEventOrigin, WorkflowTaskFailedCause,
};
use crate::engine::api::failure::failure::FailureInfo;
use crate::engine::api::{Attributes, HistoryEvent, failure, history, service};
use crate::engine::deadlines::Deadline;
use crate::engine::errors::{Code, Error};
use crate::engine::history::Extras;
use crate::engine::history::reorder;
use crate::engine::limits;
use crate::engine::transaction::Transaction;
use crate::engine::updates::update_id;
use crate::engine::workflow::NewRun;
use crate::engine::workflow::{Execution, ExecutionId, State, check_execution};
use crate::engine::workflow_tasks::{HISTORY_SERVICE, WorkflowTask};

/// The identity that terminates the current run.
pub(crate) const RESETTER: &str = "history-resetter";

/// The data that the new run takes over.
struct Reset {
    kept: Vec<HistoryEvent>,
    reapplied: Vec<HistoryEvent>,
    base_run_id: String,
    reason: String,
}

impl Engine {
    pub(crate) fn reset_workflow_execution(
        &mut self,
        request: service::ResetWorkflowExecutionRequest,
    ) -> Result<service::ResetWorkflowExecutionResponse, Error> {
        if request.request_id.is_empty() {
            return Err(Error::invalid_argument("RequestId is not set on request."));
        }
        limits::check_length("RequestId", &request.request_id)?;
        check_execution(request.workflow_execution.as_ref())?;
        check_kinds(&request)?;
        let base = self.find(&request.namespace, request.workflow_execution.as_ref())?;
        let kept = kept_events(self.execution(base), request.workflow_task_finish_event_id)?;
        if !request.post_reset_operations.is_empty() {
            return Err(Error::unimplemented("Abide's embedded server does not support post-reset operations yet"));
        }
        let run_id = self.ids.v4();
        self.executions[base.0].reset_run_id.clone_from(&run_id);
        self.terminate_current(base, &request.reason);
        let reapplied = self.events_to_reapply(base, &request);
        let execution = self.execution(base);
        let base_run_id = execution.run_id.clone();
        let reset = Reset { kept, reapplied, base_run_id, reason: request.reason };
        self.create_reset_run(base, run_id.clone(), reset);
        Ok(service::ResetWorkflowExecutionResponse { run_id })
    }

    /// Terminates the latest run of the workflow id, because the new one replaces it.
    fn terminate_current(&mut self, base: ExecutionId, reason: &str) {
        let execution = self.execution(base);
        let key = (execution.namespace.id.clone(), execution.workflow_id.clone());
        let current = self.current.get(&key).copied().unwrap_or(base);
        if self.execution(current).is_running() {
            self.transact(current, |transaction| {
                transaction.terminate(reason.to_owned(), None, RESETTER.to_owned(), Vec::new());
            });
        }
    }

    /// Returns signals, updates and events of children after the kept events, including those of the runs that
    /// continued the old one.
    fn events_to_reapply(
        &self,
        base: ExecutionId,
        request: &service::ResetWorkflowExecutionRequest,
    ) -> Vec<HistoryEvent> {
        let (signals, updates, children) = reapplied_kinds(request);
        let mut reapplied = Vec::new();
        let mut next = Some((base, request.workflow_task_finish_event_id));
        while let Some((id, first)) = next {
            let execution = self.execution(id);
            let mut following = None;
            for event in execution.events(first, execution.next_event_id()) {
                match &event.attributes {
                    Some(Attributes::WorkflowExecutionSignaledEventAttributes(_)) if signals => reapplied.push(event),
                    Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(_)) => reapplied.push(event),
                    Some(
                        Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(_)
                        | Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(_),
                    ) if updates => reapplied.push(event),
                    Some(attributes) if children && is_of_child(attributes) => reapplied.push(event),
                    Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a)) => {
                        following = self.by_run_id.get(&a.new_execution_run_id).copied();
                    }
                    _ => {}
                }
            }
            next = following.map(|id| (id, 1));
        }
        reapplied
    }

    fn create_reset_run(&mut self, base: ExecutionId, run_id: String, reset: Reset) {
        let old = self.execution(base);
        let (namespace, workflow_id) = (old.namespace.clone(), old.workflow_id.clone());
        let (start, user_metadata) = ((*old.state.start).clone(), old.state.user_metadata.clone());
        let request_id = old.state.start_request_id.clone();
        let run = NewRun { run_id: run_id.clone(), start, request_id, user_metadata, ..NewRun::default() };
        let id = ExecutionId(self.executions.len());
        self.current.insert((namespace.id.clone(), workflow_id.clone()), id);
        self.by_run_id.insert(run_id.clone(), id);
        let mut state = State::of(&run, self.now.time);
        state.begin_again(self.now.time);
        let copied_events = i64::try_from(reset.kept.len()).unwrap_or(i64::MAX);
        self.executions.push(Execution { copied_events, ..Execution::new(id, namespace, workflow_id, run_id, state) });
        self.transact(id, |transaction| transaction.begin_reset(reset));
    }
}

impl Transaction<'_> {
    fn begin_reset(&mut self, reset: Reset) {
        let task = pending_workflow_task(reset.kept.iter());
        let mut pending = Pending::default();
        for event in reset.kept {
            self.copy_event(event, &mut pending);
        }
        if let Some((scheduled_event_id, started_event_id)) = task {
            self.fail_task_by_reset(scheduled_event_id, started_event_id, reset.base_run_id, reset.reason);
        }
        let state = &self.execution.state;
        if let Some(at) = state.run_expiration.into_iter().chain(state.execution_expiration).min() {
            let key = self.set_deadline(at, Deadline::WorkflowTimeout(self.execution.id));
            self.state().timeout = Some(key);
        }
        // They are applied in one step and in the same order as buffered events.
        for event in reorder(reset.reapplied) {
            self.reapply(event);
        }
        self.resume_pending(pending);
        self.start_missing_children();
        self.ensure_workflow_task();
    }

    fn fail_task_by_reset(
        &mut self,
        scheduled_event_id: i64,
        started_event_id: Option<i64>,
        base_run_id: String,
        reason: String,
    ) {
        let started_event_id = started_event_id.unwrap_or_else(|| {
            let request_id = self.ids.v4();
            let started = WorkflowTask::started_by_server(scheduled_event_id, request_id);
            self.record(started)
        });
        let info = FailureInfo::ResetWorkflowFailureInfo(failure::ResetWorkflowFailureInfo::default());
        let new_run_id = self.execution.run_id.clone();
        self.record(history::WorkflowTaskFailedEventAttributes {
            scheduled_event_id,
            started_event_id,
            cause: WorkflowTaskFailedCause::ResetWorkflow.into(),
            failure: Some(failure::Failure { message: reason, failure_info: Some(info), ..Default::default() }),
            identity: HISTORY_SERVICE.to_owned(),
            base_run_id,
            new_run_id,
            ..Default::default()
        });
    }

    /// Reapplies a signal or an update, each only once.
    fn reapply(&mut self, event: HistoryEvent) {
        match event.attributes {
            Some(Attributes::WorkflowExecutionSignaledEventAttributes(signal)) => {
                let new = signal.request_id.is_empty() || self.state().request_ids.insert(signal.request_id.clone());
                if new {
                    self.state().signal_count += 1;
                    self.record_with(signal, Extras::links(event.links));
                }
            }
            Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(options)) => {
                let id = &options.attached_request_id;
                if id.is_empty() || !self.execution.state.request_ids.contains(id) {
                    self.attach(options, event.links);
                }
            }
            Some(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(admitted)) => {
                self.readmit(admitted.request);
            }
            Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                // Without a request it was admitted by an event, which is reapplied itself.
                self.readmit(accepted.accepted_request);
            }
            Some(of_child) => self.reapply_child_event(of_child),
            None => {}
        }
    }

    fn readmit(&mut self, request: Option<crate::engine::api::update::Request>) {
        let Some(request) = request.filter(|request| !self.execution.state.updates.is_known(update_id(request))) else {
            return;
        };
        let event_id = self.record(history::WorkflowExecutionUpdateAdmittedEventAttributes {
            request: Some(request.clone()),
            origin: UpdateAdmittedEventOrigin::Reapply.into(),
        });
        self.state().updates.admit(request, Some(event_id));
    }
}

impl WorkflowTask {
    /// Returns the started event of a task that no worker had taken.
    fn started_by_server(scheduled_event_id: i64, request_id: String) -> history::WorkflowTaskStartedEventAttributes {
        let identity = HISTORY_SERVICE.to_owned();
        history::WorkflowTaskStartedEventAttributes { scheduled_event_id, identity, request_id, ..Default::default() }
    }
}

/// Returns the events before the one that a reset names. A workflow task must be pending after them.
fn kept_events(base: &Execution, finish_event_id: i64) -> Result<Vec<HistoryEvent>, Error> {
    if finish_event_id <= 1 || finish_event_id >= base.next_event_id() {
        return Err(Error::invalid_argument("Workflow task finish ID must be > 1 && <= workflow last event ID."));
    }
    let kept = base.events(1, finish_event_id);
    if pending_workflow_task(kept.iter()).is_none() {
        let text = "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]";
        return Err(Error::invalid_argument(format!("{text}: {finish_event_id}")));
    }
    Ok(kept)
}

/// Refuses an unknown reapply type.
#[expect(deprecated, reason = "it counts among what can be said")]
fn check_kinds(request: &service::ResetWorkflowExecutionRequest) -> Result<(), Error> {
    let kind = request.reset_reapply_type;
    ResetReapplyType::try_from(kind)
        .map(drop)
        .map_err(|_| Error::masked(Code::Internal, format!("unknown reset reapply type: {kind}")))
}

/// Returns which of signals, updates and events of children are reapplied.
fn reapplied_kinds(request: &service::ResetWorkflowExecutionRequest) -> (bool, bool, bool) {
    let excluded = |kind| request.reset_reapply_exclude_types().any(|excluded| excluded == kind);
    let kinds = request.reset_reapply_type();
    let signals = kinds != ResetReapplyType::None && !excluded(ResetReapplyExcludeType::Signal);
    let updates = !matches!(kinds, ResetReapplyType::None | ResetReapplyType::Signal)
        && !excluded(ResetReapplyExcludeType::Update);
    // Events of children have no exclusion type of their own here: only excluding everything excludes them.
    #[expect(deprecated, reason = "it counts among what can be excluded")]
    let others = [ResetReapplyExcludeType::Nexus, ResetReapplyExcludeType::CancelRequest];
    let children = signals || updates || !others.into_iter().all(excluded);
    (signals, updates, children)
}
