//! The end of a run: completed, failed, cancelled or continued as new.
//!
//! ```text
//! CommandCreated --Closed--> Closed
//! ```
//!
//! The four closing commands share one machine: they differ in their attributes, not in their life cycle. A second
//! closing command never reaches the history, see
//! [`CommandQueue::finish_task`](crate::replay::command_queue::CommandQueue).

use std::panic::Location;

use abide_protos::temporal::api::enums::v1::{CommandType, EventType};
use abide_protos::temporal::api::history::v1::HistoryEvent;

use crate::history::event_type_name;
use crate::replay::command_queue::{CommandBody, Note};
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

listed! {
    /// State of the closing command.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        CommandCreated,
        Closed,
    }
}

listed! {
    /// Event of the closing command.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Closed,
    }
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::CommandCreated, Input::Closed) => Some(State::Closed),
        (State::Closed, Input::Closed) => None,
    }
}

impl StateMachines {
    /// Ends the run. `body` is the content to send; `None` on replay. `location` is the place where the workflow
    /// returned an error. The place where it returned a result is not known; errors then show the statement that issued
    /// its last command, and say so.
    pub(crate) fn close_workflow(
        &mut self,
        command_type: CommandType,
        location: Option<&'static Location<'static>>,
        body: Option<CommandBody>,
    ) {
        let key = self.insert(Machine::CloseWorkflow(State::CommandCreated));
        let note = match (command_type, location, self.last_statement) {
            (CommandType::CompleteWorkflowExecution, _, None) => Note::Returned,
            (CommandType::CompleteWorkflowExecution, _, Some(_)) => Note::ReturnedAfterCommand,
            (CommandType::ContinueAsNewWorkflowExecution, ..) => Note::ContinuedAsNew,
            (_, Some(_), _) => Note::ErrorHere,
            (_, None, Some(_)) => Note::ErrorAfterCommand,
            (_, None, None) => Note::Error,
        };
        self.issue(command_type, key, location.or(self.last_statement), body);
        self.commands.note_latest(note);
    }

    /// Applies a closing event that is caused by a command.
    pub(crate) fn workflow_closed(&mut self, event: &HistoryEvent) -> Result<(), FollowError> {
        let (command_type, name) = match event.event_type() {
            EventType::WorkflowExecutionCompleted => {
                (CommandType::CompleteWorkflowExecution, "WorkflowExecutionCompleted")
            }
            EventType::WorkflowExecutionFailed => (CommandType::FailWorkflowExecution, "WorkflowExecutionFailed"),
            EventType::WorkflowExecutionCanceled => (CommandType::CancelWorkflowExecution, "WorkflowExecutionCanceled"),
            _ => (CommandType::ContinueAsNewWorkflowExecution, "WorkflowExecutionContinuedAsNew"),
        };
        let command = self.confirm(event.event_id, name, command_type, String::new)?;
        if let Some(Machine::CloseWorkflow(state)) = self.machine(command.machine) {
            let next = step(*state, Input::Closed).ok_or_else(|| {
                let kind = NondeterminismKind::ImpossibleState;
                Nondeterminism::new(kind, event.event_id, &event_type_name(event.event_type), "a second closing event")
            })?;
            *state = next;
        }
        self.free(command.machine);
        Ok(())
    }
}
