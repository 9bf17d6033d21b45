//! The context of an activity attempt: its info, heartbeats and cancellation.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use abide_protos::temporal::api::common::v1::Payload;
use serde::Serialize;

use super::cancellation::{ActivityCancelReason, ActivityCancellation};
use super::info::ActivityInfo;
use super::registry::ActivityFuture;
use super::resume::Resumed;
use crate::converter::{PayloadError, RawArguments, read_one, to_payload};
use crate::definition::PayloadValue;
use crate::failure::ActivityError;
use crate::header::Headers;
use crate::interceptor::activity::ActivityInterceptor;
use crate::metrics::{Meter, Metrics};

/// The context of a running activity attempt: its info, heartbeats and cancellation. Clones refer to the same context.
///
/// Long-running activities should call [`heartbeat`](Self::heartbeat). Otherwise the server cannot tell that the worker
/// has died. Cancellation requests also arrive with the answer to a heartbeat. An activity without heartbeats gets them
/// only if the server sends commands to workers, which not every server does.
#[derive(Clone)]
pub struct ActivityContext {
    inner: Arc<Inner>,
}

struct Inner {
    info: ActivityInfo,
    heartbeat_details: Vec<Payload>,
    cancellation: ActivityCancellation,
    outbound: Box<dyn ActivityOutbound>,
    /// Used if the host has none.
    own_metrics: OnceLock<Metrics>,
}

/// The code of an attempt that may block its thread, with arguments and result as payloads.
pub type BlockingCode = Box<dyn FnOnce() -> Result<Payload, ActivityError> + Send>;

/// The destination of an attempt's heartbeats.
pub trait ActivityOutbound: Send + Sync {
    /// Records a heartbeat with the attempt's progress. Must return at once.
    fn heartbeat(&self, details: Vec<Payload>);

    /// Begins to send heartbeats while the attempt's code runs, because the activity is declared with
    /// `#[activity(auto_heartbeat)]`. Must return at once. Default: does nothing.
    fn begin_auto_heartbeat(&self) {}

    /// Runs the code of an activity that is declared with `#[activity(blocking)]`, on a thread that it may block. Must
    /// return at once; the code begins when the future is polled first. A panic of the code is one of the future.
    /// Default: the code runs where the future is polled, and blocks that thread.
    fn run_blocking(&self, code: BlockingCode) -> ActivityFuture<Payload> {
        Box::pin(async move { code() })
    }

    /// Returns the client of the host, which is a `Client`: [`ActivityContext`] has a method for it. Default: none.
    fn client(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Returns the metrics that the attempt's code records into. Default: none; what it records is then lost.
    fn metrics(&self) -> Option<&Metrics> {
        None
    }
}

impl ActivityContext {
    /// Creates a context for an attempt that the caller runs, such as a worker or a test.
    pub fn new(info: ActivityInfo, cancellation: ActivityCancellation, outbound: Box<dyn ActivityOutbound>) -> Self {
        Self::with_heartbeat_details(info, Vec::new(), cancellation, outbound)
    }

    /// Like [`new`](Self::new), with the last progress reported by an earlier attempt.
    pub fn with_heartbeat_details(
        info: ActivityInfo,
        heartbeat_details: Vec<Payload>,
        cancellation: ActivityCancellation,
        outbound: Box<dyn ActivityOutbound>,
    ) -> Self {
        let own_metrics = OnceLock::new();
        Self { inner: Arc::new(Inner { info, heartbeat_details, cancellation, outbound, own_metrics }) }
    }

    /// Returns information about this attempt.
    pub fn info(&self) -> &ActivityInfo {
        &self.inner.info
    }

    /// Returns the host's client, if it has one.
    #[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "only workers have clients"))]
    pub(crate) fn host_client(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.inner.outbound.client()
    }

    /// Returns a meter for metrics of your own, with the labels `namespace`, `task_queue`, `workflow_type` and
    /// `activity_type`. They are exported with those of the worker's client. The `workflow_type` of a standalone activity
    /// is empty.
    ///
    /// ```
    /// use abide::prelude::*;
    ///
    /// #[activity]
    /// async fn resize(ctx: &ActivityContext, bytes: u64) -> Result<(), ActivityError> {
    ///     ctx.metrics().counter("image_bytes", "Size of the images", "bytes").add(bytes);
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    pub fn metrics(&self) -> Meter {
        let own = || self.inner.own_metrics.get_or_init(Metrics::default);
        let (metrics, info) = (self.inner.outbound.metrics().unwrap_or_else(own), &self.inner.info);
        let meter = metrics.meter().with_label("namespace", &info.namespace).with_label("task_queue", &info.task_queue);
        meter
            .with_label("workflow_type", info.workflow_type.as_deref().unwrap_or_default())
            .with_label("activity_type", &info.activity_type)
    }

    /// Reports that the attempt is alive, together with its progress. The next attempt can resume from this progress.
    ///
    /// Returns at once. Frequent calls are throttled to one per 80 % of the heartbeat timeout. The latest progress
    /// wins.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// #[activity]
    /// async fn copy(ctx: &ActivityContext, files: u32) -> Result<u32, ActivityError> {
    ///     // The progress of the last attempt, if its worker died.
    ///     let first: u32 = ctx.last_heartbeat()?.unwrap_or(0);
    ///     for file in first..files {
    ///         // ... copy it ...
    ///         ctx.heartbeat(&(file + 1))?;
    ///     }
    ///     Ok(files)
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// Returns an error if serde cannot serialize the progress.
    pub fn heartbeat<T: Serialize + 'static>(&self, progress: &T) -> Result<(), PayloadError> {
        self.inner.outbound.heartbeat(vec![to_payload(progress)?]);
        Ok(())
    }

    /// Returns the last progress that an earlier attempt reported, or `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the progress is not a `T`.
    pub fn last_heartbeat<T: PayloadValue>(&self) -> Result<Option<T>, PayloadError> {
        if self.inner.heartbeat_details.is_empty() {
            return Ok(None);
        }
        let read = read_one(self.inner.heartbeat_details.first()).map(Some);
        read.map_err(|error| error.of("the last heartbeat"))
    }

    /// Iterates over `items` without those that an earlier attempt has finished, and reports progress: when the next
    /// item is asked for, the one before it is finished, and a heartbeat says how many are.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn upload(file: &str) -> Result<(), std::io::Error> { Ok(()) }
    /// #[activity]
    /// async fn upload_all(ctx: &ActivityContext, files: Vec<String>) -> Result<(), ActivityError> {
    ///     for file in ctx.resume(files)? {
    ///         upload(&file).await?; // If this fails, the next attempt begins with this file.
    ///     }
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// The items must have the same order in every attempt. An item that an attempt did not finish is repeated, and so
    /// may be the last ones that it finished, because heartbeats are throttled. Items that are asked for count as
    /// finished when the next one is: `collect()`, `peekable()` and other adapters that read ahead would report too
    /// much.
    ///
    /// The progress is a number, so do not call [`heartbeat`](Self::heartbeat) with something else beside it.
    ///
    /// # Errors
    /// Returns an error if the last heartbeat of an earlier attempt is not a number of items.
    pub fn resume<I: IntoIterator>(&self, items: I) -> Result<Resumed<I::IntoIter>, PayloadError> {
        let finished = self.last_heartbeat()?.unwrap_or(0);
        Ok(Resumed::new(self.clone(), items.into_iter(), finished))
    }

    /// Returns true if the attempt should stop.
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancellation.reason().is_some()
    }

    /// Returns the reason for which the attempt should stop; `None` if it should not.
    pub fn cancel_reason(&self) -> Option<ActivityCancelReason> {
        self.inner.cancellation.reason()
    }

    /// Waits until the attempt should stop, and returns the reason.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn copy_next_file() {}
    /// # async fn body(ctx: &ActivityContext) -> Result<(), ActivityError> {
    /// tokio::select! {
    ///     () = copy_next_file() => Ok(()),
    ///     _ = ctx.cancelled() => Err(ActivityError::cancelled()),
    /// }
    /// # }
    /// ```
    pub async fn cancelled(&self) -> ActivityCancelReason {
        self.inner.cancellation.cancelled().await
    }

    /// Waits until the worker begins to shut down. The attempt is not cancelled yet: the worker first gives it the
    /// graceful shutdown timeout (default: none), then [cancels](Self::cancelled) it. Use the notice to begin nothing
    /// new, and to leave the rest to the next attempt, on another worker.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn copy(file: u32) {}
    /// #[activity]
    /// async fn copy_all(ctx: &ActivityContext, files: u32) -> Result<(), ActivityError> {
    ///     for file in ctx.resume(0..files)? {
    ///         if ctx.is_worker_shutting_down() {
    ///             return Err("the worker shuts down; the next attempt copies the rest".into());
    ///         }
    ///         copy(file).await;
    ///     }
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// Local activities get the notice, too. Without a shutdown this never ends.
    pub async fn worker_shutting_down(&self) {
        self.inner.cancellation.worker_shutting_down().await;
    }

    /// Returns true if the worker has begun to shut down: see [`worker_shutting_down`](Self::worker_shutting_down).
    pub fn is_worker_shutting_down(&self) -> bool {
        self.inner.cancellation.is_worker_shutting_down()
    }

    /// Asks the host to send heartbeats while the code runs.
    pub(super) fn begin_auto_heartbeat(&self) {
        self.inner.outbound.begin_auto_heartbeat();
    }

    /// Runs code that may block, where the host runs such code.
    pub(super) fn run_blocking(&self, code: BlockingCode) -> ActivityFuture<Payload> {
        let running = self.inner.outbound.run_blocking(code);
        let left = LeftAlone { cancellation: Some(self.inner.cancellation.clone()) };
        Box::pin(async move {
            let ended = running.await;
            left.has_ended();
            ended
        })
    }

    /// Returns this context with an observer, which is called for each heartbeat as it is made. Test environments use
    /// it to notice heartbeats of code that keeps them from being delivered.
    #[doc(hidden)]
    #[must_use = "only the returned context is observed"]
    pub fn heard_by(&self, hears: impl Fn() + Send + Sync + 'static) -> Self {
        self.derived(self.inner.info.clone(), move |_, _| hears())
    }

    /// Returns this context with interceptors that see its heartbeats.
    pub(crate) fn with_interceptors(&self, interceptors: &Arc<[Arc<dyn ActivityInterceptor>]>) -> Self {
        let interceptors = Arc::clone(interceptors);
        self.derived(self.inner.info.clone(), move |info, details| {
            let mut shown = RawArguments::from_payloads(std::mem::take(details));
            interceptors.iter().for_each(|interceptor| interceptor.heartbeat(info, &mut shown));
            *details = shown.into_payloads();
        })
    }

    /// Returns this context with these headers.
    pub(crate) fn with_headers(&self, headers: &Headers) -> Self {
        let header = headers.to_proto().unwrap_or_default();
        if header == self.inner.info.header {
            return self.clone();
        }
        self.derived(ActivityInfo { header, ..self.inner.info.clone() }, |_, _| {})
    }

    /// Returns a context of the same attempt with this info. Its heartbeats pass through `before`.
    fn derived(
        &self,
        info: ActivityInfo,
        before: impl Fn(&ActivityInfo, &mut Vec<Payload>) + Send + Sync + 'static,
    ) -> Self {
        let outbound = Box::new(Through { before, to: self.clone() });
        let Inner { heartbeat_details, cancellation, .. } = &*self.inner;
        Self::with_heartbeat_details(info, heartbeat_details.clone(), cancellation.clone(), outbound)
    }

    /// Returns true if this waker is woken when the attempt should stop. Test environments use it to find out if the
    /// code waits only for its cancellation.
    #[doc(hidden)]
    pub fn cancellation_wakes(&self, waker: &Waker) -> bool {
        self.inner.cancellation.wakes(waker)
    }
}

/// Tells code on another thread that nobody waits for it any more, when its future is dropped: nothing else stops it.
struct LeftAlone {
    /// `None` once the code has ended.
    cancellation: Option<ActivityCancellation>,
}

impl LeftAlone {
    fn has_ended(mut self) {
        self.cancellation = None;
    }
}

impl Drop for LeftAlone {
    fn drop(&mut self) {
        if let Some(cancellation) = &self.cancellation {
            cancellation.cancel(ActivityCancelReason::NotFound);
        }
    }
}

/// The way to another context's host, past code that sees the heartbeats.
struct Through<F> {
    before: F,
    to: ActivityContext,
}

impl<F: Fn(&ActivityInfo, &mut Vec<Payload>) + Send + Sync> ActivityOutbound for Through<F> {
    fn heartbeat(&self, mut details: Vec<Payload>) {
        (self.before)(self.to.info(), &mut details);
        self.to.inner.outbound.heartbeat(details);
    }

    fn begin_auto_heartbeat(&self) {
        self.to.begin_auto_heartbeat();
    }

    fn run_blocking(&self, code: BlockingCode) -> ActivityFuture<Payload> {
        self.to.run_blocking(code)
    }

    fn client(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.to.inner.outbound.client()
    }

    fn metrics(&self) -> Option<&Metrics> {
        self.to.inner.outbound.metrics()
    }
}

impl fmt::Debug for ActivityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityContext").field("info", &self.inner.info).finish_non_exhaustive()
    }
}
