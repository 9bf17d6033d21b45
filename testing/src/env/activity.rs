//! An environment for a single activity: its code runs as a worker runs it, without a server.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abide::activity::{
    ActivityCancelReason, ActivityCancellation, ActivityImplementation, ActivityInfo, ActivityOutbound,
};
use abide::converter::{PayloadError, from_payload, to_payload};
use abide::{Activity, ActivityContext, ActivityDefinition, ActivityError, PayloadValue};
use abide_protos::temporal::api::common::v1::Payload;

use super::worker::{ArgsOf, OutputOf};

/// Runs the code of single activities, as attempts of which a test says everything: their info, the progress of the
/// attempt before, and when they are cancelled, and why.
///
/// An activity without an [`ActivityContext`] needs none of it: call the function.
///
/// ```
/// use abide::activity::ActivityCancelReason;
/// use abide::prelude::*;
/// use abide_testing::ActivityEnvironment;
///
/// #[activity]
/// async fn copy(ctx: &ActivityContext, files: u32) -> Result<u32, ActivityError> {
///     for file in ctx.last_heartbeat()?.unwrap_or(0)..files {
///         if ctx.is_cancelled() {
///             return Err(ActivityError::cancelled());
///         }
///         // ... copy it ...
///         ctx.heartbeat(&(file + 1))?;
///     }
///     Ok(files)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The third heartbeat is answered with a cancellation.
/// let first = ActivityEnvironment::new().cancel_at_heartbeat(3, ActivityCancelReason::Cancelled);
/// let error = first.run(copy, 10).await.expect_err("it is cancelled");
/// assert!(error.is_cancelled());
/// assert_eq!(first.heartbeats::<u32>()?, [1, 2, 3]);
///
/// // The next attempt goes on where the first one was.
/// let second = first.next_attempt();
/// assert_eq!(second.run(copy, 5).await.unwrap(), 5);
/// assert_eq!(second.heartbeats::<u32>()?, [4, 5]);
/// # Ok(())
/// # }
/// ```
pub struct ActivityEnvironment {
    info: ActivityInfo,
    earlier: Vec<Payload>,
    cancellation: ActivityCancellation,
    seen: Arc<Seen>,
}

impl ActivityEnvironment {
    /// An environment for a first attempt that nobody cancels: [`ActivityInfo::for_test`].
    pub fn new() -> Self {
        Self::of(ActivityInfo::for_test("test"), Vec::new())
    }

    /// Changes what the attempt is told about itself: `.info(|info| info.attempt = 3)`. Its type is the name of the
    /// activity that is run.
    #[must_use]
    pub fn info(mut self, change: impl FnOnce(&mut ActivityInfo)) -> Self {
        change(&mut self.info);
        self
    }

    /// A header that the workflow gives the activity.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn header<T: PayloadValue>(mut self, key: impl Into<String>, value: &T) -> Result<Self, PayloadError> {
        self.info.set_header(key, value)?;
        Ok(self)
    }

    /// The progress that the attempt before reported last. Default: there is none.
    ///
    /// # Errors
    /// Returns an error if serde refuses the progress.
    pub fn last_heartbeat<T: PayloadValue>(mut self, progress: &T) -> Result<Self, PayloadError> {
        self.earlier = vec![to_payload(progress)?];
        Ok(self)
    }

    /// Cancels the attempt when it heartbeats for the `nth` time, counted from 1: as a server does, which answers a
    /// heartbeat with the news.
    #[must_use]
    pub fn cancel_at_heartbeat(self, nth: usize, reason: ActivityCancelReason) -> Self {
        self.seen.lock().cancel_at = Some((nth, reason));
        self
    }

    /// Cancels the attempt now, before it is run or from beside it. Only the first reason counts.
    ///
    /// ```
    /// use abide::activity::ActivityCancelReason;
    /// use abide::prelude::*;
    /// use abide_testing::ActivityEnvironment;
    ///
    /// #[activity]
    /// async fn watch(ctx: &ActivityContext) -> Result<String, ActivityError> {
    ///     Ok(format!("{:?}", ctx.cancelled().await))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let env = ActivityEnvironment::new();
    /// let (watched, ()) = tokio::join!(env.run(watch, ()), async { env.cancel(ActivityCancelReason::Paused) });
    /// assert_eq!(watched.unwrap(), "Paused");
    /// # }
    /// ```
    pub fn cancel(&self, reason: ActivityCancelReason) {
        self.cancellation.cancel(reason);
    }

    /// Tells the attempt that its worker shuts down and its graceful period is over.
    pub fn shut_down_worker(&self) {
        self.cancel(ActivityCancelReason::WorkerShutdown);
    }

    /// Runs an activity that is a function.
    ///
    /// # Errors
    /// What the activity returns.
    pub async fn run<Kind, A>(&self, activity: A, args: ArgsOf<A, Kind>) -> Result<OutputOf<A, Kind>, ActivityError>
    where
        A: Activity<Kind>,
        A::Definition: ActivityImplementation<Host = ()>,
    {
        self.run_on(Arc::new(()), activity, args).await
    }

    /// Runs an activity that is a method: `env.run_on(Arc::new(shop), Shop::charge, 995)`.
    ///
    /// # Errors
    /// What the activity returns.
    pub async fn run_on<Kind, A>(
        &self,
        host: Arc<<A::Definition as ActivityImplementation>::Host>,
        activity: A,
        args: ArgsOf<A, Kind>,
    ) -> Result<OutputOf<A, Kind>, ActivityError>
    where
        A: Activity<Kind>,
        A::Definition: ActivityImplementation,
    {
        let activity = activity.definition();
        let mut info = self.info.clone();
        info.activity_type = activity.name().into_owned();
        let outbound = Outbound { seen: Arc::clone(&self.seen), cancellation: self.cancellation.clone() };
        let (earlier, cancellation) = (self.earlier.clone(), self.cancellation.clone());
        let context = ActivityContext::with_heartbeat_details(info, earlier, cancellation, Box::new(outbound));
        activity.call(host, context, args).await
    }

    /// The progress of all heartbeats so far, none of them throttled.
    ///
    /// # Errors
    /// Returns an error if one is not a `T`.
    pub fn heartbeats<T: PayloadValue>(&self) -> Result<Vec<T>, PayloadError> {
        self.seen.lock().heartbeats.iter().map(from_payload).collect()
    }

    /// An environment for the attempt after this one: it has this one's last progress, and nobody cancels it.
    #[must_use]
    pub fn next_attempt(&self) -> Self {
        let mut info = self.info.clone();
        info.attempt += 1;
        let last = self.seen.lock().heartbeats.last().cloned();
        Self::of(info, last.map_or_else(|| self.earlier.clone(), |last| vec![last]))
    }

    fn of(info: ActivityInfo, earlier: Vec<Payload>) -> Self {
        Self { info, earlier, cancellation: ActivityCancellation::new(), seen: Arc::default() }
    }
}

impl Default for ActivityEnvironment {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ActivityEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityEnvironment").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What an attempt has reported, and what comes of it.
#[derive(Default)]
struct Seen(Mutex<Log>);

#[derive(Default)]
struct Log {
    heartbeats: Vec<Payload>,
    cancel_at: Option<(usize, ActivityCancelReason)>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Outbound {
    seen: Arc<Seen>,
    cancellation: ActivityCancellation,
}

impl ActivityOutbound for Outbound {
    fn heartbeat(&self, details: Vec<Payload>) {
        let mut log = self.seen.lock();
        log.heartbeats.extend(details);
        let due = log.cancel_at.filter(|(nth, _)| *nth <= log.heartbeats.len());
        drop(log);
        if let Some((_, reason)) = due {
            self.cancellation.cancel(reason);
        }
    }
}
