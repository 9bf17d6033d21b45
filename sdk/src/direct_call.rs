//! Finds activity functions that workflow code calls like any Rust function: `charge(5).await` instead of
//! `ctx.activity(charge, 5).await`.
//!
//! The compiler accepts such a call if the activity's error fits. Then the activity's code is a part of the workflow's.
//! A called activity does not know who polls it, and the runtime does not know what the workflow's code polls, so they
//! meet on the thread.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

thread_local! {
    static CALLS: Cell<DirectCalls> = const { Cell::new(DirectCalls { last: None, running: None }) };
}

/// The direct calls that one poll of a routine has made on its thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DirectCalls {
    /// The activity function whose code was polled last.
    pub(crate) last: Option<DirectCall>,
    /// The same if its code has not ended.
    pub(crate) running: Option<DirectCall>,
}

/// A direct call of an activity function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectCall {
    /// Name of the function.
    pub(crate) function: &'static str,
    pub(crate) location: &'static Location<'static>,
}

impl DirectCall {
    /// Records that the activity's code is polled now.
    pub(crate) fn polled(self) {
        CALLS.set(DirectCalls { last: Some(self), running: Some(self) });
    }

    /// Records that the activity's code has ended.
    pub(crate) fn ended(self) {
        CALLS.set(DirectCalls { last: Some(self), running: None });
    }
}

impl DirectCalls {
    /// Returns the calls since this was last asked.
    pub(crate) fn take() -> Self {
        CALLS.take()
    }
}

/// Says what is wrong and what to write instead.
impl fmt::Display for DirectCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, location } = self;
        write!(
            f,
            "the activity `{function}` is called like a Rust function (at {location}), so its code runs in the workflow; \
             to run it as an activity, write `ctx.activity({function}, ..)`"
        )
    }
}
