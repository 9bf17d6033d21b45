//! Size limits for data from users.

use abide_protos::prost::Message;

use super::api::{common, enums::WorkflowTaskFailedCause};
use super::commands::Refusal;
use super::errors::Error;

/// Maximum bytes of the payloads of one field.
pub(crate) const BLOB_LIMIT: usize = 2 * 1024 * 1024;

/// Refuses a request with oversized payloads.
pub(crate) fn check_blob(payloads: Option<&common::Payloads>) -> Result<(), Error> {
    if payloads.is_some_and(is_too_large) {
        return Err(Error::invalid_argument("Blob data size exceeds limit."));
    }
    Ok(())
}

/// Refuses a request with an oversized memo.
pub(crate) fn check_memo(memo: Option<&common::Memo>) -> Result<(), Error> {
    if memo.is_some_and(|memo| memo.encoded_len() > BLOB_LIMIT) {
        return Err(Error::invalid_argument("Memo size exceeds limit."));
    }
    Ok(())
}

/// Refuses a command with oversized payloads; `field` names them.
pub(crate) fn check_command(payloads: Option<&common::Payloads>, field: &str) -> Result<(), Refusal> {
    if payloads.is_some_and(is_too_large) {
        let cause = WorkflowTaskFailedCause::BadScheduleActivityAttributes;
        let refusal = Refusal::new(cause, format!("{field} exceeds size limit."));
        return Err(Refusal { ends_workflow: true, ..refusal });
    }
    Ok(())
}

pub(crate) fn is_too_large(message: &impl Message) -> bool {
    message.encoded_len() > BLOB_LIMIT
}
