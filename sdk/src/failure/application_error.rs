//! Errors of an author's own that keep their type and their fields on the way to the caller.

use std::error::Error;
use std::fmt;

use super::application::ApplicationFailure;
use super::recorded::Failure;
use crate::converter::{PayloadError, PayloadReader, PayloadWriter};

/// An error of the author's own that its caller gets back as what it was. Derive it:
///
/// ```
/// use abide::prelude::*;
///
/// #[derive(Debug, ApplicationError)]
/// enum PaymentError {
///     #[error("card {card} was declined", non_retryable)]
///     Declined { card: String },
///     #[error("the bank is busy", next_retry_delay = mins(1))]
///     Busy,
/// }
///
/// #[activity]
/// async fn charge(card: String) -> Result<u64, ActivityError> {
///     Err(PaymentError::Declined { card })?
/// }
///
/// #[workflow]
/// async fn order(ctx: &WorkflowContext, card: String) -> Result<String, WorkflowError> {
///     match ctx.activity(charge, card).start_to_close_timeout(secs(30)).await {
///         Ok(receipt) => Ok(format!("receipt {receipt}")),
///         Err(error) => match error.application_error::<PaymentError>() {
///             Some(PaymentError::Declined { card }) => Ok(format!("asked for another card than {card}")),
///             Some(PaymentError::Busy) | None => Err(error.into()),
///         },
///     }
/// }
/// ```
///
/// The derive also writes `Display` and `Error` (so thiserror is not needed beside it): the text in `#[error(..)]` is
/// the message, in which `{card}`, or `{0}` where the fields have no names, stands for a field. What may follow it:
///
/// | option | of [`ApplicationFailure`] |
/// | --- | --- |
/// | `non_retryable` | [`non_retryable`](ApplicationFailure::non_retryable) |
/// | `error_type = ".."` | [`error_type`](ApplicationFailure::error_type); default: the variant's name, behind the enum's prefix if it has one |
/// | `next_retry_delay = mins(1)` | [`next_retry_delay`](ApplicationFailure::next_retry_delay) |
/// | `benign` | [`category`](ApplicationFailure::category): expected, not logged as a warning |
///
/// The fields travel as the failure's details, one each, in their order, so they are payload values. A new field at the
/// end must be an `Option` to be read from failures without it. A struct is one such error.
///
/// Any code tells such errors apart by their type's name, also a retry policy
/// ([`non_retryable_error_type`](crate::RetryPolicy::non_retryable_error_type)) and workers of other languages.
///
/// The enum's own name does not travel. Where two enums have a variant of one name with fields that fit, each reads the
/// other's failures as its own: put `#[error(error_type_prefix = "Payment")]` on the enum, and the types are
/// `PaymentDeclined` and `PaymentBusy`. A type that was written with `error_type` stays as it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that its caller gets back as what it was",
    label = "put `#[derive(abide::ApplicationError)]` on the definition of `{Self}`",
    note = "the derive takes thiserror's place: it writes `Display` and `Error`, too, from the same `#[error(\"..\")]`"
)]
pub trait ApplicationError: Error + Send + Sync + Sized + 'static {
    /// The failure that stands for it.
    fn to_application_failure(&self) -> ApplicationFailure;

    /// Reads it back; `None` if the failure is of another type, or its details do not fit.
    fn from_application_failure(failure: &Failure) -> Option<Self>;
}

/// For the derive's output: a failure with the error's text and its fields.
pub fn failure_with_details(
    error: &dyn fmt::Display,
    error_type: &str,
    write: impl FnOnce(&mut PayloadWriter) -> Result<(), PayloadError>,
) -> ApplicationFailure {
    let mut writer = PayloadWriter::new();
    match write(&mut writer) {
        Ok(()) => {
            let mut failure = ApplicationFailure::new(error.to_string()).error_type(error_type);
            failure.details = writer.finish().map(|details| details.payloads).unwrap_or_default();
            failure
        }
        // An error that is on its way cannot fail: it goes on without its details.
        Err(unwritable) => ApplicationFailure::new(format!("{error} (its details cannot be written: {unwritable})"))
            .error_type(error_type),
    }
}

/// For the derive's output: reads the fields; `None` if they do not fit.
pub fn read_details<T>(
    failure: &Failure,
    read: impl FnOnce(&mut PayloadReader<'_>) -> Result<T, PayloadError>,
) -> Option<T> {
    read(&mut PayloadReader::of(failure.details())).ok()
}
