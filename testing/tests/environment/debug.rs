//! `Debug` goes into logs and panics, so it shows no secret and no payload's value, whatever type of Abide is printed.

use std::fmt::Debug;

use abide::activity::{ActivityContext, ActivityInfo, ActivityOutbound, ActivityRegistry};
use abide::client::TlsOptions;
use abide::converter::{
    CodecResult, DataConverter, PayloadCodec, PayloadWriter, RawArguments, RawPayload, SerializationContext, to_payload,
};
use abide::prelude::*;
use abide::replay::{
    HistoryPage, Input, LocalActivityResolution, LocalActivityResult, LocalActivityTask, Output, WorkflowTask,
    WorkflowTaskCompletion, WorkflowTaskFailure,
};
use abide::replayer::RunOutcome;
use abide::runtime::ReplayedOutcome;
use abide::workflow::{MemoUpdate, SignalDispatch, UpdateDispatch};
use abide::{History, NexusOperation, WorkflowReplayer};
use abide_protos::temporal::api::command::v1::command::Attributes as CommandAttributes;
use abide_protos::temporal::api::command::v1::{Command, ScheduleActivityTaskCommandAttributes};
use abide_protos::temporal::api::common::v1::{Header, Payload, Payloads};
use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::history::v1::history_event::Attributes as EventAttributes;
use abide_protos::temporal::api::history::v1::{HistoryEvent, WorkflowExecutionSignaledEventAttributes};
use abide_protos::temporal::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use abide_testing::{ActivityEnvironment, TestWorkflowEnvironment};

use super::Outcome;

const SECRET: &str = "SECRET";
const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("Customer");
const CHARGE: NexusOperation<String, String> = NexusOperation::new("payments", "charge");

fn secret() -> String {
    SECRET.to_owned()
}

/// Fails if the text of a value holds the secret: as text, as the numbers of its bytes, or in base64.
#[track_caller]
pub(crate) fn hides(value: &(impl Debug + ?Sized)) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        let dense: String = text.split_whitespace().collect();
        let shown = ["SECRET", "83,69,67,82,69,84", "534543524554", "U0VDUkVU"].iter().any(|form| dense.contains(form));
        assert!(!dense.is_empty() && !shown, "`Debug` shows a secret: {text}");
    }
}

/// A codec with a key. `Debug` of a converter must not ask for its text.
struct Sealing(#[expect(dead_code, reason = "only whether it is shown matters")] String);

impl PayloadCodec for Sealing {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        Ok(payloads)
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        Ok(payloads)
    }
}

#[activity]
async fn reveal(ctx: &ActivityContext, value: String) -> Result<String, ActivityError> {
    hides(ctx);
    hides(ctx.info());
    assert_eq!(ctx.info().header::<String>("token")?.as_deref(), Some(SECRET));
    ctx.heartbeat(&secret())?;
    if value == "fail" {
        return Err(ApplicationFailure::new("refused").non_retryable().detail(&secret())?.into());
    }
    Ok(value)
}

#[workflow]
async fn child(ctx: &WorkflowContext, value: String) -> Result<String, WorkflowError> {
    hides(ctx);
    hides(ctx.info());
    let failure = ApplicationFailure::new("refused").detail(&value);
    Err(failure.expect("a string is written").into())
}

#[workflow]
#[derive(Default)]
struct Vault {
    opened: State<bool>,
}

#[workflow_methods]
impl Vault {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, value: String) -> Result<String, WorkflowError> {
        hides(ctx);
        hides(ctx.info());
        ctx.upsert_memo(MemoUpdate::new().set("note", &secret()));
        self.activities(ctx).await?;
        self.messages(ctx).await?;
        ctx.wait_until(|| self.opened.get()).await?;
        let next = ctx.continue_as_new(Vault::run, secret()).memo("note", &secret()).header("token", &secret());
        hides(&next);
        hides(&WorkflowError::from(next));
        Ok(value)
    }

    async fn activities(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        hides(&ctx.activity(reveal, secret()).header("token", &secret()));
        let call = ctx.activity(reveal, secret()).start_to_close_timeout(mins(1)).header("token", &secret());
        hides(&call);
        let handle = call.start();
        hides(&handle);
        handle.await?;
        let failing = ctx.activity(reveal, "fail".into()).start_to_close_timeout(mins(1)).header("token", &secret());
        hides(&failing.await.expect_err("it fails"));
        hides(&ctx.local_activity(reveal, secret()).header("token", &secret()));
        let call = ctx.local_activity(reveal, "ok".into()).start_to_close_timeout(mins(1)).header("token", &secret());
        hides(&call);
        let handle = call.start();
        hides(&handle);
        handle.await?;
        let call = ctx.child_workflow(child, secret()).memo("note", &secret()).header("token", &secret());
        hides(&call);
        let started = call.start();
        hides(&started);
        let handle = started.await?;
        hides(&handle);
        hides(&handle.await.expect_err("it fails"));
        Ok(())
    }

    async fn messages(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let other = ctx.external_workflow("other");
        hides(&other);
        let signal = other.signal(Vault::open, secret()).header("token", &secret());
        hides(&signal);
        let sent = signal.start();
        hides(&sent);
        hides(&sent.await);
        hides(&other.cancel().reason("late"));
        let operation = ctx.nexus_operation("payments", CHARGE, secret()).nexus_header("token", secret());
        hides(&operation);
        hides(&operation.start());
        hides(&ctx.spawn(async { secret() }));
        hides(&ctx.timeout(mins(1), async { secret() }));
        let held = secret();
        hides(&ctx.wait_until(move || held.is_empty()));
        let held = secret();
        hides(&ctx.wait_until(move || held.is_empty()).timeout(mins(1)));
        hides(&ctx.timer(mins(1)));
        hides(&ctx.timer(mins(1)).start());
        hides(&ctx.cancellation_scope());
        Ok(())
    }

    #[signal]
    fn open(&self, _value: String) {
        self.opened.set(true);
    }

    #[query]
    fn look(&self, value: String) -> String {
        value
    }

    #[update]
    fn change(&self, value: String) -> String {
        value
    }
}

#[tokio::test]
async fn no_call_of_a_workflow_and_no_failure_shows_a_value() -> Outcome {
    let converter = DataConverter::new().codec(Sealing(secret()));
    hides(&converter);
    hides(&WorkflowReplayer::new().data_converter(converter.clone()));
    let options = ClientOptions::default().data_converter(converter).rpc_metadata("authorization", SECRET);
    let env = TestWorkflowEnvironment::start_with(options).await?;
    env.server().add_search_attribute(&CUSTOMER);
    let worker = env.worker("vaults").workflow(Vault::run).workflow(child).activities(reveal);
    hides(&worker);
    let client = env.client();
    let start = client.execute(Vault::run, secret()).id("vault").task_queue("vaults").memo("note", &secret());
    let start = start.header("token", &secret()).search_attributes([CUSTOMER.set(SECRET)]);
    hides(&start);
    let handle = client.handle(Vault::run, "vault");
    env.at(secs(1), async move { handle.signal(Vault::open, secret()).await });
    assert_eq!(env.run(worker, start).await?, SECRET);

    let handle = client.handle(Vault::run, "vault");
    hides(&handle.describe().await?);
    hides(&handle.fetch_history().await?);
    hides(&client.count("").await?);
    let error = client.handle(child, "nobody").result().await.expect_err("there is none");
    hides(&error);
    hides(&env);
    hides(env.server());
    hides(client);
    Ok(())
}

#[tokio::test]
async fn no_call_of_a_client_shows_a_value() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let client = env.client();
    let handle = client.handle(Vault::run, "vault");
    hides(&handle);
    hides(&handle.signal(Vault::open, secret()).header("token", &secret()));
    hides(&handle.query(Vault::look, secret()).header("token", &secret()));
    hides(&handle.update(Vault::change, secret()).header("token", &secret()));
    hides(&handle.start_update(Vault::change, secret()));
    hides(&handle.update_handle(Vault::change, "u"));
    hides(&handle.result());
    hides(&handle.cancel());
    hides(&handle.terminate());
    hides(&client.start(Vault::run, secret()).with_signal(Vault::open, secret()));
    let start = client.start(Vault::run, secret());
    hides(&start.with_update(Vault::change, secret()).update_header("token", &secret()));
    hides(&client.async_activity(SECRET));
    hides(&client.list(""));
    Ok(())
}

#[test]
fn no_option_shows_a_key() {
    let tls = TlsOptions::new().client_identity(SECRET, SECRET).server_ca_cert(SECRET);
    hides(&tls);
    hides(&ClientOptions::default().api_key(SECRET).rpc_metadata("authorization", SECRET).tls(tls));
    hides(&ClientOptions::default().api_key_without_tls(SECRET));
}

struct Unheard;

impl ActivityOutbound for Unheard {
    fn heartbeat(&self, _details: Vec<Payload>) {}
}

#[test]
fn no_attempt_of_an_activity_shows_its_token_or_its_values() -> Outcome {
    let mut info = ActivityInfo::for_test("reveal");
    info.task_token = SECRET.into();
    info.set_header("token", &secret())?;
    hides(&info);
    let progress = vec![to_payload(&secret())?];
    let context = ActivityContext::with_heartbeat_details(info, progress, Default::default(), Box::new(Unheard));
    hides(&context);
    hides(&ActivityEnvironment::new().header("token", &secret())?.last_heartbeat(&secret())?);
    hides(&ActivityRegistry::default());
    hides(&ActivityError::cancelled_with(&secret())?);
    Ok(())
}

#[test]
fn no_value_of_the_vocabulary_shows_what_it_holds() -> Outcome {
    let payload = to_payload(&secret())?;
    let raw: RawPayload = abide::converter::from_payload(&payload)?;
    hides(&raw);
    hides(&RunOutcome::Completed(Some(raw)));
    let mut arguments = RawArguments::new();
    arguments.push(&secret())?;
    hides(&arguments);
    let mut writer = PayloadWriter::new();
    writer.push(&secret())?;
    hides(&writer);
    hides(&abide::converter::from_payload::<u32>(&to_payload(&secret())?).expect_err("a text is no number"));
    hides(&CUSTOMER.set(SECRET));
    hides(&MemoUpdate::new().set("note", &secret()));
    hides(&ApplicationFailure::new("refused").detail(&secret())?);
    hides(&WorkflowError::from(ApplicationFailure::new("refused").detail(&secret())?));
    hides(&Cancelled::new("late").detail(&secret())?);
    let json = r#"{"events": [{"eventId": "1", "workflowExecutionStartedEventAttributes": {"input": "SECRET"}}]}"#;
    hides(&History::from_json(json).expect_err("payloads are no text"));
    Ok(())
}

#[test]
fn no_input_or_output_of_the_core_shows_a_value() -> Outcome {
    let payload = to_payload(&secret())?;
    let payloads = Payloads { payloads: vec![payload.clone()] };
    let header = Header { fields: [("token".to_owned(), payload.clone())].into() };
    let details = ApplicationFailureInfo { details: Some(payloads.clone()), ..Default::default() };
    let failure_info = Some(FailureInfo::ApplicationFailureInfo(details));
    let failure = FailureProto { message: "refused".into(), failure_info, ..Default::default() };

    let query = WorkflowQuery { query_type: "look".into(), query_args: Some(payloads.clone()), ..Default::default() };
    let signal = WorkflowExecutionSignaledEventAttributes { input: Some(payloads.clone()), ..Default::default() };
    let signal = Some(EventAttributes::WorkflowExecutionSignaledEventAttributes(signal));
    let events = vec![HistoryEvent { attributes: signal, ..Default::default() }];
    let history = HistoryPage { events, next_page_token: SECRET.into() };
    let queries = vec![("q".to_owned(), query.clone())];
    let task = WorkflowTask { history, queries, query: Some(query), ..Default::default() };
    hides(&task.history);
    hides(&Input::WorkflowTask(Box::new(task)));

    let results = [
        LocalActivityResult::Completed(payload.clone()),
        LocalActivityResult::Failed(Box::new(failure.clone())),
        LocalActivityResult::BackOff { failure: Box::new(failure.clone()), delay: secs(1) },
    ];
    for result in results {
        let resolution = LocalActivityResolution { seq: 1, result, attempt: 1, run_time: secs(1), wall_time: None };
        hides(&Input::LocalActivityResolved(Box::new(resolution)));
    }

    let schedule = ScheduleActivityTaskCommandAttributes { input: Some(payloads.clone()), ..Default::default() };
    let schedule = Some(CommandAttributes::ScheduleActivityTaskCommandAttributes(schedule));
    let answer = WorkflowQueryResult { answer: Some(payloads.clone()), ..Default::default() };
    let completion = WorkflowTaskCompletion {
        commands: vec![Command { attributes: schedule, ..Default::default() }],
        query_results: [("q".to_owned(), answer.clone())].into(),
        ..Default::default()
    };
    hides(&Output::Complete(Box::new(completion)));
    hides(&Output::AnswerQuery(Box::new(answer)));
    let cause = WorkflowTaskFailedCause::NonDeterministicError;
    hides(&Output::Fail(Box::new(WorkflowTaskFailure { cause, failure, nondeterminism: None })));
    hides(&Output::NeedHistory { next_page_token: SECRET.into() });
    let local = LocalActivityTask {
        seq: 1,
        activity_id: "1".into(),
        activity_type: "reveal".into(),
        input: vec![payload.clone()],
        header: Some(header),
        attempt: 1,
        original_schedule_time: None,
        schedule_to_close_timeout: None,
        schedule_to_start_timeout: None,
        start_to_close_timeout: None,
        retry_policy: RetryPolicy::new(),
        local_retry_threshold: secs(1),
    };
    hides(&Output::RunLocalActivities { start: vec![local], cancel: Vec::new() });
    hides(&ReplayedOutcome::Completed(Some(payloads)));
    hides(&UpdateDispatch::Accepted(Box::pin(async move { Ok(payload) })));
    hides(&SignalDispatch::Running(Box::pin(async { Ok(()) })));
    Ok(())
}
