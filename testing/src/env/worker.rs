//! A worker of a test environment: what it runs, and the replayer that checks it.

use std::future::{Future, ready};
use std::sync::{Arc, PoisonError};

use abide::activity::{Activities, ActivityRegistry};
use abide::client::Client;
use abide::worker::{DeploymentOptions, Registered, Worker, WorkerBuilder};
use abide::workflow::WorkflowImplementation;
use abide::{
    Activity, ActivityContext, ActivityDefinition, ActivityError, Arguments, Workflow, WorkflowDefinition,
    WorkflowError, WorkflowReplayer,
};

use tokio::sync::watch;

use super::mock::{Mock, MockChild};
use super::watched::{Names, OfTest};
use crate::server::host::{Host, Promise};

pub(crate) type ArgsOf<A, Kind> = <<A as Activity<Kind>>::Definition as Arguments>::Args;
pub(crate) type OutputOf<A, Kind> = <<A as Activity<Kind>>::Definition as ActivityDefinition>::Output;
type ChildArgsOf<W, Kind> = <<W as Workflow<Kind>>::Definition as Arguments>::Args;
type ChildOutputOf<W, Kind> = <<W as Workflow<Kind>>::Definition as WorkflowDefinition>::Output;

/// A worker of a [`TestWorkflowEnvironment`](crate::TestWorkflowEnvironment), being put together.
#[must_use = "a test's worker does nothing until it is given to `env.run(..)`"]
pub struct TestWorker {
    client: Client,
    task_queue: String,
    builder: Option<WorkerBuilder<Registered>>,
    replayer: WorkflowReplayer,
    host: Arc<Host>,
    activities: Names,
    has_workflows: bool,
    over: watch::Sender<bool>,
}

impl TestWorker {
    pub(crate) fn new(client: &Client, host: &Arc<Host>, task_queue: String) -> Self {
        let replayer = WorkflowReplayer::new().data_converter(client.connection().data_converter().clone());
        Self {
            client: client.clone(),
            task_queue,
            builder: None,
            replayer,
            host: Arc::clone(host),
            activities: Names::default(),
            has_workflows: false,
            over: watch::Sender::new(false),
        }
    }

    /// Adds a workflow. One with a versioning behaviour makes the worker a versioned one, of a deployment `test`; the
    /// environment's server notes versions and hands tasks to workers of any.
    pub fn workflow<Kind, W>(mut self, workflow: W) -> Self
    where
        W: Workflow<Kind>,
        W::Definition: WorkflowImplementation,
    {
        let workflow = workflow.definition();
        self.replayer = self.replayer.workflow(workflow);
        self.any_workflow(workflow)
    }

    fn any_workflow<W: WorkflowImplementation>(mut self, workflow: W) -> Self {
        self.has_workflows = true;
        let builder = match self.builder {
            Some(builder) => builder.workflow(workflow),
            None => Worker::builder(&self.client, &self.task_queue).workflow(workflow),
        };
        // A workflow that says how it is versioned runs on versioned workers only.
        let versioned = DeploymentOptions::new("test", "test").use_worker_versioning(true);
        self.builder = Some(match workflow.versioning_behavior() {
            Some(behavior) => builder.deployment(versioned.default_versioning_behavior(behavior)),
            None => builder,
        });
        self
    }

    /// Adds activities as they are.
    pub fn activities<Kind, A: Activities<Kind>>(mut self, activities: A) -> Self {
        let mut registry = ActivityRegistry::default();
        activities.register(&mut registry);
        let (host, names) = (Arc::clone(&self.host), Arc::clone(&self.activities));
        let activities = OfTest { activities: registry, host, names, over: self.over.subscribe() };
        self.builder = Some(match self.builder {
            Some(builder) => builder.activities(activities),
            None => Worker::builder(&self.client, &self.task_queue).activities(activities),
        });
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
        // Not replayed: it is not the workflow that is tested.
        self.any_workflow(MockChild::new(workflow.definition(), code))
    }

    /// Sets options of the worker: `.options(|worker| worker.max_cached_workflows(0))`. Comes after the first
    /// workflow, activity or mock; before that it does nothing.
    pub fn options(mut self, set: impl FnOnce(WorkerBuilder<Registered>) -> WorkerBuilder<Registered>) -> Self {
        self.builder = self.builder.map(set);
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
        // A local activity is run by the worker that has the workflow, also if it has no activity at all.
        let this = if self.builder.is_some() { self.activities(NoActivities) } else { self };
        let Some(builder) = this.builder else {
            panic!("the worker of the test runs nothing: add `.workflow(..)`, `.activities(..)` or `.mock(..)`");
        };
        let worker = builder.build().unwrap_or_else(|error| panic!("the worker of the test cannot be built: {error}"));
        (worker, this.replayer, this.over)
    }
}

/// Brings nothing along but what stands in for activities that are not there.
struct NoActivities;

impl Activities for NoActivities {
    fn register(self, _: &mut ActivityRegistry) {}
}

impl std::fmt::Debug for TestWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestWorker").field("task_queue", &self.task_queue).finish_non_exhaustive()
    }
}
