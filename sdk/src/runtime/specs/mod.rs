//! Specs of the core: histories as text in, commands as lines out.
//!
//! Each `check` runs its history three times: replayed from scratch, given task by task to a cached run, and read in
//! short pages. All three must give the same commands for every task, live or replayed.

mod activities;
mod activity_cancellation;
mod arguments;
mod broken_histories;
mod cancellation;
mod child_cancellation;
mod child_workflows;
mod compared;
mod conditions;
mod ends;
mod every_handle;
mod external_workflows;
pub(crate) mod extremes;
mod failing_tasks;
mod futures;
mod handler_cancellation;
mod handles;
mod harness;
mod headers;
mod local_activities;
mod local_activity_cancellation;
mod memory;
mod nexus_operations;
mod nondeterminism;
mod order_of_conditions;
mod order_of_jobs;
mod patches;
mod property;
mod queries;
mod rejected_updates;
mod reports;
mod segmentation;
mod side_data;
mod signals;
mod timers;
mod unfinished_handlers;
mod unquoted_values;
mod updates;
mod updates_replayed;
mod upserts;
mod versioning_intent;
