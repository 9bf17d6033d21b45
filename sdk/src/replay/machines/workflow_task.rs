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
//! A step has no effect: the machine only checks the order of the events.
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

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::None | S::Scheduled, I::Scheduled) => S::Scheduled,
        (S::Scheduled, I::Started) => S::Started,
        (S::Started, I::Completed) => S::None,
        (S::Scheduled | S::Started, I::TimedOut | I::Failed) => S::None,
        _ => return None,
    })
}
