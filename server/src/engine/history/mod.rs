//! Histories: adding, buffering and reading events.

mod buffer;
mod builder;
mod event_type;
mod read;

pub(crate) use self::buffer::{BUFFERED_EVENT_ID, reorder};
pub(crate) use self::builder::Extras;
pub(crate) use self::event_type::event_type;
pub(crate) use self::read::PAGE_SIZE;
