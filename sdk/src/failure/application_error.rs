//! User-defined errors that keep their type and fields on the way to the caller.

use std::error::Error;
use std::fmt;

use super::application::ApplicationFailure;
use super::recorded::Failure;
use crate::converter::{PayloadError, PayloadReader, PayloadWriter};

/// A user-defined error that callers get back with its type and fields. Derive it:
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
/// The derive also implements `Display` and `Error`, so thiserror is not needed. The text in `#[error(..)]` is the
/// message; `{card}`, or `{0}` for unnamed fields, inserts a field. Options may follow:
///
/// | option | of [`ApplicationFailure`] |
/// | --- | --- |
/// | `non_retryable` | [`non_retryable`](ApplicationFailure::non_retryable) |
/// | `error_type = ".."` | [`error_type`](ApplicationFailure::error_type); default: the variant's name, with the enum's prefix if it has one |
/// | `next_retry_delay = mins(1)` | [`next_retry_delay`](ApplicationFailure::next_retry_delay) |
/// | `benign` | [`category`](ApplicationFailure::category): expected, not logged as a warning |
///
/// The fields are sent as the failure's details, one each, in order, so they must be payload values. A field added at
/// the end must be an `Option`, so that failures without it can be read. A struct is a single such error.
///
/// All code distinguishes such errors by the name of their error type, including retry policies
/// ([`non_retryable_error_type`](crate::RetryPolicy::non_retryable_error_type)) and workers in other languages.
///
/// The enum's own name is not sent. If two enums have a variant with the same name and compatible fields, each reads
/// the other's failures as its own. To avoid that, put `#[error(error_type_prefix = "Payment")]` on the enum: the error
/// types become `PaymentDeclined` and `PaymentBusy`. A type set with `error_type` stays unchanged.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error type that its caller can read back",
    label = "put `#[derive(abide::ApplicationError)]` on the definition of `{Self}`",
    note = "the derive replaces thiserror's: it also writes `Display` and `Error`, from the same `#[error(\"..\")]`"
)]
pub trait ApplicationError: Error + Send + Sync + Sized + 'static {
    /// Converts the error to a failure.
    fn to_application_failure(&self) -> ApplicationFailure;

    /// Converts a failure back; `None` if it has another type, or its details do not fit.
    fn from_application_failure(failure: &Failure) -> Option<Self>;
}

/// For the derive's output: returns a failure with the error's text and its fields.
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
        // The conversion cannot return an error, so the failure goes without its details.
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
