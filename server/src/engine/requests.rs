//! Check of a request's namespace, before all other checks. A task token in the request also names a namespace.
//!
//! Extends `Engine`.

use super::Engine;
use super::api::service as api;
use super::errors::Error;
use super::token::{NexusTaskToken, TaskToken};

/// A request with a namespace.
pub(crate) trait OfNamespace {
    fn namespace(&self) -> &str;

    /// Returns the namespace that the request's task token names.
    fn of_token(&self) -> Result<Token, Error> {
        Ok(Token::Absent)
    }
}

/// The namespace in a request's task token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// This kind of request has no token.
    Absent,
    /// The token names no namespace.
    Silent,
    /// The id of a namespace.
    Names(String),
}

impl Engine {
    /// Refuses a request for an unknown namespace.
    pub(crate) fn check_namespace(&self, request: &impl OfNamespace) -> Result<(), Error> {
        let name = request.namespace();
        if !name.is_empty() {
            self.namespaces.get(name)?;
        }
        match request.of_token()? {
            Token::Absent => self.namespaces.get(name).map(drop),
            Token::Names(id) if !name.is_empty() && self.namespaces.name_of(&id).is_some_and(|named| named != name) => {
                Err(Error::invalid_argument("Operation requested with a token from a different namespace."))
            }
            Token::Silent | Token::Names(_) => Ok(()),
        }
    }
}

macro_rules! of_namespace {
    ($($request:ident),* $(,)?) => {$(
        impl OfNamespace for api::$request {
            fn namespace(&self) -> &str {
                &self.namespace
            }
        }
    )*};
}

of_namespace! {
    CountWorkflowExecutionsRequest,
    DescribeTaskQueueRequest,
    DescribeWorkflowExecutionRequest,
    ExecuteMultiOperationRequest,
    GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest,
    PollActivityTaskQueueRequest,
    PollNexusTaskQueueRequest,
    PollWorkflowExecutionUpdateRequest,
    PollWorkflowTaskQueueRequest,
    QueryWorkflowRequest,
    RecordActivityTaskHeartbeatByIdRequest,
    RecordWorkerHeartbeatRequest,
    RequestCancelWorkflowExecutionRequest,
    ResetStickyTaskQueueRequest,
    ResetWorkflowExecutionRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskFailedByIdRequest,
    ShutdownWorkerRequest,
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
}

macro_rules! with_token {
    ($read:expr; $($request:ident),* $(,)?) => {$(
        impl OfNamespace for api::$request {
            fn namespace(&self) -> &str {
                &self.namespace
            }

            fn of_token(&self) -> Result<Token, Error> {
                $read(&self.task_token)
            }
        }
    )*};
}

with_token! {
    of_task_token;
    RecordActivityTaskHeartbeatRequest,
    RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondQueryTaskCompletedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
}

with_token! {
    of_nexus_token;
    RespondNexusTaskCompletedRequest,
    RespondNexusTaskFailedRequest,
}

fn of_task_token(token: &[u8]) -> Result<Token, Error> {
    let id = TaskToken::decode_token(token)?.namespace_id;
    Ok(if id.is_empty() { Token::Silent } else { Token::Names(id) })
}

fn of_nexus_token(token: &[u8]) -> Result<Token, Error> {
    NexusTaskToken::decode_token(token).map(|_| Token::Silent)
}
