//! What calls of the client yield when they do not succeed.

use std::error::Error;
use std::fmt;

use super::rpc_error::RpcError;

/// The client could not be connected: no server answered, or an option means nothing.
pub struct ConnectError {
    message: String,
    cause: Option<RpcError>,
}

impl ConnectError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None }
    }

    pub(super) fn unreachable(address: &str, cause: RpcError) -> Self {
        let message = if cause.is_unavailable() || cause.is_deadline_exceeded() {
            format!(
                "no Temporal server answers at {address} ({}); start one there (for instance `abide-dev --port 7233`), \
                 or set TEMPORAL_ADDRESS to where it is",
                cause.message()
            )
        } else {
            format!("the Temporal server at {address} refused the client: {cause}")
        };
        Self { message, cause: Some(cause) }
    }

    /// Whether the server could not be reached, so that a later attempt may succeed.
    pub fn is_unreachable(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.is_unavailable() || cause.is_deadline_exceeded())
    }

    /// What the server said, if the options are right and the call did not succeed.
    pub fn rpc_error(&self) -> Option<&RpcError> {
        self.cause.as_ref()
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectError({self})")
    }
}

/// The text of the cause is part of this error's own, so [`source`](Error::source) does not repeat it.
impl Error for ConnectError {}
