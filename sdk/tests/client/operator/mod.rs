//! Calls of operators that the embedded server does not serve.

mod activities;
mod batches;
mod deployments;
mod server;
mod task_queues;
mod workflows;
