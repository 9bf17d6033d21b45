//! An environment for a single activity: runs its code like a worker, without a server.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abide::activity::{
    ActivityCancelReason, ActivityCancellation, ActivityImplementation, ActivityInfo, ActivityOutbound,
};
use abide::converter::{PayloadError, from_payload, to_payload};
use abide::{Activity, ActivityContext, ActivityDefinition, ActivityError, PayloadValue};
use abide_protos::temporal::api::common::v1::Payload;

use super::worker::{ArgsOf, OutputOf};

/// Runs the code of single activities. The test sets everything about the attempt: its info, the progress of the
/// previous attempt, and the time of and reason for its cancellation.
///
/// An activity without an [`ActivityContext`] does not need it: call the function.
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
/// // The next attempt continues where the first one stopped.
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
    /// Creates an environment for a first attempt that is not cancelled: [`ActivityInfo::for_test`].
    pub fn new() -> Self {
        Self::of(ActivityInfo::for_test("test"), Vec::new())
    }

    /// Changes the attempt's info: `.info(|info| info.attempt = 3)`. The activity type is always the name of the
    /// activity that is run.
    #[must_use]
    pub fn info(mut self, change: impl FnOnce(&mut ActivityInfo)) -> Self {
        change(&mut self.info);
        self
    }

    /// Adds a header, as the workflow sets it for the activity.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn header<T: PayloadValue>(mut self, key: impl Into<String>, value: &T) -> Result<Self, PayloadError> {
        self.info.set_header(key, value)?;
        Ok(self)
    }

    /// Sets the last progress reported by the previous attempt. Default: none.
    ///
    /// # Errors
    /// Returns an error if serde refuses the progress.
    pub fn last_heartbeat<T: PayloadValue>(mut self, progress: &T) -> Result<Self, PayloadError> {
        self.earlier = vec![to_payload(progress)?];
        Ok(self)
    }

    /// Cancels the attempt at its `nth` heartbeat, counted from 1, as a server does in its answer to a heartbeat.
    #[must_use]
    pub fn cancel_at_heartbeat(self, nth: usize, reason: ActivityCancelReason) -> Self {
        self.seen.lock().cancel_at = Some((nth, reason));
        self
    }

    /// Cancels the attempt now, before it is run or while it is running. Only the first reason counts.
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

    /// Cancels the attempt as a worker does that shuts down, after its graceful shutdown timeout.
    pub fn shut_down_worker(&self) {
        self.cancel(ActivityCancelReason::WorkerShutdown);
    }

    /// Runs an activity that is a function.
    ///
    /// # Errors
    /// Returns the activity's error.
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
    /// Returns the activity's error.
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

    /// Returns the progress of all heartbeats so far; heartbeats are not throttled.
    ///
    /// # Errors
    /// Returns an error if one is not a `T`.
    pub fn heartbeats<T: PayloadValue>(&self) -> Result<Vec<T>, PayloadError> {
        self.seen.lock().heartbeats.iter().map(from_payload).collect()
    }

    /// Creates an environment for the next attempt: with this attempt's last progress, and not cancelled.
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

/// The heartbeats of an attempt, and the reaction to them.
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
