//! The context of a request to a Nexus handler: its info, its client and its cancellation.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::cancellation::{NexusCancelReason, NexusCancellation};
use super::info::NexusInfo;
use super::link::NexusLink;
use crate::client::Client;
use crate::metrics::Meter;

/// The context of a request to a Nexus handler: what was called, the worker's client, and the cancellation of the
/// request. Clones refer to the same request.
///
/// ```
/// use abide::prelude::*;
/// use abide::{NexusContext, NexusError};
///
/// #[abide::nexus_service]
/// pub trait Payments {
///     fn charge(cents: u64) -> String;
/// }
///
/// struct Bank;
///
/// #[abide::nexus_handlers(implements = Payments)]
/// impl Bank {
///     #[nexus_operation]
///     async fn charge(&self, ctx: &NexusContext, cents: u64) -> Result<String, NexusError> {
///         let info = ctx.info();
///         println!("{} of {} was called through {}", info.operation, info.service, info.endpoint);
///         Ok(format!("{cents} cents for request {}", info.request_id))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct NexusContext {
    request: Arc<Request>,
    info: Arc<NexusInfo>,
}

/// The parts of a request that interceptors cannot change.
pub(crate) struct Request {
    pub(crate) client: Client,
    pub(crate) cancellation: NexusCancellation,
    /// Links to what the handler has made, for the answer.
    pub(crate) links: Mutex<Vec<NexusLink>>,
    /// True once a workflow or an update backs the operation.
    pub(super) is_backed: AtomicBool,
    /// True if the namespace calls back when an update has completed.
    pub(super) has_update_callbacks: bool,
}

impl Request {
    pub(crate) fn new(client: Client, cancellation: NexusCancellation, has_update_callbacks: bool) -> Self {
        let (links, is_backed) = (Mutex::default(), AtomicBool::new(false));
        Self { client, cancellation, links, is_backed, has_update_callbacks }
    }
}

impl NexusContext {
    pub(crate) fn new(info: NexusInfo, request: Arc<Request>) -> Self {
        Self { request, info: Arc::new(info) }
    }

    pub(super) fn request(&self) -> &Request {
        &self.request
    }

    /// Returns information about the request.
    pub fn info(&self) -> &NexusInfo {
        &self.info
    }

    /// Returns this context with these headers.
    pub(crate) fn with_headers(&self, headers: &HashMap<String, String>) -> Self {
        if *headers == self.info.headers {
            return self.clone();
        }
        let info = NexusInfo { headers: headers.clone(), ..NexusInfo::clone(&self.info) };
        Self { request: Arc::clone(&self.request), info: Arc::new(info) }
    }

    /// Returns a header of the request; `None` if there is none of that name. Upper and lower case are the same.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.info.headers.get(&name.to_lowercase()).map(String::as_str)
    }

    /// Returns the worker's client, in the worker's namespace.
    pub fn client(&self) -> &Client {
        &self.request.client
    }

    /// Adds a link to something that the handler has made, for people who look at the caller's history. Links that are
    /// added after the handler has returned are lost.
    pub fn add_link(&self, link: NexusLink) {
        self.request.links.lock().unwrap_or_else(PoisonError::into_inner).push(link);
    }

    /// Returns a meter for metrics of your own, with the labels `namespace`, `task_queue`, `nexus_service` and
    /// `nexus_operation`. They are exported with those of the worker's client.
    pub fn metrics(&self) -> Meter {
        let info = &self.info;
        let meter = self.request.client.metrics().meter().with_label("namespace", &info.namespace);
        let meter = meter.with_label("task_queue", &info.task_queue);
        meter.with_label("nexus_service", &info.service).with_label("nexus_operation", &info.operation)
    }

    /// Returns true if the handler should stop: nobody waits for its answer any more.
    pub fn is_cancelled(&self) -> bool {
        self.request.cancellation.reason().is_some()
    }

    /// Returns the reason for which the handler should stop; `None` if it should not.
    pub fn cancel_reason(&self) -> Option<NexusCancelReason> {
        self.request.cancellation.reason()
    }

    /// Waits until the handler should stop, and returns the reason.
    ///
    /// After the request's [deadline](NexusInfo::deadline) the handler's future is dropped, so only code that it has spawned
    /// sees [`RequestTimeout`](NexusCancelReason::RequestTimeout). At a shutdown the handler has 10 s after this to end.
    pub async fn cancelled(&self) -> NexusCancelReason {
        self.request.cancellation.cancelled().await
    }

    /// Returns true if the worker has begun to shut down. The handler is not cancelled yet: the worker first gives it the
    /// graceful shutdown timeout (default: none).
    pub fn is_worker_shutting_down(&self) -> bool {
        self.request.cancellation.is_worker_shutting_down()
    }

    /// Waits until the worker begins to shut down: see [`is_worker_shutting_down`](Self::is_worker_shutting_down).
    pub async fn worker_shutting_down(&self) {
        self.request.cancellation.worker_shutting_down().await;
    }
}

impl fmt::Debug for NexusContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusContext").field("info", &self.info).finish_non_exhaustive()
    }
}
