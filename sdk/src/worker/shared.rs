//! What all parts of a running worker know: its server, its names, its limits.

use std::sync::Arc;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{WorkerVersionCapabilities, WorkerVersionStamp};
use abide_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;

use super::current_client::CurrentClient;
use super::deployment::DeploymentOptions;
use super::limits::Limits;
use super::options::Options;
use super::shutdown::{Phase, Phases};
use crate::client::RpcError;
use crate::client::rpc::Rpc;
use crate::client::worker_commands::WorkerCommands;
use crate::converter::DataConverter;
use crate::versioning::DeploymentVersion;

/// What all parts of a running worker know.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: Arc<CurrentClient>,
    /// That of the client the worker started with, whichever comes after it: cached runs have it too.
    pub(super) data_converter: DataConverter,
    pub(super) task_queue: String,
    pub(super) identity: String,
    pub(super) build_id: String,
    /// Tells this worker's polls from those of other workers with the same identity.
    pub(super) instance_key: String,
    /// The commands to the workers of the connection with which this one began: whichever client takes over, it goes on
    /// to share them.
    pub(super) commands: Arc<WorkerCommands>,
    /// The queue on which they come; empty if the server sends none.
    pub(super) control_task_queue: String,
    pub(super) options: Options,
    pub(super) phases: Arc<Phases>,
    pub(super) limits: Limits,
    /// True if the namespace takes the completion of a workflow task in pages.
    pub(super) paginates_completions: bool,
    /// True if the namespace takes heartbeats of workers.
    pub(super) takes_worker_heartbeats: bool,
    /// True if the namespace suggests numbers of polls.
    pub(super) suggests_pollers: bool,
    /// True if the server ends polls itself when it is told that a worker shuts down.
    pub(super) server_ends_polls: bool,
    /// True if it never loses a task by that: the embedded one. A real one may have handed a task out to a poll that it
    /// ends at the same moment.
    pub(super) polls_end_between_tasks: bool,
}

impl Shared {
    /// What becomes of values and errors between this program and the server.
    pub(super) fn data_converter(&self) -> &DataConverter {
        &self.data_converter
    }

    pub(super) fn namespace(&self) -> String {
        self.client.namespace().to_string()
    }

    /// Calls until the server has answered, that much time has passed, or the worker has ended.
    pub(super) async fn call_within<R: Rpc>(&self, request: R, time: Duration) -> Result<R::Response, RpcError> {
        self.client.call_within(request, time, || self.phases.has_reached(Phase::Aborting)).await
    }

    pub(super) fn normal_queue(&self) -> TaskQueue {
        TaskQueue { name: self.task_queue.clone(), kind: TaskQueueKind::Normal as i32, normal_name: String::new() }
    }

    /// The build id on a poll; it stands in the events of the tasks that are started.
    pub(super) fn version_capabilities(&self) -> Option<WorkerVersionCapabilities> {
        // A deployment says more, and the server takes one or the other.
        self.options
            .deployment
            .is_none()
            .then(|| WorkerVersionCapabilities { build_id: self.build_id.clone(), ..Default::default() })
    }

    /// The deployment, on polls and on answers.
    pub(super) fn deployment_options(&self) -> Option<WorkerDeploymentOptions> {
        self.options.deployment.as_ref().map(DeploymentOptions::to_proto)
    }

    /// What workflow code is told; a worker of no deployment has a build id only.
    pub(super) fn deployment_version(&self) -> Option<DeploymentVersion> {
        let name = self.options.deployment.as_ref().map_or("", |options| options.version().deployment_name.as_str());
        (!self.build_id.is_empty()).then(|| DeploymentVersion::new(name, self.build_id.as_str()))
    }

    /// The build id on an answer.
    pub(super) fn version_stamp(&self) -> Option<WorkerVersionStamp> {
        Some(WorkerVersionStamp { build_id: self.build_id.clone(), use_versioning: false })
    }
}
