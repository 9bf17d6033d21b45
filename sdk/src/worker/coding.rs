//! The data converter's work on a task, within the task's own time: a codec that never returns holds no slot for ever.

use abide_protos::payload_fields::PayloadFields;
use tokio::time::{Instant, timeout_at};

use crate::converter::{CodecError, DataConverter};

/// Makes a message what goes to the server.
///
/// # Errors
/// When a codec cannot encode it, or has not done so by the deadline.
pub(super) async fn encode_by<M: PayloadFields + Send + ?Sized>(
    converter: &DataConverter,
    message: &mut M,
    deadline: Instant,
) -> Result<(), CodecError> {
    if !converter.has_codecs() {
        return converter.encode(message).await;
    }
    let began = Instant::now();
    let coded = timeout_at(deadline, converter.encode(message)).await;
    coded.unwrap_or_else(|_| Err(CodecError::never_returned("encode", began.elapsed())))
}

/// Makes a message from the server what was meant.
///
/// # Errors
/// When a codec cannot decode it, or has not done so by the deadline.
pub(super) async fn decode_by<M: PayloadFields + Send + ?Sized>(
    converter: &DataConverter,
    message: &mut M,
    deadline: Instant,
) -> Result<(), CodecError> {
    if !converter.has_codecs() {
        return converter.decode(message).await;
    }
    let began = Instant::now();
    let coded = timeout_at(deadline, converter.decode(message)).await;
    coded.unwrap_or_else(|_| Err(CodecError::never_returned("decode", began.elapsed())))
}
