//! Child workflows: their start in two phases, and the effects of the child's end and of the parent's end on each
//! other.
//!
//! Extends `Engine` and `Transaction`.

use crate::engine::Engine;
use crate::engine::api::enums::{
    ParentClosePolicy, StartChildWorkflowExecutionFailedCause as FailedCause, WorkflowIdConflictPolicy,
};
use crate::engine::api::{Attributes, common, history, service};
use crate::engine::errand::Errand;
use crate::engine::history::BUFFERED_EVENT_ID;
use crate::engine::history::Extras;
use crate::engine::transaction::{Effect, Transaction};
use crate::engine::workflow::{Admission, NewRun};
use crate::engine::workflow::{Execution, ExecutionId};
use crate::engine::workflow_tasks::HISTORY_SERVICE;

/// A child whose parent waits for it, or whose end concerns its parent.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) initiated_event_id: i64,
    /// 0 until its start is recorded.
    pub(crate) started_event_id: i64,
    pub(crate) namespace: String,
    pub(crate) namespace_id: String,
    pub(crate) workflow_id: String,
    /// Run id of the first run; empty until it is started.
    pub(crate) run_id: String,
    pub(crate) workflow_type: Option<common::WorkflowType>,
    pub(crate) parent_close_policy: ParentClosePolicy,
}

impl Child {
    /// Creates a child that is not started yet.
    pub(crate) fn initiated(
        initiated_event_id: i64,
        attributes: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
    ) -> Self {
        Self {
            initiated_event_id,
            started_event_id: 0,
            namespace: attributes.namespace.clone(),
            namespace_id: attributes.namespace_id.clone(),
            workflow_id: attributes.workflow_id.clone(),
            run_id: String::new(),
            workflow_type: attributes.workflow_type.clone(),
            parent_close_policy: attributes.parent_close_policy(),
        }
    }
}

impl Engine {
    /// Creates the child and notifies the parent; only then the child's first task becomes available.
    pub(crate) fn start_child(&mut self, parent: ExecutionId, initiated_event_id: i64) {
        // Children that were not recorded as started end with their parent, whatever the policy.
        if !self.execution(parent).is_running() {
            return;
        }
        let Some((attributes, extras)) = self.execution(parent).child_initiated(initiated_event_id) else { return };
        if let Some(run_id) = self.child_to_reconnect(parent, initiated_event_id, &attributes) {
            self.transact_if_running(parent, |transaction| {
                transaction.child_started(initiated_event_id, &attributes, run_id);
            });
            return;
        }
        match self.create_child(parent, initiated_event_id, &attributes, extras) {
            Err(cause) => self.transact_if_running(parent, |transaction| {
                transaction.child_not_started(initiated_event_id, &attributes, cause);
            }),
            Ok(child) => {
                let run_id = self.execution(child).run_id.clone();
                self.transact_if_running(parent, |transaction| {
                    transaction.child_started(initiated_event_id, &attributes, run_id);
                });
                self.transact_if_running(child, |transaction| transaction.begin_tasks(false, String::new()));
            }
        }
    }

    fn create_child(
        &mut self,
        parent: ExecutionId,
        initiated_event_id: i64,
        attributes: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
        extras: Extras,
    ) -> Result<ExecutionId, FailedCause> {
        let namespace = self.namespaces.get(&attributes.namespace).map_err(|_| FailedCause::NamespaceNotFound)?;
        let mut request = start_request(attributes);
        let starter = self.execution(parent);
        request.request_id = format!("{}:{initiated_event_id}:0", starter.run_id);
        if request.priority.is_some() || starter.state.start.priority.is_some() {
            request.priority = Some(starter.state.priority_of(request.priority.as_ref()));
        }
        let run = self.new_run(&request, None).map_err(|_| FailedCause::Unspecified)?;
        let execution = self.execution(parent);
        let root = execution.state.start.root_workflow_execution.clone();
        let inherits = execution.namespace.id == namespace.id && execution.tells_its_version_to(&run.start);
        let start = history::WorkflowExecutionStartedEventAttributes {
            parent_workflow_namespace: execution.namespace.name.clone(),
            parent_workflow_namespace_id: execution.namespace.id.clone(),
            parent_workflow_execution: Some(execution.execution()),
            parent_initiated_event_id: initiated_event_id,
            workflow_run_timeout: attributes.workflow_run_timeout,
            root_workflow_execution: root.or_else(|| Some(execution.execution())),
            inherited_pinned_version: execution.pinned_version().filter(|_| inherits),
            inherited_auto_upgrade_info: execution.auto_upgrade_info(Default::default()).filter(|_| inherits),
            ..run.start
        };
        let run = NewRun { start, user_metadata: extras.user_metadata, waits_for_parent: true, ..run };
        let policies = (attributes.workflow_id_reuse_policy(), WorkflowIdConflictPolicy::Unspecified);
        match self.admit(&namespace, &attributes.workflow_id, &run.request_id, policies) {
            Ok(Admission::Create) => {}
            Ok(Admission::TerminateAndCreate(existing)) => self.terminate_for_new_run(existing, &run.run_id),
            _ => return Err(FailedCause::WorkflowAlreadyExists),
        }
        Ok(self.create_run(namespace, attributes.workflow_id.clone(), run))
    }

    /// Handles the end of a run that may be the child of a running parent.
    pub(crate) fn tell_parent(&mut self, id: ExecutionId) {
        let execution = self.execution(id);
        if execution.was_terminated_by_reset() {
            return;
        }
        let start = &execution.state.start;
        let Some(parent) = start.parent_workflow_execution.as_ref() else { return };
        let Some(parent) = self.by_run_id.get(&parent.run_id).map(|parent| self.after_resets(*parent)) else { return };
        let initiated_event_id = start.parent_initiated_event_id;
        let Some(last) = execution.history.events.last() else { return };
        let Some(end) = last.attributes.clone().filter(|end| !is_continued(end)) else { return };
        let ended = execution.execution();
        let waits = self.execution(parent).state.children.get(&initiated_event_id);
        let first_run_id = execution.first_run_id();
        if waits.is_some_and(|child| child.workflow_id == ended.workflow_id && child.run_id == first_run_id) {
            self.transact_if_running(parent, |transaction| transaction.child_ended(initiated_event_id, ended, end));
        }
    }

    /// Applies the parent close policies to the children of a closed parent, unless a reset takes them over.
    pub(crate) fn close_children(&mut self, parent: ExecutionId, children: &[Child]) {
        let execution = self.execution(parent);
        if !execution.was_terminated_by_reset() || execution.reset_run_id.is_empty() {
            children.iter().for_each(|child| self.close_child(parent, child));
        }
    }

    /// Applies the parent close policy to one child.
    fn close_child(&mut self, parent: ExecutionId, child: &Child) {
        let Ok(namespace) = self.namespaces.get(&child.namespace) else { return };
        let key = (namespace.id.clone(), child.workflow_id.clone());
        // The policy applies to the child's whole chain, but not to another workflow with the same id.
        let current = self.current.get(&key).copied();
        let Some(id) = current.filter(|id| self.execution(*id).first_run_id() == child.run_id) else { return };
        // A child that a reset has moved still refers to the run that started it, so the policy does not apply to it.
        if self.execution(id).state.start.parent_workflow_execution != Some(self.execution(parent).execution()) {
            return;
        }
        match child.parent_close_policy {
            ParentClosePolicy::Abandon => {}
            ParentClosePolicy::RequestCancel => {
                let attributes = history::WorkflowExecutionCancelRequestedEventAttributes {
                    external_workflow_execution: Some(self.execution(parent).execution()),
                    identity: HISTORY_SERVICE.to_owned(),
                    ..Default::default()
                };
                self.transact_if_running(id, |transaction| transaction.request_cancel(attributes, Vec::new()));
            }
            _ => self.transact_if_running(id, |transaction| {
                let reason = "by parent close policy".to_owned();
                transaction.terminate(reason, None, HISTORY_SERVICE.to_owned(), Vec::new());
            }),
        }
    }

    /// Runs a step, unless the run has closed in the meantime.
    pub(crate) fn transact_if_running(&mut self, id: ExecutionId, step: impl FnOnce(&mut Transaction<'_>)) {
        if self.execution(id).is_running() {
            self.transact(id, step);
        }
    }
}

impl Execution {
    fn child_initiated(
        &self,
        event_id: i64,
    ) -> Option<(history::StartChildWorkflowExecutionInitiatedEventAttributes, Extras)> {
        let event = self.history.get(event_id)?;
        let extras = Extras { user_metadata: event.user_metadata.clone(), ..Extras::default() };
        match &event.attributes {
            Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a)) => Some((a.clone(), extras)),
            _ => None,
        }
    }
}

impl Transaction<'_> {
    /// Initiates a child, which is started when the transaction is committed.
    pub(crate) fn initiate_child(
        &mut self,
        attributes: history::StartChildWorkflowExecutionInitiatedEventAttributes,
        extras: Extras,
    ) {
        let mut child = Child::initiated(0, &attributes);
        child.initiated_event_id = self.record_with(attributes, extras);
        self.effects.push(Effect::Errand(Errand::StartChild(child.initiated_event_id)));
        self.state().children.insert(child.initiated_event_id, child);
    }

    /// Drops the children of a closing run, and applies the policies to those that were started.
    pub(crate) fn drop_children(&mut self) {
        let children = std::mem::take(&mut self.state().children).into_values();
        let started: Vec<Child> = children.filter(|child| !child.run_id.is_empty()).collect();
        if !started.is_empty() {
            self.effects.push(Effect::Errand(Errand::CloseChildren(started)));
        }
    }

    fn child_started(
        &mut self,
        initiated_event_id: i64,
        attributes: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
        run_id: String,
    ) {
        let workflow_id = attributes.workflow_id.clone();
        let started_event_id = self.record(history::ChildWorkflowExecutionStartedEventAttributes {
            namespace: attributes.namespace.clone(),
            namespace_id: attributes.namespace_id.clone(),
            initiated_event_id,
            workflow_execution: Some(common::WorkflowExecution { workflow_id, run_id: run_id.clone() }),
            workflow_type: attributes.workflow_type.clone(),
            header: attributes.header.clone(),
        });
        if let Some(child) = self.state().children.get_mut(&initiated_event_id) {
            child.started_event_id = started_event_id;
            child.run_id = run_id;
        }
        self.ensure_workflow_task();
    }

    #[expect(deprecated, reason = "SDKs still send control and the real server still copies it")]
    fn child_not_started(
        &mut self,
        initiated_event_id: i64,
        attributes: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
        cause: FailedCause,
    ) {
        self.state().children.remove(&initiated_event_id);
        self.record(history::StartChildWorkflowExecutionFailedEventAttributes {
            namespace: attributes.namespace.clone(),
            namespace_id: attributes.namespace_id.clone(),
            workflow_id: attributes.workflow_id.clone(),
            workflow_type: attributes.workflow_type.clone(),
            cause: cause.into(),
            control: attributes.control.clone(),
            initiated_event_id,
            // The real server leaves it at 0, because it is not the answer to a command.
            workflow_task_completed_event_id: 0,
        });
        self.ensure_workflow_task();
    }

    /// Records a child's end. `ended` is the last run of the child's chain, `end` the event that closed it.
    fn child_ended(&mut self, initiated_event_id: i64, ended: common::WorkflowExecution, end: Attributes) {
        let Some(child) = self.state().children.remove(&initiated_event_id) else { return };
        let Child { started_event_id, namespace, namespace_id, workflow_type, .. } = child;
        let workflow_execution = Some(ended);
        /// Builds an event for a child's end: the common attributes, and those of this kind.
        macro_rules! ended {
            ($name:ident { $($own:tt)* }) => {
                self.record(history::$name {
                    namespace,
                    namespace_id,
                    workflow_execution,
                    workflow_type,
                    initiated_event_id,
                    started_event_id,
                    $($own)*
                })
            };
        }
        use Attributes::*;
        match end {
            WorkflowExecutionCompletedEventAttributes(end) => {
                ended!(ChildWorkflowExecutionCompletedEventAttributes { result: end.result })
            }
            WorkflowExecutionFailedEventAttributes(end) => ended!(ChildWorkflowExecutionFailedEventAttributes {
                failure: end.failure,
                retry_state: end.retry_state,
            }),
            WorkflowExecutionCanceledEventAttributes(end) => {
                ended!(ChildWorkflowExecutionCanceledEventAttributes { details: end.details })
            }
            WorkflowExecutionTimedOutEventAttributes(end) => {
                ended!(ChildWorkflowExecutionTimedOutEventAttributes { retry_state: end.retry_state })
            }
            WorkflowExecutionTerminatedEventAttributes(_) => {
                ended!(ChildWorkflowExecutionTerminatedEventAttributes {})
            }
            // No other event closes a run.
            _ => return,
        };
        self.ensure_workflow_task();
    }

    /// Sets the id of a started event that was buffered.
    pub(crate) fn child_start_flushed(&mut self, initiated_event_id: i64, started_event_id: i64) {
        if let Some(child) = self.state().children.get_mut(&initiated_event_id)
            && child.started_event_id == BUFFERED_EVENT_ID
        {
            child.started_event_id = started_event_id;
        }
    }
}

/// Returns the request that would start the child without a parent.
pub(crate) fn start_request(
    attributes: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
) -> service::StartWorkflowExecutionRequest {
    service::StartWorkflowExecutionRequest {
        namespace: attributes.namespace.clone(),
        workflow_id: attributes.workflow_id.clone(),
        workflow_type: attributes.workflow_type.clone(),
        task_queue: attributes.task_queue.clone(),
        input: attributes.input.clone(),
        workflow_execution_timeout: attributes.workflow_execution_timeout,
        workflow_run_timeout: attributes.workflow_run_timeout,
        workflow_task_timeout: attributes.workflow_task_timeout,
        retry_policy: attributes.retry_policy.clone(),
        cron_schedule: attributes.cron_schedule.clone(),
        memo: attributes.memo.clone(),
        search_attributes: attributes.search_attributes.clone(),
        header: attributes.header.clone(),
        priority: attributes.priority.clone(),
        versioning_override: attributes.versioning_override.clone(),
        ..Default::default()
    }
}

/// Returns true if another run follows the one that this event closes.
fn is_continued(end: &Attributes) -> bool {
    match end {
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(_) => true,
        Attributes::WorkflowExecutionCompletedEventAttributes(end) => !end.new_execution_run_id.is_empty(),
        Attributes::WorkflowExecutionFailedEventAttributes(end) => !end.new_execution_run_id.is_empty(),
        Attributes::WorkflowExecutionTimedOutEventAttributes(end) => !end.new_execution_run_id.is_empty(),
        _ => false,
    }
}
