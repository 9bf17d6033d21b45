//! Updates: the calls of clients, the registry of a run, and the messages that workers get and send.

pub(super) mod messages;
mod requests;
mod update;

pub(crate) use self::requests::{UpdateAt, WaitingUpdate};
pub(crate) use self::update::{Lifecycle, Progress, Updates, update_id};
