//! Structured concurrency: parts of a workflow that run at the same time, and what they share.
//!
//! Everything here is made of the workflow's own code: a part waits for another through a waker, never through a thread
//! or a clock. So the history alone decides the order, and a replay repeats it.

mod context_values;
mod fan_out;
mod select;
mod spawn;
mod task_group;
mod timeout;
mod updatable_timer;
mod wait_list;
mod watch;

pub(crate) use context_values::CurrentValues;
pub use fan_out::{for_each_concurrent, map_concurrent};
pub use select::join_all;
pub use spawn::JoinHandle;
pub use task_group::TaskGroup;
pub use timeout::{TimedOut, Timeout};
pub use updatable_timer::UpdatableTimer;
pub use watch::{WatchClosed, WatchReceiver, WatchSender, watch};
