//! What an activity attempt is told about itself.

use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::Header;
use serde::Serialize;

use crate::converter::{PayloadError, from_payload, to_payload};
use crate::definition::PayloadValue;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;

/// What an activity attempt is told about itself (Temporal's activity info).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ActivityInfo {
    /// The activity's id within its workflow.
    pub activity_id: String,
    /// The activity type's name.
    pub activity_type: String,
    /// Attempt, from 1.
    pub attempt: u32,
    /// True if it is a local activity: run by the worker that has the workflow task, without heartbeats.
    pub is_local: bool,
    /// Opaque key of this attempt, for whoever completes it later (see
    /// [`ActivityError::will_complete_async`](crate::ActivityError::will_complete_async)); a local activity has none.
    pub task_token: Vec<u8>,
    /// The task queue it was polled from.
    pub task_queue: String,
    /// The namespace it belongs to.
    pub namespace: String,
    /// The workflow that scheduled it.
    pub workflow_id: String,
    /// That workflow's run.
    pub run_id: String,
    /// That workflow's type.
    pub workflow_type: String,
    /// When the first attempt was scheduled.
    pub scheduled_time: Option<SystemTime>,
    /// When this attempt was scheduled.
    pub current_attempt_scheduled_time: Option<SystemTime>,
    /// When this attempt was handed to the worker.
    pub started_time: Option<SystemTime>,
    /// Limit of one attempt; `None` if there is none.
    pub start_to_close_timeout: Option<Duration>,
    /// Limit of all attempts together; `None` if there is none.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Longest time between two heartbeats; `None` if none are expected.
    pub heartbeat_timeout: Option<Duration>,
    /// When the server tries again.
    pub retry_policy: Option<RetryPolicy>,
    /// How urgent the activity is.
    pub priority: Priority,
    pub(crate) header: Header,
}

impl ActivityInfo {
    /// Info for an activity that runs outside a worker, in a test: attempt 1, everything else empty.
    pub fn for_test(activity_type: impl Into<String>) -> Self {
        Self {
            activity_id: "test".into(),
            activity_type: activity_type.into(),
            attempt: 1,
            is_local: false,
            task_token: Vec::new(),
            task_queue: "test".into(),
            namespace: "default".into(),
            workflow_id: "test".into(),
            run_id: "test-run".into(),
            workflow_type: "test".into(),
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

    /// A header that the workflow gave this activity; `None` if there is none of that name.
    ///
    /// # Errors
    /// Returns an error if the header is not a `T`.
    pub fn header<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        self.header.fields.get(key).map(from_payload).transpose()
    }
}
