//! The error of building and running a worker.

use std::error::Error;
use std::fmt;

use crate::client::RpcError;

/// A worker could not be built, could not start, or had to end; or its client could not be replaced.
///
/// A failed task never ends a worker; neither does a server that is temporarily unavailable.
pub struct WorkerError {
    message: String,
    cause: Option<RpcError>,
}

impl WorkerError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None }
    }

    pub(super) fn from_rpc(context: impl fmt::Display, cause: RpcError) -> Self {
        Self { message: format!("{context}: {cause}"), cause: Some(cause) }
    }

    /// Returns the server's error, if the server refused the worker.
    pub fn rpc_error(&self) -> Option<&RpcError> {
        self.cause.as_ref()
    }

    /// Returns true if the client's namespace is not there.
    pub fn is_namespace_not_found(&self) -> bool {
        self.cause.as_ref().is_some_and(RpcError::is_namespace_not_found)
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerError({self})")
    }
}

/// The message includes the cause's, so [`source`](Error::source) does not return it.
impl Error for WorkerError {}
