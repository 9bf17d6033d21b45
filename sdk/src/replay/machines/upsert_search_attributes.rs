//! An upsert of search attributes: the author's, or the one that follows a patch's marker.
//!
//! ```text
//! CommandCreated --Recorded--> Recorded
//! ```
//!
//! A replay does not compare values, only which of the two kinds an upsert is.

use std::panic::Location;

use abide_protos::temporal::api::command::v1::UpsertWorkflowSearchAttributesCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::history::v1::UpsertWorkflowSearchAttributesEventAttributes;

use crate::replay::command_queue::CommandBody;
use crate::replay::flags::CoreFlag;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

/// Search attribute that lists a run's patches.
pub(crate) const CHANGE_VERSION: &str = "TemporalChangeVersion";
const EVENT: &str = "UpsertWorkflowSearchAttributes";

listed! {
    /// State of the upsert.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        CommandCreated,
        Recorded,
    }
}

listed! {
    /// Event of the upsert.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Recorded,
    }
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::CommandCreated, Input::Recorded) => Some(State::Recorded),
        (State::Recorded, Input::Recorded) => None,
    }
}

/// An upsert without its event.
#[derive(Debug)]
pub(crate) struct UpsertMachine {
    state: State,
    /// True if it follows a patch's marker.
    of_patch: bool,
}

impl UpsertMachine {
    pub(crate) fn describe(&self) -> String {
        if self.of_patch { format!("of {CHANGE_VERSION}") } else { "of the author's attributes".to_string() }
    }
}

impl StateMachines {
    /// Changes search attributes. `body` is the content to send; `None` on replay.
    pub(crate) fn upsert_search_attributes(&mut self, location: &'static Location<'static>, body: Option<CommandBody>) {
        self.upsert(false, location, body);
    }

    /// Upserts the list of the run's patches.
    pub(super) fn upsert_change_version(
        &mut self,
        attributes: UpsertWorkflowSearchAttributesCommandAttributes,
        location: &'static Location<'static>,
    ) {
        let attributes = Attributes::UpsertWorkflowSearchAttributesCommandAttributes(attributes);
        let body = (!self.replaying).then_some(CommandBody { attributes, user_metadata: None });
        self.upsert(true, location, body);
    }

    fn upsert(&mut self, of_patch: bool, location: &'static Location<'static>, body: Option<CommandBody>) {
        let machine = UpsertMachine { state: State::CommandCreated, of_patch };
        let key = self.insert(Machine::UpsertSearchAttributes(machine));
        self.issue(CommandType::UpsertWorkflowSearchAttributes, key, Some(location), body);
    }

    pub(crate) fn search_attributes_upserted(
        &mut self,
        id: i64,
        event: &UpsertWorkflowSearchAttributesEventAttributes,
    ) -> Result<(), FollowError> {
        if self.is_passed_over(id) {
            return Ok(());
        }
        let of_patch = is_change_version(event);
        let recorded = || if of_patch { format!("of {CHANGE_VERSION}") } else { String::new() };
        let command = self.confirm(id, EVENT, CommandType::UpsertWorkflowSearchAttributes, recorded)?;
        let compared = self.flags.uses(CoreFlag::UpsertSearchAttributeOnPatch, self.replaying);
        let Some(Machine::UpsertSearchAttributes(machine)) = self.machine(command.machine) else {
            return Err(Self::unknown_operation(id, EVENT, id));
        };
        let produced = format!("UpsertWorkflowSearchAttributes {}", machine.describe());
        let fits = !compared || machine.of_patch == of_patch;
        let next = step(machine.state, Input::Recorded).filter(|_| fits);
        let Some(next) = next else {
            let error = Nondeterminism::new(NondeterminismKind::SearchAttributes, id, EVENT, recorded());
            return Err(error.produced(produced, command.location).into());
        };
        machine.state = next;
        self.free(command.machine);
        Ok(())
    }
}

/// Returns true if an upsert lists patches.
pub(crate) fn is_change_version(event: &UpsertWorkflowSearchAttributesEventAttributes) -> bool {
    event.search_attributes.as_ref().is_some_and(|all| all.indexed_fields.contains_key(CHANGE_VERSION))
}
