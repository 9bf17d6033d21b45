//! Messages to running workflows: signals, queries, updates.

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::query::v1::QueryRejected;
use abide_protos::temporal::api::update::v1::{Outcome, outcome};
use abide_protos::temporal::api::workflowservice::v1::{
    PollWorkflowExecutionUpdateRequest, QueryWorkflowRequest, QueryWorkflowResponse, SignalWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
};

use super::inputs::{execution, ids, present};
use crate::client::{UpdateAnswer, WorkflowExecutionStatus};
use crate::converter::{RawArguments, RawPayload, to_payload};
use crate::failure::Failure;
use crate::header::Headers;
use crate::interceptor::rest::Rest;

/// A signal, as an [interceptor](super::ClientInterceptor::signal_workflow) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignalWorkflowInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run that gets the signal; `None` is the open one.
    pub run_id: Option<String>,
    /// Name of the signal.
    pub name: String,
    /// The signal's arguments.
    pub arguments: RawArguments,
    /// Headers, which the signal's handler [can read](crate::WorkflowContext::message_header).
    pub headers: Headers,
    /// Request id, by which the server recognizes a repeated signal.
    pub request_id: String,
    rest: Rest<SignalWorkflowExecutionRequest>,
}

impl SignalWorkflowInput {
    pub(crate) fn from_request(mut request: SignalWorkflowExecutionRequest) -> Self {
        let (workflow_id, run_id) = ids(request.workflow_execution.take());
        Self {
            workflow_id,
            run_id,
            name: std::mem::take(&mut request.signal_name),
            arguments: RawArguments::from_proto(request.input.take()),
            headers: Headers::from_proto(request.header.take()),
            request_id: std::mem::take(&mut request.request_id),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> SignalWorkflowExecutionRequest {
        SignalWorkflowExecutionRequest {
            workflow_execution: execution(self.workflow_id, self.run_id),
            signal_name: self.name,
            input: self.arguments.into_proto(),
            header: self.headers.to_proto(),
            request_id: self.request_id,
            ..self.rest.0
        }
    }
}

/// A query, as an [interceptor](super::ClientInterceptor::query_workflow) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueryWorkflowInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run that is asked; `None` is the open one, or else the last one.
    pub run_id: Option<String>,
    /// Name of the query.
    pub name: String,
    /// The query's arguments.
    pub arguments: RawArguments,
    /// Headers, which the query's handler [can read](crate::WorkflowContext::message_header).
    pub headers: Headers,
    rest: Rest<QueryWorkflowRequest>,
}

impl QueryWorkflowInput {
    pub(crate) fn from_request(mut request: QueryWorkflowRequest) -> Self {
        let (workflow_id, run_id) = ids(request.execution.take());
        let query = request.query.take().unwrap_or_default();
        Self {
            workflow_id,
            run_id,
            name: query.query_type,
            arguments: RawArguments::from_proto(query.query_args),
            headers: Headers::from_proto(query.header),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> QueryWorkflowRequest {
        let mut request = self.rest.0;
        request.execution = execution(self.workflow_id, self.run_id);
        let query = request.query.get_or_insert_default();
        query.query_type = self.name;
        query.query_args = self.arguments.into_proto();
        query.header = self.headers.to_proto();
        request
    }
}

/// The answer to a query.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum QueryAnswer {
    /// The value that the handler returned.
    Answered(RawPayload),
    /// The query's [reject condition](crate::client::QueryWorkflow::reject_condition) excludes this status of the
    /// workflow.
    Rejected(WorkflowExecutionStatus),
}

impl QueryAnswer {
    pub(crate) fn from_response(response: QueryWorkflowResponse) -> Self {
        match response.query_rejected {
            Some(rejected) => Self::Rejected(WorkflowExecutionStatus::from_proto(rejected.status)),
            None => Self::Answered(value_of(response.query_result)),
        }
    }

    pub(crate) fn into_response(self) -> QueryWorkflowResponse {
        let (query_result, query_rejected) = match self {
            Self::Answered(value) => (payloads_of(value), None),
            Self::Rejected(status) => (None, Some(QueryRejected { status: status.to_proto() })),
        };
        QueryWorkflowResponse { query_result, query_rejected, ..Default::default() }
    }
}

/// An update of a running workflow, as an [interceptor](super::ClientInterceptor::start_update) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartUpdateInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run that gets the update; `None` is the open one.
    pub run_id: Option<String>,
    /// First run of the chain of runs to which the run must belong; `None` if any may get it.
    pub first_execution_run_id: Option<String>,
    /// Update id. If the caller has set none, it is a random UUID.
    pub update_id: String,
    /// Name of the update.
    pub name: String,
    /// The update's arguments.
    pub arguments: RawArguments,
    /// Headers, which the update's handler and validator [can read](crate::WorkflowContext::message_header).
    pub headers: Headers,
    pub(super) rest: Rest<Box<UpdateWorkflowExecutionRequest>>,
}

impl StartUpdateInput {
    pub(crate) fn from_request(mut request: Box<UpdateWorkflowExecutionRequest>) -> Self {
        let (workflow_id, run_id) = ids(request.workflow_execution.take());
        let update = request.request.get_or_insert_default();
        let update_id = update.meta.as_mut().map(|meta| std::mem::take(&mut meta.update_id)).unwrap_or_default();
        let input = update.input.take().unwrap_or_default();
        Self {
            workflow_id,
            run_id,
            first_execution_run_id: present(std::mem::take(&mut request.first_execution_run_id)),
            update_id,
            name: input.name,
            arguments: RawArguments::from_proto(input.args),
            headers: Headers::from_proto(input.header),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> Box<UpdateWorkflowExecutionRequest> {
        let mut request = self.rest.0;
        request.workflow_execution = execution(self.workflow_id, self.run_id);
        request.first_execution_run_id = self.first_execution_run_id.unwrap_or_default();
        let update = request.request.get_or_insert_default();
        update.meta.get_or_insert_default().update_id = self.update_id;
        let input = update.input.get_or_insert_default();
        input.name = self.name;
        input.args = self.arguments.into_proto();
        input.header = self.headers.to_proto();
        request
    }
}

/// An update that a workflow has accepted or rejected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartedUpdate {
    /// Workflow id. The caller's handle refers to it.
    pub workflow_id: String,
    /// The run that has the update; `None` if not known.
    pub run_id: Option<String>,
    /// Update id. The caller's handle refers to it.
    pub update_id: String,
    /// The outcome, if the server has sent it; otherwise the caller's handle asks for it.
    pub outcome: Option<UpdateOutcome>,
}

impl StartedUpdate {
    /// Creates the answer of an interceptor that does not pass an update on.
    pub fn new(workflow_id: impl Into<String>, update_id: impl Into<String>, outcome: Option<UpdateOutcome>) -> Self {
        Self { workflow_id: workflow_id.into(), run_id: None, update_id: update_id.into(), outcome }
    }

    pub(crate) fn from_answer(answer: UpdateAnswer) -> Self {
        let (workflow_id, run_id) = ids(Some(answer.execution));
        let outcome = answer.outcome.map(UpdateOutcome::from_proto);
        Self { workflow_id, run_id, update_id: answer.update_id, outcome }
    }

    pub(crate) fn into_answer(self) -> UpdateAnswer {
        UpdateAnswer {
            execution: execution(self.workflow_id, self.run_id).unwrap_or_default(),
            update_id: self.update_id,
            outcome: self.outcome.map(UpdateOutcome::into_proto),
            // Interceptors are not shown it.
            link: None,
        }
    }
}

/// A wait for the result of an update, as an [interceptor](super::ClientInterceptor::poll_update) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PollUpdateInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run that has the update; `None` is the open one.
    pub run_id: Option<String>,
    /// Update id.
    pub update_id: String,
    rest: Rest<PollWorkflowExecutionUpdateRequest>,
}

impl PollUpdateInput {
    pub(crate) fn from_request(mut request: PollWorkflowExecutionUpdateRequest) -> Self {
        let update = request.update_ref.take().unwrap_or_default();
        let (workflow_id, run_id) = ids(update.workflow_execution);
        Self { workflow_id, run_id, update_id: update.update_id, rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> PollWorkflowExecutionUpdateRequest {
        let mut request = self.rest.0;
        let update = request.update_ref.get_or_insert_default();
        update.workflow_execution = execution(self.workflow_id, self.run_id);
        update.update_id = self.update_id;
        request
    }
}

/// The outcome of an update.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum UpdateOutcome {
    /// The value that the handler returned.
    Completed(RawPayload),
    /// The validator rejected the update, its handler failed, or its workflow ended before.
    Failed(Failure),
}

impl UpdateOutcome {
    pub(crate) fn from_proto(outcome: Outcome) -> Self {
        match outcome.value {
            Some(outcome::Value::Failure(failure)) => Self::Failed(Failure::from_proto(failure)),
            Some(outcome::Value::Success(result)) => Self::Completed(value_of(Some(result))),
            None => Self::Completed(value_of(None)),
        }
    }

    pub(crate) fn into_proto(self) -> Outcome {
        Outcome {
            value: Some(match self {
                Self::Completed(value) => outcome::Value::Success(payloads_of(value).unwrap_or_default()),
                Self::Failed(failure) => outcome::Value::Failure(failure.into_proto()),
            }),
        }
    }
}

/// Returns the value of a result. One without a payload is `()`.
pub(crate) fn value_of(result: Option<Payloads>) -> RawPayload {
    let payload: Option<Payload> = result.and_then(|result| result.payloads.into_iter().next());
    RawPayload::from_proto(payload.unwrap_or_else(|| to_payload(&()).expect("nothing is always written")))
}

/// Returns a value as a result.
pub(crate) fn payloads_of(value: RawPayload) -> Option<Payloads> {
    Some(Payloads { payloads: vec![value.into_proto()] })
}
