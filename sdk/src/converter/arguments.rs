//! Argument lists: one payload for each argument of a workflow, an activity or a message.

use std::fmt;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::payload::{PayloadError, from_payload, to_payload};
use crate::bounded_text::type_name;

/// Collects the payloads of an argument list.
#[derive(Default)]
pub struct PayloadWriter {
    payloads: Vec<Payload>,
}

impl PayloadWriter {
    /// Creates an empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one argument.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn push<T: Serialize + 'static>(&mut self, value: &T) -> Result<(), PayloadError> {
        self.payloads.push(to_payload(value).map_err(|error| error.in_argument(self.payloads.len()))?);
        Ok(())
    }

    /// Appends arguments that are payloads already.
    pub(super) fn extend(&mut self, payloads: &[Payload]) {
        self.payloads.extend_from_slice(payloads);
    }

    /// Returns the payloads written so far, as a test environment hands them to an activity.
    #[doc(hidden)]
    pub fn into_payloads(self) -> Vec<Payload> {
        self.payloads
    }

    /// Returns the payloads written so far. Without arguments there is no `Payloads` message.
    pub(crate) fn finish(self) -> Option<Payloads> {
        (!self.payloads.is_empty()).then_some(Payloads { payloads: self.payloads })
    }
}

/// Does not show values.
impl fmt::Debug for PayloadWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadWriter({} payloads)", self.payloads.len())
    }
}

/// Reads a single value: a result, an answer, or stored data. A missing payload reads as `()` and as `None`.
///
/// The error describes what was expected and found; the caller adds what the value belongs to with
/// [`PayloadError::of`].
pub(crate) fn read_one<T: DeserializeOwned + 'static>(payload: Option<&Payload>) -> Result<T, PayloadError> {
    match payload.filter(|payload| !payload.metadata.is_empty() || !payload.data.is_empty()) {
        Some(payload) => from_payload(payload),
        None => serde_json::from_slice(b"null")
            .map_err(|_| PayloadError::new(format!("expected `{}`, found no value", type_name::<T>()))),
    }
}

/// Like [`read_one`], for the first payload of a list.
pub(crate) fn read_first<T: DeserializeOwned + 'static>(payloads: Option<&Payloads>) -> Result<T, PayloadError> {
    read_one(payloads.and_then(|payloads| payloads.payloads.first()))
}

/// Reads a list of payloads as arguments. Extra payloads are ignored.
pub struct PayloadReader<'a> {
    payloads: &'a [Payload],
    read: usize,
}

impl<'a> PayloadReader<'a> {
    pub(crate) fn new(payloads: &'a [Payload]) -> Self {
        Self { payloads, read: 0 }
    }

    /// Begins at the argument with this index.
    pub(super) fn at(payloads: &'a [Payload], index: usize) -> Self {
        Self { payloads, read: index }
    }

    pub(crate) fn of(payloads: Option<&'a Payloads>) -> Self {
        Self::new(payloads.map_or(&[], |payloads| &payloads.payloads))
    }

    /// Takes the payloads that were not read yet.
    pub(super) fn take_rest(&mut self) -> &'a [Payload] {
        let rest = self.payloads.get(self.read..).unwrap_or_default();
        self.read = self.read.max(self.payloads.len());
        rest
    }

    /// Reads the next argument. A missing one reads as `None` if `T` is an `Option`, and as `()`.
    ///
    /// # Errors
    /// Returns an error if the payload is missing or does not fit `T`.
    #[expect(clippy::should_implement_trait, reason = "each call reads another type, which an iterator cannot")]
    pub fn next<T: DeserializeOwned + 'static>(&mut self) -> Result<T, PayloadError> {
        let index = self.read;
        self.read += 1;
        match self.payloads.get(index) {
            Some(payload) => from_payload(payload).map_err(|error| error.in_argument(index)),
            None => serde_json::from_slice(b"null").map_err(|_| {
                PayloadError::new(format!(
                    "argument {} is missing: expected `{}`, found {}",
                    index + 1,
                    type_name::<T>(),
                    match self.payloads.len() {
                        1 => "1 argument".to_string(),
                        count => format!("{count} arguments"),
                    }
                ))
            }),
        }
    }
}

/// Does not show values.
impl fmt::Debug for PayloadReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadReader({} of {} payloads read)", self.read.min(self.payloads.len()), self.payloads.len())
    }
}
