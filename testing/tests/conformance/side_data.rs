//! Side data of runs and events: priorities, summaries and details, groups, headers, versions, and what a run knows of
//! the previous one.

use std::borrow::Cow;

use abide::prelude::*;
use abide::worker::DeploymentOptions;
use abide::workflow::TimerHandle;
use abide::{Arguments, Priority, QueryDefinition, SearchAttributeKey, VersioningIntent};
use abide_protos::temporal::api::workflowservice::v1::SetWorkerDeploymentCurrentVersionRequest;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tonic::Code;

use crate::arm::{Arm, Outcome, compare, until_event};

const STAGE: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");
const COUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("TestInt");

/// Returns the content of its info.
#[activity]
async fn tells(ctx: &ActivityContext) -> Result<String, ActivityError> {
    let priority = &ctx.info().priority;
    Ok(format!(
        "priority {:?} {:?} {:?}, trace {:?}",
        priority.priority_key,
        priority.fairness_key,
        priority.fairness_weight,
        ctx.info().header::<String>("trace")?
    ))
}

#[workflow]
async fn urgent(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let priority = Priority::new().priority_key(1).fairness_key("blue").fairness_weight(2.5);
    Ok(vec![
        ctx.activity(tells, ()).start_to_close_timeout(secs(5)).priority(priority).await?,
        ctx.activity(tells, ()).start_to_close_timeout(secs(5)).header("trace", &"abc".to_string()).await?,
    ])
}

#[tokio::test]
async fn priorities_and_headers_reach_activities() -> Outcome {
    compare("priorities", |arm| async move {
        let worker = arm.worker().workflow(urgent).activities(tells).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(urgent, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let told = handle.result().await?;
                assert_eq!(told[0], "priority Some(1) Some(\"blue\") Some(2.5), trace None");
                assert_eq!(told[1], "priority None None None, trace Some(\"abc\")");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

/// Describes and groups its operations; ends when told.
#[workflow]
#[derive(Default)]
struct Talkative {
    ended: State<bool>,
    alarm: State<Option<TimerHandle>>,
}

#[workflow_methods]
impl Talkative {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let opening = ctx.event_group("opening").label("The opening");
        let (inner, part) = (ctx.clone(), ctx.event_group("part"));
        opening
            .run(async move {
                inner.activity(tells, ()).start_to_close_timeout(secs(5)).summary("asks").await?;
                part.run(inner.timer(millis(20)).summary("a nap")).await?;
                Ok::<_, WorkflowError>(())
            })
            .await?;
        ctx.set_current_details("waiting for the **end**");
        ctx.wait_until(|| self.ended.get()).timeout(hours(1)).summary("until the end").await?;
        ctx.timer(millis(20)).await?;
        Ok(())
    }

    /// Sets an alarm that goes off much later.
    #[signal]
    fn set_alarm(&self, ctx: &WorkflowContext) {
        self.alarm.set(Some(ctx.timer(hours(2)).start()));
    }

    #[signal]
    async fn end(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.activity(tells, ()).start_to_close_timeout(secs(5)).await?;
        self.alarm.set(None);
        self.ended.set(true);
        Ok(())
    }
}

/// The query that the web UI sends to every workflow.
#[derive(Clone, Copy)]
struct Metadata;

impl Arguments for Metadata {
    type Args = ();

    fn write_args((): &(), _: &mut abide::converter::PayloadWriter) -> Result<(), abide::converter::PayloadError> {
        Ok(())
    }

    fn read_args(_: &mut abide::converter::PayloadReader<'_>) -> Result<(), abide::converter::PayloadError> {
        Ok(())
    }
}

impl abide::QueryOf<Talkative> for Metadata {}

impl QueryDefinition for Metadata {
    type Output = serde_json::Value;

    fn name(&self) -> Cow<'static, str> {
        "__temporal_workflow_metadata".into()
    }
}

#[tokio::test]
async fn summaries_groups_and_details_are_shown() -> Outcome {
    compare("groups", |arm| async move {
        let worker = arm.worker().workflow(Talkative::run).activities(tells).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(Talkative::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_TIMER_STARTED", 2).await?;
                handle.signal(Talkative::set_alarm, ()).await?;
                until_event(&handle, "EVENT_TYPE_TIMER_STARTED", 3).await?;
                let metadata = handle.query(Metadata, ()).await?;
                assert_eq!(metadata["currentDetails"], "waiting for the **end**");
                let signals = &metadata["definition"]["signalDefinitions"];
                assert_eq!(signals[1]["description"], "Sets an alarm that goes off much later.", "{metadata}");
                handle.signal(Talkative::end, ()).await?;
                handle.result().await?;
                let history = handle.fetch_history().await?;
                let json = history.to_json()?;
                // The two events of the group `opening`, the alarm with its cancellation and the activity at the end.
                assert_eq!(
                    (json.matches("\"opening\"").count(), json.matches("inboundEventId").count()),
                    (2, 3),
                    "{json}"
                );
                Ok::<_, Box<dyn std::error::Error>>(history)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

/// Its second run returns what the first one passed on.
#[workflow]
async fn hands_over(ctx: &WorkflowContext, run: u32) -> Result<String, WorkflowError> {
    if run == 1 {
        let policy = RetryPolicy::new().initial_interval(secs(2)).maximum_attempts(4);
        return ctx
            .continue_as_new(hands_over, 2)
            .without_memo()
            .memo("note", &"second".to_string())
            .search_attributes([STAGE.set("second"), COUNT.unset()])
            .header("trace", &"from the first".to_string())
            .run_timeout(mins(5))
            .task_timeout(secs(7))
            .start_delay(secs(1))
            .retry_policy(policy)
            .into();
    }
    let info = ctx.info();
    Ok(format!(
        "memo {:?} {:?}, stage {:?} {:?}, trace {:?}, limits {:?} {:?}, waited {:?}, first {}",
        ctx.memo::<String>("note")?,
        ctx.memo::<String>("old")?,
        ctx.search_attribute(&STAGE),
        ctx.search_attribute(&COUNT),
        info.header::<String>("trace")?,
        info.run_timeout,
        info.task_timeout,
        info.start_delay(),
        info.first_execution_run_id == info.continued_run_id,
    ))
}

#[tokio::test]
async fn b095_continue_as_new_with_everything_said() -> Outcome {
    compare("hands-over", |arm| async move {
        let worker = arm.worker().workflow(hands_over).build()?;
        let histories = worker
            .run_until(async {
                let start = arm.client.start(hands_over, 1).id(arm.id()).task_queue(arm.queue());
                let start =
                    start.memo("old", &"first".to_string()).search_attributes([STAGE.set("first"), COUNT.set(1)]);
                let handle = start.await?;
                let told = handle.result().await?;
                assert_eq!(
                    told,
                    "memo Some(\"second\") None, stage Some(\"second\") None, trace Some(\"from the first\"), \
                     limits Some(300s) Some(7s), waited Some(1s), first true"
                );
                let first = handle.run_id().unwrap_or_default().to_string();
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    arm.client.handle(hands_over, arm.id()).with_run_id(first).fetch_history().await?,
                    arm.client.handle(hands_over, arm.id()).fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

/// Fails once; then returns the failure it knows of.
#[workflow]
async fn remembers(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    match ctx.info().last_failure() {
        None => Err(ApplicationFailure::new("spilt milk").error_type("Clumsy").into()),
        Some(failure) => Ok(format!("attempt {}: {}", ctx.info().attempt, failure.message())),
    }
}

#[tokio::test]
async fn a_retried_run_after_a_start_delay_knows_why() -> Outcome {
    compare("remembers", |arm| async move {
        let worker = arm.worker().workflow(remembers).build()?;
        let histories = worker
            .run_until(async {
                let start = arm.client.start(remembers, ()).id(arm.id()).task_queue(arm.queue());
                let start = start.retry_policy(RetryPolicy::new().initial_interval(secs(1)));
                let handle = start.start_delay(secs(1)).await?;
                assert_eq!(handle.result().await?, "attempt 2: spilt milk");
                let first = handle.run_id().unwrap_or_default().to_string();
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    arm.client.handle(remembers, arm.id()).with_run_id(first).fetch_history().await?,
                    arm.client.handle(remembers, arm.id()).fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

/// Returns the headers of its start and of its signal.
#[workflow]
#[derive(Default)]
struct Traced {
    trace: State<Option<String>>,
}

#[workflow_methods]
impl Traced {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.trace.with(Option::is_some)).await?;
        ctx.timer(millis(300)).await?;
        Ok(format!("{:?} {:?}", ctx.info().header::<String>("trace")?, self.trace.take()))
    }

    #[signal]
    fn hear(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        self.trace.set(ctx.message_header("trace")?);
        Ok(())
    }
}

/// Adds a header to everything it starts, and sets versioning intents.
#[workflow]
async fn traces(ctx: &WorkflowContext, run: u32) -> Result<Vec<String>, WorkflowError> {
    let (id, trace) = (&ctx.info().workflow_id, |what: &str| format!("{what} of run {run}"));
    let call = ctx.child_workflow(Traced::run, ()).id(format!("{id}-child-{run}"));
    let child = call.header("trace", &trace("child")).versioning_intent(VersioningIntent::Default).start().await?;
    ctx.timer(millis(300)).await?;
    child.signal(Traced::hear, ()).header("trace", &trace("signal")).await?;
    let local = ctx.local_activity(tells, ()).start_to_close_timeout(secs(5)).header("trace", &trace("local"));
    let intents = [VersioningIntent::Unspecified, VersioningIntent::Compatible, VersioningIntent::Default];
    let mut told = vec![child.await?, local.await?];
    for intent in intents {
        let call = ctx.activity(tells, ()).start_to_close_timeout(secs(5)).versioning_intent(intent);
        told.push(call.header("trace", &trace("activity")).await?);
    }
    match run {
        1 => ctx.continue_as_new(traces, 2).versioning_intent(VersioningIntent::Default).into(),
        _ => Ok(told),
    }
}

#[tokio::test]
async fn headers_and_wanted_builds_go_with_whatever_is_begun() -> Outcome {
    compare("traces", |arm| async move {
        let worker = arm.worker().workflow(traces).workflow(Traced::run).activities(tells).build()?;
        let histories = worker
            .run_until(async {
                let handle = arm.client.start(traces, 1).id(arm.id()).task_queue(arm.queue()).await?;
                let told = handle.result().await?;
                assert_eq!(told[0], "Some(\"child of run 2\") Some(\"signal of run 2\")");
                assert!(told[1].ends_with("trace Some(\"local of run 2\")"), "{told:?}");
                assert!(told[2].ends_with("trace Some(\"activity of run 2\")"), "{told:?}");
                let first = handle.run_id().unwrap_or_default().to_string();
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    arm.client.handle(traces, arm.id()).with_run_id(first).fetch_history().await?,
                    arm.client.handle(traces, arm.id()).fetch_history().await?,
                    arm.client.handle(Traced::run, format!("{}-child-2", arm.id())).fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn accounts_for_itself(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    match ctx.timer(hours(1)).await {
        Ok(()) => Ok(()),
        Err(cancelled) => Err(cancelled.detail(&"3 of 10 parcels".to_string())?.into()),
    }
}

#[tokio::test]
async fn b008_a_cancelled_run_carries_details() -> Outcome {
    compare("cancel-details", |arm| async move {
        let worker = arm.worker().workflow(accounts_for_itself).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(accounts_for_itself, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_TIMER_STARTED", 1).await?;
                handle.cancel().await?;
                assert!(handle.result().await.expect_err("it was cancelled").is_cancelled());
                let history = handle.fetch_history().await?;
                assert!(history.to_string().contains("3 of 10 parcels"), "{history}");
                Ok::<_, Box<dyn std::error::Error>>(history)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[workflow(versioning_behavior = pinned)]
async fn stays(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    ctx.activity(tells, ()).start_to_close_timeout(secs(5)).await?;
    Ok(ctx.current_deployment_version().map(|version| version.build_id).unwrap_or_default())
}

/// Makes a version current, as a real server requires; it can do so once a worker of that version has polled. Returns
/// false for the embedded server, which sends tasks to workers of any version.
pub(crate) async fn make_current(arm: &Arm, build_id: &str) -> Result<bool, Box<dyn std::error::Error>> {
    let mut client = WorkflowServiceClient::connect(format!("http://{}", arm.address())).await?;
    let request = SetWorkerDeploymentCurrentVersionRequest {
        namespace: "default".into(),
        deployment_name: arm.queue(),
        build_id: build_id.into(),
        identity: "conformance".into(),
        ..Default::default()
    };
    let client = &mut client;
    let request = &request;
    let mut ticks = tokio::time::interval(millis(200));
    for _ in 0..150 {
        ticks.tick().await;
        match client.set_worker_deployment_current_version(request.clone()).await {
            Ok(_) => return Ok(true),
            Err(status) if status.code() == Code::Unimplemented => return Ok(false),
            Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => {}
            Err(status) => return Err(status.into()),
        }
    }
    Err("the version of the worker never became known".into())
}

#[tokio::test]
async fn b129_versions_and_behaviours_are_recorded() -> Outcome {
    compare("versions-pinned", |arm| async move {
        let deployment = DeploymentOptions::new(arm.queue(), "build-1").use_worker_versioning();
        let worker = arm.worker().workflow(stays).activities(tells).deployment(deployment).build()?;
        let history = worker
            .run_until(async {
                make_current(&arm, "build-1").await?;
                let handle = arm.client.start(stays, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, "build-1");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}
