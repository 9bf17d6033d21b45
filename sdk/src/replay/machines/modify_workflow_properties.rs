//! A change of the run's memo.
//!
//! ```text
//! CommandCreated --Modified--> Modified
//! ```
//!
//! A replay does not compare its values.

use std::panic::Location;

use abide_protos::temporal::api::enums::v1::CommandType;

use crate::replay::command_queue::CommandBody;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

const EVENT: &str = "WorkflowPropertiesModified";

listed! {
    /// State of the change.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        CommandCreated,
        Modified,
    }
}

listed! {
    /// Event of the change.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Modified,
    }
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::CommandCreated, Input::Modified) => Some(State::Modified),
        (State::Modified, Input::Modified) => None,
    }
}

impl StateMachines {
    /// Changes the memo. `body` is the content to send; `None` on replay.
    pub(crate) fn modify_properties(&mut self, location: &'static Location<'static>, body: Option<CommandBody>) {
        let key = self.insert(Machine::ModifyProperties(State::CommandCreated));
        self.issue(CommandType::ModifyWorkflowProperties, key, Some(location), body);
    }

    pub(crate) fn properties_modified(&mut self, id: i64) -> Result<(), FollowError> {
        let command = self.confirm(id, EVENT, CommandType::ModifyWorkflowProperties, String::new)?;
        if let Some(Machine::ModifyProperties(state)) = self.machine(command.machine) {
            let next = step(*state, Input::Modified).ok_or_else(|| {
                Nondeterminism::new(NondeterminismKind::ImpossibleState, id, EVENT, "a second event of one change")
            })?;
            *state = next;
        }
        self.free(command.machine);
        Ok(())
    }
}
