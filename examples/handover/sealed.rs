//! The case with a payload codec in both SDKs: each decodes what the other encoded, in worker and client alike.

use std::error::Error;

use abide::client::{Client, UpdateError};
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide::workflow::MemoUpdate;
use abide::{ActivityFailure, Failure, State};

use crate::workflows::{Halves, echo};

/// Flips bits, which is no encryption; `scripts/handover.py` does the same.
struct Xor;

fn flipped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}

impl PayloadCodec for Xor {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let seal = |payload: RawPayload| RawPayload {
            metadata: [("encoding".to_string(), b"binary/xor".to_vec())].into(),
            data: flipped(&payload.to_bytes()),
        };
        Ok(payloads.into_iter().map(seal).collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let open = |payload: RawPayload| match payload.encoding() {
            Some("binary/xor") => Ok(RawPayload::from_bytes(&flipped(&payload.data))?),
            // The other side did not encode it.
            other => Err(format!("expected a payload with encoding binary/xor, found {other:?}").into()),
        };
        payloads.into_iter().map(open).collect()
    }
}

pub(crate) fn sealing() -> DataConverter {
    DataConverter::new().codec(Xor).encode_common_attributes()
}

#[activity]
pub(crate) async fn refuse(text: String) -> Result<String, ActivityError> {
    Err(ApplicationFailure::new(text).error_type("Refused").detail(&"secret detail".to_string())?.into())
}

/// Returns the message and the detail of a failure of `refuse`.
fn told(failure: Option<Failure>) -> Result<String, Box<dyn Error + Send + Sync>> {
    let failure = failure.ok_or("expected the activity's own failure, found none")?;
    let detail = failure.detail::<String>(0)?.unwrap_or_default();
    Ok(format!("{}: {}, {detail}", failure.error_type().unwrap_or_default(), failure.message()))
}

#[workflow]
#[derive(Default)]
pub(crate) struct Sealed {
    halves: Halves,
    notes: State<Vec<String>>,
    refused: State<Option<ActivityFailure>>,
}

#[workflow_methods]
impl Sealed {
    #[run]
    pub(crate) async fn run(
        &self,
        ctx: &WorkflowContext,
        text: String,
        times: u32,
    ) -> Result<Vec<String>, WorkflowError> {
        let label = ctx.memo::<String>("label")?.unwrap_or_default();
        let first = ctx.activity(echo, format!("{text} x{times}")).start_to_close_timeout(secs(10)).await?;
        let local = ctx.local_activity(echo, "secret local".into()).start_to_close_timeout(secs(10)).await?;
        let before = self.refused(ctx, "secret no").await?;
        ctx.upsert_memo(MemoUpdate::new().set("label", &"secret label, changed".to_string()));
        self.halves.half(ctx).await?;
        let after = self.refused(ctx, "secret never").await?;
        let notes = self.notes.get();
        Ok([vec![label, first, local, before, after], notes].concat())
    }

    #[signal]
    fn note(&self, text: String) {
        self.notes.update(|notes| notes.push(text));
    }

    #[query]
    fn noted(&self, title: String) -> String {
        format!("{title}: {}", self.notes.with(|notes| notes.join(", ")))
    }

    /// Fails with the activity's failure, which may come from the other SDK and is passed on.
    #[update]
    fn blame(&self) -> Result<(), WorkflowError> {
        Err(self.refused.get().ok_or_else(|| ApplicationFailure::new("the activity has not failed yet"))?.into())
    }

    #[signal]
    fn go(&self) {
        self.halves.going.set(true);
    }

    #[query]
    fn is_at_half(&self) -> bool {
        self.halves.at_half.get()
    }

    async fn refused(&self, ctx: &WorkflowContext, text: &str) -> Result<String, WorkflowError> {
        let once = RetryPolicy::new().maximum_attempts(1);
        let call = ctx.activity(refuse, text.into()).start_to_close_timeout(secs(10)).retry_policy(once);
        let failure = call.await.err();
        let text = told(failure.as_ref().and_then(ActivityFailure::cause));
        self.refused.set(failure);
        Ok(text.map_err(|error| ApplicationFailure::new(error.to_string()))?)
    }
}

/// Starts the workflow: the client's first half.
pub(crate) async fn start(client: &Client, queue: &str, id: &str) -> Result<(), Box<dyn Error>> {
    let start = client.start(Sealed::run, ("secret order".into(), 2)).id(id).task_queue(queue).task_timeout(secs(5));
    start.memo("label", &"secret label".to_string()).static_summary("secret summary").await?;
    Ok(())
}

/// Finishes the workflow: the client's second half.
pub(crate) async fn finish(client: &Client, id: &str) -> Result<(), Box<dyn Error>> {
    let handle = client.handle(Sealed::run, id);
    handle.signal(Sealed::note, "secret note".into()).await?;
    expect("secret title: secret note", &handle.query(Sealed::noted, "secret title".into()).await?)?;
    let failure = match handle.update(Sealed::blame, ()).await {
        Err(UpdateError::Failed(failure)) => failure,
        other => return Err(format!("expected the update to fail, found {other:?}").into()),
    };
    expect("Refused: secret no, secret detail", &told(failure.cause()).map_err(|error| error.to_string())?)?;
    let label = handle.describe().await?.info().memo::<String>("label")?;
    expect("secret label, changed", &label.unwrap_or_default())?;
    handle.signal(Sealed::go, ()).await?;
    let expected = [
        "secret label",
        "secret order x2",
        "secret local",
        "Refused: secret no, secret detail",
        "Refused: secret never, secret detail",
        "secret note",
    ];
    expect(&expected.join("; "), &handle.result().await?.join("; "))
}

fn expect(expected: &str, found: &str) -> Result<(), Box<dyn Error>> {
    if expected == found { Ok(()) } else { Err(format!("expected `{expected}`, found `{found}`").into()) }
}
