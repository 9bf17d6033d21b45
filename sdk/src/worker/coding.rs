//! Encoding and decoding with the data converter, limited by the task's own timeout: a codec that never returns does
//! not hold a slot forever.
//!
//! Codecs run in tasks of their own. A codec that blocks its thread cannot be interrupted, but its caller continues in
//! time on another thread of the runtime. A single-threaded runtime stands still.

use std::time::Duration;

use abide_protos::payload_fields::PayloadFields;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::activity_tasks::blocking;
use crate::converter::{CodecError, CodecWork, CodedPayloads, DataConverter, Whose};

/// Encodes a message in place for sending.
///
/// # Errors
/// Returns an error if a codec fails, or has not finished by the deadline.
pub(super) async fn encode_by<M: PayloadFields + Send + ?Sized>(
    converter: &DataConverter,
    message: &mut M,
    whose: Whose<'_>,
    deadline: Instant,
) -> Result<(), CodecError> {
    if !converter.has_codecs() {
        return converter.encode(message, whose).await;
    }
    converter.encode_with(message, whose, |work| by(deadline, "encode", work)).await
}

/// Decodes a received message in place.
///
/// # Errors
/// Returns an error if a codec fails, or has not finished by the deadline.
pub(super) async fn decode_by<M: PayloadFields + Send + ?Sized>(
    converter: &DataConverter,
    message: &mut M,
    whose: Whose<'_>,
    deadline: Instant,
) -> Result<(), CodecError> {
    if !converter.has_codecs() {
        return converter.decode(message, whose).await;
    }
    converter.decode_with(message, whose, |work| by(deadline, "decode", work)).await
}

/// Runs the codecs until the deadline.
async fn by(deadline: Instant, what: &'static str, work: CodecWork) -> CodedPayloads {
    let began = Instant::now();
    // Dropping the set aborts the task at its next `.await` that waits.
    let mut tasks = JoinSet::new();
    tasks.spawn(blocking::told_of(work, move |blocked| warn(what, blocked)));
    // A second task makes tokio wake another thread. Without it, this thread would run the codec next; if that blocked
    // while the other threads sleep, no thread would drive the timer and the deadline would pass unnoticed.
    Handle::current().spawn(std::future::ready(()));
    match timeout_at(deadline, tasks.join_next()).await {
        Ok(Some(Ok(coded))) => coded,
        // Panics of codecs are caught within `work`.
        Ok(Some(Err(_)) | None) => Err(CodecError::runtime_ended()),
        Err(_) => Err(CodecError::never_returned(what, began.elapsed())),
    }
}

fn warn(what: &str, blocked: Duration) {
    let millis = blocked.as_millis();
    tracing::warn!(
        "the payload codec has blocked a thread of the async runtime for {millis} ms while it had payloads to {what}: \
         for that time it did not reach an `.await` that waits. Everything else on that thread stood still. Let the \
         codec wait asynchronously, or run blocking code in `tokio::task::spawn_blocking` and await it"
    );
}
