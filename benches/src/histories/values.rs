//! Values that many events hold.

use std::collections::HashMap;

use abide_protos::Duration;
use abide_protos::temporal::api::common::v1::{Payload, Payloads, WorkerVersionStamp};
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;

/// Namespace of all bench workflows.
pub const NAMESPACE: &str = "default";
/// Task queue of all bench workflows.
pub const TASK_QUEUE: &str = "bench-tq";
/// Identity of the worker that recorded the histories, and of their client.
pub const IDENTITY: &str = "12345@bench-host";
const STICKY_QUEUE: &str = "12345@bench-host-3a6b8ed3d8a944b3b9004e7a0c7e248c";
const BUILD_ID: &str = "0123456789abcdef0123456789abcdef";

/// Returns the bench workers' task queue.
pub fn task_queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: TASK_QUEUE.into(), kind: TaskQueueKind::Normal.into(), normal_name: String::new() })
}

/// Returns a sticky queue of one bench worker.
pub fn sticky_queue() -> Option<TaskQueue> {
    let (name, normal_name) = (STICKY_QUEUE.into(), TASK_QUEUE.into());
    Some(TaskQueue { name, kind: TaskQueueKind::Sticky.into(), normal_name })
}

pub(super) fn worker_version() -> Option<WorkerVersionStamp> {
    Some(WorkerVersionStamp { build_id: BUILD_ID.into(), use_versioning: false })
}

/// Returns a duration of whole seconds.
pub fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

/// Returns one `json/plain` payload with this JSON text.
pub fn json(text: &str) -> Option<Payloads> {
    Some(Payloads { payloads: vec![payload(text)] })
}

pub(super) fn payload(text: &str) -> Payload {
    let metadata = HashMap::from([("encoding".to_string(), b"json/plain".to_vec())]);
    Payload { metadata, data: text.into(), ..Default::default() }
}
