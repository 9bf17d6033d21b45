//! Detects answers that do not come from a Temporal server: a proxy's page instead of gRPC, or damaged gRPC.
//!
//! They say nothing about the request. The first kind is recognized by the answer's headers, before its body is parsed
//! as gRPC frames. The second kind only the decoder notices, and only its message tells.

use std::error::Error;
use std::fmt;

use tonic::Code;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{Response, StatusCode};

/// Beginnings of tonic's messages (status INTERNAL) for an unreadable response. A test provokes each of them.
const UNREADABLE: [&str; 5] = [
    "protocol error: received message with invalid compression flag",
    "protocol error: received message with compressed-flag but no grpc-encoding",
    "Error decompressing:",
    "Unexpected EOF decoding stream",
    "Missing response message",
];

/// An answer that is not gRPC.
#[derive(Debug)]
pub(super) struct NotGrpc {
    status: StatusCode,
    content_type: Option<String>,
}

impl NotGrpc {
    /// Checks an answer's headers. If they have a gRPC status, it counts, whatever else they say.
    pub(super) fn check<B>(response: Response<B>) -> Result<Response<B>, NotGrpc> {
        let headers = response.headers();
        let content_type = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let is_other = content_type.as_ref().is_some_and(|value| !value.starts_with("application/grpc"));
        if headers.contains_key("grpc-status") || (response.status() == StatusCode::OK && !is_other) {
            return Ok(response);
        }
        Err(Self { status: response.status(), content_type: content_type.map(std::borrow::Cow::into_owned) })
    }

    /// Returns the code for such an answer: the request may be retried, unless it is too large.
    pub(super) fn code(&self) -> Code {
        if self.status == StatusCode::PAYLOAD_TOO_LARGE { Code::ResourceExhausted } else { Code::Unavailable }
    }

    /// Finds such an answer among an error's sources.
    pub(super) fn among_sources(error: &dyn Error) -> Option<&NotGrpc> {
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            source = error.source();
        }
        None
    }
}

impl fmt::Display for NotGrpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a gRPC response, found HTTP {}", self.status.as_u16())?;
        if let Some(content_type) = &self.content_type {
            write!(f, " with `{}`", content_type.chars().take(100).collect::<String>())?;
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            f.write_str(": the request is larger than max. size of a proxy in front of the server")
        } else {
            f.write_str(": the response comes from a proxy or from another kind of server")
        }
    }
}

impl Error for NotGrpc {}

/// Returns true if the decoder reports an unreadable response.
pub(super) fn is_unreadable(code: Code, message: &str) -> bool {
    code == Code::Internal && UNREADABLE.iter().any(|beginning| message.starts_with(beginning))
}
