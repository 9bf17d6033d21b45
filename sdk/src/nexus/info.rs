//! Information about the request, for its handler.

use std::collections::HashMap;
use std::time::SystemTime;

use super::link::NexusLink;
use crate::debug_only::debug_only;

/// Information about a request to a Nexus handler, from [`NexusContext::info`](super::NexusContext::info).
///
/// The `Debug` form shows the names of headers, but no value.
#[derive(Clone)]
#[non_exhaustive]
pub struct NexusInfo {
    /// Namespace of the worker.
    pub namespace: String,
    /// Task queue of the worker.
    pub task_queue: String,
    /// Endpoint that the caller used; empty if the server does not tell (before 1.30).
    pub endpoint: String,
    /// Name of the service.
    pub service: String,
    /// Name of the operation.
    pub operation: String,
    /// Id of the request to start the operation. All attempts of one call have the same, so it tells a repetition from
    /// a new call. Empty in a request to cancel.
    pub request_id: String,
    /// Headers of the request, by name in lower case. The caller's
    /// [`nexus_header`](crate::workflow::NexusOperationCall::nexus_header) are among them.
    pub headers: HashMap<String, String>,
    /// Links to what has made the call, such as the event in the caller's history. Empty in a request to cancel.
    pub links: Vec<NexusLink>,
    /// Time at which the caller stops waiting for the answer; `None` if there is none. By the clock of this machine.
    pub deadline: Option<SystemTime>,
    /// URL to which the result of an operation that ends later is sent; empty if the caller takes none, and in a request
    /// to cancel.
    pub callback_url: String,
    /// Headers to send with that result.
    pub callback_headers: HashMap<String, String>,
}

debug_only!(impl[] NexusInfo, |this| {
    namespace: this.namespace,
    task_queue: this.task_queue,
    endpoint: this.endpoint,
    service: this.service,
    operation: this.operation,
    request_id: this.request_id,
    headers: names(&this.headers),
    links: this.links,
    deadline: this.deadline,
});

fn names(headers: &HashMap<String, String>) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
