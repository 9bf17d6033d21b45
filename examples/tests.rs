//! The tests of all examples, in one program.

use std::error::Error;
use std::path::Path;

use abide::WorkflowReplayer;

#[path = "actor/test.rs"]
mod actor;
#[path = "agent/test.rs"]
mod agent;
#[path = "approval/test.rs"]
mod approval;
#[path = "async_completion/test.rs"]
mod async_completion;
#[path = "axum_service/test.rs"]
mod axum_service;
#[path = "batch/test.rs"]
mod batch;
#[path = "codec_server/test.rs"]
mod codec_server;
#[path = "dsl/test.rs"]
mod dsl;
#[path = "early_return/test.rs"]
mod early_return;
#[path = "encryption/test.rs"]
mod encryption;
#[path = "hello/test.rs"]
mod hello;
#[path = "interceptor/test.rs"]
mod interceptor;
#[path = "local_activities/test.rs"]
mod local_activities;
#[path = "metrics/test.rs"]
mod metrics;
#[path = "mutex/test.rs"]
mod mutex;
#[path = "nexus/test.rs"]
mod nexus;
#[path = "order/test.rs"]
mod order;
#[path = "plugin/test.rs"]
mod plugin;
#[path = "polling/test.rs"]
mod polling;
#[path = "saga/test.rs"]
mod saga;
#[path = "schedule/test.rs"]
mod schedule;
#[path = "shopping_cart/test.rs"]
mod shopping_cart;
#[path = "sliding_window/test.rs"]
mod sliding_window;
#[path = "tracing/test.rs"]
mod tracing;
#[path = "updatable_timer/test.rs"]
mod updatable_timer;
#[path = "versioning/test.rs"]
mod versioning;
#[path = "worker_specific_queue/test.rs"]
mod worker_specific_queue;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// Replays the histories that a real server recorded while the example ran there.
pub(crate) fn assert_replays(example: &str, workflows: impl FnOnce(WorkflowReplayer) -> WorkflowReplayer) -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(example).join("histories");
    let report = workflows(WorkflowReplayer::new()).replay_dir(folder)?;
    assert!(!report.results().is_empty(), "the example `{example}` has no recorded history");
    report.assert_all_deterministic();
    Ok(())
}
