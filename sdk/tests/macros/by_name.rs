//! Definitions by name: as constants, at the call, and with arguments like those of the macros.

use abide::{ActivityDefinition, ActivityType, Arguments, SignalType, WorkflowDefinition, WorkflowType};

const CHARGE: ActivityType<fn(u64) -> String> = ActivityType::new("charge");

/// Nothing, the value, or a tuple, as with the macros.
#[test]
fn arguments_are_those_of_the_signature() {
    fn args<D: Arguments>(_: D, args: D::Args) -> D::Args {
        args
    }
    args(SignalType::<fn()>::new("hurry"), ());
    assert_eq!(args(CHARGE, 5), 5);
    assert_eq!(args(WorkflowType::<fn(u8, bool) -> u8>::new("w"), (5, true)), (5, true));
}

#[test]
fn the_name_is_the_wires() {
    fn name(definition: impl ActivityDefinition<Output = String>) -> String {
        definition.name().into_owned()
    }
    assert_eq!(name(CHARGE), "charge");
    assert_eq!(WorkflowType::<fn() -> ()>::new("Bill").name(), "Bill");
    assert_eq!(format!("{CHARGE:?}"), "ActivityType(charge)");
}
