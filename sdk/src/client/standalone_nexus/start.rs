//! Starting standalone Nexus operations: one builder for start and execute.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::workflowservice::v1::StartNexusOperationExecutionRequest;
use uuid::Uuid;

use super::errors::StartNexusOperationError;
use super::handle::StandaloneNexusOperationHandle;
use super::result::NexusOperationFailedError;
use crate::client::connection::Connection;
use crate::client::policies::{NexusOperationIdConflictPolicy, NexusOperationIdReusePolicy};
use crate::client::start::{ClientFuture, UntilClosed, UntilStarted};
use crate::converter::{PayloadError, to_payload};
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::duration::to_proto;
use crate::nexus_operation::NexusOperation;
use crate::search_attributes::{SearchAttributeUpdate, apply};

/// The start of a standalone Nexus operation: set options, then `.await` it.
#[must_use = "the operation is started only when this is awaited"]
pub struct StartNexusOperation<I, O, Until = UntilStarted> {
    connection: Connection,
    operation: NexusOperation<I, O>,
    request: Box<StartNexusOperationExecutionRequest>,
    unwritable: Option<PayloadError>,
    until: PhantomData<fn() -> Until>,
}

debug_only!(impl[I, O, Until] StartNexusOperation<I, O, Until>, |this| {
    endpoint: this.request.endpoint,
    operation: this.operation,
    operation_id: this.request.operation_id,
});

impl<I: PayloadValue, O: PayloadValue, Until> StartNexusOperation<I, O, Until> {
    pub(super) fn new(connection: Connection, endpoint: String, operation: NexusOperation<I, O>, input: &I) -> Self {
        let mut request = StartNexusOperationExecutionRequest {
            namespace: connection.namespace().to_string(),
            identity: connection.identity().to_string(),
            endpoint,
            service: operation.service().to_string(),
            operation: operation.name().to_string(),
            ..Default::default()
        };
        let mut unwritable = None;
        match to_payload(input) {
            Ok(input) => request.input = Some(input),
            Err(error) => unwritable = Some(error.of(format_args!("Nexus operation `{}`", operation.name()))),
        }
        Self { connection, operation, request: Box::new(request), unwritable, until: PhantomData }
    }

    /// Sets the operation id, usually a business id such as an order number. Default: a random UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.request.operation_id = id.into();
        self
    }

    /// Limits the time of the whole operation. Default: no limit.
    pub fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.request.schedule_to_close_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time until the handler has started or completed the operation. Default: no limit.
    pub fn schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.request.schedule_to_start_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time of an asynchronous operation after its start. Default: no limit.
    pub fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.request.start_to_close_timeout = Some(to_proto(timeout));
        self
    }

    /// Policy for reusing the id of a closed operation. Default: reuse is allowed.
    pub fn id_reuse_policy(mut self, policy: NexusOperationIdReusePolicy) -> Self {
        self.request.id_reuse_policy = policy.to_proto();
        self
    }

    /// Policy for an id that a running operation uses. Default: the start fails.
    pub fn id_conflict_policy(mut self, policy: NexusOperationIdConflictPolicy) -> Self {
        self.request.id_conflict_policy = policy.to_proto();
        self
    }

    /// Adds a header of the Nexus request. The server stores it as it is, so put no secret into it.
    pub fn nexus_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.nexus_header.insert(name.into(), value.into());
        self
    }

    /// Sets search attributes for visibility queries; their names and types must be registered on the server.
    pub fn search_attributes(mut self, values: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let values: Vec<SearchAttributeUpdate> = values.into_iter().collect();
        apply(&values, self.request.search_attributes.get_or_insert_default());
        self
    }

    /// Sets a one-line summary in Markdown, which the web UI shows in lists. Default: none.
    pub fn static_summary(mut self, summary: impl Into<String>) -> Self {
        let summary = self.text(summary.into());
        self.request.user_metadata.get_or_insert_default().summary = summary;
        self
    }

    /// Sets details in Markdown, of one or more lines, which the web UI shows. Default: none.
    pub fn static_details(mut self, details: impl Into<String>) -> Self {
        let details = self.text(details.into());
        self.request.user_metadata.get_or_insert_default().details = details;
        self
    }

    /// Sets the request id. The server ignores a repeated start with the same id. Default: a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }

    fn text(&mut self, text: String) -> Option<Payload> {
        to_payload(&text).map_err(|error| self.unwritable = Some(error)).ok()
    }

    async fn send(mut self) -> Result<StandaloneNexusOperationHandle<I, O>, StartNexusOperationError> {
        if let Some(error) = self.unwritable {
            return Err(StartNexusOperationError::Payload(error));
        }
        for id in [&mut self.request.operation_id, &mut self.request.request_id] {
            if id.is_empty() {
                *id = Uuid::new_v4().to_string();
            }
        }
        let (connection, operation_id) = (self.connection, self.request.operation_id.clone());
        let started = connection.carry_out(self.request).await;
        let started = started.map_err(|error| StartNexusOperationError::from_rpc(operation_id, error))?;
        let (operation_id, run_id) = (started.operation_id, Some(started.run_id));
        Ok(StandaloneNexusOperationHandle::new(connection, self.operation, operation_id, run_id))
    }
}

impl<I: PayloadValue, O: PayloadValue> IntoFuture for StartNexusOperation<I, O, UntilStarted> {
    type Output = Result<StandaloneNexusOperationHandle<I, O>, StartNexusOperationError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<I: PayloadValue, O: PayloadValue> IntoFuture for StartNexusOperation<I, O, UntilClosed> {
    type Output = Result<O, NexusOperationFailedError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.send().await.map_err(NexusOperationFailedError::NotStarted)?.result().await })
    }
}
