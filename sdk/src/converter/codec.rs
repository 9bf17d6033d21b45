//! Payload codecs: transform payloads on their way to and from the server, for example by encryption.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use futures_util::FutureExt as _;

use super::{RawPayload, SerializationContext};
use crate::bounded_text::message;
use crate::failure::{ApplicationFailure, application_failure};

/// A codec's result: as many payloads as it was given, or an error.
pub type CodecResult = Result<Vec<RawPayload>, Box<dyn Error + Send + Sync>>;

/// Transforms payloads on their way to and from the server: encrypts them, compresses them, or stores them elsewhere
/// (Temporal's `PayloadCodec`).
///
/// The server, its UI and its histories see the output of [`encode`](Self::encode); workflows, activities and clients
/// see the output of [`decode`](Self::decode). A codec gets all payloads of a message that share a
/// [context](SerializationContext) at once, and returns one for each, in the same order. It may wait, for example for a key service: it runs outside workflow code and outside
/// polling, so it delays only the current message.
///
/// `decode` must return payloads that it did not encode unchanged, so that workflows started before the codec was
/// introduced remain readable; the metadata `encoding` is the way to tell them apart. An error fails the operation that
/// needed the payloads, never the worker: the server retries a workflow task or an activity attempt, a client's call
/// returns the error. To refuse a payload that a retry would not make valid, return
/// [`ApplicationFailure::payload_validation`].
///
/// ```
/// use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
///
/// /// Hides nothing from anybody who knows it: put your cipher in its place.
/// struct Flip;
///
/// fn flipped(bytes: &[u8]) -> Vec<u8> {
///     bytes.iter().map(|byte| byte ^ 0x5a).collect()
/// }
///
/// impl PayloadCodec for Flip {
///     async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
///         let encoded = payloads.into_iter().map(|payload| RawPayload {
///             metadata: [("encoding".to_string(), b"binary/encrypted".to_vec())].into(),
///             // The whole payload, including its metadata.
///             data: flipped(&payload.to_bytes()),
///         });
///         Ok(encoded.collect())
///     }
///
///     async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
///         let is_ours = |payload: &RawPayload| payload.encoding() == Some("binary/encrypted");
///         let decoded = payloads.into_iter().map(|payload| match is_ours(&payload) {
///             true => Ok(RawPayload::from_bytes(&flipped(&payload.data))?),
///             false => Ok(payload),
///         });
///         decoded.collect()
///     }
/// }
///
/// let data_converter = DataConverter::new().codec(Flip);
/// # let _ = data_converter;
/// ```
pub trait PayloadCodec: Send + Sync + 'static {
    /// Encodes payloads for the server. `context` says what they belong to.
    ///
    /// Like [`decode`](Self::decode), this must not block its thread with `std::thread::sleep`, a lock held for long,
    /// or network calls without `.await`. Otherwise, all of a worker's tasks on that thread may have to wait.
    fn encode(
        &self,
        context: &SerializationContext,
        payloads: Vec<RawPayload>,
    ) -> impl Future<Output = CodecResult> + Send;

    /// Decodes payloads from the server. `context` is the one with which they were encoded, with the exceptions that are
    /// listed there.
    fn decode(
        &self,
        context: &SerializationContext,
        payloads: Vec<RawPayload>,
    ) -> impl Future<Output = CodecResult> + Send;
}

/// A codec could not encode or decode the payloads of a message.
#[derive(Clone, Debug)]
pub(crate) struct CodecError {
    text: String,
    /// The failure with which the codec has refused what it decoded: see `ApplicationFailure::payload_validation`.
    #[cfg_attr(not(feature = "worker"), allow(dead_code, reason = "only tasks end with it"))]
    refusal: Option<Box<FailureProto>>,
}

impl CodecError {
    /// The message goes into logs and to the server, so it is cut.
    pub(super) fn new(text: String) -> Self {
        Self { text: message(&text).into_owned(), refusal: None }
    }

    /// Returns the error for a codec that has not returned in time.
    #[cfg(feature = "worker")]
    pub(crate) fn never_returned(what: &str, waited: std::time::Duration) -> Self {
        let waited = crate::duration::measured_text(waited);
        let text = format!(
            "the payload codec did not {what} the payloads within {waited}, the time of the task; expected a much \
             shorter time: check what the codec waits for"
        );
        Self { text, refusal: None }
    }

    /// The error for a codec whose runtime has ended.
    #[cfg(feature = "worker")]
    pub(crate) fn runtime_ended() -> Self {
        Self { text: "the async runtime has ended before the payload codec returned".into(), refusal: None }
    }

    /// Returns the failure with which the codec has refused what it decoded.
    #[cfg(feature = "worker")]
    pub(crate) fn refusal(&self) -> Option<&FailureProto> {
        self.refusal.as_deref()
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The direction: to the server, or from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    Encode,
    Decode,
}

type Coded<'a> = Pin<Box<dyn Future<Output = CodecResult> + Send + 'a>>;

/// Object-safe form of [`PayloadCodec`].
pub(super) trait AnyCodec: Send + Sync {
    fn run<'a>(
        &'a self,
        direction: Direction,
        context: &'a SerializationContext,
        payloads: Vec<RawPayload>,
    ) -> Coded<'a>;
}

impl<C: PayloadCodec> AnyCodec for C {
    fn run<'a>(
        &'a self,
        direction: Direction,
        context: &'a SerializationContext,
        payloads: Vec<RawPayload>,
    ) -> Coded<'a> {
        match direction {
            Direction::Encode => Box::pin(self.encode(context, payloads)),
            Direction::Decode => Box::pin(self.decode(context, payloads)),
        }
    }
}

/// Runs a codec and checks that it keeps its contract.
pub(super) async fn run_codec(
    codec: &dyn AnyCodec,
    direction: Direction,
    context: &SerializationContext,
    payloads: Vec<RawPayload>,
) -> Result<Vec<RawPayload>, CodecError> {
    let given = payloads.len();
    let what = match direction {
        Direction::Encode => "encode",
        Direction::Decode => "decode",
    };
    // A codec may panic before its first wait, too. The panic must not reach the code that waits for the payloads.
    let coded = AssertUnwindSafe(async { codec.run(direction, context, payloads).await }).catch_unwind().await;
    let mut refusal = None;
    let text = match coded {
        Ok(Ok(coded)) if coded.len() == given => return Ok(coded),
        Ok(Ok(coded)) => {
            let found = coded.len();
            format!("the payload codec got {given} payloads to {what} and returned {found}: expected the same number")
        }
        Ok(Err(error)) => {
            let refused = error.downcast_ref().filter(|failure: &&ApplicationFailure| failure.is_payload_validation());
            refusal = refused.map(|failure| Box::new(application_failure(failure, None)));
            format!("the payload codec failed to {what} {given} payloads: {error}")
        }
        Err(_) => format!("the payload codec panicked; it had {given} payloads to {what}"),
    };
    Err(CodecError { refusal, ..CodecError::new(text) })
}
