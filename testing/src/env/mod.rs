//! The test environment: a server, a client and workers in the process of a test, on a clock that skips.

mod activity;
mod blocked;
mod clock;
mod explained;
mod mock;
mod moment;
mod watched;
mod worker;

use std::borrow::Cow;
use std::future::{Future, IntoFuture};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use abide::client::{Client, ClientOptions, ConnectError, Connection};
use abide::replayer::ReplayError;
use abide::worker::{WorkerWatch, watch_workers};
use abide::{History, NondeterminismKind, WorkflowReplayer};
use abide_server::Server;

use self::explained::{Explainer, readable};

pub use self::activity::ActivityEnvironment;
pub use self::clock::TestClock;
pub use self::moment::MomentOutcome;
pub use self::worker::TestWorker;

/// A server, a client and workers in the process of a test. Months pass in milliseconds. While the test awaits an
/// outcome and nothing is running, the clock skips to the next timer, timeout or retry.
///
/// When [`run`](Self::run) ends, every run is replayed from scratch, so that each test also checks that the workflow is
/// deterministic. The [guide](crate::guide) explains how to use it.
///
/// ```
/// use abide::prelude::*;
/// use abide_testing::TestWorkflowEnvironment;
///
/// #[activity]
/// async fn send(text: String) -> Result<(), ActivityError> {
///     println!("to everybody: {text}");
///     Ok(())
/// }
///
/// #[workflow]
/// async fn remind(ctx: &WorkflowContext, text: String) -> Result<(), WorkflowError> {
///     ctx.timer(days(30)).await?;
///     ctx.activity(send, text).start_to_close_timeout(mins(1)).await?;
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let env = TestWorkflowEnvironment::start().await?;
/// let worker = env.worker("reminders").workflow(remind).mock(send, |_text| Ok(()));
/// env.run(worker, env.client().execute(remind, "stretch".into()).task_queue("reminders")).await?;
/// assert_eq!(env.elapsed(), days(30));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the environment stops its server"]
pub struct TestWorkflowEnvironment {
    server: Server,
    client: Client,
    /// For the environment's own calls, which no interceptor of the test sees.
    own_client: Client,
    started: SystemTime,
    /// The statements of commands that the server has refused.
    refused: Arc<Mutex<String>>,
    _explainer: Explainer,
}

impl TestWorkflowEnvironment {
    /// Starts a server with a clock that skips time, and connects a client to it.
    ///
    /// # Errors
    /// Returns an error if the client cannot be created. Starting the server itself cannot fail.
    pub async fn start() -> Result<Self, ConnectError> {
        Self::start_with(ClientOptions::default()).await
    }

    /// Like [`start`](Self::start), with client options: a data converter, a namespace (which the server creates), an
    /// identity, interceptors, plugins. The address is ignored. Replays use the data converter, the namespace and the
    /// plugins, too.
    ///
    /// # Errors
    /// Returns an error if the client cannot be created.
    pub async fn start_with(options: ClientOptions) -> Result<Self, ConnectError> {
        let server = Server::builder().time_skipping().start();
        let connection = Connection::in_process(server.service(), &options).await?;
        let host = Arc::clone(server.host());
        server.add_namespace(connection.namespace());
        let refused = Arc::new(Mutex::new(String::new()));
        let told = Arc::clone(&refused);
        let watch = WorkerWatch {
            activities: Box::new(move |activities| watched::watched(&activities, &host)),
            refused: Box::new(move |statement| {
                let mut told = lock(&told);
                // The server may have handed the task out once more.
                if !told.contains(statement) {
                    told.push_str(statement);
                }
            }),
        };
        watch_workers(&connection, watch);
        let started = server.now();
        let own_client = Client::from_connection(connection.without_interceptors());
        let explainer = Explainer::start(server.host(), &own_client);
        let client = Client::from_connection(connection);
        Ok(Self { server, client, own_client, started, refused, _explainer: explainer })
    }

    /// Returns a client of this environment's server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns this environment's server, for other clients and workers.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Creates a worker. Add workflows, activities and mocks to it, and then pass it to [`run`](Self::run).
    pub fn worker(&self, task_queue: impl Into<String>) -> TestWorker {
        TestWorker::new(&self.client, self.server.host(), task_queue.into())
    }

    /// Returns the time that has passed on the environment's clock since the environment started.
    pub fn elapsed(&self) -> Duration {
        self.clock().elapsed()
    }

    /// Returns the environment's clock, for mocks and other code that outlives a borrow of the environment.
    pub fn clock(&self) -> TestClock {
        TestClock { host: Arc::clone(self.server.host()), started: self.started }
    }

    /// Returns the time on the environment's clock.
    pub fn now(&self) -> SystemTime {
        self.server.now()
    }

    /// Advances the clock, even if something is running. Timers and timeouts on the way fire at their own times.
    pub fn advance(&self, duration: Duration) {
        self.server.advance(duration);
    }

    /// Waits until `duration` has passed on the clock, skipping time while nothing is running.
    pub async fn sleep(&self, duration: Duration) {
        self.server.sleep(duration).await;
    }

    /// Runs a future when [`elapsed`](Self::elapsed) reaches `elapsed`, for example to send a signal or to request a
    /// cancellation.
    ///
    /// The future runs concurrently with the test, which continues at once. The clock stops at that time until the
    /// future is done, so the future must not await anything that takes virtual time. If the clock does not reach that
    /// time, the future does not run.
    ///
    /// If the future panics or returns an error, the test fails in [`run`](Self::run).
    ///
    /// ```
    /// use abide::prelude::*;
    /// use abide_testing::TestWorkflowEnvironment;
    ///
    /// #[workflow]
    /// #[derive(Default)]
    /// struct Order {
    ///     paid: State<bool>,
    /// }
    ///
    /// #[workflow_methods]
    /// impl Order {
    ///     #[run]
    ///     async fn run(&self, ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
    ///         Ok(ctx.wait_until(|| self.paid.get()).timeout(days(30)).await?)
    ///     }
    ///
    ///     #[signal]
    ///     fn pay(&self) {
    ///         self.paid.set(true);
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let env = TestWorkflowEnvironment::start().await?;
    /// let worker = env.worker("orders").workflow(Order::run);
    /// let order = env.client().handle(Order::run, "order-1");
    /// env.at(days(2), async move { order.signal(Order::pay, ()).await });
    /// assert!(env.run(worker, env.client().execute(Order::run, ()).id("order-1").task_queue("orders")).await?);
    /// assert_eq!(env.elapsed(), days(2));
    /// # Ok(())
    /// # }
    /// ```
    pub fn at<F>(&self, elapsed: Duration, what: F)
    where
        F: Future<Output: MomentOutcome> + Send + 'static,
    {
        moment::at(self.server.host(), self.started, elapsed, what);
    }

    /// Sets how long, in real time, a test waits when nothing can happen by itself any more. [`run`](Self::run) then
    /// panics and reports what the test awaits. Default: 5 seconds. Running work (an activity's code) may be silent, or
    /// keep others waiting for the clock, for twelve times as long. It may send heartbeats for 120 times as long.
    pub fn set_patience(&self, patience: Duration) {
        self.server.host().set_patience(patience);
    }

    /// Runs a worker until a future completes. Then replays, from scratch, every run of this environment whose workflow
    /// type the worker knows.
    ///
    /// # Panics
    /// Panics if the worker cannot be built, if a workflow task fails (it would be retried forever), if a mock panics,
    /// if an activity is neither registered nor mocked, if the future would be awaited forever (see
    /// [`set_patience`](Self::set_patience)), or if a replay differs from the run. The message names the workflow, the
    /// line of its code, and what to do.
    pub async fn run<F: IntoFuture>(&self, worker: TestWorker, future: F) -> F::Output {
        let host = self.server.host();
        let (_test, _promise, _watch) = (host.begin_test(), worker.promise(), blocked::watch(host));
        lock(&self.refused).clear();
        let (worker, replayer, over) = worker.build();
        let awaited = async {
            let output = self.until_it_fails(future.into_future()).await;
            over.send_replace(true);
            // The worker takes time to shut down, which does not belong to the test.
            (output, host.halt())
        };
        let ended = Box::pin(worker.run_until(awaited)).await;
        let (output, _halt) = ended.unwrap_or_else(|error| panic!("the worker of the test failed: {error}"));
        // The worker hears of a refusal only after the server has told it here.
        let output = output.unwrap_or_else(|why| panic!("{why}{}", lock(&self.refused).clone()));
        // A failure that is known only now fails the test, too.
        if let Some(why) = host.present_verdict() {
            panic!("{}", readable(why, &self.own_client).await);
        }
        self.replay_all(&replayer).await;
        output
    }

    /// Returns the future's output, or the reason to end the test before.
    async fn until_it_fails<F: Future>(&self, future: F) -> Result<F::Output, String> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            failure = self.server.host().workflow_task_failure() => {
                let failure = readable(failure, &self.own_client).await;
                Err(format!("a workflow task failed and would be retried forever: {failure}"))
            }
            why = self.server.host().verdict() => Err(why),
        }
    }

    async fn replay_all(&self, replayer: &WorkflowReplayer) {
        let mut runs = self.own_client.list("");
        while let Some(run) = runs.next().await.unwrap_or_else(|error| panic!("the runs cannot be listed: {error}")) {
            let history = self.history(run.workflow_id(), run.run_id()).await;
            match replayer.replay(&history) {
                Ok(_) | Err(ReplayError::UnknownWorkflow { .. }) => {}
                Err(error) => panic!(
                    "a replay of the finished test shows that workflow `{}` is not \
                     deterministic:\n{error}{}\n\n{history}",
                    run.workflow_id(),
                    usual_causes(&error)
                ),
            }
        }
    }

    async fn history(&self, workflow_id: &str, run_id: &str) -> History {
        let handle = self.own_client.handle(AnyWorkflow, workflow_id).with_run_id(run_id);
        handle.fetch_history().await.unwrap_or_else(|error| panic!("the history cannot be fetched: {error}"))
    }
}

fn lock(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names the usual causes where the same code did two things, and the report knows none.
fn usual_causes(error: &ReplayError) -> &'static str {
    match error {
        ReplayError::Nondeterminism(error) if error.kind() != NondeterminismKind::ForeignFuture => {
            "\n  or:       if the code has not changed, the usual causes are `SystemTime::now()` (use `ctx.now()`), \
             `rand` (use `ctx.random()`) and the order of a `HashMap` (use a `BTreeMap`)."
        }
        _ => "",
    }
}

/// A workflow definition for handles whose workflow type does not matter.
#[derive(Clone, Copy)]
struct AnyWorkflow;

impl abide::Arguments for AnyWorkflow {
    type Args = ();

    fn write_args((): &(), _: &mut abide::converter::PayloadWriter) -> Result<(), abide::converter::PayloadError> {
        Ok(())
    }

    fn read_args(_: &mut abide::converter::PayloadReader<'_>) -> Result<(), abide::converter::PayloadError> {
        Ok(())
    }
}

impl abide::WorkflowDefinition for AnyWorkflow {
    type Output = abide::converter::RawPayload;
    type Workflow = abide::AnyWorkflow;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("")
    }
}
