//! Activities: attempts, their ends, and what workers say about them.

mod activity;
mod close;
mod respond;
mod worker_commands;

pub(crate) use self::activity::{Activity, Timeouts, timeout_proto};
pub(crate) use self::close::{Reporter, timeout_failure};
pub(crate) use self::worker_commands::{CommandId, WorkerCommands};
