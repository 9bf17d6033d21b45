//! Checks that come before all others: the namespace of a request, the one that its task token names, and the length of a
//! worker's identity.
//!
//! Extends `Engine`.

use super::Engine;
use super::api::service as api;
use super::errors::Error;
use super::limits;
use super::token::{NexusTaskToken, TaskToken};

/// A request with a namespace.
pub(crate) trait OfNamespace {
    fn namespace(&self) -> &str;

    /// Returns the namespace that the request's task token names.
    fn of_token(&self) -> Result<TokenNamespace, Error> {
        Ok(TokenNamespace::Absent)
    }

    /// Returns the identity whose length is checked.
    fn identity(&self) -> &str {
        ""
    }
}

/// The namespace in a request's task token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenNamespace {
    /// This kind of request has no token.
    Absent,
    /// The token names no namespace.
    Silent,
    /// The id of a namespace.
    Names(String),
}

impl Engine {
    /// Refuses a request for an unknown namespace, with the token of another one, or with a long identity.
    pub(crate) fn check_request(&self, request: &impl OfNamespace) -> Result<(), Error> {
        let name = request.namespace();
        if !name.is_empty() {
            self.namespaces.get(name)?;
        }
        match request.of_token()? {
            TokenNamespace::Absent => drop(self.namespaces.get(name)?),
            TokenNamespace::Names(id)
                if !name.is_empty() && self.namespaces.name_of(&id).is_some_and(|named| named != name) =>
            {
                let text = "Operation requested with a token from a different namespace.";
                return Err(Error::invalid_argument(text));
            }
            TokenNamespace::Silent | TokenNamespace::Names(_) => {}
        }
        limits::check_length("Identity", request.identity())
    }
}

/// Implements [`OfNamespace`] for each request: `token` names the reader of its task token, and `check` the field with
/// the identity, if its length is checked here. (Requests to poll check their fields in an order of their own.)
macro_rules! requests {
    ($($request:ident $(token $read:ident)? $(check $field:ident)?;)*) => {$(
        impl OfNamespace for api::$request {
            fn namespace(&self) -> &str {
                &self.namespace
            }
            $(
                fn of_token(&self) -> Result<TokenNamespace, Error> {
                    $read(&self.task_token)
                }
            )?
            $(
                fn identity(&self) -> &str {
                    &self.$field
                }
            )?
        }
    )*};
}

requests! {
    CountWorkflowExecutionsRequest;
    DescribeTaskQueueRequest;
    DescribeWorkflowExecutionRequest;
    ExecuteMultiOperationRequest;
    GetWorkflowExecutionHistoryRequest;
    ListWorkflowExecutionsRequest;
    PollActivityTaskQueueRequest;
    PollNexusTaskQueueRequest;
    PollWorkflowExecutionUpdateRequest;
    PollWorkflowTaskQueueRequest;
    QueryWorkflowRequest;
    RecordActivityTaskHeartbeatByIdRequest;
    RecordActivityTaskHeartbeatRequest token of_task_token;
    RecordWorkerHeartbeatRequest;
    RequestCancelWorkflowExecutionRequest;
    ResetStickyTaskQueueRequest;
    ResetWorkflowExecutionRequest;
    RespondActivityTaskCanceledByIdRequest check identity;
    RespondActivityTaskCanceledRequest token of_task_token check identity;
    RespondActivityTaskCompletedByIdRequest check identity;
    RespondActivityTaskCompletedRequest token of_task_token check identity;
    RespondActivityTaskFailedByIdRequest check identity;
    RespondActivityTaskFailedRequest token of_task_token check identity;
    RespondNexusTaskCompletedRequest token of_nexus_token;
    RespondNexusTaskFailedRequest token of_nexus_token;
    RespondQueryTaskCompletedRequest token of_task_token;
    RespondWorkflowTaskCompletedRequest token of_task_token check identity;
    RespondWorkflowTaskFailedRequest token of_task_token check identity;
    ShutdownWorkerRequest;
    SignalWithStartWorkflowExecutionRequest;
    SignalWorkflowExecutionRequest;
    StartWorkflowExecutionRequest;
    TerminateWorkflowExecutionRequest;
    UpdateWorkflowExecutionRequest;
}

fn of_task_token(token: &[u8]) -> Result<TokenNamespace, Error> {
    let id = TaskToken::decode_token(token)?.namespace_id;
    Ok(if id.is_empty() { TokenNamespace::Silent } else { TokenNamespace::Names(id) })
}

fn of_nexus_token(token: &[u8]) -> Result<TokenNamespace, Error> {
    NexusTaskToken::decode_token(token).map(|_| TokenNamespace::Silent)
}
