//! A worker of a test environment: what it runs, and the replayer that checks it.

use std::future::{Future, ready};
use std::sync::{Arc, PoisonError};

use abide::activity::{Activities, ActivityRegistry};
use abide::client::Client;
use abide::worker::{DeploymentOptions, Registered, Worker, WorkerBuilder};
use abide::workflow::WorkflowImplementation;
use abide::{
    Activity, ActivityContext, ActivityDefinition, ActivityError, Arguments, VersioningBehavior, Workflow,
    WorkflowDefinition, WorkflowError, WorkflowReplayer,
};
use abide_server::embedding::{Host, Promise};
use tokio::sync::watch;

use super::mock::{Mock, MockChild};
use super::watched::{Names, OfTest};

pub(crate) type ArgsOf<A, Kind> = <<A as Activity<Kind>>::Definition as Arguments>::Args;
pub(crate) type OutputOf<A, Kind> = <<A as Activity<Kind>>::Definition as ActivityDefinition>::Output;
type ChildArgsOf<W, Kind> = <<W as Workflow<Kind>>::Definition as Arguments>::Args;
type ChildOutputOf<W, Kind> = <<W as Workflow<Kind>>::Definition as WorkflowDefinition>::Output;

/// A worker of a [`TestWorkflowEnvironment`](crate::TestWorkflowEnvironment), being put together.
#[must_use = "a test's worker does nothing until it is given to `env.run(..)`"]
pub struct TestWorker {
    client: Client,
    task_queue: String,
    builder: WorkerBuilder<Registered>,
    replayer: WorkflowReplayer,
    host: Arc<Host>,
    activities: Names,
    has_workflows: bool,
    is_versioned: bool,
    over: watch::Sender<bool>,
}

impl TestWorker {
    pub(crate) fn new(client: &Client, host: &Arc<Host>, task_queue: String) -> Self {
        let connection = client.connection();
        let replayer = WorkflowReplayer::new().data_converter(connection.data_converter().clone());
        let (host, names, over) = (Arc::clone(host), Names::default(), watch::Sender::new(false));
        // A local activity is run by the worker that has the workflow, also if it has no activity at all.
        let none = OfTest::new(ActivityRegistry::default(), &host, &names, &over);
        Self {
            client: client.clone(),
            builder: Worker::builder(client, &task_queue).activities(none),
            task_queue,
            replayer: replayer.namespace(connection.namespace()),
            host,
            activities: names,
            has_workflows: false,
            is_versioned: false,
            over,
        }
    }

    /// Adds a workflow. One with a versioning behaviour makes the worker a versioned one, of a deployment `test` unless
    /// [`options`](Self::options) gives it another, whose other workflows are upgraded automatically; the environment's
    /// server notes versions and hands tasks to workers of any.
    pub fn workflow<Kind, W>(mut self, workflow: W) -> Self
    where
        W: Workflow<Kind>,
        W::Definition: WorkflowImplementation,
    {
        let workflow = workflow.definition();
        self.replayer = self.replayer.workflow(workflow.clone());
        self.any_workflow(workflow)
    }

    fn any_workflow<W: WorkflowImplementation>(mut self, workflow: W) -> Self {
        self.has_workflows = true;
        self.is_versioned |= workflow.versioning_behavior().is_some();
        self.builder = self.builder.workflow(workflow);
        self
    }

    /// Adds activities as they are.
    pub fn activities<Kind, A: Activities<Kind>>(mut self, activities: A) -> Self {
        let mut registry = ActivityRegistry::default();
        activities.register(&mut registry);
        self.builder = self.builder.activities(OfTest::new(registry, &self.host, &self.activities, &self.over));
        self
    }

    /// Puts a closure in the place of an activity: `.mock(charge, |payment| Ok(receipt))`. It runs as a task of the
    /// server, so retries and timeouts apply. Do not add the activity itself as well.
    ///
    /// A panic in it, a failed `assert!` for one, ends the test with its message.
    pub fn mock<Kind, A, F>(self, activity: A, code: F) -> Self
    where
        A: Activity<Kind>,
        F: Fn(ArgsOf<A, Kind>) -> Result<OutputOf<A, Kind>, ActivityError> + Send + Sync + 'static,
    {
        self.mock_async(activity, move |_, args| ready(code(args)))
    }

    /// As [`mock`](Self::mock), with a closure that gets the context too and gives a future: it sees the attempt and the
    /// rest of the info, heartbeats, waits, and hears of its cancellation.
    ///
    /// ```
    /// use abide::prelude::*;
    /// use abide_testing::TestWorkflowEnvironment;
    ///
    /// #[activity]
    /// async fn copy(files: u32) -> Result<u32, ActivityError> {
    ///     Err(ApplicationFailure::new(format!("no disk in a test ({files})")).into())
    /// }
    ///
    /// #[workflow]
    /// async fn back_up(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    ///     Ok(ctx.activity(copy, 10).start_to_close_timeout(mins(5)).await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let env = TestWorkflowEnvironment::start().await?;
    /// // Fails after four files, and goes on from there when it is tried again.
    /// let worker = env.worker("backups").workflow(back_up).mock_async(copy, |ctx, files| async move {
    ///     if ctx.info().attempt == 1 {
    ///         ctx.heartbeat(&4_u32)?;
    ///         return Err(ApplicationFailure::new("disk full").into());
    ///     }
    ///     Ok(files - ctx.last_heartbeat::<u32>()?.unwrap_or(0))
    /// });
    /// assert_eq!(env.run(worker, env.client().execute(back_up, ()).task_queue("backups")).await?, 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn mock_async<Kind, A, F, R>(self, activity: A, code: F) -> Self
    where
        A: Activity<Kind>,
        F: Fn(ActivityContext, ArgsOf<A, Kind>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<OutputOf<A, Kind>, ActivityError>> + Send + 'static,
    {
        let host = Arc::clone(&self.host);
        self.activities(Mock::new(activity.definition(), code, host))
    }

    /// Puts a closure in the place of a workflow that others start as their child. It runs as a workflow of the server:
    /// with a history of its own, and with the options that its parent gave it. Do not add the workflow itself as well.
    ///
    /// A panic in it, a failed `assert!` for one, ends the test with its message.
    ///
    /// ```
    /// use abide::prelude::*;
    /// use abide_testing::TestWorkflowEnvironment;
    ///
    /// #[workflow]
    /// async fn ship(ctx: &WorkflowContext, order: String) -> Result<String, WorkflowError> {
    ///     ctx.timer(days(3)).await?;
    ///     Ok(format!("{order} was shipped"))
    /// }
    ///
    /// #[workflow]
    /// async fn sell(ctx: &WorkflowContext, order: String) -> Result<String, WorkflowError> {
    ///     Ok(ctx.child_workflow(ship, order).await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let env = TestWorkflowEnvironment::start().await?;
    /// let worker = env.worker("shop").workflow(sell).mock_child(ship, |order| Ok(format!("{order}, as if shipped")));
    /// let sold = env.run(worker, env.client().execute(sell, "book".into()).task_queue("shop")).await?;
    /// assert_eq!(sold, "book, as if shipped");
    /// # Ok(())
    /// # }
    /// ```
    pub fn mock_child<Kind, W, F>(self, workflow: W, code: F) -> Self
    where
        W: Workflow<Kind>,
        F: Fn(ChildArgsOf<W, Kind>) -> Result<ChildOutputOf<W, Kind>, WorkflowError> + Send + Sync + 'static,
    {
        let host = Arc::clone(&self.host);
        // Not replayed: it is not the workflow that is tested.
        self.any_workflow(MockChild::new(workflow.definition(), code, host))
    }

    /// Sets options of the worker: `.options(|worker| worker.max_cached_workflows(0))`, before or after its workflows and
    /// activities. What is set here comes before what this type does by itself.
    pub fn options(mut self, set: impl FnOnce(WorkerBuilder<Registered>) -> WorkerBuilder<Registered>) -> Self {
        self.builder = set(self.builder);
        self
    }

    /// What the worker is to be known for before it polls, until that is dropped.
    pub(crate) fn promise(&self) -> Promise {
        let has_activities = !self.activities.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let namespace = self.client.connection().namespace();
        Host::promise(&self.host, namespace, &self.task_queue, self.has_workflows, has_activities)
    }

    /// The worker, what replays its workflows, and what tells its activities that the test is over.
    pub(crate) fn build(self) -> (Worker, WorkflowReplayer, watch::Sender<bool>) {
        let runs_activities = !self.activities.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        assert!(
            self.has_workflows || runs_activities,
            "the worker of the test runs nothing: add `.workflow(..)`, `.activities(..)` or `.mock(..)`"
        );
        // A workflow that says how it is versioned runs on versioned workers only.
        let builder = if self.is_versioned && !self.builder.has_deployment() {
            let versioned = DeploymentOptions::new("test", "test").use_worker_versioning();
            self.builder.deployment(versioned.default_versioning_behavior(VersioningBehavior::AutoUpgrade))
        } else {
            self.builder
        };
        let worker = builder.build().unwrap_or_else(|error| panic!("the worker of the test cannot be built: {error}"));
        (worker, self.replayer, self.over)
    }
}

impl std::fmt::Debug for TestWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestWorker").field("task_queue", &self.task_queue).finish_non_exhaustive()
    }
}
