//! A worker of a test environment: its workflows, activities and mocks, and the replayer that checks it.

use std::future::{Future, ready};
use std::sync::Arc;

use abide::activity::{Activities, ActivityRegistry};
use abide::client::Client;
use abide::interceptor::WorkflowInterceptor;
use abide::nexus::NexusHandlers;
use abide::worker::{DeploymentOptions, Registered, Worker, WorkerBuilder};
use abide::workflow::WorkflowImplementation;
use abide::{
    Activity, ActivityContext, ActivityDefinition, ActivityError, Arguments, IntoShared, VersioningBehavior, Workflow,
    WorkflowDefinition, WorkflowError, WorkflowReplayer,
};
use abide_server::embedding::{Host, Promise};
use tokio::sync::watch;

use super::mock::{Mock, MockChild};
use super::watched::OfTest;

pub(crate) type ArgsOf<A, Kind> = <<A as Activity<Kind>>::Definition as Arguments>::Args;
pub(crate) type OutputOf<A, Kind> = <<A as Activity<Kind>>::Definition as ActivityDefinition>::Output;
type ChildArgsOf<W, Kind> = <<W as Workflow<Kind>>::Definition as Arguments>::Args;
type ChildOutputOf<W, Kind> = <<W as Workflow<Kind>>::Definition as WorkflowDefinition>::Output;

/// A builder for a worker of a [`TestWorkflowEnvironment`](crate::TestWorkflowEnvironment).
#[must_use = "a test's worker does nothing until it is given to `env.run(..)`"]
pub struct TestWorker {
    client: Client,
    task_queue: String,
    builder: WorkerBuilder<Registered>,
    replayer: WorkflowReplayer,
    host: Arc<Host>,
    real: ActivityRegistry,
    mocks: ActivityRegistry,
    has_workflows: bool,
    has_nexus_handlers: bool,
    is_versioned: bool,
    over: watch::Sender<bool>,
}

impl TestWorker {
    pub(crate) fn new(client: &Client, host: &Arc<Host>, task_queue: String) -> Self {
        let connection = client.connection();
        let replayer = WorkflowReplayer::new().data_converter(connection.data_converter().clone());
        let (host, over) = (Arc::clone(host), watch::Sender::new(false));
        let none = OfTest::new(ActivityRegistry::default(), &host, &over);
        Self {
            client: client.clone(),
            builder: Worker::builder(client, &task_queue).activities(none),
            task_queue,
            replayer: replayer.namespace(connection.namespace()),
            host,
            real: ActivityRegistry::default(),
            mocks: ActivityRegistry::default(),
            has_workflows: false,
            has_nexus_handlers: false,
            is_versioned: false,
            over,
        }
    }

    /// Adds a workflow. If the workflow has a versioning behaviour, the worker becomes a versioned worker of the
    /// deployment `test`, unless [`options`](Self::options) sets another deployment. Its other workflows are then
    /// upgraded automatically. The environment's server records versions, but sends tasks to workers of any version.
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

    /// Runs an interceptor around all workflows of the worker, mocks of children included, and around their replay at the
    /// end of the test. The first that is added is the outermost.
    ///
    /// ```
    /// use abide::interceptor::{StartTimerInput, WorkflowInterceptor};
    /// use abide::prelude::*;
    /// use abide_testing::TestWorkflowEnvironment;
    ///
    /// /// Lets no timer take longer than a day.
    /// struct Hurry;
    ///
    /// impl WorkflowInterceptor for Hurry {
    ///     fn start_timer(&self, _: &WorkflowContext, input: &mut StartTimerInput) {
    ///         input.duration = input.duration.min(days(1));
    ///     }
    /// }
    ///
    /// #[workflow]
    /// async fn remind(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ///     Ok(ctx.timer(days(30)).await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let env = TestWorkflowEnvironment::start().await?;
    /// let worker = env.worker("reminders").workflow(remind).workflow_interceptor(Hurry);
    /// env.run(worker, env.client().execute(remind, ()).task_queue("reminders")).await?;
    /// assert_eq!(env.elapsed(), days(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn workflow_interceptor(mut self, interceptor: impl IntoShared<dyn WorkflowInterceptor>) -> Self {
        let interceptor = interceptor.into_shared();
        self.replayer = self.replayer.interceptor(Arc::clone(&interceptor));
        self.builder = self.builder.workflow_interceptor(interceptor);
        self
    }

    /// Adds activities unchanged.
    pub fn activities<Kind, A: Activities<Kind>>(mut self, activities: A) -> Self {
        activities.register(&mut self.real);
        self
    }

    /// Serves the operations of a Nexus service, behind an endpoint that
    /// [`add_nexus_endpoint`](crate::server::TestServer::add_nexus_endpoint) creates.
    ///
    /// ```
    /// use abide::NexusError;
    /// use abide::prelude::*;
    /// use abide_testing::TestWorkflowEnvironment;
    ///
    /// #[abide::nexus_service]
    /// pub trait Desk {
    ///     fn greet(name: String) -> String;
    /// }
    ///
    /// struct Clerk;
    ///
    /// #[abide::nexus_handlers(implements = Desk)]
    /// impl Clerk {
    ///     #[nexus_operation]
    ///     async fn greet(&self, name: String) -> Result<String, NexusError> {
    ///         Ok(format!("hello {name}"))
    ///     }
    /// }
    ///
    /// #[workflow]
    /// async fn visit(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ///     Ok(ctx.nexus_operation("desk", Desk::greet, "Ada".into()).await?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let env = TestWorkflowEnvironment::start().await?;
    /// env.server().add_nexus_endpoint("desk", "visits");
    /// let worker = env.worker("visits").workflow(visit).nexus_handlers(Clerk);
    /// assert_eq!(env.run(worker, env.client().execute(visit, ()).task_queue("visits")).await?, "hello Ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn nexus_handlers(mut self, handlers: impl NexusHandlers) -> Self {
        self.has_nexus_handlers = true;
        self.builder = self.builder.nexus_handlers(handlers);
        self
    }

    /// Mocks an activity with a closure: `.mock(charge, |payment| Ok(receipt))`. The mock runs as a task of the server,
    /// so retries and timeouts apply. It replaces the activity itself, if that is added too: the other methods of a
    /// struct stay real.
    ///
    /// A panic in it, such as a failed `assert!`, ends the test with its message.
    pub fn mock<Kind, A, F>(self, activity: A, code: F) -> Self
    where
        A: Activity<Kind>,
        F: Fn(ArgsOf<A, Kind>) -> Result<OutputOf<A, Kind>, ActivityError> + Send + Sync + 'static,
    {
        self.mock_async(activity, move |_, args| ready(code(args)))
    }

    /// Like [`mock`](Self::mock), with a closure that also gets the context and returns a future. The mock can read its
    /// attempt and other info, send heartbeats, wait, and notice its cancellation.
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
    /// // Fails after four files; the retry continues from there.
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
    pub fn mock_async<Kind, A, F, R>(mut self, activity: A, code: F) -> Self
    where
        A: Activity<Kind>,
        F: Fn(ActivityContext, ArgsOf<A, Kind>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<OutputOf<A, Kind>, ActivityError>> + Send + 'static,
    {
        let host = Arc::clone(&self.host);
        Mock::new(activity.definition(), code, host).register(&mut self.mocks);
        self
    }

    /// Mocks a workflow that others start as their child, with a closure. The mock runs as a workflow of the server,
    /// with its own history, and with the options that its parent set. Do not add the workflow itself as well.
    ///
    /// A panic in it, such as a failed `assert!`, ends the test with its message.
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
        // Not replayed, because it is not the workflow under test.
        self.any_workflow(MockChild::new(workflow.definition(), code, host))
    }

    /// Sets options of the worker: `.options(|worker| worker.max_cached_workflows(0))`, before or after adding
    /// workflows and activities. They take precedence over the defaults of this type.
    pub fn options(mut self, set: impl FnOnce(WorkerBuilder<Registered>) -> WorkerBuilder<Registered>) -> Self {
        self.builder = set(self.builder);
        self
    }

    /// Registers the worker's task queue and capabilities with the server before it polls, until dropped.
    pub(crate) fn promise(&self) -> Promise {
        let namespace = self.client.connection().namespace();
        let kinds = [self.has_workflows, self.runs_activities(), self.has_nexus_handlers];
        Host::promise(&self.host, namespace, &self.task_queue, kinds)
    }

    fn runs_activities(&self) -> bool {
        !self.real.is_empty() || !self.mocks.is_empty()
    }

    /// Returns the worker, the replayer of its workflows, and the sender that ends its activities with the test.
    pub(crate) fn build(self) -> (Worker, WorkflowReplayer, watch::Sender<bool>) {
        assert!(
            self.has_workflows || self.runs_activities() || self.has_nexus_handlers,
            "the worker of the test has nothing to run: add `.workflow(..)`, `.activities(..)`, `.mock(..)` or \
             `.nexus_handlers(..)`"
        );
        // Also without any: local activities run on the workflow's worker.
        let mut activities = self.real;
        self.mocks.names().for_each(|mocked| activities.remove(mocked));
        activities.append(self.mocks);
        let mut builder = self.builder.activities(OfTest::new(activities, &self.host, &self.over));
        // A workflow with a versioning behaviour runs only on versioned workers.
        if self.is_versioned && !builder.has_deployment() {
            let versioned = DeploymentOptions::new("test", "test").use_worker_versioning();
            builder = builder.deployment(versioned.default_versioning_behavior(VersioningBehavior::AutoUpgrade));
        }
        // The client's plugins have set its converter, so replays use that one.
        let converter = self.client.connection().data_converter().clone();
        let plugins = builder.plugins().into_iter();
        let replayer = plugins.fold(self.replayer, WorkflowReplayer::plugin).data_converter(converter);
        let worker = builder.build().unwrap_or_else(|error| panic!("the worker of the test cannot be built: {error}"));
        (worker, replayer, self.over)
    }
}

impl std::fmt::Debug for TestWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestWorker").field("task_queue", &self.task_queue).finish_non_exhaustive()
    }
}
