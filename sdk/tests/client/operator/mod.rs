//! Calls of operators that the embedded server does not serve.

mod activities;
mod deployments;
mod task_queues;
mod workflows;
