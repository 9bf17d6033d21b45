//! One machine for each kind of operation: an enum and one `match`.
//!
//! A machine does not know events, commands or authors' code, only the order of steps.
//! [`StateMachines`](super::state_machines::StateMachines) routes events to machines. What a step does beside the next
//! state is a list of effects. `operation` carries them out for the machines that code waits for, `local_activity` for
//! itself; the other machines only check the order.

/// Defines an enum without fields together with the list of its variants, so that no diagram's test can miss one.
macro_rules! listed {
    ($(#[$attribute:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$attribute])*
        $vis enum $name {
            $($(#[$doc])* $variant,)+
        }

        #[cfg(test)]
        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

pub(crate) mod activity;
pub(crate) mod change_marker;
pub(crate) mod child_workflow;
pub(crate) mod close_workflow;
pub(crate) mod external;
pub(crate) mod local_activity;
pub(crate) mod local_activity_marker;
pub(crate) mod marker;
pub(crate) mod modify_workflow_properties;
pub(crate) mod nexus_operation;
pub(crate) mod operation;
pub(crate) mod patch;
pub(crate) mod side_effect;
pub(crate) mod side_effect_marker;
pub(crate) mod timer;
pub(crate) mod update;
pub(crate) mod upsert_search_attributes;
pub(crate) mod workflow_task;

/// One test for each machine: the diagram in the header of its file is what it does.
#[cfg(test)]
macro_rules! diagrams {
    (
        of operations { $($operation:ident: $kind:ident,)+ }
        with effects { $($machine:ident,)+ }
        without effects { $($plain:ident,)+ }
    ) => {
        const MACHINES: &[&str] = &[
            $(stringify!($operation),)+
            $(stringify!($machine),)+
            $(stringify!($plain),)+
        ];
        $(#[test]
        fn $operation() {
            use super::$operation::{Input, $kind, State};
            let source = include_str!(concat!(stringify!($operation), ".rs"));
            check_diagram(source, State::ALL, Input::ALL, <$kind as OperationKind>::step);
        })+
        $(#[test]
        fn $machine() {
            use super::$machine::{Input, State, step};
            let source = include_str!(concat!(stringify!($machine), ".rs"));
            check_diagram(source, State::ALL, Input::ALL, step);
        })+
        $(#[test]
        fn $plain() {
            use super::$plain::{Input, State, step};
            let source = include_str!(concat!(stringify!($plain), ".rs"));
            let none: &'static [()] = &[];
            check_diagram(source, State::ALL, Input::ALL, |state, input| Some((step(state, input)?, none)));
        })+
    };
}

#[cfg(test)]
mod diagrams {
    use super::operation::OperationKind;

    diagrams! {
        of operations {
            activity: ScheduleActivity,
            child_workflow: StartChildWorkflow,
            external: SendMessage,
            nexus_operation: ScheduleNexusOperation,
            timer: StartTimer,
        }
        with effects {
            local_activity,
        }
        without effects {
            close_workflow,
            marker,
            modify_workflow_properties,
            update,
            upsert_search_attributes,
            workflow_task,
        }
    }

    #[test]
    fn every_machine_has_its_test() {
        let shared =
            ["change_marker", "local_activity_marker", "operation", "patch", "side_effect", "side_effect_marker"];
        let modules = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("pub(crate) mod "));
        let mut machines: Vec<&str> = modules.map(|name| name.trim_end_matches(';')).collect();
        machines.retain(|name| !shared.contains(name));
        let mut tested = MACHINES.to_vec();
        tested.sort_unstable();
        assert_eq!(tested, machines);
    }

    /// Compares a machine with the diagram in its file's header, for every pair of state and input.
    #[track_caller]
    fn check_diagram<S, I, F>(
        source: &str,
        states: &[S],
        inputs: &[I],
        step: impl Fn(S, I) -> Option<(S, &'static [F])>,
    ) where
        S: Copy + std::fmt::Debug,
        I: Copy + std::fmt::Debug,
        F: std::fmt::Debug + 'static,
    {
        let mut machine = Vec::new();
        let mut named = std::collections::HashSet::new();
        for &state in states {
            for &input in inputs {
                if let Some((next, effects)) = step(state, input) {
                    let effects: Vec<String> = effects.iter().map(|effect| format!("{effect:?}")).collect();
                    let colon = if effects.is_empty() { String::new() } else { format!(": {}", effects.join(" ")) };
                    machine.push(format!("{state:?} --{input:?}--> {next:?}{colon}"));
                    named.extend([format!("{state:?}"), format!("{input:?}"), format!("{next:?}")]);
                }
            }
        }
        let lines = source.lines().filter_map(|line| line.strip_prefix("//! "));
        let mut diagram: Vec<String> = lines.filter(|line| line.contains("-->")).map(str::to_string).collect();
        machine.sort();
        diagram.sort();
        let states = states.iter().map(|state| format!("{state:?}"));
        let all = states.chain(inputs.iter().map(|input| format!("{input:?}")));
        let unused: Vec<String> = all.filter(|name| !named.contains(name)).collect();
        assert!(unused.is_empty(), "states or inputs of no step: {unused:?}");
        assert_eq!(diagram, machine, "left: the header's diagram; right: what the machine does");
    }
}
