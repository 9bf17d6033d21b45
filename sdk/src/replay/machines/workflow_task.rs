//! The workflow task itself: which attempt the history is in.
//!
//! ```text
//! None --Scheduled--> Scheduled
//! Scheduled --Scheduled--> Scheduled
//! Scheduled --Started--> Started
//! Scheduled --TimedOut--> None
//! Scheduled --Failed--> None
//! Started --Completed--> None
//! Started --TimedOut--> None
//! Started --Failed--> None
//! ```
//!
//! A scheduled task can fail before it starts (the workflow is paused), and one on a sticky queue can time out there.
//! A reset copies a history up to a scheduled task and schedules it again.

/// Where the task stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    None,
    Scheduled,
    Started,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Scheduled,
    Started,
    Completed,
    Failed,
    TimedOut,
}

/// What follows from a step: nothing, the machine only keeps the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {}

/// One step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::None | S::Scheduled, I::Scheduled) => (S::Scheduled, &[]),
        (S::Scheduled, I::Started) => (S::Started, &[]),
        (S::Started, I::Completed) => (S::None, &[]),
        (S::Scheduled | S::Started, I::TimedOut | I::Failed) => (S::None, &[]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagram_is_the_machine() {
        use Input as I;
        let states = [State::None, State::Scheduled, State::Started];
        let inputs = [I::Scheduled, I::Started, I::Completed, I::Failed, I::TimedOut];
        crate::replay::machines::check_diagram(include_str!("workflow_task.rs"), &states, &inputs, step);
    }
}
