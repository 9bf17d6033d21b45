//! Failure converters: user-defined conversions from errors to failures and back.

use std::error::Error;

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;

use super::chain::bounded;
use super::encode::application_failure;
use super::recorded::Failure;

/// User-defined conversion from errors to failures and back (Temporal's `FailureConverter`).
///
/// It converts all failures of user code: errors of workflows and activities, panics of activities, errors of query
/// handlers, update validators and update handlers, and activities that are failed from outside. Set it with
/// [`DataConverter::failure_converter`](crate::converter::DataConverter::failure_converter).
///
/// It also runs within workflow tasks, so it must not block, and must return the same on every replay. If it panics in
/// a workflow, the workflow task fails; in an activity, the default conversion is used.
///
/// ```
/// use abide::converter::DataConverter;
/// use abide::{ApplicationFailure, Failure, FailureConverter, RaisedError};
///
/// #[derive(Debug)]
/// struct Declined {
///     code: u16,
/// }
/// # impl std::fmt::Display for Declined {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "declined: {}", self.code) }
/// # }
/// # impl std::error::Error for Declined {}
///
/// struct Failures;
///
/// impl FailureConverter for Failures {
///     fn to_failure(&self, error: RaisedError<'_>) -> Failure {
///         match error.downcast_ref::<Declined>() {
///             // A declined card is not accepted by a retry.
///             Some(declined) => ApplicationFailure::new(declined.to_string()).error_type("Declined").non_retryable().into(),
///             None => error.default_failure(),
///         }
///     }
/// }
///
/// let data_converter = DataConverter::new().failure_converter(Failures);
/// # let _ = data_converter;
/// ```
pub trait FailureConverter: Send + Sync + 'static {
    /// Converts an error to a failure. Default: [`RaisedError::default_failure`].
    fn to_failure(&self, error: RaisedError<'_>) -> Failure {
        error.default_failure()
    }

    /// Converts a recorded failure for workflow code and clients, before it is wrapped in the call's error: for example
    /// the failure of an activity with all its causes. Default: unchanged.
    fn read_failure(&self, failure: Failure) -> Failure {
        failure
    }
}

/// An error raised by user code, for a [`FailureConverter`].
#[derive(Clone, Copy, Debug)]
pub struct RaisedError<'a> {
    error: &'a (dyn Error + 'static),
    type_name: Option<&'a str>,
}

impl<'a> RaisedError<'a> {
    /// Returns the error itself.
    pub fn error(&self) -> &'a (dyn Error + 'static) {
        self.error
    }

    /// Returns the error as `E`, if it is one.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&'a E> {
        self.error.downcast_ref()
    }

    /// Returns the failure that is recorded without a failure converter: the error's text is the message, the last part
    /// of its Rust type is the error type, its sources are the causes. Errors made by Abide keep their kind.
    pub fn default_failure(&self) -> Failure {
        Failure::from_proto(application_failure(self.error, self.type_name))
    }
}

/// Converts an error to a failure, with the user's converter if there is one.
pub(crate) fn converted_failure(
    converter: Option<&dyn FailureConverter>,
    error: &(dyn Error + 'static),
    type_name: Option<&str>,
) -> FailureProto {
    match converter {
        None => application_failure(error, type_name),
        Some(converter) => bounded(converter.to_failure(RaisedError { error, type_name }).into_proto()),
    }
}
