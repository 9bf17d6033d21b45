//! Options of single calls: time limit, metadata, retries.

use std::time::Duration;

use tonic::metadata::MetadataMap;

use super::connection::headers::entry;
use super::retry::RetrySchedule;

/// Options of calls, for [`Client::with_call_options`](super::Client::with_call_options).
///
/// Without them, a call has 30 s for each attempt, and is retried for up to 10 s, ten attempts at most.
///
/// ```
/// use std::time::Duration;
/// use abide::client::CallOptions;
///
/// let options = CallOptions::new().timeout(Duration::from_secs(2)).rpc_metadata("x-request", "4711");
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
#[must_use = "options do nothing until `Client::with_call_options` takes them"]
pub struct CallOptions {
    pub(super) timeout: Option<Duration>,
    metadata: Vec<(String, String)>,
    is_tried_once: bool,
}

impl CallOptions {
    /// Creates options that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Limits a call to this time, retries included; retries then go on for as long. A call that waits for something to
    /// happen, such as [`result`](super::WorkflowHandle::result), is not limited: put `tokio::time::timeout` around it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Adds metadata, as a gRPC header, not a Temporal header. It replaces metadata of the same name that
    /// [`ClientOptions::rpc_metadata`](super::ClientOptions::rpc_metadata) has set for all calls. With an invalid name or
    /// value, calls fail.
    pub fn rpc_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Makes one attempt only. For callers that retry by themselves.
    pub fn without_retries(mut self) -> Self {
        self.is_tried_once = true;
        self
    }

    /// Returns the schedule of retries.
    pub(super) fn schedule(&self) -> RetrySchedule {
        match (self.is_tried_once, self.timeout) {
            (true, _) => RetrySchedule::NEVER,
            (false, Some(time)) => RetrySchedule::within(time),
            (false, None) => RetrySchedule::CALL,
        }
    }

    /// Adds the metadata to that of all calls, or returns a text that says what is wrong with it.
    pub(super) fn add_to(&self, metadata: &mut MetadataMap) -> Result<(), String> {
        for (name, value) in &self.metadata {
            let (name, value) = entry(name, value)?;
            metadata.insert(name, value);
        }
        Ok(())
    }
}

/// Does not show the values of metadata, which may be secrets.
impl std::fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallOptions")
            .field("timeout", &self.timeout)
            .field("rpc_metadata", &self.metadata.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("is_tried_once", &self.is_tried_once)
            .finish()
    }
}
