//! Interceptors in a test environment: which activities and which calls they see, and that nothing they hold is printed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use abide::client::{
    ActivityDescription, ActivityFailedError, AsyncActivityHeartbeat, NexusOperationDescription,
    NexusOperationFailedError, RpcError, Schedule, ScheduleAction, ScheduleDescription, WorkflowCount,
    WorkflowDescription, WorkflowFailedError,
};
use abide::converter::{RawArguments, RawPayload};
use abide::interceptor::*;
use abide::prelude::*;
use abide::{ActivityInfo, ActivityType, History, NexusOperation};
use abide_testing::{ActivityEnvironment, TestWorkflowEnvironment};

use super::Outcome;
use super::debug::hides;

/// Notes each attempt, and marks its result.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl ActivityInterceptor for Notes {
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        let (info, local) = (ctx.info(), if ctx.info().is_local { "local " } else { "" });
        self.0.lock().expect("nobody panics here").push(format!("{local}{} {}", info.activity_type, info.attempt));
        let result: String = next.run(ctx, input).await?.to_value()?;
        Ok(RawPayload::from_value(&format!("{result}!"))?)
    }

    fn heartbeat(&self, _info: &ActivityInfo, details: &mut RawArguments) {
        let progress: u32 = details.get(0).expect("the progress is a number");
        details.set(0, &(progress * 2)).expect("a number is written");
    }
}

#[activity]
async fn known(text: String) -> Result<String, ActivityError> {
    Ok(format!("known {text}"))
}

#[activity]
async fn mocked(_text: String) -> Result<String, ActivityError> {
    Err(ApplicationFailure::new("not in a test").non_retryable().into())
}

#[activity(dynamic)]
async fn any(ctx: &ActivityContext, _args: RawArguments) -> Result<String, ActivityError> {
    Ok(format!("any {}", ctx.info().activity_type))
}

#[workflow]
async fn calls(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let options = ActivityOptions::with_start_to_close_timeout(mins(1));
    let other = ActivityType::<fn(String) -> String>::new("other");
    let mut results = vec![
        ctx.activity(known, "a".into()).options(&options).await?,
        ctx.activity(mocked, "b".into()).options(&options).await?,
        ctx.activity(other, "c".into()).options(&options).await?,
    ];
    results.push(ctx.local_activity(known, "d".into()).start_to_close_timeout(mins(1)).await?);
    let own = ctx.on_one_worker(RetryPolicy::new(), &options, async |here| {
        Ok(ctx.activity(known, "e".into()).options(&here).await?)
    });
    results.push(own.await?);
    Ok(results)
}

#[tokio::test]
async fn b134_activity_interceptors_see_real_mocked_dynamic_and_local_activities_and_those_of_an_own_queue() -> Outcome
{
    let env = TestWorkflowEnvironment::start().await?;
    let (notes, attempts) = (Notes::default(), AtomicU32::new(0));
    let interceptor = notes.clone();
    let worker = env.worker("any").workflow(calls).activities(known).activities(any);
    let worker = worker.mock(mocked, move |text| match attempts.fetch_add(1, Ordering::Relaxed) {
        0 => Err(ApplicationFailure::new("once more").into()),
        _ => Ok(format!("mocked {text}")),
    });
    let worker =
        worker.options(|worker| worker.activity_interceptor(interceptor).own_queue(|own| own.activities(known)));
    let results = env.run(worker, env.client().execute(calls, ()).task_queue("any")).await?;
    assert_eq!(results, ["known a!", "mocked b!", "any other!", "known d!", "known e!"]);
    let seen = notes.0.lock().expect("nobody panics here").clone();
    assert_eq!(seen, ["known 1", "mocked 1", "mocked 2", "other 1", "local known 1", "known 1"]);
    Ok(())
}

#[activity]
async fn counts(ctx: &ActivityContext) -> Result<String, ActivityError> {
    ctx.heartbeat(&21_u32)?;
    Ok(format!("{:?}", ctx.last_heartbeat::<u32>()?))
}

#[tokio::test]
async fn an_activity_environment_has_interceptors_too() -> Outcome {
    let first = ActivityEnvironment::new().interceptor(Notes::default());
    assert_eq!(first.run(counts, ()).await.unwrap(), "None!");
    assert_eq!(first.heartbeats::<u32>()?, [42]);
    assert_eq!(first.next_attempt().run(counts, ()).await.unwrap(), "Some(42)!");
    Ok(())
}

macro_rules! each_call {
    ($($method:ident: $Input:ident => $Output:ty, $Error:ty;)*) => {
        /// Fails if `Debug` of an input or an answer shows a value. Counts the calls.
        #[derive(Clone, Default)]
        struct Hiding(Arc<AtomicU32>);

        #[async_trait]
        impl ClientInterceptor for Hiding {$(
            async fn $method(&self, input: $Input, next: ClientNext<'_, $Input>) -> Result<$Output, $Error> {
                self.0.fetch_add(1, Ordering::Relaxed);
                hides(&input);
                hides(&next);
                let answered = next.run(input).await;
                hides(&answered);
                answered
            }
        )*}
    };
}

each_call! {
    start_workflow: StartWorkflowInput => StartedWorkflow, RpcError;
    signal_with_start_workflow: SignalWithStartWorkflowInput => StartedWorkflow, RpcError;
    update_with_start_workflow: UpdateWithStartWorkflowInput => StartedUpdateWithStart, RpcError;
    signal_workflow: SignalWorkflowInput => (), RpcError;
    query_workflow: QueryWorkflowInput => QueryAnswer, RpcError;
    start_update: StartUpdateInput => StartedUpdate, RpcError;
    poll_update: PollUpdateInput => UpdateOutcome, RpcError;
    workflow_result: WorkflowResultInput => RawPayload, WorkflowFailedError;
    describe_workflow: DescribeWorkflowInput => WorkflowDescription, RpcError;
    cancel_workflow: CancelWorkflowInput => (), RpcError;
    terminate_workflow: TerminateWorkflowInput => (), RpcError;
    list_workflows: ListWorkflowsInput => WorkflowPage, RpcError;
    count_workflows: CountWorkflowsInput => WorkflowCount, RpcError;
    fetch_history: FetchHistoryInput => History, RpcError;
    complete_activity: CompleteActivityInput => (), RpcError;
    fail_activity: FailActivityInput => (), RpcError;
    cancel_activity: CancelActivityInput => (), RpcError;
    heartbeat_activity: HeartbeatActivityInput => AsyncActivityHeartbeat, RpcError;
    create_schedule: CreateScheduleInput => String, RpcError;
    describe_schedule: DescribeScheduleInput => ScheduleDescription, RpcError;
    update_schedule: UpdateScheduleInput => (), RpcError;
    patch_schedule: PatchScheduleInput => (), RpcError;
    delete_schedule: DeleteScheduleInput => (), RpcError;
    schedule_matching_times: ScheduleMatchingTimesInput => Vec<SystemTime>, RpcError;
    list_schedules: ListSchedulesInput => SchedulePage, RpcError;
    count_schedules: CountSchedulesInput => WorkflowCount, RpcError;
    start_activity: StartActivityInput => StartedActivity, RpcError;
    activity_result: ActivityResultInput => RawPayload, ActivityFailedError;
    describe_activity: DescribeActivityInput => ActivityDescription, RpcError;
    request_cancel_activity: RequestCancelActivityInput => (), RpcError;
    terminate_activity: TerminateActivityInput => (), RpcError;
    delete_activity: DeleteActivityInput => (), RpcError;
    list_activities: ListActivitiesInput => ActivityPage, RpcError;
    count_activities: CountActivitiesInput => WorkflowCount, RpcError;
    start_standalone_nexus_operation: StartStandaloneNexusOperationInput => StartedStandaloneNexusOperation, RpcError;
    nexus_operation_result: StandaloneNexusOperationResultInput => RawPayload, NexusOperationFailedError;
    describe_nexus_operation: DescribeNexusOperationInput => NexusOperationDescription, RpcError;
    request_cancel_nexus_operation: RequestCancelNexusOperationInput => (), RpcError;
    terminate_nexus_operation: TerminateNexusOperationInput => (), RpcError;
    delete_nexus_operation: DeleteNexusOperationInput => (), RpcError;
    list_nexus_operations: ListNexusOperationsInput => NexusOperationPage, RpcError;
    count_nexus_operations: CountNexusOperationsInput => WorkflowCount, RpcError;
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
        ctx.wait_until(|| self.opened.get()).await?;
        Ok(value)
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

fn secret() -> String {
    "SECRET".to_owned()
}

/// The embedded server has neither standalone activities nor standalone Nexus operations.
async fn calls_without_workflows(client: &Client) {
    let look = ActivityType::<fn(String) -> String>::named("look");
    let start = client.start_activity(look.clone(), secret()).task_queue("vaults").start_to_close_timeout(secs(1));
    let start = start.header("token", &secret()).static_summary(secret());
    hides(&start);
    let error = start.await.expect_err("the server has none");
    assert!(error.to_string().ends_with("with `activity.enableStandalone`"), "{error}");
    let activity = client.activity_handle(look, "a");
    assert!(activity.describe().await.is_err() && activity.result().await.is_err());
    assert!(activity.cancel().await.is_err() && activity.terminate().await.is_err());
    assert!(activity.delete().await.is_err() && client.list_activities("").next().await.is_err());
    assert!(client.count_activities("").await.is_err());
    let charge = NexusOperation::<String, String>::new("bank", "charge");
    let start = client.start_nexus_operation("bank", charge.clone(), secret()).static_summary(secret());
    hides(&start);
    let error = start.await.expect_err("the server has none");
    assert!(error.to_string().ends_with("with `nexusoperation.enableStandalone`"), "{error}");
    let operation = client.nexus_operation_handle(charge, "o");
    assert!(operation.describe().await.is_err() && operation.result().await.is_err());
    assert!(operation.cancel().await.is_err() && operation.terminate().await.is_err());
    assert!(operation.delete().await.is_err() && client.list_nexus_operations("").next().await.is_err());
    assert!(client.count_nexus_operations("").await.is_err());
}

#[tokio::test]
async fn no_input_and_no_answer_shows_a_value_and_the_environments_own_calls_are_not_seen() -> Outcome {
    let hiding = Hiding::default();
    let options = ClientOptions::default().interceptor(hiding.clone());
    hides(&options);
    let env = TestWorkflowEnvironment::start_with(options).await?;
    let client = env.client();
    let start = |id: &str| {
        let start = client.start(Vault::run, secret()).id(id).task_queue("vaults");
        start.memo("note", &secret()).header("token", &secret()).static_summary(secret())
    };
    let worker = env.worker("vaults").workflow(Vault::run);
    let story = async {
        let vault = start("one").await?;
        assert_eq!(vault.query(Vault::look, secret()).header("token", &secret()).await?, secret());
        assert_eq!(vault.update(Vault::change, secret()).header("token", &secret()).await?, secret());
        let update = vault.start_update(Vault::change, secret()).id("u").await?;
        assert_eq!(vault.update_handle(Vault::change, "u").result().await?, secret());
        assert_eq!(update.id(), "u");
        vault.describe().await?;
        vault.signal(Vault::open, secret()).header("token", &secret()).await?;
        assert_eq!(vault.result().await?, secret());
        start("two").with_signal(Vault::open, secret()).await?;
        let (third, _) = start("three").with_update(Vault::change, secret()).await?;
        third.cancel().await?;
        third.terminate().detail(&secret())?.await?;
        let error = third.result().await.unwrap_err();
        let WorkflowFailedError::Terminated { details, .. } = &error else { panic!("{error:?}") };
        assert_eq!(details.get::<String>(0)?, secret());
        client.list("").next().await?;
        client.count("").await?;
        vault.fetch_history().await?;
        let activity = client.async_activity(secret());
        assert!(activity.complete(&secret()).await.is_err() && activity.report_cancelled(&secret()).await.is_err());
        assert!(activity.heartbeat(&secret()).await.is_err());
        let failure = ApplicationFailure::new("refused").detail(&secret())?;
        assert!(activity.fail(failure).await.is_err());
        // The embedded server has no schedules, so an update gets no further than its description.
        let action = ScheduleAction::start_workflow(Vault::run, secret()).task_queue("vaults").memo("note", &secret());
        let action = action.header("token", &secret()).static_summary(secret());
        let create = client.create_schedule("s", Schedule::new(action)).memo("note", &secret());
        hides(&create);
        assert!(create.await.is_err());
        let (schedule, now) = (client.schedule("s"), SystemTime::UNIX_EPOCH);
        assert!(schedule.describe().await.is_err() && schedule.update(|_| {}).await.is_err());
        assert!(schedule.pause("").await.is_err() && schedule.delete().await.is_err());
        assert!(schedule.matching_times(now, now).await.is_err());
        assert!(client.list_schedules("").next().await.is_err() && client.count_schedules("").await.is_err());
        Box::pin(calls_without_workflows(client)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    env.run(worker, story).await?;
    assert_eq!(hiding.0.load(Ordering::Relaxed), 44, "the test has made this many calls");
    Ok(())
}
