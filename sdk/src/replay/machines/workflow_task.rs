//! The workflow task itself: the current attempt in the history.
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
//! A scheduled task can fail before it starts (if the workflow is paused), and time out before it starts (on a sticky
//! queue). A reset copies a history up to a scheduled task and schedules the task again.

listed! {
    /// State of the task.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum State {
        #[default]
        None,
        Scheduled,
        Started,
    }
}

listed! {
    /// Event of the task.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Scheduled,
        Started,
        Completed,
        Failed,
        TimedOut,
    }
}

/// Effect of a step: there is none, the machine only checks the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {}

/// Makes one step; `None` if the input cannot come in this state.
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
    use crate::replay::machines::check_diagram;

    #[test]
    fn the_diagram_is_the_machine() {
        check_diagram(include_str!("workflow_task.rs"), State::ALL, Input::ALL, step);
    }
}
