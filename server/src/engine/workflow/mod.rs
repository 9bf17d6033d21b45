//! Workflows: their start, the calls that change or read a run, and its end.

mod cancel;
mod chain;
mod completion_callbacks;
pub(super) mod cron;
pub(super) mod describe;
mod execution;
mod external;
mod multi_operation;
mod query;
mod retention;
mod signal;
mod start;
mod terminate;
mod timer;

pub(crate) use self::completion_callbacks::check_update;
pub(crate) use self::execution::{Execution, ExecutionId, State, Sticky, check_execution, normal_queue};
pub(crate) use self::query::{Queries, QueryId};
pub(crate) use self::retention::Executions;
pub(crate) use self::start::{Admission, NewRun, request_link, task_timeout};
