//! Pending activities are paused, reset, and get other options.

use abide::client::operator::{ActivityOptionsChange, ActivitySelector};
use abide::client::{Client, PendingActivity, PendingActivityState, WorkflowHandle};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{Priority, WorkflowDefinition};

use crate::{client, unique, until};

/// Succeeds in its fifth attempt.
#[activity]
async fn knock(ctx: &ActivityContext, door: String) -> Result<u32, ActivityError> {
    let attempt = ctx.info().attempt;
    let _ = ctx.heartbeat(&attempt);
    if attempt < 5 { Err(ApplicationFailure::new(format!("{door} is closed")).into()) } else { Ok(attempt) }
}

/// Waits for another one that nobody runs.
#[activity]
async fn ring(bell: String) -> Result<String, ActivityError> {
    Ok(bell)
}

#[workflow]
async fn visit(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(hours(1));
    let knock = ctx.activity(knock, "the front door".into()).start_to_close_timeout(mins(1)).retry_policy(policy);
    let ring = ctx.activity(ring, "the bell".into()).start_to_close_timeout(mins(1)).task_queue("nobody-polls-this");
    let (knocked, _) = join!(knock.heartbeat_timeout(secs(30)), ring);
    Ok(knocked?)
}

async fn pending<W: WorkflowDefinition>(handle: &WorkflowHandle<W>, activity_type: &str) -> Option<PendingActivity> {
    let description = handle.describe().await.unwrap();
    description.pending_activities().iter().find(|activity| activity.activity_type() == activity_type).cloned()
}

async fn with_worker(client: &Client, queue: &str, test: impl Future<Output = ()>) {
    let worker = Worker::builder(client, queue).workflow(visit).activities(knock).activities(ring);
    Box::pin(worker.build().unwrap().run_until(test)).await.unwrap();
}

#[tokio::test]
async fn a_paused_activity_has_no_attempts_until_it_is_unpaused() {
    let Some(client) = client("a_paused_activity_has_no_attempts_until_it_is_unpaused").await else { return };
    let queue = unique("pause-activities");
    with_worker(&client, &queue, async {
        let handle = client.start(visit, ()).id(&queue).task_queue(&queue).await.unwrap();
        until("it has failed once", || async {
            pending(&handle, "knock").await.is_some_and(|activity| activity.attempt() == 2)
        })
        .await;
        handle.pause_activities(ActivitySelector::of(knock)).reason("they are asleep").await.unwrap();
        let paused = pending(&handle, "knock").await.unwrap();
        assert_eq!(paused.state(), PendingActivityState::Paused);
        let pause = paused.pause().unwrap();
        assert_eq!(
            (pause.reason.as_str(), pause.identity.as_str()),
            ("they are asleep", client.connection().identity())
        );
        assert_eq!(pending(&handle, "ring").await.unwrap().pause(), None);

        let twice = handle.pause_activities(ActivitySelector::of(knock)).await.unwrap_err();
        assert!(twice.is_failed_precondition(), "{twice}");
        handle.pause_activities(ActivitySelector::All).await.unwrap();
        let ring = pending(&handle, "ring").await.unwrap();
        assert_eq!(ring.state(), PendingActivityState::Paused);
        let missing = handle.pause_activities(ActivitySelector::id("no-such-activity")).await.unwrap_err();
        assert!(missing.is_not_found(), "{missing}");

        handle.unpause_activities(ActivitySelector::id(paused.activity_id())).await.unwrap();
        until("it has failed again", || async {
            pending(&handle, "knock").await.is_some_and(|activity| activity.attempt() == 3)
        })
        .await;
        let unpause = handle.unpause_activities(ActivitySelector::All).reset_attempts().reset_heartbeat();
        unpause.jitter(millis(1)).await.unwrap();
        let ring = pending(&handle, "ring").await.unwrap();
        assert_eq!((ring.state(), ring.pause()), (PendingActivityState::Scheduled, None));
        handle.terminate().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_reset_activity_starts_over_with_the_options_that_it_has_now() {
    let Some(client) = client("a_reset_activity_starts_over_with_the_options_that_it_has_now").await else { return };
    let queue = unique("reset-activities");
    with_worker(&client, &queue, async {
        let handle = client.start(visit, ()).id(&queue).task_queue(&queue).await.unwrap();
        until("it has failed once", || async {
            pending(&handle, "knock").await.is_some_and(|activity| activity.attempt() == 2)
        })
        .await;
        // Without the reset it would wait for an hour.
        handle.pause_activities(ActivitySelector::of(knock)).await.unwrap();
        handle.reset_activities(ActivitySelector::of(knock)).keep_paused().reset_heartbeat().await.unwrap();
        let reset = pending(&handle, "knock").await.unwrap();
        assert_eq!((reset.attempt(), reset.state()), (1, PendingActivityState::Paused));

        let policy = RetryPolicy::new().initial_interval(millis(10)).maximum_attempts(7);
        let change = ActivityOptionsChange::new().retry_policy(policy.clone()).heartbeat_timeout(secs(20));
        let options = handle.update_activity_options(ActivitySelector::of(knock), change).await.unwrap();
        assert_eq!(options.heartbeat_timeout, Some(secs(20)));
        assert_eq!(options.start_to_close_timeout, Some(mins(1)), "it was not mentioned");
        let told = pending(&handle, "knock").await.unwrap().options().unwrap();
        assert_eq!((told.heartbeat_timeout, told.task_queue.as_str()), (Some(secs(20)), queue.as_str()));

        let change = ActivityOptionsChange::new().task_queue(&queue).priority(Priority::new().priority_key(2));
        let options = handle.update_activity_options(ActivitySelector::of(ring), change).await.unwrap();
        assert_eq!((options.task_queue, options.priority.and_then(|it| it.priority_key)), (queue.clone(), Some(2)));
        handle.unpause_activities(ActivitySelector::of(knock)).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 5, "its attempts follow each other at once");
    })
    .await;
}

#[tokio::test]
async fn changed_options_can_be_given_back() {
    let Some(client) = client("changed_options_can_be_given_back").await else { return };
    let queue = unique("restore-activities");
    with_worker(&client, &queue, async {
        let handle = client.start(visit, ()).id(&queue).task_queue(&queue).await.unwrap();
        until("it is pending", || async { pending(&handle, "ring").await.is_some() }).await;
        let all = || ActivitySelector::All;
        let change = ActivityOptionsChange::new().start_to_close_timeout(mins(7));
        assert_eq!(handle.update_activity_options(all(), change).await.unwrap().start_to_close_timeout, Some(mins(7)));
        let back = ActivityOptionsChange::restore_original();
        handle.update_activity_options(all(), back.clone()).await.unwrap();
        let timeout = |activity: PendingActivity| activity.options().unwrap().start_to_close_timeout;
        assert_eq!(pending(&handle, "ring").await.map(timeout), Some(Some(mins(1))));

        let both = handle.update_activity_options(all(), back.start_to_close_timeout(mins(7))).await.unwrap_err();
        assert!(both.is_invalid_argument(), "{both}");
        let nothing = handle.update_activity_options(all(), ActivityOptionsChange::new()).await;
        assert!(nothing.is_ok() || nothing.is_err_and(|error| error.is_invalid_argument()));

        handle
            .update_activity_options(all(), ActivityOptionsChange::new().start_to_close_timeout(mins(7)))
            .await
            .unwrap();
        handle.reset_activities(all()).restore_original_options().jitter(millis(1)).await.unwrap();
        assert_eq!(pending(&handle, "ring").await.map(timeout), Some(Some(mins(1))));
        handle.terminate().await.unwrap();
    })
    .await;
}
