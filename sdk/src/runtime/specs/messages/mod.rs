//! Messages: signals, queries and updates, and their handlers.

mod dynamic_handlers;
mod handler_cancellation;
mod queries;
mod rejected_updates;
mod runtime_handlers;
mod signals;
mod unfinished_handlers;
pub(super) mod updates;
mod updates_replayed;
