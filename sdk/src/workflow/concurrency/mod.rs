//! Structured concurrency: several parts of a workflow that run at the same time.

mod select;
mod spawn;

pub use select::join_all;
pub use spawn::JoinHandle;
