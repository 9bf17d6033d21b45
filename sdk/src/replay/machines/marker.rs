//! A marker that code records: that of a [patch or version](super::patch), or of a [side effect](super::side_effect).
//!
//! ```text
//! MarkerCommandCreated --MarkerRecorded--> MarkerRecorded
//! ```
//!
//! They differ in what they keep and in when they are written, not in their lifecycle.

listed! {
    /// State of a marker.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        MarkerCommandCreated,
        MarkerRecorded,
    }
}

listed! {
    /// Event of a marker.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        MarkerRecorded,
    }
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::MarkerCommandCreated, Input::MarkerRecorded) => Some(State::MarkerRecorded),
        (State::MarkerRecorded, Input::MarkerRecorded) => None,
    }
}
