//! State that all parts of a running worker share: its server, its names, its limits.

use std::sync::Arc;
use std::time::Duration;

use abide_protos::payload_owners::Owner;
use abide_protos::temporal::api::common::v1::{WorkerVersionCapabilities, WorkerVersionStamp};
use abide_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::activity_tasks::BlockingThreads;
use super::current_client::CurrentClient;
use super::deployment::DeploymentOptions;
use super::limits::Limits;
use super::metrics::WorkerMetrics;
use super::options::Options;
use super::polling::Slots;
use super::shutdown::{Phase, Phases};
use super::tuner::SlotKind;
use crate::activity::ActivityInfo;
use crate::client::RpcError;
use crate::client::rpc::Rpc;
use crate::client::worker_commands::WorkerCommands;
use crate::converter::{DataConverter, OwnerRef, Whose};
use crate::versioning::DeploymentVersion;

/// State that all parts of a running worker share.
#[derive(Debug)]
pub(super) struct WorkerContext {
    pub(super) client: Arc<CurrentClient>,
    /// The converter of the client that the worker started with. Later clients do not replace it: cached runs use it
    /// too.
    pub(super) data_converter: DataConverter,
    pub(super) task_queue: String,
    pub(super) identity: String,
    pub(super) build_id: String,
    /// Distinguishes this worker's polls from those of other workers with the same identity.
    pub(super) instance_key: String,
    /// The server's commands, shared with the other workers of the first client's connection. The worker keeps sharing
    /// them after its client is replaced.
    pub(super) commands: Arc<WorkerCommands>,
    /// The task queue for commands; empty if the server sends none.
    pub(super) control_task_queue: String,
    pub(super) options: Options,
    pub(super) phases: Arc<Phases>,
    pub(super) limits: Limits,
    /// Metrics of the client that the worker started with. Later clients do not replace them.
    pub(super) metrics: WorkerMetrics,
    /// The threads of activities that block, local ones included.
    pub(super) blocking_threads: BlockingThreads,
    /// True if the namespace accepts the completion of a workflow task in pages.
    pub(super) paginates_completions: bool,
    /// True if the namespace supports worker heartbeats.
    pub(super) takes_worker_heartbeats: bool,
    /// True if the namespace calls back when an update has completed.
    pub(super) has_update_callbacks: bool,
    /// True if the namespace suggests numbers of polls.
    pub(super) suggests_pollers: bool,
    /// True if the server ends polls itself when it is told that a worker shuts down.
    pub(super) server_ends_polls: bool,
    /// True if the server never loses a task when it ends polls, like the embedded server. A real server may have
    /// handed a task to a poll that it ends at the same moment.
    pub(super) polls_end_between_tasks: bool,
}

impl WorkerContext {
    /// Creates the slots of this worker for one kind of task.
    pub(super) fn slots(&self, kind: SlotKind) -> Slots {
        let metrics = self.metrics.slots(kind.worker_type());
        match self.options.supplier(kind) {
            Some(supplier) => Slots::supplied(Arc::clone(supplier), kind, metrics),
            None => Slots::new(self.options.slots(kind), metrics),
        }
    }

    /// Returns the converter of values and errors between this program and the server.
    pub(super) fn data_converter(&self) -> &DataConverter {
        &self.data_converter
    }

    /// Says that a message belongs to this workflow.
    pub(super) fn of_workflow<'a>(&'a self, workflow_id: &'a str) -> Whose<'a> {
        Whose { namespace: self.client.namespace(), owner: OwnerRef::Workflow(workflow_id) }
    }

    /// Says that a message belongs to an activity.
    pub(super) fn of_activity<'a>(&'a self, info: &'a ActivityInfo) -> Whose<'a> {
        let workflow_id = info.workflow_id.as_deref().unwrap_or_default();
        let owner = OwnerRef::Activity { workflow_id, activity_id: &info.activity_id };
        Whose { namespace: self.client.namespace(), owner }
    }

    /// Says to whom a message belongs. `Unknown` if it names its owner itself, or has none.
    pub(super) fn of<'a>(&'a self, owner: &'a Owner) -> Whose<'a> {
        Whose { namespace: self.client.namespace(), owner: OwnerRef::Known(owner) }
    }

    /// Says that a message belongs to a Nexus operation.
    pub(super) fn of_nexus_operation(&self) -> Whose<'_> {
        Whose { namespace: self.client.namespace(), owner: OwnerRef::Nexus }
    }

    pub(super) fn namespace(&self) -> String {
        self.client.namespace().to_string()
    }

    /// Calls until the server has answered, the time has passed, or the worker has ended.
    pub(super) async fn call_within<R: Rpc>(&self, request: R, time: Duration) -> Result<R::Response, RpcError> {
        self.client.call_within(request, time, || self.phases.has_reached(Phase::Aborting)).await
    }

    pub(super) fn normal_queue(&self) -> TaskQueue {
        TaskQueue { name: self.task_queue.clone(), kind: TaskQueueKind::Normal as i32, normal_name: String::new() }
    }

    /// Returns the build id to send with polls; it appears in the events of the started tasks.
    pub(super) fn version_capabilities(&self) -> Option<WorkerVersionCapabilities> {
        // A deployment includes the build id, and the server accepts only one of the two.
        self.options
            .deployment
            .is_none()
            .then(|| WorkerVersionCapabilities { build_id: self.build_id.clone(), ..Default::default() })
    }

    /// Returns the deployment to send with polls and answers.
    pub(super) fn deployment_options(&self) -> Option<WorkerDeploymentOptions> {
        self.options.deployment.as_ref().map(DeploymentOptions::to_proto)
    }

    /// Returns the version that workflow code sees. Without a deployment it has only a build id.
    pub(super) fn deployment_version(&self) -> Option<DeploymentVersion> {
        let name = self.options.deployment.as_ref().map_or("", |options| options.version().deployment_name.as_str());
        (!self.build_id.is_empty()).then(|| DeploymentVersion::new(name, self.build_id.as_str()))
    }

    /// Returns the build id to send with answers.
    pub(super) fn version_stamp(&self) -> Option<WorkerVersionStamp> {
        Some(WorkerVersionStamp { build_id: self.build_id.clone(), use_versioning: false })
    }
}
