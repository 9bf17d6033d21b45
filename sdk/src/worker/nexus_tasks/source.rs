//! The queue on which Nexus tasks are polled.

use std::sync::Arc;
use std::time::Duration;

use abide_protos::temporal::api::nexus::v1::{Failure, HandlerError};
use abide_protos::temporal::api::workflowservice::v1::{
    GetSystemInfoRequest, PollNexusTaskQueueRequest, PollNexusTaskQueueResponse, RespondNexusTaskFailedRequest,
};

use super::NexusWorker;
use crate::client::{LONG_POLL_TIMEOUT, RpcError};
use crate::worker::current_client::Route;
use crate::worker::polling::{PollKind, Polled, Slot, TaskSource};

pub(crate) struct NexusTaskSource {
    worker: Arc<NexusWorker>,
    route: Route,
}

impl NexusTaskSource {
    pub(crate) fn new(worker: &Arc<NexusWorker>) -> Self {
        Self { worker: Arc::clone(worker), route: worker.shared.client.route() }
    }
}

impl TaskSource for NexusTaskSource {
    type Response = PollNexusTaskQueueResponse;

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    async fn poll(&self, within: Option<Duration>) -> Result<PollNexusTaskQueueResponse, RpcError> {
        let shared = &self.worker.shared;
        let request = PollNexusTaskQueueRequest {
            namespace: shared.namespace(),
            task_queue: Some(shared.normal_queue()),
            identity: shared.identity.clone(),
            worker_instance_key: shared.instance_key.clone(),
            worker_version_capabilities: shared.version_capabilities(),
            deployment_options: shared.deployment_options(),
            ..Default::default()
        };
        self.route.connection.long_poll_within(request, within.unwrap_or(LONG_POLL_TIMEOUT)).await
    }

    fn brought(&self, response: &PollNexusTaskQueueResponse) -> Polled {
        let suggestion = response.poller_scaling_decision.map(|decision| decision.poll_request_delta_suggestion);
        Polled::Answer { has_task: !response.task_token.is_empty(), suggestion }
    }

    #[expect(deprecated, reason = "all servers take the older field")]
    async fn refuse(&self, task_token: Vec<u8>, error: &RpcError) {
        let shared = &self.worker.shared;
        let failure = Failure { message: format!("the task cannot be decoded: {error}"), ..Default::default() };
        let error = HandlerError { error_type: "INTERNAL".into(), failure: Some(failure), ..Default::default() };
        let request = RespondNexusTaskFailedRequest {
            namespace: shared.namespace(),
            identity: shared.identity.clone(),
            task_token,
            error: Some(error),
            ..Default::default()
        };
        if let Err(error) = shared.client.call(request).await {
            tracing::debug!("a Nexus task that cannot be decoded could not be failed; it will time out: {error}");
        }
    }

    fn accept(&self, response: PollNexusTaskQueueResponse, slot: Slot) {
        if response.task_token.is_empty() {
            return self.worker.shared.metrics.nexus().no_task();
        }
        self.worker.start(response, slot);
    }

    async fn replaced(&self) {
        self.route.replaced().await;
    }

    async fn wanted(&self) {}

    async fn probe(&self) -> Result<(), RpcError> {
        self.route.connection.call_once(GetSystemInfoRequest {}).await.map(drop)
    }

    fn is_transient(&self, error: &RpcError) -> bool {
        self.route.connection.is_transient(error)
    }

    fn kind(&self) -> PollKind {
        PollKind::Nexus
    }

    fn task_queue(&self) -> &str {
        &self.worker.shared.task_queue
    }
}
