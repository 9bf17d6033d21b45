//! Task queues, the polls of workers, and calls about workers.

mod names;
mod poll;
mod task_queue;
mod worker;

pub(crate) use self::names::check_queue_of_user;
pub(crate) use self::task_queue::{About, Poll, QueueKey, QueueKind, Task, TaskQueues};
pub(crate) use self::worker::ShutDownWorkers;
