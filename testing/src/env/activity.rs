//! An environment for a single activity: runs its code like a worker, without a server.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use abide::activity::{
    ActivityCancelReason, ActivityCancellation, ActivityFuture, ActivityImplementation, ActivityInfo, ActivityOutbound,
    ActivityRegistry, BlockingCode,
};
use abide::client::Client;
use abide::converter::{PayloadError, PayloadWriter, from_payload, to_payload};
use abide::interceptor::ActivityInterceptor;
use abide::metrics::Metrics;
use abide::{
    Activity, ActivityContext, ActivityDefinition, ActivityError, ApplicationFailure, Arguments, IntoShared,
    PayloadValue,
};
use abide_protos::fields::std_duration_text;
use abide_protos::temporal::api::common::v1::Payload;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::worker::{ArgsOf, OutputOf};

/// Real time for which an activity may show nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the code of single activities. The test sets everything about the attempt: its info, the progress of the
/// previous attempt, and the time of and reason for its cancellation.
///
/// Arguments and the result are serialized and read, as between a workflow and a worker. An activity without an
/// [`ActivityContext`] does not need an environment: call the function.
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
#[must_use = "an activity's environment does nothing until it runs an activity"]
pub struct ActivityEnvironment {
    info: ActivityInfo,
    patience: Duration,
    interceptors: Vec<Arc<dyn ActivityInterceptor>>,
    earlier: Vec<Payload>,
    cancellation: ActivityCancellation,
    metrics: Metrics,
    client: Option<Client>,
    seen: Arc<Seen>,
}

impl ActivityEnvironment {
    /// Creates an environment for a first attempt that is not cancelled: [`ActivityInfo::for_test`].
    pub fn new() -> Self {
        Self::of(ActivityInfo::for_test("test"), Vec::new())
    }

    /// Changes the attempt's info: `.info(|info| info.attempt = 3)`. The activity type is always the name of the
    /// activity that is run.
    pub fn info(mut self, change: impl FnOnce(&mut ActivityInfo)) -> Self {
        change(&mut self.info);
        self
    }

    /// Adds a header, as the workflow sets it for the activity.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Result<Self, PayloadError> {
        self.info.set_header(key, value)?;
        Ok(self)
    }

    /// Adds an interceptor around the activity, as a worker has it. The first one is the outermost.
    ///
    /// ```
    /// use abide::converter::RawPayload;
    /// use abide::interceptor::{ActivityInterceptor, ActivityNext, ExecuteActivityInput, async_trait};
    /// use abide::prelude::*;
    /// use abide_testing::ActivityEnvironment;
    ///
    /// /// Rounds the first argument up to a dozen.
    /// struct Dozens;
    ///
    /// #[async_trait]
    /// impl ActivityInterceptor for Dozens {
    ///     async fn execute_activity(
    ///         &self,
    ///         ctx: &ActivityContext,
    ///         mut input: ExecuteActivityInput,
    ///         next: ActivityNext<'_>,
    ///     ) -> Result<RawPayload, ActivityError> {
    ///         let count: u32 = input.arguments.get(0)?;
    ///         input.arguments.set(0, &(count.div_ceil(12) * 12))?;
    ///         next.run(ctx, input).await
    ///     }
    /// }
    ///
    /// #[activity]
    /// async fn order_eggs(count: u32) -> Result<u32, ActivityError> {
    ///     Ok(count)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let env = ActivityEnvironment::new().interceptor(Dozens);
    /// assert_eq!(env.run(order_eggs, 13).await.unwrap(), 24);
    /// # }
    /// ```
    pub fn interceptor(mut self, interceptor: impl IntoShared<dyn ActivityInterceptor>) -> Self {
        self.interceptors.push(interceptor.into_shared());
        self
    }

    /// Gives the activity a client, which [`ActivityContext::client`] returns: that of a
    /// [`TestWorkflowEnvironment`](crate::TestWorkflowEnvironment), for example. Default: none, so that `ctx.client()`
    /// panics.
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// Sets the last progress reported by the previous attempt. Default: none.
    ///
    /// # Errors
    /// Returns an error if serde refuses the progress.
    pub fn last_heartbeat<T: Serialize + 'static>(mut self, progress: &T) -> Result<Self, PayloadError> {
        self.earlier = vec![to_payload(progress)?];
        Ok(self)
    }

    /// Calls `hears` with the progress of each heartbeat, as it is made. It can look at what the activity has done so far,
    /// or [cancel](Self::cancellation) it. Only the callback that was given last is called.
    ///
    /// ```
    /// use abide::activity::ActivityCancelReason;
    /// use abide::prelude::*;
    /// use abide_testing::ActivityEnvironment;
    ///
    /// #[activity]
    /// async fn count(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    ///     let mut counted = 0;
    ///     while !ctx.is_cancelled() {
    ///         counted += 1;
    ///         ctx.heartbeat(&counted)?;
    ///     }
    ///     Ok(counted)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let env = ActivityEnvironment::new();
    /// let cancellation = env.cancellation();
    /// let env = env.on_heartbeat(move |counted: u32| {
    ///     if counted == 7 {
    ///         cancellation.cancel(ActivityCancelReason::Cancelled);
    ///     }
    /// });
    /// assert_eq!(env.run(count, ()).await.unwrap(), 7);
    /// # }
    /// ```
    ///
    /// # Panics
    /// The activity's heartbeat panics if its progress is not a `T`.
    pub fn on_heartbeat<T: PayloadValue>(self, hears: impl Fn(T) + Send + Sync + 'static) -> Self {
        self.seen.lock().hears = Some(Arc::new(move |nth, progress| match from_payload(progress) {
            Ok(progress) => hears(progress),
            Err(error) => panic!("the progress of heartbeat {nth} cannot be read by `on_heartbeat`: {error}"),
        }));
        self
    }

    /// Cancels the attempt at its `nth` heartbeat, counted from 1, as a server does in its answer to a heartbeat.
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

    /// Returns the attempt's cancellation, for another task or for [`on_heartbeat`](Self::on_heartbeat).
    pub fn cancellation(&self) -> ActivityCancellation {
        self.cancellation.clone()
    }

    /// Gives the attempt the notice that its worker begins to shut down. This does not cancel it. Does nothing if the
    /// attempt has had the notice.
    ///
    /// ```
    /// use abide::prelude::*;
    /// use abide_testing::ActivityEnvironment;
    ///
    /// #[activity]
    /// async fn serve(ctx: &ActivityContext) -> Result<bool, ActivityError> {
    ///     ctx.worker_shutting_down().await;
    ///     Ok(ctx.is_cancelled())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let env = ActivityEnvironment::new();
    /// let (is_cancelled, ()) = tokio::join!(env.run(serve, ()), async { env.begin_worker_shutdown() });
    /// assert!(!is_cancelled.unwrap());
    /// # }
    /// ```
    pub fn begin_worker_shutdown(&self) {
        self.cancellation.begin_worker_shutdown();
    }

    /// Cancels the attempt as a worker does that shuts down, after its graceful shutdown timeout. Gives it the
    /// [notice](Self::begin_worker_shutdown) at the same time, if it has not had it.
    pub fn shut_down_worker(&self) {
        self.cancel(ActivityCancelReason::WorkerShutdown);
    }

    /// Sets the real time for which an activity may show nothing, neither a heartbeat nor its end; then
    /// [`run`](Self::run) panics. Default: one minute.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs an activity that is a function.
    ///
    /// # Errors
    /// Returns the activity's error, or an error if the arguments or the result cannot be written or read.
    ///
    /// # Panics
    /// Panics if the activity shows nothing for too long (see [`patience`](Self::patience)), for example because it waits
    /// for a cancellation that never comes.
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
    /// Returns the activity's error, or an error if the arguments or the result cannot be written or read.
    ///
    /// # Panics
    /// See [`run`](Self::run).
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
        let name = activity.name().into_owned();
        let mut info = self.info.clone();
        info.activity_type.clone_from(&name);
        let (earlier, cancellation) = (self.earlier.clone(), self.cancellation.clone());
        let (seen, metrics) = (Arc::clone(&self.seen), self.metrics.clone());
        let client = self.client.clone();
        let outbound = Outbound { seen, cancellation: cancellation.clone(), metrics, client };
        let context = ActivityContext::with_heartbeat_details(info, earlier, cancellation, Box::new(outbound));
        let mut input = PayloadWriter::new();
        A::Definition::write_args(&args, &mut input)
            .map_err(|error| misfit(format!("the arguments of activity `{name}` cannot be written: {error}")))?;
        // A worker reads the arguments. So an argument that does not read back must fail here, too.
        let mut registry = ActivityRegistry::default();
        registry.add(activity, host);
        let registered = registry.intercepted(&self.interceptors).get(&name).expect("the activity was just registered");
        let mut code = pin!(registered.run(context, input.into_payloads()));
        let output = loop {
            let heartbeats = self.seen.lock().heartbeats.len();
            match with_patience(self.patience, code.as_mut()).await {
                Some(ended) => break ended?,
                None if self.seen.lock().heartbeats.len() > heartbeats => {}
                None => panic!("{}", self.shows_nothing(&name)),
            }
        };
        from_payload(&output)
            .map_err(|error| misfit(format!("the result of activity `{name}` cannot be read: {error}")))
    }

    /// Returns the progress of all heartbeats so far; heartbeats are not throttled.
    ///
    /// # Errors
    /// Returns an error if one is not a `T`.
    pub fn heartbeats<T: PayloadValue>(&self) -> Result<Vec<T>, PayloadError> {
        self.seen.lock().heartbeats.iter().map(from_payload).collect()
    }

    /// Creates an environment for the next attempt: with this attempt's last progress and interceptors, and not
    /// cancelled.
    /// Returns the metrics that the activity has recorded through [`ActivityContext::metrics`].
    ///
    /// ```
    /// use abide::prelude::*;
    /// use abide_testing::ActivityEnvironment;
    ///
    /// #[activity]
    /// async fn resize(ctx: &ActivityContext, bytes: u64) -> Result<(), ActivityError> {
    ///     ctx.metrics().counter("image_bytes", "Size of the images", "bytes").add(bytes);
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let env = ActivityEnvironment::new();
    /// env.run(resize, 700).await.unwrap();
    /// assert_eq!(env.metrics().total("image_bytes", &[("activity_type", "resize")]), 700.0);
    /// # }
    /// ```
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Creates an environment for the next attempt: with this attempt's last progress, and not cancelled.
    pub fn next_attempt(&self) -> Self {
        let mut info = self.info.clone();
        info.attempt += 1;
        let last = self.seen.lock().heartbeats.last().cloned();
        let earlier = last.map_or_else(|| self.earlier.clone(), |last| vec![last]);
        Self { interceptors: self.interceptors.clone(), ..Self::of(info, earlier) }
    }

    fn shows_nothing(&self, name: &str) -> String {
        format!(
            "activity `{name}` has neither sent a heartbeat nor ended for {} of real time in its \
             `ActivityEnvironment`. If it waits for its cancellation, call `.cancel(..)` beside `.run(..)` (with \
             `tokio::join!`), or call `.cancel_at_heartbeat(..)` before `.run(..)`. If it needs longer, set \
             `.patience(..)`",
            std_duration_text(self.patience)
        )
    }

    fn of(info: ActivityInfo, earlier: Vec<Payload>) -> Self {
        let (metrics, interceptors, client, seen) = Default::default();
        let cancellation = ActivityCancellation::new();
        Self { patience: PATIENCE, interceptors, info, earlier, cancellation, metrics, client, seen }
    }
}

/// Runs code until it ends or the real time is over; `None` if it is.
///
/// A thread measures the time. A timer of the runtime would move a paused clock on while the activity waits.
async fn with_patience<T>(patience: Duration, code: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let (ended, end) = mpsc::channel::<()>();
    let (over, is_over) = oneshot::channel();
    // Without a thread nothing measures the time, which is no reason to fail a test.
    let _ = std::thread::Builder::new().name("abide-testing-patience".to_owned()).spawn(move || {
        if end.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = over.send(());
        }
    });
    let output = tokio::select! {
        biased;
        output = code => Some(output),
        Ok(()) = is_over => None,
    };
    drop(ended);
    output
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

/// A callback for each heartbeat and its number, counted from 1.
type Hears = Arc<dyn Fn(usize, &Payload) + Send + Sync>;

#[derive(Default)]
struct Log {
    heartbeats: Vec<Payload>,
    hears: Option<Hears>,
    cancel_at: Option<(usize, ActivityCancelReason)>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn misfit(message: String) -> ActivityError {
    ApplicationFailure::new(message).into()
}

struct Outbound {
    seen: Arc<Seen>,
    cancellation: ActivityCancellation,
    metrics: Metrics,
    client: Option<Client>,
}

impl ActivityOutbound for Outbound {
    fn heartbeat(&self, details: Vec<Payload>) {
        let mut log = self.seen.lock();
        let first = log.heartbeats.len() + 1;
        log.heartbeats.extend_from_slice(&details);
        let due = log.cancel_at.filter(|(nth, _)| *nth <= log.heartbeats.len());
        let hears = log.hears.clone();
        // The callback may ask the environment.
        drop(log);
        if let Some(hears) = hears {
            details.iter().enumerate().for_each(|(index, progress)| hears(first + index, progress));
        }
        if let Some((_, reason)) = due {
            self.cancellation.cancel(reason);
        }
    }

    fn run_blocking(&self, code: BlockingCode) -> ActivityFuture<Payload> {
        let (tell, told) = oneshot::channel();
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().name("abide-activity".to_owned());
        let started = thread.spawn(move || {
            let _runtime = runtime.enter();
            // The environment may have stopped waiting.
            let _ = tell.send(catch_unwind(AssertUnwindSafe(code)));
        });
        Box::pin(async move {
            started?;
            match told.await? {
                Ok(ended) => ended,
                Err(panic) => resume_unwind(panic),
            }
        })
    }

    fn client(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.client.as_ref().map(|client| client as _)
    }

    fn metrics(&self) -> Option<&Metrics> {
        Some(&self.metrics)
    }
}
