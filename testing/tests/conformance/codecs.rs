//! Payload codecs and failure converters: the data that both servers store for workflows with encoded payloads.

use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide::workflow::MemoUpdate;
use abide::{FailureConverter, History, NexusError, RaisedError, WorkflowReplayer};
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use crate::arm::{Arm, Outcome, compare, until_event};
use crate::nexus_endpoint::create_endpoint;

/// Hides all words in payloads by flipping bits, which is no encryption.
pub(crate) struct Seal;

fn flipped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}

impl PayloadCodec for Seal {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let seal = |payload: RawPayload| RawPayload {
            metadata: [("encoding".to_string(), b"binary/sealed".to_vec())].into(),
            data: flipped(&payload.to_bytes()),
        };
        Ok(payloads.into_iter().map(seal).collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let open = |payload: RawPayload| match payload.encoding() {
            Some("binary/sealed") => Ok(RawPayload::from_bytes(&flipped(&payload.data))?),
            _ => Err(format!("expected a sealed payload, found {:?}", payload.encoding()).into()),
        };
        payloads.into_iter().map(open).collect()
    }
}

fn sealing() -> DataConverter {
    DataConverter::new().codec(Seal).encode_common_attributes()
}

/// Has a key for each workflow, and refuses the payloads of others.
struct Bound;

impl Bound {
    /// The key comes first, so that a wrong one is noticed. It leaves out the number that each run of a test puts into its
    /// ids, because the histories of two servers are compared.
    fn sealed(context: &SerializationContext, bytes: &[u8]) -> Vec<u8> {
        let key = context.workflow_id().expect("in this test, all payloads belong to a workflow");
        key.bytes()
            .filter(|byte| !byte.is_ascii_digit())
            .chain([0])
            .chain(bytes.iter().map(|byte| byte ^ 0x5a))
            .collect()
    }
}

impl PayloadCodec for Bound {
    async fn encode(&self, context: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let seal = |payload: RawPayload| RawPayload {
            metadata: [("encoding".to_string(), b"binary/bound".to_vec())].into(),
            data: Self::sealed(context, &payload.to_bytes()),
        };
        Ok(payloads.into_iter().map(seal).collect())
    }

    async fn decode(&self, context: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let open = |payload: RawPayload| {
            let data =
                payload.data.strip_prefix(&*Self::sealed(context, &[])).ok_or("it has another workflow's key")?;
            Ok(RawPayload::from_bytes(&flipped(data))?)
        };
        payloads.into_iter().map(open).collect()
    }
}

fn bound() -> DataConverter {
    DataConverter::new().codec(Bound).encode_common_attributes()
}

#[tokio::test]
async fn b131_a_payload_that_is_copied_into_another_workflow_is_refused() -> Outcome {
    compare("copied", |arm| async move {
        let client = client(&arm, bound()).await?;
        let worker = Worker::builder(&client, arm.queue()).workflow(passes_on).build()?;
        let body = async {
            let start = client.start(passes_on, "secret".into()).id(arm.id()).task_queue(arm.queue());
            let handle = start.await?;
            assert_eq!(handle.result().await?, "secret");
            let history = handle.fetch_history().await?;
            let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &history.events()[0].attributes
            else {
                return Err("expected the start of a workflow as event 1".into());
            };
            let input = started.input.clone().unwrap_or_default().payloads.remove(0);
            let copied = RawPayload { metadata: input.metadata.into_iter().collect(), data: input.data };
            let plain = abide::WorkflowType::<fn(RawPayload) -> RawPayload>::new("passes_on");
            let start = arm.client.start(plain, copied).id(format!("{}-copy", arm.id())).task_queue(arm.queue());
            let copy = start.await?;
            until_event(&copy, "EVENT_TYPE_WORKFLOW_TASK_FAILED", 1).await?;
            copy.terminate().await?;
            Ok::<_, Box<dyn std::error::Error>>(vec![history])
        };
        Box::pin(worker.run_until(body)).await?
    })
    .await
}

#[workflow]
async fn passes_on(_: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
    Ok(text)
}

pub(crate) async fn client(arm: &Arm, converter: DataConverter) -> Result<Client, Box<dyn std::error::Error>> {
    Ok(Client::connect(ClientOptions::new(arm.address()).data_converter(converter)).await?)
}

/// Returns true if stored data contains a word that only the user may know.
pub(crate) fn is_told(history: &History) -> bool {
    history.events().iter().any(|event| event.encode_to_vec().windows(6).any(|part| part == b"secret"))
}

#[activity]
async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

/// Reports progress before its first attempt fails.
#[activity]
async fn second_time(ctx: &ActivityContext) -> Result<String, ActivityError> {
    match ctx.last_heartbeat::<String>()? {
        Some(progress) => Ok(progress),
        None => {
            ctx.heartbeat(&"half of the secret".to_string())?;
            Err(ApplicationFailure::new("a secret mishap").into())
        }
    }
}

#[workflow]
async fn fails(ctx: &WorkflowContext, secret: String) -> Result<(), WorkflowError> {
    // Its start and its end are two tasks of its parent.
    ctx.timer(millis(300)).await?;
    let cause = ApplicationFailure::new("the secret reason").detail(&7_u32)?;
    Err(ApplicationFailure::new(secret).error_type("Vault").detail(&"secret detail".to_string())?.cause(cause).into())
}

/// A workflow that processes secrets.
#[workflow]
#[derive(Default)]
struct Vault {
    kept: State<Vec<String>>,
}

#[workflow_methods]
impl Vault {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, secret: String) -> Result<Vec<String>, WorkflowError> {
        let limit = secs(10);
        self.keep(ctx.local_activity(echo, secret).start_to_close_timeout(limit).include_arguments().await?);
        ctx.upsert_memo(MemoUpdate::new().set("note", &"memo secret".to_string()));
        let policy = RetryPolicy::new().initial_interval(millis(10));
        let call = ctx.activity(second_time, ()).start_to_close_timeout(limit).retry_policy(policy);
        self.keep(call.summary("the secret summary").await?);
        let id = format!("{}-child", ctx.info().workflow_id);
        let failed = ctx.child_workflow(fails, "secret failure".into()).id(id).await.expect_err("it fails");
        let cause = failed.cause().expect("a child fails with its own failure");
        self.keep(format!("{cause} and {}", cause.detail::<String>(0)?.unwrap_or_default()));
        ctx.wait_until(|| self.kept.with(|kept| kept.len() == 5)).await?;
        Ok(self.kept.get())
    }

    #[signal]
    fn keep(&self, secret: String) {
        self.kept.update(|kept| kept.push(secret));
    }

    #[update]
    async fn exchange(&self, ctx: &WorkflowContext, secret: String) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.kept.with(|kept| kept.len() == 4)).await?;
        self.keep(secret);
        Ok(self.kept.with(|kept| kept[1].clone()))
    }

    #[query]
    fn kept(&self) -> Vec<String> {
        self.kept.get()
    }
}

/// Runs a workflow with payloads of every kind, and returns its histories as the server has them.
pub(crate) async fn vault(
    arm: &Arm,
    converter: &DataConverter,
    cached: usize,
) -> Result<Vec<History>, Box<dyn std::error::Error>> {
    let client = client(arm, converter.clone()).await?;
    let worker = abide::worker::Worker::builder(&client, arm.queue()).workflow(Vault::run).workflow(fails);
    let worker = worker.activities(echo).activities(second_time).max_cached_workflows(cached).build()?;
    let expected = [
        "input secret",
        "half of the secret",
        "secret failure (Vault): the secret reason and secret detail",
        "signal secret",
        "update secret",
    ];
    let body = async {
        let start = client.start(Vault::run, "input secret".into()).id(arm.id()).task_queue(arm.queue());
        let start = start.memo("kept", &"start secret".to_string()).static_details("secret details");
        let handle = start.await?;
        // A message that arrives together with a local activity or another message gives a different history.
        let completed = "EVENT_TYPE_WORKFLOW_TASK_COMPLETED";
        until_event(&handle, completed, 4).await?;
        handle.signal(Vault::keep, "signal secret".into()).await?;
        until_event(&handle, completed, 5).await?;
        assert_eq!(handle.query(Vault::kept, ()).await?.len(), 4);
        let told = handle.update(Vault::exchange, "update secret".into()).id("exchange").await?;
        assert_eq!(told, "half of the secret");
        assert_eq!(handle.result().await?, expected);
        let memo = handle.describe().await?.info().memo::<String>("kept")?;
        assert_eq!(memo.as_deref(), Some("start secret"));
        let child = client.handle(fails, format!("{}-child", arm.id()));
        let failure = child.result().await.expect_err("it fails");
        assert_eq!(failure.to_string(), "the workflow failed: secret failure (Vault): the secret reason");
        Ok::<_, Box<dyn std::error::Error>>(vec![handle.fetch_history().await?, child.fetch_history().await?])
    };
    let histories = Box::pin(worker.run_until(body)).await??;
    for history in &histories {
        let replayer = WorkflowReplayer::new().workflow(Vault::run).workflow(fails);
        assert!(replayer.data_converter(converter.clone()).replay(history)?.same_outcome());
    }
    Ok(histories)
}

/// Returns the error of a replay of the vault without a data converter.
pub(crate) fn unreadable(history: &History) -> String {
    let replayer = WorkflowReplayer::new().workflow(Vault::run).workflow(fails);
    replayer.replay(history).expect_err("it cannot be read").to_string()
}

#[tokio::test]
async fn b131_a_server_stores_nothing_that_was_not_encoded() -> Outcome {
    every_payload("codecs", sealing).await
}

#[tokio::test]
async fn b131_each_side_of_every_payload_sees_the_same_workflow() -> Outcome {
    every_payload("bound-codecs", bound).await
}

/// Sends a payload of every kind, and reads it on the other side.
async fn every_payload(name: &str, converter: fn() -> DataConverter) -> Outcome {
    for cached in [1000, 0] {
        compare(name, move |arm| async move {
            let histories = vault(&arm, &converter(), cached).await?;
            for history in &histories {
                assert!(!is_told(history), "{history}");
                unreadable(history);
            }
            Ok(histories)
        })
        .await?;
    }
    Ok(())
}

#[derive(Debug)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {}

/// Makes declined failures non-retryable.
struct House;

impl FailureConverter for House {
    fn to_failure(&self, error: RaisedError<'_>) -> Failure {
        match error.downcast_ref::<Declined>() {
            Some(_) => ApplicationFailure::new("house rules").error_type("Declined").non_retryable().into(),
            None => error.default_failure(),
        }
    }

    fn read_failure(&self, failure: Failure) -> Failure {
        let message = format!("[{}]", failure.message());
        failure.with_message(message)
    }
}

#[activity]
async fn declines() -> Result<(), ActivityError> {
    Err(Declined.into())
}

/// Fails with the failures of a local activity and an activity, neither of which is retried.
#[workflow]
async fn declined(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let local = ctx.local_activity(declines, ()).start_to_close_timeout(secs(10)).await.expect_err("it declines");
    ctx.timer(millis(10)).await?;
    let remote = ctx.activity(declines, ()).start_to_close_timeout(secs(10)).await.expect_err("it declines");
    if local.failure().message() != remote.failure().message() {
        return Err(ApplicationFailure::new(format!("{}; {}", local.failure(), remote.failure())).into());
    }
    Err(Declined.into())
}

#[tokio::test]
async fn b132_a_failure_converters_word_counts_for_retries_and_replays() -> Outcome {
    for cached in [1000, 0] {
        compare("converters", move |arm| async move {
            let converter = DataConverter::new().failure_converter(House);
            let client = client(&arm, converter.clone()).await?;
            let worker = abide::worker::Worker::builder(&client, arm.queue()).workflow(declined);
            let worker = worker.activities(declines).max_cached_workflows(cached).build()?;
            let body = async {
                let handle = client.start(declined, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let failure = handle.result().await.expect_err("it fails");
                let text = "the workflow failed: [activity declines (id 1): [Local activity failed]: house rules \
                            (Declined); activity declines (id 2): [Activity task failed]: house rules (Declined)]";
                assert_eq!(failure.to_string(), text);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            };
            let history = worker.run_until(body).await??;
            let replayer = WorkflowReplayer::new().workflow(declined).data_converter(converter);
            let replayed = replayer.replay(&history)?;
            assert!(replayed.same_outcome(), "now: {}\nrecorded: {}", replayed.outcome(), replayed.recorded());
            Ok(vec![history])
        })
        .await?;
    }
    Ok(())
}

#[abide::nexus_service]
trait Safe {
    fn swap(secret: String) -> String;
    fn lose(secret: String) -> String;
    fn misread(secret: String) -> String;
}

struct Keeper;

#[abide::nexus_handlers(implements = Safe)]
impl Keeper {
    #[nexus_operation]
    fn swap(secret: String) -> Result<String, NexusError> {
        Ok(format!("another {secret}"))
    }

    #[nexus_operation]
    fn lose(secret: String) -> Result<String, NexusError> {
        Err(NexusError::failed(
            ApplicationFailure::new(format!("the {secret} is lost")).error_type("Lost").detail(&secret)?,
        ))
    }

    #[nexus_operation]
    fn misread(secret: String) -> Result<String, NexusError> {
        let cause = ApplicationFailure::new(format!("the {secret} is blurred")).error_type("Blurred");
        Err(NexusError::bad_request("it cannot be read").cause(cause))
    }
}

#[workflow]
async fn calls_a_safe(ctx: &WorkflowContext, secret: String) -> Result<Vec<String>, WorkflowError> {
    let mut told = Vec::new();
    for operation in [Safe::swap, Safe::lose, Safe::misread] {
        let call = ctx.nexus_operation(ctx.info().task_queue.clone(), operation, secret.clone());
        told.push(match call.schedule_to_close_timeout(secs(20)).await {
            Ok(result) => result,
            Err(error) => {
                let chain = std::iter::successors(error.cause(), abide::Failure::cause);
                chain.map(|failure| failure.message().to_string()).collect::<Vec<_>>().join(": ")
            }
        });
    }
    Ok(told)
}

#[tokio::test]
async fn nexus_operations_are_encoded_for_callers_and_handlers() -> Outcome {
    compare("codecs-nexus", |arm| async move {
        create_endpoint(&arm).await?;
        let client = client(&arm, sealing()).await?;
        let worker = Worker::builder(&client, arm.queue()).workflow(calls_a_safe).nexus_handlers(Keeper).build()?;
        let body = async {
            let start = client.start(calls_a_safe, "secret".into());
            let handle = start.id(arm.id()).task_queue(arm.queue()).await?;
            let expected = ["another secret", "the secret is lost", "it cannot be read: the secret is blurred"];
            assert_eq!(handle.result().await?, expected);
            let history = handle.fetch_history().await?;
            assert!(!is_told(&arm.client.handle(calls_a_safe, arm.id()).fetch_history().await?));
            Ok::<_, Box<dyn std::error::Error>>(vec![history])
        };
        Box::pin(worker.run_until(Box::pin(body))).await?
    })
    .await
}
