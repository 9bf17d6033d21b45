//! The inputs of interceptors around a workflow's code.

use crate::converter::RawArguments;
use crate::header::Headers;

/// The start of a run, on its way to the main routine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExecuteWorkflowInput {
    /// The arguments of the start.
    pub arguments: RawArguments,
    /// The headers of the start. The [info](crate::workflow::WorkflowInfo::header) shows what is passed on.
    pub headers: Headers,
}

/// A signal on its way to its handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandleSignalInput {
    /// The signal's name. The handler of the name that is passed on gets the signal.
    pub name: String,
    /// Id of the event that recorded it.
    pub event_id: i64,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers. The handler's [`message_header`](crate::WorkflowContext::message_header) shows what is passed on.
    pub headers: Headers,
}

/// An update on its way to its validator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ValidateUpdateInput {
    /// The update's name. The validator of the name that is passed on gets the update.
    pub name: String,
    /// The update's id.
    pub id: String,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers. The validator's [`message_header`](crate::WorkflowContext::message_header) shows what is passed on.
    pub headers: Headers,
}

/// An update that was accepted, on its way to its handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandleUpdateInput {
    /// The update's name. The handler of the name that is passed on gets the update.
    pub name: String,
    /// The update's id.
    pub id: String,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers. The handler's [`message_header`](crate::WorkflowContext::message_header) shows what is passed on.
    pub headers: Headers,
}

/// A query on its way to its handler.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HandleQueryInput {
    /// The query's name. The handler of the name that is passed on gets the query.
    pub name: String,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers. The handler's [`message_header`](crate::WorkflowContext::message_header) shows what is passed on.
    pub headers: Headers,
}
