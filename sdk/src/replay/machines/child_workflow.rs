//! A child workflow, with its cancellation types.
//!
//! ```text
//! StartCommandCreated --Initiated--> Initiated
//! StartCommandCreated --TryCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelledBeforeSent
//! StartCommandCreated --WaitCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelledBeforeSent
//! StartCommandCreated --Abandon--> CancelledBeforeSent: RemoveCommand ResolveCancelledBeforeSent
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
//! (`cancel_external.rs`), because the child ends whether the request arrived or not. As in Core, each cancellation by
//! the author sends a request. After a child is abandoned, later events have no effect.

use std::borrow::Cow;
use std::panic::Location;

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

use crate::failure::{CANCELLED, cancelled_failure};
use crate::replay::command_queue::{CommandBody, CommandId, Note};
use crate::replay::jobs::Outcome;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};

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

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    RemoveCommand,
    SendCancel,
    ResolveStarted,
    Resolve,
    ResolveCancelled,
    ResolveCancelledBeforeSent,
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    use Effect as F;
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::StartCommandCreated, I::Initiated) => (S::Initiated, &[]),
        (S::StartCommandCreated, I::TryCancel | I::WaitCancel | I::Abandon) => {
            (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelledBeforeSent])
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

/// Operations that wait for a child: for its start, if it is awaited, and for its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) start: Option<Key>,
    pub(crate) end: Option<Key>,
}

/// A child workflow of a run.
#[derive(Debug)]
pub(crate) struct ChildWorkflowMachine {
    state: State,
    request: StartChildWorkflow,
    waiting: Waiting,
    command: Option<CommandId>,
    cancel_requested: bool,
    namespace: String,
    run_id: String,
    initiated_event_id: i64,
    started_event_id: i64,
    location: &'static Location<'static>,
}

impl ChildWorkflowMachine {
    /// Removes the operations that wait for it.
    pub(crate) fn detach(&mut self) {
        self.waiting = Waiting::default();
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        format!("type={} id={}", self.request.workflow_type, self.request.workflow_id)
    }

    fn failure(&self, message: impl Into<String>, retry_state: i32, cause: Option<FailureProto>) -> Outcome {
        let info = ChildWorkflowExecutionFailureInfo {
            namespace: self.namespace.clone(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: self.request.workflow_id.clone(),
                run_id: self.run_id.clone(),
            }),
            workflow_type: Some(WorkflowType { name: self.request.workflow_type.to_string() }),
            initiated_event_id: self.initiated_event_id,
            started_event_id: self.started_event_id,
            retry_state,
        };
        let info = FailureInfo::ChildWorkflowExecutionFailureInfo(info);
        Outcome::Failed(Box::new(FailureProto { cause: cause.map(Box::new), ..proto(message, info) }))
    }

    fn cancelled(&self, message: impl Into<String>, details: Option<Payloads>) -> Outcome {
        let cause = cancelled_failure(CANCELLED, details);
        self.failure(message, RetryState::NonRetryableFailure as i32, Some(cause))
    }
}

impl StateMachines {
    /// Starts a child workflow. `body` is the content to send; `None` on replay.
    pub(crate) fn start_child_workflow(
        &mut self,
        request: StartChildWorkflow,
        waiting: Waiting,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        let machine = ChildWorkflowMachine {
            state: State::StartCommandCreated,
            request,
            waiting,
            command: None,
            cancel_requested: false,
            namespace: String::new(),
            run_id: String::new(),
            initiated_event_id: 0,
            started_event_id: 0,
            location,
        };
        let key = self.insert(Machine::ChildWorkflow(Box::new(machine)));
        let command = self.issue(CommandType::StartChildWorkflowExecution, key, Some(location), body);
        self.child(key).command = Some(command);
        key
    }

    /// Cancels a child by its own cancellation type. Returns the outcome if the operation that waits for the end has
    /// one at once; `None` if it comes later or has already come. With `forget` no operation waits any more.
    pub(crate) fn cancel_child_workflow(&mut self, key: Key, forget: bool, reason: &str) -> Option<Outcome> {
        let machine = self.child(key);
        if forget {
            machine.detach();
            if machine.cancel_requested {
                return None;
            }
        }
        let (next, effects) = step(machine.state, machine.request.on_cancel)?;
        machine.state = next;
        let command = machine.command;
        let mut outcome = None;
        for effect in effects {
            match effect {
                Effect::RemoveCommand => {
                    if let Some(command) = command {
                        self.commands.remove(command);
                    }
                }
                Effect::SendCancel => {
                    self.request_cancel_of_child(key, reason);
                    if forget {
                        self.commands.note_latest(Note::HandleDropped);
                    }
                }
                Effect::ResolveCancelled => {
                    outcome = Some(self.child(key).cancelled("Child Workflow execution cancelled", None));
                }
                Effect::ResolveCancelledBeforeSent => {
                    let message = format!("Child Workflow Execution cancelled before scheduled: {reason}");
                    outcome = Some(self.child(key).cancelled(message, None));
                }
                Effect::ResolveStarted | Effect::Resolve => {}
            }
        }
        if next == State::CancelledBeforeSent {
            self.free(key);
        }
        outcome
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
                if !child.cancel_requested && child.request.on_cancel != Input::Abandon =>
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
    ) -> Result<(), ReplayError> {
        let name = "StartChildWorkflowExecutionInitiated";
        let workflow_type = event.workflow_type.as_ref().map_or("", |workflow_type| &workflow_type.name);
        let recorded = || format!("type={workflow_type} id={}", event.workflow_id);
        let command = self.confirm(id, name, CommandType::StartChildWorkflowExecution, recorded)?;
        let ours = self.flags.is_ours();
        let machine = self.child(command.machine);
        let same_type = machine.request.workflow_type == workflow_type;
        // Each SDK generates ids in its own way, so an id that neither the author nor Abide chose cannot be equal.
        let any_id = machine.request.generated_id && !ours;
        if !(same_type && (any_id || machine.request.workflow_id == event.workflow_id)) {
            let produced = format!("StartChildWorkflowExecution {}", machine.describe());
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, name, recorded());
            return Err(error.produced(produced, command.location).into());
        }
        machine.initiated_event_id = id;
        machine.namespace = std::mem::take(&mut event.namespace);
        // The running child is the recorded one: signals and requests to cancel must reach it.
        machine.request.workflow_id = std::mem::take(&mut event.workflow_id);
        self.begun_by(id, command.machine);
        self.child_event(command.machine, id, name, Input::Initiated).map(drop)
    }

    pub(crate) fn child_started(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionStartedEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "ChildWorkflowExecutionStarted";
        let key = self.find_child(id, name, event.initiated_event_id)?;
        let effects = self.child_event(key, id, name, Input::Started)?;
        let execution = event.workflow_execution.take().unwrap_or_default();
        let machine = self.child(key);
        machine.started_event_id = id;
        machine.run_id.clone_from(&execution.run_id);
        if effects.contains(&Effect::ResolveStarted) {
            let start = machine.waiting.start.take();
            self.resolve(start, Outcome::Started(Box::new(execution)));
        }
        Ok(())
    }

    pub(crate) fn child_start_failed(
        &mut self,
        id: i64,
        event: &StartChildWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "StartChildWorkflowExecutionFailed";
        let key = self.find_child(id, name, event.initiated_event_id)?;
        self.child_closed(key, id, name, Input::StartFailed, |machine| {
            let message = "Child Workflow execution not started";
            machine.failure(message, RetryState::NonRetryableFailure as i32, Some(start_failure(event.cause())))
        })
    }

    pub(crate) fn child_completed(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionCompletedEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "ChildWorkflowExecutionCompleted";
        let key = self.find_child(id, name, event.initiated_event_id)?;
        let result = event.result.take().and_then(|payloads| payloads.payloads.into_iter().next());
        self.child_closed(key, id, name, Input::Closed, |_| Outcome::Completed(result))
    }

    pub(crate) fn child_failed(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "ChildWorkflowExecutionFailed";
        let key = self.find_child(id, name, event.initiated_event_id)?;
        self.child_closed(key, id, name, Input::Closed, |machine| {
            machine.failure("Child Workflow execution failed", event.retry_state, event.failure.take())
        })
    }

    pub(crate) fn child_canceled(
        &mut self,
        id: i64,
        event: &mut ChildWorkflowExecutionCanceledEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "ChildWorkflowExecutionCanceled";
        let key = self.find_child(id, name, event.initiated_event_id)?;
        self.child_closed(key, id, name, Input::Closed, |machine| {
            machine.cancelled("Child Workflow execution cancelled", event.details.take())
        })
    }

    pub(crate) fn child_timed_out(
        &mut self,
        id: i64,
        event: &ChildWorkflowExecutionTimedOutEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "ChildWorkflowExecutionTimedOut";
        let key = self.find_child(id, name, event.initiated_event_id)?;
        self.child_closed(key, id, name, Input::Closed, |machine| {
            let timeout_type = TimeoutType::StartToClose as i32;
            let info = TimeoutFailureInfo { timeout_type, ..Default::default() };
            let cause = proto("Timed out", FailureInfo::TimeoutFailureInfo(info));
            machine.failure("Child Workflow execution timed out", event.retry_state, Some(cause))
        })
    }

    pub(crate) fn child_terminated(
        &mut self,
        id: i64,
        event: &ChildWorkflowExecutionTerminatedEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "ChildWorkflowExecutionTerminated";
        let key = self.find_child(id, name, event.initiated_event_id)?;
        self.child_closed(key, id, name, Input::Closed, |machine| {
            let info = TerminatedFailureInfo::default();
            let cause = proto("Terminated", FailureInfo::TerminatedFailureInfo(info));
            let retry_state = RetryState::NonRetryableFailure as i32;
            machine.failure("Child Workflow execution terminated", retry_state, Some(cause))
        })
    }

    fn request_cancel_of_child(&mut self, key: Key, reason: &str) {
        let replaying = self.replaying;
        let machine = self.child(key);
        machine.cancel_requested = true;
        let (workflow_id, location) = (machine.request.workflow_id.clone(), machine.location);
        #[expect(deprecated, reason = "the server still reads the namespace, and Core still sends it")]
        let attributes = || RequestCancelExternalWorkflowExecutionCommandAttributes {
            namespace: machine.namespace.clone(),
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
        self.cancel_external_workflow(workflow_id, None, location, body);
    }

    fn find_child(&self, id: i64, event_type: &'static str, initiated_event_id: i64) -> Result<Key, ReplayError> {
        self.find(initiated_event_id).ok_or_else(|| Self::unknown_operation(id, event_type, initiated_event_id))
    }

    fn child_closed(
        &mut self,
        key: Key,
        id: i64,
        event_type: &'static str,
        input: Input,
        outcome: impl FnOnce(&ChildWorkflowMachine) -> Outcome,
    ) -> Result<(), ReplayError> {
        let effects = self.child_event(key, id, event_type, input)?;
        let machine = self.child(key);
        let (initiated_event_id, end) = (machine.initiated_event_id, machine.waiting.end);
        if effects.contains(&Effect::Resolve) {
            let outcome = outcome(machine);
            self.resolve(end, outcome);
        }
        self.forget(initiated_event_id);
        self.free(key);
        Ok(())
    }

    fn child_event(
        &mut self,
        key: Key,
        id: i64,
        event_type: &'static str,
        input: Input,
    ) -> Result<&'static [Effect], ReplayError> {
        let Some(Machine::ChildWorkflow(machine)) = self.machine(key) else {
            return Err(Self::unknown_operation(id, event_type, 0));
        };
        let (state, location) = (machine.state, machine.location);
        let (next, effects) = step(state, input).ok_or_else(|| Self::impossible(id, event_type, &state, location))?;
        machine.state = next;
        Ok(effects)
    }

    fn child(&mut self, key: Key) -> &mut ChildWorkflowMachine {
        match self.machine(key) {
            Some(Machine::ChildWorkflow(child)) => child,
            _ => unreachable!("only child workflows are filed under the keys of child workflows"),
        }
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
    proto(message, FailureInfo::ApplicationFailureInfo(info))
}

fn proto(message: impl Into<String>, info: FailureInfo) -> FailureProto {
    FailureProto { message: message.into(), failure_info: Some(info), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::machines::check_diagram;

    #[test]
    fn the_diagram_is_the_machine() {
        check_diagram(include_str!("child_workflow.rs"), State::ALL, Input::ALL, step);
    }
}
