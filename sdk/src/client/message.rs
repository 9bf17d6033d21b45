//! Signals and queries, as builders to be awaited.

use std::future::IntoFuture;

use abide_protos::temporal::api::common::v1::{Header, Payloads, WorkflowExecution};
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::workflowservice::v1::{
    QueryWorkflowRequest, QueryWorkflowResponse, SignalWorkflowExecutionRequest,
};
use serde::Serialize;
use uuid::Uuid;

use super::call::{Call, answer_is_output};
use super::connection::Connection;
use super::errors::{QueryError, SignalError};
use super::policies::{QueryRejectCondition, WorkflowExecutionStatus};
use super::rpc_error::RpcError;
use super::start::ClientFuture;
use crate::converter::{PayloadError, PayloadWriter, read_first};
use crate::debug_only::debug_only;
use crate::definition::{Arguments, QueryDefinition, SignalDefinition};
use crate::header::set_header;
use crate::interceptor::client::{QueryAnswer, QueryWorkflowInput, SignalWorkflowInput};

/// A signal, sent when awaited.
#[must_use = "the signal is sent only when this is awaited"]
pub struct SignalWorkflow<S: SignalDefinition> {
    connection: Connection,
    execution: WorkflowExecution,
    signal: S,
    input: Result<Option<Payloads>, PayloadError>,
    header: Option<Header>,
    request_id: Option<String>,
}

debug_only!(impl[S: SignalDefinition] SignalWorkflow<S>, |this| {
    signal: this.signal.name(),
    workflow_id: this.execution.workflow_id,
});

impl<S: SignalDefinition> SignalWorkflow<S> {
    pub(super) fn new(connection: Connection, execution: WorkflowExecution, signal: S, args: &S::Args) -> Self {
        Self { connection, execution, signal, input: written::<S>(args), header: None, request_id: None }
    }

    /// Sets the request id. The server ignores a repeated signal with the same id. Default: a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Adds a header, which the signal's handler [can read](crate::WorkflowContext::message_header).
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = set_header(&mut self.header, key, value) {
            self.input = Err(error);
        }
        self
    }

    async fn send(self) -> Result<(), SignalError> {
        let request = SignalWorkflowExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            workflow_execution: Some(self.execution),
            signal_name: self.signal.name().to_string(),
            input: self.input.map_err(|error| error.of(format_args!("signal `{}`", self.signal.name())))?,
            header: self.header,
            identity: self.connection.identity().to_string(),
            request_id: self.request_id.unwrap_or_else(|| Uuid::new_v4().to_string()),
            ..Default::default()
        };
        let sent = self.connection.carry_out(request).await;
        sent.map_err(|error| SignalError::from_rpc(&self.signal.name(), error))
    }
}

impl Call for SignalWorkflowExecutionRequest {
    type Input = SignalWorkflowInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        let workflow_id = workflow_id(self.workflow_execution.as_ref());
        connection.call_coded(self).await.map(drop).map_err(|error| error.about(workflow_id))
    }

    fn into_input(self) -> SignalWorkflowInput {
        SignalWorkflowInput::from_request(self)
    }

    fn from_input(input: SignalWorkflowInput) -> Self {
        input.into_request()
    }

    answer_is_output!();
}

impl<S: SignalDefinition> IntoFuture for SignalWorkflow<S> {
    type Output = Result<(), SignalError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A query, sent when awaited.
#[must_use = "the query is sent only when this is awaited"]
pub struct QueryWorkflow<Q: QueryDefinition> {
    connection: Connection,
    execution: WorkflowExecution,
    query: Q,
    input: Result<Option<Payloads>, PayloadError>,
    header: Option<Header>,
    reject_condition: Option<QueryRejectCondition>,
}

debug_only!(impl[Q: QueryDefinition] QueryWorkflow<Q>, |this| {
    query: this.query.name(),
    workflow_id: this.execution.workflow_id,
});

impl<Q: QueryDefinition> QueryWorkflow<Q> {
    pub(super) fn new(connection: Connection, execution: WorkflowExecution, query: Q, args: &Q::Args) -> Self {
        Self { connection, execution, query, input: written::<Q>(args), header: None, reject_condition: None }
    }

    /// Rejects the query if the workflow has such a status. Default: the query is answered in every status.
    pub fn reject_condition(mut self, condition: QueryRejectCondition) -> Self {
        self.reject_condition = Some(condition);
        self
    }

    /// Adds a header, which the query's handler [can read](crate::WorkflowContext::message_header).
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = set_header(&mut self.header, key, value) {
            self.input = Err(error);
        }
        self
    }

    async fn ask(self) -> Result<Q::Output, QueryError> {
        let name = self.query.name();
        let query_args = self.input.map_err(|error| error.of(format_args!("query `{name}`")))?;
        let request = QueryWorkflowRequest {
            namespace: self.connection.namespace().to_string(),
            execution: Some(self.execution),
            query: Some(WorkflowQuery { query_type: name.to_string(), query_args, header: self.header }),
            query_reject_condition: self.reject_condition.map(QueryRejectCondition::to_proto).unwrap_or_default(),
        };
        let answered = self.connection.carry_out(request).await;
        let response = answered.map_err(|error| QueryError::from_rpc(&name, error))?;
        match response.query_rejected {
            Some(rejected) => Err(QueryError::Rejected {
                query: name.into_owned(),
                status: WorkflowExecutionStatus::from_proto(rejected.status),
            }),
            None => {
                let read = read_first(response.query_result.as_ref());
                Ok(read.map_err(|error| error.of(format_args!("the result of query `{name}`")))?)
            }
        }
    }
}

impl Call for QueryWorkflowRequest {
    type Input = QueryWorkflowInput;
    type Answer = QueryWorkflowResponse;

    async fn send(self, connection: &Connection) -> Result<QueryWorkflowResponse, RpcError> {
        let workflow_id = workflow_id(self.execution.as_ref());
        connection.call_coded(self).await.map_err(|error| error.about(workflow_id))
    }

    fn into_input(self) -> QueryWorkflowInput {
        QueryWorkflowInput::from_request(self)
    }

    fn from_input(input: QueryWorkflowInput) -> Self {
        input.into_request()
    }

    fn into_output(answer: QueryWorkflowResponse) -> QueryAnswer {
        QueryAnswer::from_response(answer)
    }

    fn from_output(output: QueryAnswer) -> QueryWorkflowResponse {
        output.into_response()
    }
}

impl<Q: QueryDefinition> IntoFuture for QueryWorkflow<Q> {
    type Output = Result<Q::Output, QueryError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

/// Returns the id of the workflow that a request names.
pub(super) fn workflow_id(execution: Option<&WorkflowExecution>) -> String {
    execution.map(|execution| execution.workflow_id.clone()).unwrap_or_default()
}

pub(super) fn written<A: Arguments>(args: &A::Args) -> Result<Option<Payloads>, PayloadError> {
    let mut writer = PayloadWriter::new();
    A::write_args(args, &mut writer)?;
    Ok(writer.finish())
}
