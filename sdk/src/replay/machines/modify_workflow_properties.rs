//! A change of the run's memo.
//!
//! ```text
//! CommandCreated --Modified--> Modified
//! ```
//!
//! Its values are not compared on replay.

use std::panic::Location;

use abide_protos::temporal::api::enums::v1::CommandType;

use crate::replay::command_queue::CommandBody;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};

const EVENT: &str = "WorkflowPropertiesModified";

/// Where the change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    CommandCreated,
    Modified,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Modified,
}

/// What follows from a step: nothing is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {}

/// One step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    match (state, input) {
        (State::CommandCreated, Input::Modified) => Some((State::Modified, &[])),
        (State::Modified, Input::Modified) => None,
    }
}

impl StateMachines {
    /// Changes the memo. `body` is what to send, unless this is a replay.
    pub(crate) fn modify_properties(&mut self, location: &'static Location<'static>, body: Option<CommandBody>) {
        let key = self.insert(Machine::ModifyProperties(State::CommandCreated));
        self.issue(CommandType::ModifyWorkflowProperties, key, Some(location), body);
    }

    pub(crate) fn properties_modified(&mut self, id: i64) -> Result<(), ReplayError> {
        let command = self.confirm(id, EVENT, CommandType::ModifyWorkflowProperties, String::new)?;
        if let Some(Machine::ModifyProperties(state)) = self.machine(command.machine) {
            let (next, _) = step(*state, Input::Modified).ok_or_else(|| {
                Nondeterminism::new(NondeterminismKind::ImpossibleState, id, EVENT, "a second event of one change")
            })?;
            *state = next;
        }
        self.free(command.machine);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagram_is_the_machine() {
        let states = [State::CommandCreated, State::Modified];
        let source = include_str!("modify_workflow_properties.rs");
        crate::replay::machines::check_diagram(source, &states, &[Input::Modified], step);
    }
}
