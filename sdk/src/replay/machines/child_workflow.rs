//! A child workflow, with its cancellation types.
//!
//! ```text
//! StartCommandCreated --Initiated--> Initiated
//! StartCommandCreated --TryCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! StartCommandCreated --WaitCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! StartCommandCreated --Abandon--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Initiated --Started--> Started: ResolveStarted
//! Initiated --StartFailed--> Closed: Resolve
//! Initiated --TryCancel--> Abandoned: SendCancel ResolveCancelled
//! Initiated --WaitCancel--> Initiated: SendCancel
//! Initiated --Abandon--> Abandoned: ResolveCancelled
//! Started --Closed--> Closed: Resolve
//! Started --TryCancel--> Abandoned: SendCancel ResolveCancelled
//! Started --WaitCancel--> Started: SendCancel
//! Started --Abandon--> Abandoned: ResolveCancelled
//! Abandoned --Started--> Abandoned
//! Abandoned --StartFailed--> Closed
//! Abandoned --Closed--> Closed
//! ```
//!
//! `Closed` means completed, failed, timed out, canceled or terminated. The request to cancel is a machine of its own
//! (`external.rs`), because the child ends whether the request arrived or not. As in Core, each cancellation by
//! the author sends a request. After a child is abandoned, later events have no effect.

use std::borrow::Cow;

use abide_protos::temporal::api::command::v1::RequestCancelExternalWorkflowExecutionCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{Payloads, WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::enums::v1::{
    CommandType, RetryState, StartChildWorkflowExecutionFailedCause, TimeoutType,
};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{
    ApplicationFailureInfo, ChildWorkflowExecutionFailureInfo, Failure as FailureProto, TerminatedFailureInfo,
    TimeoutFailureInfo,
};
use abide_protos::temporal::api::history::v1::{
    ChildWorkflowExecutionCanceledEventAttributes, ChildWorkflowExecutionCompletedEventAttributes,
    ChildWorkflowExecutionFailedEventAttributes, ChildWorkflowExecutionStartedEventAttributes,
    ChildWorkflowExecutionTerminatedEventAttributes, ChildWorkflowExecutionTimedOutEventAttributes,
    StartChildWorkflowExecutionFailedEventAttributes, StartChildWorkflowExecutionInitiatedEventAttributes,
};

use super::external::{Message, SendMessage};
use super::operation::{Effect as F, OperationKind, OperationMachine, Step, Waiting, failure};
use crate::failure::{CANCELLED, cancelled_failure};
use crate::replay::command_queue::{CommandBody, CommandId};
use crate::replay::jobs::Outcome;
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

listed! {
    /// State of a child workflow.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        StartCommandCreated,
        Initiated,
        Started,
        Abandoned,
        Closed,
        CancelledBeforeSent,
    }
}

listed! {
    /// An event, or the author's cancellation by its type.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Initiated,
        Started,
        StartFailed,
        Closed,
        TryCancel,
        WaitCancel,
        Abandon,
    }
}

/// Data with which a child is started, as far as a replay needs it.
#[derive(Debug)]
pub(crate) struct StartChildWorkflow {
    pub(crate) workflow_id: String,
    /// True if the id was generated, because the author chose none.
    pub(crate) generated_id: bool,
    pub(crate) workflow_type: Cow<'static, str>,
    /// One of [`Input::TryCancel`], [`Input::WaitCancel`] and [`Input::Abandon`].
    pub(crate) on_cancel: Input,
    /// True if the child goes on when this run closes.
    pub(crate) outlives_parent: bool,
}

/// Effect of dropping the handle of a child that is to outlive this run. It is settled once it is known whether the run
/// ends with that poll.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LetGo {
    /// The command to start the child has not been sent yet.
    NotSent(Key),
    /// This command requests cancellation of the child.
    AskedToCancel(CommandId),
}

/// Facts about a child that its events have brought.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    cancel_requested: bool,
    namespace: String,
    run_id: String,
    started_event_id: i64,
}

impl OperationKind for StartChildWorkflow {
    type State = State;
    type Input = Input;
    type Progress = Progress;

    const CREATED: State = State::StartCommandCreated;
    const RECORDED: Input = Input::Initiated;

    fn step(state: State, input: Input) -> Option<Step<State>> {
        use Input as I;
        use State as S;
        Some(match (state, input) {
            (S::StartCommandCreated, I::Initiated) => (S::Initiated, &[]),
            (S::StartCommandCreated, I::TryCancel | I::WaitCancel | I::Abandon) => {
                (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled])
            }
            (S::Initiated, I::Started) => (S::Started, &[F::ResolveStarted]),
            (S::Initiated, I::StartFailed) | (S::Started, I::Closed) => (S::Closed, &[F::Resolve]),
            (S::Initiated | S::Started, I::TryCancel) => (S::Abandoned, &[F::SendCancel, F::ResolveCancelled]),
            (S::Initiated | S::Started, I::WaitCancel) => (state, &[F::SendCancel]),
            (S::Initiated | S::Started, I::Abandon) => (S::Abandoned, &[F::ResolveCancelled]),
            (S::Abandoned, I::Started) => (S::Abandoned, &[]),
            (S::Abandoned, I::StartFailed | I::Closed) => (S::Closed, &[]),
            _ => return None,
        })
    }

    fn is_final(state: State) -> bool {
        matches!(state, State::Closed | State::CancelledBeforeSent)
    }

    fn wrap(machine: OperationMachine<Self>) -> Machine {
        Machine::ChildWorkflow(Box::new(machine))
    }

    fn unwrap(machine: &mut Machine) -> Option<&mut OperationMachine<Self>> {
        if let Machine::ChildWorkflow(child) = machine { Some(child) } else { None }
    }

    fn command_type(&self) -> CommandType {
        CommandType::StartChildWorkflowExecution
    }

    fn describe(&self) -> String {
        format!("type={} id={}", self.workflow_type, self.workflow_id)
    }

    fn on_cancel(&self) -> Option<Input> {
        Some(self.on_cancel)
    }

    fn cancelled(child: &OperationMachine<Self>, reason: &str) -> Outcome {
        if child.state == State::CancelledBeforeSent {
            child.cancelled(format!("Child Workflow Execution cancelled before scheduled: {reason}"), None)
        } else {
            child.cancelled("Child Workflow execution cancelled", None)
        }
    }

    fn request_cancel(machines: &mut StateMachines, key: Key, reason: &str) {
        machines.request_cancel_of_child(key, reason);
    }
}

impl OperationMachine<StartChildWorkflow> {
    fn failure(&self, message: impl Into<String>, retry_state: i32, cause: Option<FailureProto>) -> Outcome {
        let info = ChildWorkflowExecutionFailureInfo {
            namespace: self.progress.namespace.clone(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: self.request.workflow_id.clone(),
                run_id: self.progress.run_id.clone(),
            }),
            workflow_type: Some(WorkflowType { name: self.request.workflow_type.to_string() }),
            initiated_event_id: self.event_id,
            started_event_id: self.progress.started_event_id,
            retry_state,
        };
        let info = FailureInfo::ChildWorkflowExecutionFailureInfo(info);
        Outcome::Failed(Box::new(FailureProto { cause: cause.map(Box::new), ..failure(message, info) }))
    }

    fn cancelled(&self, message: impl Into<String>, details: Option<Payloads>) -> Outcome {
        let cause = cancelled_failure(CANCELLED, details);
        self.failure(message, RetryState::NonRetryableFailure as i32, Some(cause))
    }
}

impl StateMachines {
    /// Cancels a child: see [`Self::cancel_operation`]. Dropping its handle sends no second request.
    pub(crate) fn cancel_child_workflow(&mut self, key: Key, forget: bool, reason: &str) -> Option<Outcome> {
        let child = self.operation::<StartChildWorkflow>(key);
        if forget && child.progress.cancel_requested {
            child.detach();
            return None;
        }
        self.cancel_operation::<StartChildWorkflow>(key, forget, reason)
    }

    /// Detaches a child that is to outlive this run, after its handle was dropped. Returns `None` for any other
    /// operation, and if nothing must be settled.
    pub(crate) fn let_go_of_child(&mut self, key: Key) -> Option<LetGo> {
        let Some(Machine::ChildWorkflow(child)) = self.machine(key) else { return None };
        if !child.request.outlives_parent {
            return None;
        }
        match child.state {
            State::StartCommandCreated => {
                child.detach();
                Some(LetGo::NotSent(key))
            }
            State::Initiated | State::Started
                if !child.progress.cancel_requested && child.request.on_cancel != Input::Abandon =>
            {
                self.cancel_child_workflow(key, true, "");
                self.commands.latest().map(LetGo::AskedToCancel)
            }
            State::Initiated | State::Started | State::Abandoned | State::Closed | State::CancelledBeforeSent => None,
        }
    }

    /// Cancels a child whose handle was dropped, unless the run ends with that poll. Abide 0.1.0 cancelled it then too.
    pub(crate) fn settle_let_go(&mut self, let_go: LetGo, run_ends: bool) {
        let run_ends = run_ends && !(self.replaying && self.flags.is_of_our_first_version());
        match let_go {
            LetGo::NotSent(key) if !run_ends => drop(self.cancel_child_workflow(key, true, "")),
            LetGo::AskedToCancel(command) if run_ends => self.commands.remove(command),
            LetGo::NotSent(_) | LetGo::AskedToCancel(_) => {}
        }
    }

    pub(crate) fn child_initiated(
        &mut self,
        id: i64,
        event: &mut StartChildWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "StartChildWorkflowExecutionInitiated";
        let workflow_type = event.workflow_type.as_ref().map_or("", |workflow_type| &workflow_type.name);
        let recorded = || format!("type={workflow_type} id={}", event.workflow_id);
        let command_type = CommandType::StartChildWorkflowExecution;
        let is_same = |child: &StartChildWorkflow, ours: bool| {
            // Each SDK generates ids in its own way, so an id that neither the author nor Abide chose cannot be equal.
            let any_id = child.generated_id && !ours;
            child.workflow_type == workflow_type && (any_id || child.workflow_id == event.workflow_id)
        };
        let child = self.operation_recorded(id, name, command_type, recorded, is_same)?;
        child.progress.namespace = std::mem::take(&mut event.namespace);
        // The running child is the recorded one: signals and requests to cancel must reach it.
        child.request.workflow_id = std::mem::take(&mut event.workflow_id);
        Ok(())
    }

    pub(crate) fn child_started(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionStartedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "ChildWorkflowExecutionStarted";
        let key = self.expect_operation::<StartChildWorkflow>(id, name, event.initiated_event_id)?;
        let execution = event.workflow_execution.take().unwrap_or_default();
        let progress = &mut self.operation::<StartChildWorkflow>(key).progress;
        progress.started_event_id = id;
        progress.run_id.clone_from(&execution.run_id);
        let outcome = Outcome::Started(Box::new(execution));
        self.operation_event::<StartChildWorkflow>(id, name, key, Input::Started, Some(outcome))
    }

    pub(crate) fn child_start_failed(
        &mut self,
        id: i64,
        event: &StartChildWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "StartChildWorkflowExecutionFailed";
        self.operation_ended::<StartChildWorkflow>(id, name, event.initiated_event_id, Input::StartFailed, |child| {
            let message = "Child Workflow execution not started";
            child.failure(message, RetryState::NonRetryableFailure as i32, Some(start_failure(event.cause())))
        })
    }

    pub(crate) fn child_completed(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionCompletedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "ChildWorkflowExecutionCompleted";
        let result = event.result.take().and_then(|payloads| payloads.payloads.into_iter().next());
        self.operation_ended::<StartChildWorkflow>(id, name, event.initiated_event_id, Input::Closed, |_| {
            Outcome::Completed(result)
        })
    }

    pub(crate) fn child_failed(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "ChildWorkflowExecutionFailed";
        self.operation_ended::<StartChildWorkflow>(id, name, event.initiated_event_id, Input::Closed, |child| {
            child.failure("Child Workflow execution failed", event.retry_state, event.failure.take())
        })
    }

    pub(crate) fn child_canceled(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionCanceledEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "ChildWorkflowExecutionCanceled";
        self.operation_ended::<StartChildWorkflow>(id, name, event.initiated_event_id, Input::Closed, |child| {
            child.cancelled("Child Workflow execution cancelled", event.details.take())
        })
    }

    pub(crate) fn child_timed_out(
        &mut self,
        id: i64,
        event: &ChildWorkflowExecutionTimedOutEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "ChildWorkflowExecutionTimedOut";
        self.operation_ended::<StartChildWorkflow>(id, name, event.initiated_event_id, Input::Closed, |child| {
            let timeout_type = TimeoutType::StartToClose as i32;
            let info = TimeoutFailureInfo { timeout_type, ..Default::default() };
            let cause = failure("Timed out", FailureInfo::TimeoutFailureInfo(info));
            child.failure("Child Workflow execution timed out", event.retry_state, Some(cause))
        })
    }

    pub(crate) fn child_terminated(
        &mut self,
        id: i64,
        event: &ChildWorkflowExecutionTerminatedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "ChildWorkflowExecutionTerminated";
        self.operation_ended::<StartChildWorkflow>(id, name, event.initiated_event_id, Input::Closed, |child| {
            let info = TerminatedFailureInfo::default();
            let cause = failure("Terminated", FailureInfo::TerminatedFailureInfo(info));
            let retry_state = RetryState::NonRetryableFailure as i32;
            child.failure("Child Workflow execution terminated", retry_state, Some(cause))
        })
    }

    fn request_cancel_of_child(&mut self, key: Key, reason: &str) {
        let replaying = self.replaying;
        let child = self.operation::<StartChildWorkflow>(key);
        child.progress.cancel_requested = true;
        let (workflow_id, location) = (child.request.workflow_id.clone(), child.location);
        #[expect(deprecated, reason = "the server still reads the namespace, and Core still sends it")]
        let attributes = || RequestCancelExternalWorkflowExecutionCommandAttributes {
            namespace: child.progress.namespace.clone(),
            // As for a signal, the run id is left out, so that the request reaches the child's latest run. The first
            // run may have continued as new or been retried, and a request to a closed run is accepted without effect.
            workflow_id: workflow_id.clone(),
            child_workflow_only: true,
            reason: reason.to_string(),
            ..Default::default()
        };
        let body = (!replaying).then(|| CommandBody {
            attributes: Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes()),
            user_metadata: None,
        });
        let request = SendMessage { message: Message::CancelRequest, workflow_id };
        self.begin(request, Waiting::default(), location, body);
    }
}

/// Returns the failure of a child that was not started. Its type is the server's name for the cause.
fn start_failure(cause: StartChildWorkflowExecutionFailedCause) -> FailureProto {
    use StartChildWorkflowExecutionFailedCause as C;
    let message = match cause {
        C::WorkflowAlreadyExists => "Workflow execution already started",
        C::NamespaceNotFound => "Namespace not found",
        C::InvalidVersioningOverride => "Invalid versioning override",
        C::Unspecified => "The server does not say why",
    };
    let r#type = format!("{cause:?}");
    let info = ApplicationFailureInfo { r#type, non_retryable: true, ..Default::default() };
    failure(message, FailureInfo::ApplicationFailureInfo(info))
}
