//! Information about an activity attempt.

use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::Header;
use serde::Serialize;

use crate::converter::{PayloadError, from_payload, to_payload};
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;

/// Information about an activity attempt (Temporal's activity info).
#[derive(Clone)]
#[non_exhaustive]
pub struct ActivityInfo {
    /// Activity id within its workflow; of a standalone activity, within its namespace.
    pub activity_id: String,
    /// Run id of the activity, if it is standalone: started by a client, without a workflow.
    pub activity_run_id: Option<String>,
    /// Name of the activity type.
    pub activity_type: String,
    /// Attempt number, from 1.
    pub attempt: u32,
    /// True for a local activity: it runs on the worker that has the workflow task, without heartbeats.
    pub is_local: bool,
    /// Opaque token of this attempt, for completing it later (see
    /// [`ActivityError::will_complete_async`](crate::ActivityError::will_complete_async)); empty for a local activity.
    pub task_token: Vec<u8>,
    /// Task queue that the attempt was polled from.
    pub task_queue: String,
    /// Namespace of the activity.
    pub namespace: String,
    /// Workflow id of the workflow that scheduled the activity; `None` for a standalone activity.
    pub workflow_id: Option<String>,
    /// Run id of that workflow; `None` for a standalone activity.
    pub run_id: Option<String>,
    /// Workflow type of that workflow; `None` for a standalone activity.
    pub workflow_type: Option<String>,
    /// Time at which the first attempt was scheduled.
    pub scheduled_time: Option<SystemTime>,
    /// Time at which this attempt was scheduled.
    pub current_attempt_scheduled_time: Option<SystemTime>,
    /// Time at which this attempt was sent to the worker.
    pub started_time: Option<SystemTime>,
    /// Time limit of one attempt; `None` if there is none.
    pub start_to_close_timeout: Option<Duration>,
    /// Time limit of all attempts together; `None` if there is none.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Maximum time between two heartbeats; `None` if none are expected.
    pub heartbeat_timeout: Option<Duration>,
    /// Retry policy that the server applies.
    pub retry_policy: Option<RetryPolicy>,
    /// Priority of the activity.
    pub priority: Priority,
    pub(crate) header: Header,
}

// Whoever knows the task token can complete the activity.
debug_only!(impl[] ActivityInfo, |this| {
    activity_id: this.activity_id,
    activity_run_id: this.activity_run_id,
    activity_type: this.activity_type,
    attempt: this.attempt,
    is_local: this.is_local,
    task_queue: this.task_queue,
    namespace: this.namespace,
    workflow_id: this.workflow_id,
    run_id: this.run_id,
    workflow_type: this.workflow_type,
    scheduled_time: this.scheduled_time,
    current_attempt_scheduled_time: this.current_attempt_scheduled_time,
    started_time: this.started_time,
    start_to_close_timeout: this.start_to_close_timeout,
    schedule_to_close_timeout: this.schedule_to_close_timeout,
    heartbeat_timeout: this.heartbeat_timeout,
    retry_policy: this.retry_policy,
    priority: this.priority,
});

impl ActivityInfo {
    /// Returns info for an activity that runs outside a worker, in a test: attempt 1, everything else empty.
    pub fn for_test(activity_type: impl Into<String>) -> Self {
        Self {
            activity_id: "test".into(),
            activity_run_id: None,
            activity_type: activity_type.into(),
            attempt: 1,
            is_local: false,
            task_token: Vec::new(),
            task_queue: "test".into(),
            namespace: "default".into(),
            workflow_id: Some("test".into()),
            run_id: Some("test-run".into()),
            workflow_type: Some("test".into()),
            scheduled_time: None,
            current_attempt_scheduled_time: None,
            started_time: None,
            start_to_close_timeout: None,
            schedule_to_close_timeout: None,
            heartbeat_timeout: None,
            retry_policy: None,
            priority: Priority::new(),
            header: Header::default(),
        }
    }

    /// Sets a header, for an activity that runs outside a worker.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn set_header<T: Serialize + 'static>(
        &mut self,
        key: impl Into<String>,
        value: &T,
    ) -> Result<(), PayloadError> {
        self.header.fields.insert(key.into(), to_payload(value)?);
        Ok(())
    }

    /// Returns true for a standalone activity: a client has started it, without a workflow.
    pub fn is_standalone(&self) -> bool {
        self.workflow_id.is_none()
    }

    /// Returns a header that the workflow or the client set for this activity; `None` if there is none with this name.
    ///
    /// # Errors
    /// Returns an error if the header is not a `T`.
    pub fn header<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        self.header.fields.get(key).map(from_payload).transpose()
    }
}
