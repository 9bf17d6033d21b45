//! Updates: the clients' calls, the registry of a run, and the messages to and from workers.

pub(super) mod messages;
mod requests;
mod update;

pub(crate) use self::requests::{UpdateAt, WaitingUpdate};
pub(crate) use self::update::{Lifecycle, Progress, Updates, update_id};
