//! Activities: attempts, their ends, and workers' reports about them.

mod activity;
mod cancel_commands;
mod close;
mod respond;

pub(crate) use self::activity::{Activity, ActivityTimeouts, LeftOpen, timeout_proto};
pub(crate) use self::cancel_commands::{CommandId, WorkerCommands};
pub(crate) use self::close::{Reporter, timeout_failure};
