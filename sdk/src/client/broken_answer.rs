//! Answers that are not the server's: a proxy's page instead of gRPC, or gRPC that was damaged on its way.
//!
//! They say nothing about what was asked for. The transport tells the first kind by the answer's headers, before its
//! body is taken for frames of gRPC. The second kind only the decoder notices, which says so in words alone.

use std::error::Error;
use std::fmt;

use tonic::Code;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{Response, StatusCode};

/// The beginnings of what tonic says (as INTERNAL) of a response that it cannot read. A test makes it say each of them.
const UNREADABLE: [&str; 5] = [
    "protocol error: received message with invalid compression flag",
    "protocol error: received message with compressed-flag but no grpc-encoding",
    "Error decompressing:",
    "Unexpected EOF decoding stream",
    "Missing response message",
];

/// Something that does not speak gRPC has answered.
#[derive(Debug)]
pub(super) struct NotGrpc {
    status: StatusCode,
    content_type: Option<String>,
}

impl NotGrpc {
    /// Looks at an answer's headers. A status of gRPC in them counts, whatever else they say.
    pub(super) fn check<B>(response: Response<B>) -> Result<Response<B>, NotGrpc> {
        let headers = response.headers();
        let content_type = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let is_other = content_type.as_ref().is_some_and(|value| !value.starts_with("application/grpc"));
        if headers.contains_key("grpc-status") || (response.status() == StatusCode::OK && !is_other) {
            return Ok(response);
        }
        Err(Self { status: response.status(), content_type: content_type.map(std::borrow::Cow::into_owned) })
    }

    /// The code for a call that was answered so: the same request may go through a little later, unless it is too large.
    pub(super) fn code(&self) -> Code {
        if self.status == StatusCode::PAYLOAD_TOO_LARGE { Code::ResourceExhausted } else { Code::Unavailable }
    }

    /// The one among an error's sources.
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
        write!(f, "expected an answer of gRPC, found HTTP {}", self.status.as_u16())?;
        if let Some(content_type) = &self.content_type {
            write!(f, " with `{}`", content_type.chars().take(100).collect::<String>())?;
        }
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            f.write_str(": the request is larger than max. size of a proxy before the server")
        } else {
            f.write_str(": a proxy or another kind of server has answered")
        }
    }
}

impl Error for NotGrpc {}

/// Returns true if that is the decoder's word on a response that it could not read.
pub(super) fn is_unreadable(code: Code, message: &str) -> bool {
    code == Code::Internal && UNREADABLE.iter().any(|beginning| message.starts_with(beginning))
}
