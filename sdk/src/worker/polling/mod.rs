//! Polling: pollers take a slot, ask the server for a task, and hand it over.

mod behavior;
mod counters;
mod outage;
mod poller;
mod pollers;
mod scaler;
mod slots;

pub use self::behavior::PollerBehavior;
pub(super) use self::counters::{PollKind, Polls};
pub(super) use self::outage::Outage;
pub(super) use self::poller::{TaskSource, sleep};
pub(super) use self::pollers::{Pollers, WantedPolls, poller_panicked};
pub(super) use self::scaler::Polled;
pub(super) use self::slots::{Slot, Slots};
