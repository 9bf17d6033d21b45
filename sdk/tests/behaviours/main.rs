//! The behaviours that every Temporal SDK has, one test each; a test's name begins with the behaviour's number.
//!
//! `README.md` beside this file lists all 135 with the tests that prove them. `cargo test --test tidy` generates it
//! from the names of the tests, here and elsewhere, and from `items.txt` (the behaviours in brief), `elsewhere.txt`
//! (tests with other names) and `open.txt` (missing tests).
//!
//! There are two ways to drive the code here: [`harness`] runs a workflow on a history written as text and shows its
//! commands; [`server`] is a scripted Temporal server with a real worker on it. Tests that need a server with real
//! behaviour are elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::large_futures,
    reason = "these are tests, helpers included"
)]

mod activities;
mod activity_interceptors;
mod activity_tasks;
mod attempts;
mod client;
mod client_interceptor_chains;
mod client_interceptors;
mod client_replaced;
mod codecs;
mod continue_as_new_and_patches;
mod eager_starts;
mod failure_converters;
mod harness;
mod histories;
mod messages;
mod plugins;
mod pollers;
mod server;
mod silent_codecs;
mod worker;
mod worker_commands;
mod worker_heartbeats;
mod workflow_tasks;
mod workflow_tasks_of_a_worker;
