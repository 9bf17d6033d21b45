//! Payload codecs: what is done to payloads on their way to and from the server, such as encryption.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;

use super::RawPayload;
use crate::bounded_text::message;

/// What a codec yields: as many payloads as it was given, or why it cannot.
pub type CodecResult = Result<Vec<RawPayload>, Box<dyn Error + Send + Sync>>;

/// Changes payloads on their way to and from the server: encrypts, compresses, stores them elsewhere (Temporal's
/// `PayloadCodec`).
///
/// The server, its UI and its histories see what [`encode`](Self::encode) makes of payloads; workflows, activities and
/// clients see what [`decode`](Self::decode) makes of that again. A codec gets all payloads of a message at once, and
/// gives back one for each, in the same order. It may wait (for a key service, for instance): it runs beside workflow
/// code and beside polling, so it slows down nothing but the message at hand.
///
/// `decode` must pass on what it did not encode, so that workflows that were started before the codec was there can
/// still be read; the metadata `encoding` is the place to tell by. An error fails what needed the payloads, never the
/// worker: a workflow task and an activity's attempt are tried again by the server, a client's call returns it.
///
/// ```
/// use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload};
///
/// /// Hides nothing from anybody who knows it: put your cipher in its place.
/// struct Flip;
///
/// fn flipped(bytes: &[u8]) -> Vec<u8> {
///     bytes.iter().map(|byte| byte ^ 0x5a).collect()
/// }
///
/// impl PayloadCodec for Flip {
///     async fn encode(&self, payloads: Vec<RawPayload>) -> CodecResult {
///         let encoded = payloads.into_iter().map(|payload| RawPayload {
///             metadata: [("encoding".to_string(), b"binary/encrypted".to_vec())].into(),
///             // The whole payload, with the metadata that tells how to read it.
///             data: flipped(&payload.to_bytes()),
///         });
///         Ok(encoded.collect())
///     }
///
///     async fn decode(&self, payloads: Vec<RawPayload>) -> CodecResult {
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
    /// What goes to the server in place of these payloads.
    ///
    /// Must not block its thread, just as [`decode`](Self::decode): not with `std::thread::sleep`, a lock that somebody
    /// holds for long, or network without an `.await`. Every task of a worker may wait behind it on that thread.
    fn encode(&self, payloads: Vec<RawPayload>) -> impl Future<Output = CodecResult> + Send;

    /// What these payloads from the server were.
    fn decode(&self, payloads: Vec<RawPayload>) -> impl Future<Output = CodecResult> + Send;
}

/// A codec could not encode or decode the payloads of a message.
#[derive(Clone, Debug)]
pub(crate) struct CodecError {
    text: String,
}

impl CodecError {
    /// A codec has not returned in the time that there was.
    #[cfg(feature = "worker")]
    pub(crate) fn never_returned(what: &str, waited: std::time::Duration) -> Self {
        let waited = crate::duration::measured_text(waited);
        let text = format!(
            "the payload codec has not returned within {waited}, when the task's time was up: expected that it can \
             {what} the payloads of a task in much less; look at what it waits for"
        );
        Self { text }
    }

    /// The error for a codec whose runtime has ended.
    #[cfg(feature = "worker")]
    pub(crate) fn runtime_ended() -> Self {
        Self { text: "the async runtime has ended before the payload codec returned".into() }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// To the server, or from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    Encode,
    Decode,
}

type Coded<'a> = Pin<Box<dyn Future<Output = CodecResult> + Send + 'a>>;

/// Any codec.
pub(super) trait AnyCodec: Send + Sync {
    fn run(&self, direction: Direction, payloads: Vec<RawPayload>) -> Coded<'_>;
}

impl<C: PayloadCodec> AnyCodec for C {
    fn run(&self, direction: Direction, payloads: Vec<RawPayload>) -> Coded<'_> {
        match direction {
            Direction::Encode => Box::pin(self.encode(payloads)),
            Direction::Decode => Box::pin(self.decode(payloads)),
        }
    }
}

/// Lets a codec do its work, and holds it to its contract.
pub(super) async fn run_codec(
    codec: &dyn AnyCodec,
    direction: Direction,
    payloads: Vec<RawPayload>,
) -> Result<Vec<RawPayload>, CodecError> {
    let given = payloads.len();
    let what = match direction {
        Direction::Encode => "encode",
        Direction::Decode => "decode",
    };
    // Before its first wait, too, a codec may panic; it must not take with it who waits for the payloads.
    let coded = AssertUnwindSafe(async { codec.run(direction, payloads).await }).catch_unwind().await;
    let text = match coded {
        Ok(Ok(coded)) if coded.len() == given => return Ok(coded),
        Ok(Ok(coded)) => {
            let found = coded.len();
            format!("the payload codec was given {given} payloads to {what} and returned {found}: expected as many")
        }
        Ok(Err(error)) => format!("the payload codec failed to {what} {given} payloads: {error}"),
        Err(_) => format!("the payload codec panicked when it had {given} payloads to {what}"),
    };
    // What the codec itself says, too, goes into logs and to the server.
    Err(CodecError { text: message(&text).into_owned() })
}
