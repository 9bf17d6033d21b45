//! Calls of operators about one workflow: pause it, delete it, change its options.

use std::future::IntoFuture;

use abide_protos::FieldMask;
use abide_protos::temporal::api::workflow::v1::WorkflowExecutionOptions as OptionsProto;
use abide_protos::temporal::api::workflowservice::v1::{
    DeleteWorkflowExecutionRequest, PauseWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest,
    UpdateWorkflowExecutionOptionsRequest,
};
use uuid::Uuid;

use crate::client::connection::Connection;
use crate::client::handle::WorkflowHandle;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::definition::WorkflowDefinition;
use crate::presence;
use crate::priority::Priority;
use crate::versioning::VersioningOverride;

impl<W: WorkflowDefinition> WorkflowHandle<W> {
    /// Pauses the workflow; `.reason(..)` sets the reason. Until it is [unpaused](Self::unpause), the server gives no
    /// workflow tasks and no activities of the workflow to workers, and answers no queries and updates. Signals are
    /// kept.
    ///
    /// The server setting `frontend.WorkflowPauseEnabled` must be on.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_failed_precondition`](RpcError::is_failed_precondition) if the workflow is paused already,
    /// [`is_not_found`](RpcError::is_not_found) if it is not running, [`is_unimplemented`](RpcError::is_unimplemented)
    /// if the setting is off.
    pub fn pause(&self) -> PauseWorkflow {
        let request = PauseWorkflowExecutionRequest {
            namespace: self.connection().namespace().to_string(),
            workflow_id: self.workflow_id().to_string(),
            run_id: self.pinned().to_string(),
            identity: self.connection().identity().to_string(),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        PauseWorkflow { connection: self.connection().clone(), request }
    }

    /// Continues a [paused](Self::pause) workflow; `.reason(..)` sets the reason.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_failed_precondition`](RpcError::is_failed_precondition) if the workflow is not paused.
    pub fn unpause(&self) -> UnpauseWorkflow {
        let request = UnpauseWorkflowExecutionRequest {
            namespace: self.connection().namespace().to_string(),
            workflow_id: self.workflow_id().to_string(),
            run_id: self.pinned().to_string(),
            identity: self.connection().identity().to_string(),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        UnpauseWorkflow { connection: self.connection().clone(), request }
    }

    /// Deletes the workflow with its history: the run that was started or named, otherwise the last one. If it is open,
    /// the server terminates it first. The server deletes after it has answered.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow does not exist.
    pub async fn delete(&self) -> Result<(), RpcError> {
        let request = DeleteWorkflowExecutionRequest {
            namespace: self.connection().namespace().to_string(),
            workflow_execution: Some(self.execution(self.run_id().unwrap_or_default())),
        };
        self.connection().call(request).await.map(drop)
    }

    /// Changes options of the running workflow, and returns all options that are set now.
    ///
    /// ```no_run
    /// use abide::client::operator::WorkflowOptionsChange;
    /// use abide::{DeploymentVersion, VersioningOverride};
    /// # use abide::prelude::*;
    /// # #[workflow] async fn process_order(ctx: &WorkflowContext, id: String) -> Result<String, WorkflowError> { Ok(id) }
    /// # async fn move_it(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let order = client.handle(process_order, "order-4711");
    /// let pinned = VersioningOverride::Pinned(DeploymentVersion::new("orders", "build-7"));
    /// order.update_options(WorkflowOptionsChange::new().versioning_override(pinned)).await?;
    /// // .. and later back to what its workers say.
    /// order.update_options(WorkflowOptionsChange::new().clear_versioning_override()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow is not running,
    /// [`is_failed_precondition`](RpcError::is_failed_precondition) if the server does not know the version.
    pub async fn update_options(&self, change: WorkflowOptionsChange) -> Result<WorkflowExecutionOptions, RpcError> {
        let (options, mask) = change.into_proto();
        let request = UpdateWorkflowExecutionOptionsRequest {
            namespace: self.connection().namespace().to_string(),
            workflow_execution: Some(self.execution(self.pinned())),
            workflow_execution_options: Some(options),
            update_mask: Some(mask),
            identity: self.connection().identity().to_string(),
        };
        let options = self.connection().call(request).await?.workflow_execution_options.unwrap_or_default();
        Ok(WorkflowExecutionOptions {
            versioning_override: options.versioning_override.and_then(VersioningOverride::from_proto),
            priority: presence::message(options.priority).map(|priority| Priority::from_proto(&priority)),
        })
    }
}

/// A request to pause a workflow, sent when awaited.
#[must_use = "the workflow is paused only when this is awaited"]
pub struct PauseWorkflow {
    connection: Connection,
    request: PauseWorkflowExecutionRequest,
}

debug_only!(impl[] PauseWorkflow, |this| { workflow_id: this.request.workflow_id });

impl PauseWorkflow {
    /// Sets the reason, which the history and the workflow's description show. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for PauseWorkflow {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}

/// A request to continue a paused workflow, sent when awaited.
#[must_use = "the workflow continues only when this is awaited"]
pub struct UnpauseWorkflow {
    connection: Connection,
    request: UnpauseWorkflowExecutionRequest,
}

debug_only!(impl[] UnpauseWorkflow, |this| { workflow_id: this.request.workflow_id });

impl UnpauseWorkflow {
    /// Sets the reason, which the history shows. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for UnpauseWorkflow {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}

/// A change of a workflow's options. What is not mentioned stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a change does nothing until a call takes it"]
pub struct WorkflowOptionsChange {
    versioning_override: Option<Option<VersioningOverride>>,
    priority: Option<Option<Priority>>,
}

impl WorkflowOptionsChange {
    /// Creates a change that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the worker deployment version that runs the workflow, whatever its workers say.
    pub fn versioning_override(mut self, versioning: VersioningOverride) -> Self {
        self.versioning_override = Some(Some(versioning));
        self
    }

    /// Removes the version override: the versioning behavior that the workers report counts again.
    pub fn clear_versioning_override(mut self) -> Self {
        self.versioning_override = Some(None);
        self
    }

    /// Sets the priority of the workflow's tasks.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(Some(priority));
        self
    }

    /// Removes the priority: the server's default counts again.
    pub fn clear_priority(mut self) -> Self {
        self.priority = Some(None);
        self
    }

    /// Returns the new values, and the names of the fields that change.
    pub(super) fn into_proto(self) -> (OptionsProto, FieldMask) {
        let mut paths = Vec::new();
        if self.versioning_override.is_some() {
            paths.push("versioning_override".to_string());
        }
        if self.priority.is_some() {
            paths.push("priority".to_string());
        }
        let options = OptionsProto {
            versioning_override: self.versioning_override.flatten().map(|versioning| versioning.to_proto()),
            priority: self.priority.flatten().map(|priority| priority.to_proto()),
            ..Default::default()
        };
        (options, FieldMask { paths })
    }
}

/// The options of a workflow that override those of its code and its workers (Temporal's `WorkflowExecutionOptions`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkflowExecutionOptions {
    /// The version override; `None` if the workers decide.
    pub versioning_override: Option<VersioningOverride>,
    /// The priority; `None` if it was never set.
    pub priority: Option<Priority>,
}
