//! Failure converters: an author's own way from errors to failures and back.

use std::error::Error;

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;

use super::chain::bounded;
use super::encode::application_failure;
use super::recorded::Failure;

/// An author's own way from errors to failures and back (Temporal's `FailureConverter`).
///
/// It is asked wherever user code fails: for errors of workflows and activities, a panic of an activity, errors of
/// query handlers, update validators and update handlers, and activities that are failed from elsewhere. It is set with
/// [`DataConverter::failure_converter`](crate::converter::DataConverter::failure_converter).
///
/// Workflows ask it too: it must not block, and must answer the same on every replay. If it panics in a workflow, the
/// workflow task fails; in an activity, the default conversion is taken.
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
///             // No card is accepted the second time.
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
    /// The failure that stands for an error. Default: [`RaisedError::default_failure`].
    fn to_failure(&self, error: RaisedError<'_>) -> Failure {
        error.default_failure()
    }

    /// What workflow code and clients get for a failure that was recorded, before it is wrapped into the error of the
    /// call: the failure of an activity with all its causes, for instance. Default: the failure as it is.
    fn read_failure(&self, failure: Failure) -> Failure {
        failure
    }
}

/// An error that user code has raised, for a [`FailureConverter`].
#[derive(Clone, Copy, Debug)]
pub struct RaisedError<'a> {
    error: &'a (dyn Error + 'static),
    type_name: Option<&'a str>,
}

impl<'a> RaisedError<'a> {
    /// The error itself.
    pub fn error(&self) -> &'a (dyn Error + 'static) {
        self.error
    }

    /// The error as `E`, if it is one.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&'a E> {
        self.error.downcast_ref()
    }

    /// What it becomes without a failure converter: its text is the message, its Rust type's last part the error type,
    /// its sources are the causes. Errors that Abide makes keep what they are.
    pub fn default_failure(&self) -> Failure {
        Failure::from_proto(application_failure(self.error, self.type_name))
    }
}

/// The failure that stands for an error, by the author's converter if there is one.
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
