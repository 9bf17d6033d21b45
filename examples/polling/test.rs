//! Tests of the three ways to poll: when they end, what they cost, and what happens if a worker dies.

#[path = "workflow.rs"]
mod workflow;

use abide::RetryState;
use abide::activity::ActivityCancelReason;
use abide::prelude::*;
use abide_testing::{ActivityEnvironment, TestWorkflowEnvironment};

use self::workflow::{Gateway, PaymentError, follow_payment, track_payment, watch_payment};
use crate::{Outcome, assert_replays};

#[tokio::test]
async fn a_payment_is_checked_every_minute_and_the_looks_add_no_events() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("polling").workflow(track_payment).activities(Gateway::default());
    let arguments = ("rent".into(), mins(1), hours(4));
    let ended = env.client().execute(track_payment, arguments).id("track").task_queue("polling");
    assert_eq!(env.run(worker, ended).await?, "settled");
    assert_eq!(env.elapsed(), mins(4));
    let history = env.client().handle(track_payment, "track").fetch_history().await?;
    assert_eq!(history.len(), 17);
    Ok(())
}

#[tokio::test]
async fn a_payment_that_stays_pending_fails_after_four_hours() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("polling").workflow(track_payment).mock(Gateway::submit, |_| Ok("rent".into()));
    let worker = worker.mock(Gateway::check, |id| Err(PaymentError::Pending { id }.into()));
    let arguments = ("rent".into(), mins(1), hours(4));
    let ended = env.client().execute(track_payment, arguments).task_queue("polling");
    let error = env.run(worker, ended).await.unwrap_err();
    // The failure is that of the last look. Another one would come too late.
    assert_eq!(error.application_error(), Some(PaymentError::Pending { id: "rent".into() }));
    assert_eq!(error.to_failure().and_then(|failure| failure.retry_state()), Some(RetryState::Timeout));
    assert_eq!(env.elapsed(), mins(239));
    Ok(())
}

#[tokio::test]
async fn a_declined_payment_is_not_polled_again() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("polling").workflow(track_payment).activities(Gateway::default());
    let arguments = ("a stolen card".into(), mins(1), hours(4));
    let ended = env.client().execute(track_payment, arguments).task_queue("polling");
    let error = env.run(worker, ended).await.unwrap_err();
    let declined = PaymentError::Declined { id: "id of a stolen card".into() };
    assert_eq!(error.application_error(), Some(declined));
    assert_eq!(env.elapsed(), secs(0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_worker_goes_on_watching() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let gateway = Gateway::default();
    let worker = || env.worker("polling").workflow(watch_payment).activities(gateway.clone());
    let watching = async {
        let watched = env.client().start(watch_payment, ("rent".into(), secs(1))).task_queue("polling").await;
        env.sleep(millis(2_500)).await;
        watched
    };
    let watched = env.run(worker(), watching).await?;
    // The first worker has looked at 0, 1 and 2 seconds, and has ended.
    assert_eq!(env.run(worker(), watched.result()).await?, "settled at look 5");
    Ok(())
}

#[tokio::test]
async fn a_watch_that_is_cancelled_ends() -> Outcome {
    let env = ActivityEnvironment::new().cancel_at_heartbeat(2, ActivityCancelReason::Cancelled);
    let watched = env.run_on(Gateway::default().into(), Gateway::watch, ("rent".into(), millis(1))).await;
    assert!(watched.unwrap_err().is_cancelled());
    assert_eq!(env.heartbeats::<u32>()?, [1, 2]);
    Ok(())
}

#[tokio::test]
async fn a_loop_that_lasts_continues_as_new() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("polling").workflow(follow_payment).activities(Gateway::default());
    let followed = async {
        let first = env.client().start(follow_payment, ("rent".into(), mins(1), 0)).task_queue("polling").await?;
        let ended = first.result().await?;
        let last = env.client().handle(follow_payment, first.workflow_id()).describe().await?;
        Ok::<_, Box<dyn std::error::Error>>((ended, first.run_id() == Some(last.info().run_id())))
    };
    let (ended, in_one_run) = env.run(worker, followed).await?;
    assert_eq!((ended.as_str(), in_one_run), ("settled at look 5", false));
    Ok(())
}

#[tokio::test]
async fn a_loop_ends_at_a_declined_payment() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("polling").workflow(follow_payment).activities(Gateway::default());
    let followed = env.client().execute(follow_payment, ("a stolen card".into(), mins(1), 0));
    let error = env.run(worker, followed.task_queue("polling")).await.unwrap_err();
    assert_eq!(error.error_type().as_deref(), Some("Declined"));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("polling", |replayer| {
        replayer.workflow(track_payment).workflow(watch_payment).workflow(follow_payment)
    })
}
