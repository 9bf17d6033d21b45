//! A worker of a test environment: what it runs, and the replayer that checks it.

use abide::activity::Activities;
use abide::client::Client;
use abide::worker::{DeploymentOptions, Registered, Worker, WorkerBuilder};
use abide::workflow::WorkflowImplementation;
use abide::{ActivityDefinition, ActivityError, WorkflowReplayer};

use super::mock::Mock;

/// A worker of a [`TestWorkflowEnvironment`](crate::TestWorkflowEnvironment), being put together.
#[must_use = "a test's worker does nothing until it is given to `env.run(..)`"]
pub struct TestWorker {
    client: Client,
    task_queue: String,
    builder: Option<WorkerBuilder<Registered>>,
    replayer: WorkflowReplayer,
}

impl TestWorker {
    pub(crate) fn new(client: &Client, task_queue: String) -> Self {
        let replayer = WorkflowReplayer::new().data_converter(client.connection().data_converter().clone());
        Self { client: client.clone(), task_queue, builder: None, replayer }
    }

    /// Adds a workflow. One with a versioning behaviour makes the worker a versioned one, of a deployment `test`; the
    /// environment's server notes versions and hands tasks to workers of any.
    pub fn workflow<W: WorkflowImplementation>(mut self, workflow: W) -> Self {
        self.replayer = self.replayer.workflow(workflow);
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
    pub fn activities<A: Activities>(mut self, activities: A) -> Self {
        self.builder = Some(match self.builder {
            Some(builder) => builder.activities(activities),
            None => Worker::builder(&self.client, &self.task_queue).activities(activities),
        });
        self
    }

    /// Puts a closure in the place of an activity: `.mock(charge, |payment| Ok(receipt))`. It runs as a task of the
    /// server, so retries and timeouts apply. Do not add the activity itself as well.
    pub fn mock<D, F>(self, activity: D, code: F) -> Self
    where
        D: ActivityDefinition,
        F: Fn(D::Args) -> Result<D::Output, ActivityError> + Send + Sync + 'static,
    {
        self.activities(Mock::new(activity, code))
    }

    /// Sets options of the worker: `.options(|worker| worker.max_cached_workflows(0))`. Comes after the first
    /// workflow, activity or mock; before that it does nothing.
    pub fn options(mut self, set: impl FnOnce(WorkerBuilder<Registered>) -> WorkerBuilder<Registered>) -> Self {
        self.builder = self.builder.map(set);
        self
    }

    pub(crate) fn build(self) -> (Worker, WorkflowReplayer) {
        let Some(builder) = self.builder else {
            panic!("the worker of the test runs nothing: add `.workflow(..)`, `.activities(..)` or `.mock(..)`");
        };
        let worker = builder.build().unwrap_or_else(|error| panic!("the worker of the test cannot be built: {error}"));
        (worker, self.replayer)
    }
}

impl std::fmt::Debug for TestWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestWorker").field("task_queue", &self.task_queue).finish_non_exhaustive()
    }
}
