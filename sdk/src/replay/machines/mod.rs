//! One machine for each kind of operation: an enum and one `match`.
//!
//! A machine does not know events, commands or authors' code, only the order of steps.
//! [`StateMachines`](super::state_machines::StateMachines) routes events to machines and carries out the effects.

/// Defines an enum without fields together with the list of its variants, so that no diagram's test can miss one.
macro_rules! listed {
    ($(#[$attribute:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$attribute])*
        $vis enum $name {
            $($(#[$doc])* $variant,)+
        }

        #[cfg(test)]
        impl $name {
            const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

pub(crate) mod activity;
pub(crate) mod cancel_external;
pub(crate) mod child_workflow;
pub(crate) mod close_workflow;
pub(crate) mod local_activity;
pub(crate) mod local_activity_marker;
pub(crate) mod modify_workflow_properties;
pub(crate) mod nexus_operation;
pub(crate) mod patch;
pub(crate) mod signal_external;
pub(crate) mod timer;
pub(crate) mod update;
pub(crate) mod upsert_search_attributes;
pub(crate) mod workflow_task;

/// Compares a machine with the diagram in its file's header, for every pair of state and input.
#[cfg(test)]
#[track_caller]
pub(crate) fn check_diagram<S, I, F>(
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
    let all = states.iter().map(|state| format!("{state:?}")).chain(inputs.iter().map(|input| format!("{input:?}")));
    let unused: Vec<String> = all.filter(|name| !named.contains(name)).collect();
    assert!(unused.is_empty(), "states or inputs of no step: {unused:?}");
    assert_eq!(diagram, machine, "left: the header's diagram; right: what the machine does");
}
