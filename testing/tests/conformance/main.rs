//! Runs the same bodies on the embedded server and, if `ABIDE_TEST_SERVER=host:port` is set, on a real Temporal server.
//! Both must record the same histories, event by event.
//!
//! The comparison ignores only values that differ between any two runs: see `normalize.rs`.
#![expect(clippy::print_stderr, reason = "says by name what was not compared")]

mod activities;
mod activity_clients;
mod activity_timeouts;
mod answers;
mod arm;
mod async_activities;
mod blocking;
mod builds;
mod child_ends;
mod child_options;
mod children;
mod closing;
mod codec_refusals;
mod codec_server;
mod codecs;
mod completion_callbacks;
mod completion_pages;
mod continuing;
mod cron;
mod descriptions;
mod dynamic;
mod ends;
mod event_groups;
mod external;
mod external_storage;
mod headers;
mod interceptors;
mod lists;
mod local_activities;
mod long_histories;
mod messages;
mod metrics;
mod namespaces;
mod nexus;
mod nexus_backed;
mod nexus_endpoint;
mod nexus_handlers;
mod normalize;
mod operators;
mod random;
mod raw;
mod refusals;
mod reset_children;
mod retry_delays;
mod scopes;
mod search_attributes;
mod side_data;
mod structured;
mod task_queues;
mod tasks;
mod timers;
mod traces;
mod tuner;
mod updates;
mod versions;
mod worker_commands;
mod worker_options;
mod workflow_interceptors;
