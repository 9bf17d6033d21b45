//! Standalone activities. The embedded server has none, so they are tested on a real one only.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use abide::client::operator::ActivityOptionsChange;
use abide::client::{
    ActivityDescription, ActivityExecutionStatus, ActivityFailedError, ActivityIdConflictPolicy, ActivityIdReusePolicy,
    Client, ClientOptions, PendingActivityState, RpcError, StandaloneActivityHandle, StartActivityError,
};
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::interceptor::{
    ActivityResultInput, ClientInterceptor, ClientNext, StartActivityInput, StartedActivity, async_trait,
};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{ActivityDefinition, Priority, RetryState, TimeoutType};

use super::{client, unique, until};

const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");

/// Tells what its context says.
#[activity(start_to_close_timeout = secs(20))]
async fn look(ctx: &ActivityContext, name: String, times: u32) -> Result<Vec<String>, ActivityError> {
    let info = ctx.info();
    ctx.metrics().counter("looks", "Looks", "").add(1);
    let tenant = info.header::<String>("tenant")?.unwrap_or_default();
    let run = info.activity_run_id.clone().unwrap_or_default();
    let workflow = (&info.workflow_id, &info.run_id, &info.workflow_type, info.is_standalone());
    Ok(vec![
        name,
        times.to_string(),
        info.activity_id.clone(),
        run,
        tenant,
        format!("{workflow:?}"),
        info.namespace.clone(),
    ])
}

/// Fails until the attempt, with a heartbeat before.
#[activity]
async fn stumble(ctx: &ActivityContext, until: u32) -> Result<u32, ActivityError> {
    ctx.heartbeat(&ctx.info().attempt)?;
    let before: Option<u32> = ctx.last_heartbeat()?;
    if ctx.info().attempt < until {
        return Err(ApplicationFailure::new("stumbled").error_type("Stumble").into());
    }
    Ok(before.unwrap_or_default())
}

/// Runs until it is cancelled.
#[activity(auto_heartbeat)]
async fn wait(ctx: &ActivityContext) -> Result<(), ActivityError> {
    ctx.cancelled().await;
    Err(ActivityError::cancelled_with(&"cleaned up".to_string())?)
}

#[activity(start_to_close_timeout = secs(30))]
async fn decide(_ctx: &ActivityContext) -> Result<bool, ActivityError> {
    Err(ActivityError::will_complete_async())
}

fn worker(client: &Client, queue: &str) -> Worker {
    Worker::builder(client, queue)
        .activities(look)
        .activities(stumble)
        .activities(wait)
        .activities(decide)
        .build()
        .unwrap()
}

async fn described<A: ActivityDefinition>(
    handle: &StandaloneActivityHandle<A>,
    is_so: impl Fn(&ActivityDescription) -> bool,
) -> ActivityDescription {
    until("the activity is described as expected", async || is_so(&handle.describe().await.unwrap())).await;
    handle.describe().await.unwrap()
}

#[tokio::test]
async fn a_standalone_activity_gets_its_options_and_returns_its_result() {
    let Some(client) = client("a_standalone_activity_gets_its_options_and_returns_its_result").await else { return };
    let (id, queue) = (unique("look"), unique("queue"));
    let start =
        client.start_activity(look, ("cat".into(), 2)).id(&id).task_queue(&queue).header("tenant", &"acme".to_string());
    let start = start.schedule_to_close_timeout(mins(5)).schedule_to_start_timeout(mins(2)).heartbeat_timeout(secs(5));
    let start = start.retry_policy(RetryPolicy::new().maximum_attempts(3)).priority(Priority::new().priority_key(2));
    let start = start.search_attributes([KEYWORD.set(&*id)]).static_summary("Look").static_details("at the cat");
    let handle = start.await.unwrap();
    assert_eq!((handle.activity_id(), handle.run_id().is_some()), (&*id, true));

    let waiting = handle.describe().await.unwrap();
    assert_eq!(
        (waiting.status(), waiting.run_state()),
        (ActivityExecutionStatus::Running, Some(PendingActivityState::Scheduled))
    );
    assert_eq!((waiting.info().activity_type(), waiting.info().task_queue(), waiting.attempt()), ("look", &*queue, 1));
    assert_eq!((waiting.info().activity_id(), Some(waiting.info().run_id())), (&*id, handle.run_id()));
    let limits =
        [waiting.schedule_to_close_timeout(), waiting.schedule_to_start_timeout(), waiting.heartbeat_timeout()];
    assert_eq!(limits, [Some(mins(5)), Some(mins(2)), Some(secs(5))]);
    assert_eq!(waiting.start_to_close_timeout(), Some(secs(20)), "the definition's default");
    assert!(format!("{:?}", waiting.retry_policy()).contains("maximum_attempts: 3"));
    assert_eq!(waiting.priority().priority_key, Some(2));
    assert_eq!(waiting.info().search_attribute(&KEYWORD).as_deref(), Some(&*id));
    assert_eq!(waiting.headers().get::<String>("tenant").unwrap().as_deref(), Some("acme"));
    assert_eq!(waiting.static_summary().unwrap().as_deref(), Some("Look"));
    assert_eq!(waiting.static_details().unwrap().as_deref(), Some("at the cat"));
    assert!(waiting.info().schedule_time().is_some() && waiting.expiration_time().is_some());
    assert_eq!((waiting.info().close_time(), waiting.last_worker_identity()), (None, ""));

    worker(&client, &queue)
        .run_until(async {
            let run = handle.run_id().unwrap();
            let seen = handle.result().await.unwrap();
            assert_eq!(seen, ["cat", "2", &id, run, "acme", "(None, None, None, true)", "default"]);
        })
        .await
        .unwrap();
    let closed = handle.describe().await.unwrap();
    assert_eq!((closed.status(), closed.run_state()), (ActivityExecutionStatus::Completed, None));
    assert!(closed.info().close_time().is_some() && closed.info().execution_duration().is_some());
    assert!(!closed.last_worker_identity().is_empty());

    let query = format!("TestKeyword = '{id}'");
    until("the closed activity is listed", async || {
        client.count_activities(format!("{query} AND ExecutionStatus = 'Completed'")).await.unwrap().count() == 1
    })
    .await;
    let mut list = client.list_activities(&query).page_size(1);
    let listed = list.next().await.unwrap().unwrap();
    assert_eq!((listed.activity_id(), listed.activity_type(), listed.task_queue()), (&*id, "look", &*queue));
    assert_eq!(
        (listed.status(), listed.search_attribute(&KEYWORD).as_deref()),
        (ActivityExecutionStatus::Completed, Some(&*id))
    );
    assert!(list.next().await.unwrap().is_none());
    let grouped = client.count_activities(format!("{query} GROUP BY ExecutionStatus")).await.unwrap();
    assert_eq!(grouped.groups()[0].value::<String>(0).unwrap().as_deref(), Some("Completed"));

    handle.delete().await.unwrap();
    until("the activity is deleted", async || handle.describe().await.is_err_and(|error| error.is_not_found())).await;
    let gone = handle.result().await.unwrap_err();
    assert!(matches!(&gone, ActivityFailedError::NotFound { activity_id, .. } if *activity_id == id), "{gone:?}");
}

#[tokio::test]
async fn attempts_are_retried_and_the_last_failure_is_described() {
    let Some(client) = client("attempts_are_retried_and_the_last_failure_is_described").await else { return };
    let queue = unique("queue");
    let policy = RetryPolicy::new().initial_interval(millis(100)).maximum_attempts(3);
    let start = |until: u32| {
        let start = client.start_activity(stumble, until).id(unique("stumble")).task_queue(&queue);
        start.start_to_close_timeout(secs(10)).retry_policy(policy.clone())
    };
    worker(&client, &queue)
        .run_until(async {
            let recovers = start(3).await.unwrap();
            assert_eq!(recovers.result().await.unwrap(), 2, "the heartbeat of the second attempt");
            let described = recovers.describe().await.unwrap();
            assert_eq!((described.attempt(), described.status()), (3, ActivityExecutionStatus::Completed));

            let fails = start(9).await.unwrap();
            let error = fails.result().await.unwrap_err();
            let ActivityFailedError::Failed { failure, retry_state } = &error else { panic!("{error:?}") };
            assert_eq!((failure.error_type(), *retry_state), (Some("Stumble"), RetryState::MaximumAttemptsReached));
            assert!(error.to_string().contains("stumbled"), "{error}");
            let described = fails.describe().await.unwrap();
            assert_eq!(described.status(), ActivityExecutionStatus::Failed);
            assert_eq!(described.last_failure().unwrap().error_type(), Some("Stumble"));
            assert_eq!(described.heartbeat_detail::<u32>(0).unwrap(), Some(3));
            assert!(described.total_heartbeat_count() >= 3 || described.last_heartbeat_time().is_some());

            let executed =
                client.execute_activity(stumble, 1).task_queue(&queue).start_to_close_timeout(secs(10)).await;
            assert_eq!(executed.unwrap(), 0);
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_running_activity_is_cancelled_or_terminated_or_times_out() {
    let Some(client) = client("a_running_activity_is_cancelled_or_terminated_or_times_out").await else { return };
    let queue = unique("queue");
    let start = || client.start_activity(wait, ()).id(unique("wait")).task_queue(&queue).heartbeat_timeout(secs(1));
    worker(&client, &queue)
        .run_until(async {
            let cancelled = start().start_to_close_timeout(secs(30)).await.unwrap();
            described(&cancelled, |now| now.run_state() == Some(PendingActivityState::Started)).await;
            cancelled.cancel().reason("enough").await.unwrap();
            let error = cancelled.result().await.unwrap_err();
            let ActivityFailedError::Cancelled(failure) = &error else { panic!("{error:?}") };
            assert_eq!(failure.detail::<String>(0).unwrap().as_deref(), Some("cleaned up"));
            let now = cancelled.describe().await.unwrap();
            assert_eq!((now.status(), now.cancel_reason()), (ActivityExecutionStatus::Cancelled, "enough"));
            let again = cancelled.cancel().await.unwrap_err();
            assert!(again.is_failed_precondition(), "{again:?}");

            let terminated = start().start_to_close_timeout(secs(30)).await.unwrap();
            terminated.terminate().reason("no time").await.unwrap();
            let error = terminated.result().await.unwrap_err();
            assert!(error.is_terminated() && error.to_string().ends_with("no time"), "{error}");
        })
        .await
        .unwrap();
    let late = start().schedule_to_close_timeout(millis(600)).await.unwrap();
    let error = late.result().await.unwrap_err();
    let ActivityFailedError::TimedOut { failure, .. } = &error else { panic!("{error:?}") };
    assert!(
        matches!(failure.timeout_type(), Some(TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose)),
        "{error}"
    );
    // Nobody runs it, so it is cancelled at once.
    let waits = start().start_delay(mins(5)).start_to_close_timeout(secs(30)).await.unwrap();
    assert_eq!(waits.describe().await.unwrap().start_delay(), Some(mins(5)));
    waits.cancel().await.unwrap();
    assert!(waits.result().await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn the_policies_decide_about_an_id_that_is_in_use() {
    let Some(client) = client("the_policies_decide_about_an_id_that_is_in_use").await else { return };
    let (id, queue) = (unique("id"), unique("queue"));
    let start = || client.start_activity(look, ("dog".into(), 1)).id(&id).task_queue(&queue);
    let first = start().await.unwrap();
    let error = start().await.unwrap_err();
    let StartActivityError::AlreadyStarted { activity_id, run_id, .. } = &error else { panic!("{error:?}") };
    assert_eq!((activity_id, Some(&**run_id)), (&id, first.run_id()));
    let found = start().id_conflict_policy(ActivityIdConflictPolicy::UseExisting).await.unwrap();
    assert_eq!(found.run_id(), first.run_id());
    first.terminate().await.unwrap();
    let error = start().id_reuse_policy(ActivityIdReusePolicy::RejectDuplicate).await.unwrap_err();
    assert!(matches!(error, StartActivityError::AlreadyStarted { .. }), "{error:?}");
    let second = start().id_reuse_policy(ActivityIdReusePolicy::AllowDuplicateFailedOnly).await.unwrap();
    assert_ne!(second.run_id(), first.run_id());
    // Without a run id, the handle is about the last run.
    let last = client.activity_handle(look, &id);
    assert_eq!(Some(last.describe().await.unwrap().info().run_id()), second.run_id());
    assert!(last.with_run_id(first.run_id().unwrap()).result().await.unwrap_err().is_terminated());
    second.terminate().await.unwrap();

    let missing = client.start_activity(look, ("dog".into(), 1)).await.unwrap_err();
    assert!(matches!(&missing, StartActivityError::MissingTaskQueue { activity_type } if activity_type == "look"));
    let missing = client.start_activity(decide, ()).task_queue("q").id("x");
    assert!(missing.await.is_ok_and(|handle| handle.activity_id() == "x"), "its definition has a timeout");
    client.activity_handle(decide, "x").terminate().await.unwrap();
    let missing = client.start_activity(wait, ()).task_queue("q").await.unwrap_err();
    assert!(matches!(&missing, StartActivityError::MissingTimeout { activity_type } if activity_type == "wait"));
}

#[tokio::test]
async fn a_standalone_activity_is_completed_from_elsewhere() {
    let Some(client) = client("a_standalone_activity_is_completed_from_elsewhere").await else { return };
    let (id, queue) = (unique("decide"), unique("queue"));
    worker(&client, &queue)
        .run_until(async {
            let handle =
                client.start_activity(decide, ()).id(&id).task_queue(&queue).heartbeat_timeout(secs(20)).await.unwrap();
            described(&handle, |now| now.run_state() == Some(PendingActivityState::Started)).await;
            let elsewhere = client.activity_handle(decide, &id).async_activity();
            let told = elsewhere.heartbeat(&"half".to_string()).await.unwrap();
            assert!(!told.cancel_requested);
            assert_eq!(
                handle.describe().await.unwrap().heartbeat_detail::<String>(0).unwrap().as_deref(),
                Some("half")
            );
            elsewhere.complete(&true).await.unwrap();
            assert!(handle.result().await.unwrap());
            let late = elsewhere.complete(&true).await.unwrap_err();
            assert!(late.to_string().contains(&format!("standalone activity `{id}`")), "{late}");
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn an_operator_pauses_resets_and_changes_a_standalone_activity() {
    let Some(client) = client("an_operator_pauses_resets_and_changes_a_standalone_activity").await else { return };
    let (id, queue) = (unique("stumble"), unique("queue"));
    let start = client.start_activity(stumble, 2).id(&id).task_queue(&queue).start_to_close_timeout(secs(10));
    let handle = start.retry_policy(RetryPolicy::new().initial_interval(mins(10))).await.unwrap();
    handle.pause().reason("lunch").await.unwrap();
    assert_eq!(
        described(&handle, |now| !now.status().is_open() || now.status() == ActivityExecutionStatus::Paused)
            .await
            .status(),
        ActivityExecutionStatus::Paused
    );
    handle.unpause().reason("back").await.unwrap();
    assert_eq!(handle.describe().await.unwrap().status(), ActivityExecutionStatus::Running);
    let changed = handle.update_options(ActivityOptionsChange::new().heartbeat_timeout(secs(7))).await.unwrap();
    assert_eq!((changed.heartbeat_timeout, changed.start_to_close_timeout), (Some(secs(7)), Some(secs(10))));
    worker(&client, &queue)
        .run_until(async {
            described(&handle, |now| now.attempt() == 2).await;
            // It waits ten minutes for its second attempt, and then counts from 1 again.
            handle.reset().reset_heartbeat().await.unwrap();
            described(&handle, |now| now.attempt() == 2 && now.last_failure().is_some()).await;
            handle.terminate().await.unwrap();
        })
        .await
        .unwrap();
}

/// Reverses the bytes, so that nothing can be read on the server.
struct Reversed;

impl PayloadCodec for Reversed {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let reverse = |payload: RawPayload| RawPayload {
            metadata: [("encoding".to_string(), b"binary/reversed".to_vec())].into(),
            data: payload.to_bytes().into_iter().rev().collect(),
        };
        Ok(payloads.into_iter().map(reverse).collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let open = |payload: RawPayload| {
            let bytes: Vec<u8> = payload.data.into_iter().rev().collect();
            Ok(RawPayload::from_bytes(&bytes)?)
        };
        payloads.into_iter().map(open).collect()
    }
}

#[derive(Clone, Default)]
struct Renaming(Arc<AtomicU32>, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl ClientInterceptor for Renaming {
    async fn start_activity(
        &self,
        mut input: StartActivityInput,
        next: ClientNext<'_, StartActivityInput>,
    ) -> Result<StartedActivity, RpcError> {
        input.activity_id.push_str("-renamed");
        input.headers.set("tenant", &"intercepted".to_string())?;
        self.1.lock().unwrap().push(format!("{} {:?}", input.activity_type, input.start_to_close_timeout));
        next.run(input).await
    }

    async fn activity_result(
        &self,
        input: ActivityResultInput,
        next: ClientNext<'_, ActivityResultInput>,
    ) -> Result<RawPayload, ActivityFailedError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        next.run(input).await
    }
}

#[tokio::test]
async fn codecs_and_interceptors_see_a_standalone_activity() {
    let Some(plain) = client("codecs_and_interceptors_see_a_standalone_activity").await else { return };
    let address = std::env::var("ABIDE_TEST_SERVER").unwrap();
    let seen = Renaming::default();
    let options = ClientOptions::new(address).interceptor(seen.clone());
    let client = Client::connect(options.data_converter(DataConverter::new().codec(Reversed))).await.unwrap();
    let (id, queue) = (unique("coded"), unique("queue"));
    worker(&client, &queue)
        .run_until(async {
            let handle = client
                .start_activity(look, ("cat".into(), 2))
                .id(&id)
                .task_queue(&queue)
                .static_summary("Look")
                .await
                .unwrap();
            assert_eq!(handle.activity_id(), format!("{id}-renamed"));
            let result = handle.result().await.unwrap();
            assert_eq!((&*result[0], &*result[4]), ("cat", "intercepted"));
            assert_eq!(handle.describe().await.unwrap().static_summary().unwrap().as_deref(), Some("Look"));
            // Without the codec, the result cannot be read.
            let unread = plain.activity_handle(look, handle.activity_id()).result().await.unwrap_err();
            assert!(matches!(unread, ActivityFailedError::Payload(_)), "{unread:?}");
        })
        .await
        .unwrap();
    assert_eq!((seen.0.load(Ordering::Relaxed), &**seen.1.lock().unwrap()), (1, &["look Some(20s)".to_string()][..]));
}
