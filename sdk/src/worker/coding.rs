//! The data converter's work on a task, within the task's own time: a codec that never returns holds no slot for ever.
//!
//! Codecs work in tasks of their own. One that blocks its thread keeps that thread, which nothing can take back, but whoever
//! waits for it goes on in time, on another thread of the runtime. A runtime of one thread stands still.

use std::time::Duration;

use abide_protos::payload_fields::PayloadFields;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::activity_tasks::blocking;
use crate::converter::{CodecError, CodecWork, CodedPayloads, DataConverter};

/// Makes a message what goes to the server.
///
/// # Errors
/// Returns an error if a codec cannot encode it, or has not done so by the deadline.
pub(super) async fn encode_by<M: PayloadFields + Send + ?Sized>(
    converter: &DataConverter,
    message: &mut M,
    deadline: Instant,
) -> Result<(), CodecError> {
    if !converter.has_codecs() {
        return converter.encode(message).await;
    }
    converter.encode_with(message, |work| by(deadline, "encode", work)).await
}

/// Makes a message from the server what was meant.
///
/// # Errors
/// Returns an error if a codec cannot decode it, or has not done so by the deadline.
pub(super) async fn decode_by<M: PayloadFields + Send + ?Sized>(
    converter: &DataConverter,
    message: &mut M,
    deadline: Instant,
) -> Result<(), CodecError> {
    if !converter.has_codecs() {
        return converter.decode(message).await;
    }
    converter.decode_with(message, |work| by(deadline, "decode", work)).await
}

/// Lets the codecs work until the deadline.
async fn by(deadline: Instant, what: &'static str, work: CodecWork) -> CodedPayloads {
    let began = Instant::now();
    // Dropped, it ends its task, if that ever waits again.
    let mut tasks = JoinSet::new();
    tasks.spawn(blocking::told_of(work, move |blocked| warn(what, blocked)));
    // With a second task to do, tokio wakes another thread. Alone, the first would be next on this one, and if it blocked
    // here while the others sleep, nobody would look at the clock.
    Handle::current().spawn(std::future::ready(()));
    match timeout_at(deadline, tasks.join_next()).await {
        Ok(Some(Ok(coded))) => coded,
        // No codec panics out of its work.
        Ok(Some(Err(_)) | None) => Err(CodecError::runtime_ended()),
        Err(_) => Err(CodecError::never_returned(what, began.elapsed())),
    }
}

fn warn(what: &str, blocked: Duration) {
    let millis = blocked.as_millis();
    tracing::warn!(
        "the payload codec has blocked a thread of the async runtime for {millis} ms when it had payloads to {what}: it ran so \
         long without an `.await` that waits. Everything else on that thread stood still. Let it wait asynchronously, or run \
         blocking code in `tokio::task::spawn_blocking` and await it"
    );
}
