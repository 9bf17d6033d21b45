//! Specs of the core: histories as text in, commands as lines out.
//!
//! Each `check` runs its history three times: replayed from scratch, given task by task to a cached run, and read in
//! short pages. All three must give the same commands for every task, live or replayed.

mod harness;
mod interceptors;
mod log;
mod messages;
mod operations;
mod property;
pub(crate) mod replays;
mod tasks;
