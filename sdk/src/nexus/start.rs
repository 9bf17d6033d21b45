//! The start of an operation: with its result, or with a token under which the result comes later.

use std::fmt;

use crate::converter::{PayloadError, RawPayload, to_payload};
use crate::definition::PayloadValue;

/// The start of a Nexus operation: [`completed`](Self::completed) at once, or with a token under which its result comes
/// [`later`](Self::later).
///
/// A handler that returns `Result<O, NexusError>` always completes at once. It returns `Result<NexusStart<O>, NexusError>`
/// if the operation may take longer than a request (10 s).
#[must_use = "the operation starts only if the handler returns this"]
pub struct NexusStart<O> {
    pub(crate) started: Started<O>,
}

pub(crate) enum Started<O> {
    Completed(O),
    Later { operation_token: String },
}

impl<O> NexusStart<O> {
    /// Ends the operation with this result.
    pub fn completed(result: O) -> Self {
        Self { started: Started::Completed(result) }
    }

    /// Leaves the operation running. Cancel requests name it by this token, so the handler can find it again: see
    /// `#[nexus_cancel(..)]` of [`nexus_handlers`](macro@crate::nexus_handlers). The token must not be empty.
    ///
    /// Whoever completes the operation sends the result to the request's
    /// [`callback_url`](super::NexusInfo::callback_url) with its [`callback_headers`](super::NexusInfo::callback_headers).
    pub fn later(operation_token: impl Into<String>) -> Self {
        Self { started: Started::Later { operation_token: operation_token.into() } }
    }

    /// Returns the operation's token; `None` if the operation has completed.
    pub fn operation_token(&self) -> Option<&str> {
        match &self.started {
            Started::Completed(_) => None,
            Started::Later { operation_token } => Some(operation_token),
        }
    }

    /// Returns the result; `None` if it comes later.
    pub fn result(&self) -> Option<&O> {
        match &self.started {
            Started::Completed(result) => Some(result),
            Started::Later { .. } => None,
        }
    }
}

impl<O: PayloadValue> NexusStart<O> {
    /// Serializes the result.
    pub(super) fn into_raw(self) -> Result<NexusStart<RawPayload>, PayloadError> {
        let started = match self.started {
            Started::Completed(result) => Started::Completed(RawPayload::from_proto(to_payload(&result)?)),
            Started::Later { operation_token } => Started::Later { operation_token },
        };
        Ok(NexusStart { started })
    }
}

impl<O> From<O> for NexusStart<O> {
    fn from(result: O) -> Self {
        Self::completed(result)
    }
}

/// Shows neither the result nor the token.
impl<O> fmt::Debug for NexusStart<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.started {
            Started::Completed(_) => "NexusStart(completed)",
            Started::Later { .. } => "NexusStart(later)",
        })
    }
}
