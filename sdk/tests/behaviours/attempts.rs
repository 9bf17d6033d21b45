//! A running attempt is told some things and reports others by itself: automatic heartbeats, resumed items, the notice of a
//! shutdown, and the report for each reason to stop.
//!
//! As in `activity_tasks.rs`, tokio's clock is paused: seconds pass at once and exactly.

use abide::activity::ActivityCancelReason;
use abide::prelude::*;
use abide::worker::WorkerBuilder;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::activity_tasks::{Cancelled, Completed, Failed, Heartbeat, failure, payloads, text, wait, with_worker};
use crate::server::{Server, activity, seconds};

/// A task for an activity whose argument is a number, with a heartbeat timeout.
fn numbered(name: &str, number: u64, heartbeat_timeout: i64) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse {
        input: payloads([&number.to_string()]),
        heartbeat_timeout: Some(seconds(heartbeat_timeout)),
        start_to_close_timeout: Some(seconds(100_000)),
        ..activity(name)
    }
}

/// Returns the times and details of the heartbeats.
fn heartbeats(server: &Server) -> Vec<(u64, String)> {
    let sent = server.asked::<Heartbeat>();
    sent.iter().map(|(at, one)| (*at, text(one.details.as_ref()).unwrap())).collect()
}

/// Waits without a heartbeat of its own. Reports progress once, if its argument is a time at which to do so.
#[activity(auto_heartbeat)]
async fn digest(ctx: &ActivityContext, reports_at: u64) -> Result<String, ActivityError> {
    if reports_at > 0 {
        wait(secs(reports_at)).await;
        ctx.heartbeat(&reports_at)?;
    }
    tokio::select! {
        reason = ctx.cancelled() => Ok(reason.to_string()),
        () = wait(secs(30 - reports_at)) => Ok("digested".into()),
    }
}

struct Stomach;

#[activities]
impl Stomach {
    #[activity(name = "rest", auto_heartbeat)]
    async fn rest(&self, seconds: u64) -> Result<(), ActivityError> {
        wait(secs(seconds)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn b052_automatic_heartbeats_come_at_the_pace_of_throttled_ones() {
    for (reports_at, expected) in [
        (0, vec![(8, ""), (16, ""), (24, "")]),
        // The reported progress counts as a heartbeat and is repeated.
        (10, vec![(8, ""), (16, "10"), (24, "10")]),
    ] {
        let server = Server::new();
        with_worker(&server, |worker| worker.activities(digest), async {
            server.activity_task(numbered("digest", reports_at, 10));
            server.request::<Completed>(1).await
        })
        .await;
        assert_eq!(heartbeats(&server), expected.into_iter().map(|(at, text)| (at, text.into())).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn b052_automatic_heartbeats_of_a_method() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(Stomach), async {
        server.activity_task(numbered("rest", 20, 10));
        server.request::<Completed>(1).await
    })
    .await;
    assert_eq!(heartbeats(&server), [(8, String::new()), (16, String::new())]);
}

#[tokio::test(start_paused = true)]
async fn b054_automatic_heartbeats_do_not_lose_the_progress_of_an_earlier_attempt() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(digest), async {
        let heartbeat_details = payloads(["7"]);
        server.activity_task(PollActivityTaskQueueResponse { heartbeat_details, ..numbered("digest", 20, 10) });
        server.request::<Completed>(1).await
    })
    .await;
    let sent = heartbeats(&server);
    assert_eq!(sent.iter().map(|(_, details)| details.as_str()).collect::<Vec<_>>(), ["7", "7", "20"]);
}

#[tokio::test(start_paused = true)]
async fn b053_the_answer_to_an_automatic_heartbeat_tells_an_attempt_to_stop() {
    let server = Server::new();
    let answer = RecordActivityTaskHeartbeatResponse { cancel_requested: true, ..Default::default() };
    server.answer("RecordActivityTaskHeartbeat", &answer);
    let completed = with_worker(&server, |worker| worker.activities(digest), async {
        server.activity_task(numbered("digest", 0, 10));
        server.request::<Completed>(1).await
    })
    .await;
    assert_eq!(text(completed.result.as_ref()).unwrap(), r#""the workflow requested cancellation""#);
    assert_eq!(server.asked::<Completed>()[0].0, 8);
}

/// Blocks its thread for 20 seconds of the runtime's clock, then waits.
#[activity(auto_heartbeat)]
async fn choke(waits: u64) -> Result<(), ActivityError> {
    use futures_util::FutureExt as _;
    wait(secs(1)).await;
    // The clock moves at the first poll: all this happens in one poll of the activity.
    let _ = tokio::time::advance(secs(20)).now_or_never();
    wait(secs(waits)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn b052_code_that_blocks_its_thread_has_no_automatic_heartbeats_meanwhile() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(choke), async {
        server.activity_task(numbered("choke", 10, 30));
        server.request::<Completed>(1).await
    })
    .await;
    // It came back before the first was due.
    assert_eq!(heartbeats(&server), [(24, String::new())]);
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(choke), async {
        server.activity_task(numbered("choke", 10, 20));
        server.request::<Completed>(1).await
    })
    .await;
    // Due at 16, while the code blocked; sent when it came back.
    assert_eq!(heartbeats(&server), [(21, String::new())]);
}

#[tokio::test(start_paused = true)]
async fn b052_without_a_heartbeat_timeout_no_automatic_heartbeats_are_sent() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(digest), async {
        server.activity_task(numbered("digest", 0, 0));
        server.request::<Completed>(1).await
    })
    .await;
    assert_eq!(heartbeats(&server), []);
}

/// Works through five items and fails at one of them.
#[activity]
async fn chew(ctx: &ActivityContext, fails_at: u64) -> Result<Vec<u64>, ActivityError> {
    let mut chewed = Vec::new();
    for bite in ctx.resume(1..=5_u64)? {
        if bite == fails_at {
            return Err("a stone".into());
        }
        chewed.push(bite);
    }
    Ok(chewed)
}

#[tokio::test(start_paused = true)]
async fn b054_items_that_an_attempt_has_finished_are_not_repeated() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(chew), async {
        server.activity_task(numbered("chew", 4, 10));
        let failed: Failed = server.request(1).await;
        assert_eq!(text(failed.last_heartbeat_details.as_ref()).unwrap(), "3");
        let heartbeat_details = failed.last_heartbeat_details;
        server.activity_task(PollActivityTaskQueueResponse {
            heartbeat_details,
            attempt: 2,
            ..numbered("chew", 9, 10)
        });
        let completed: Completed = server.request(1).await;
        assert_eq!(text(completed.result.as_ref()).unwrap(), "[4,5]");
        let heartbeat_details = payloads([r#""half of it""#]);
        server.activity_task(PollActivityTaskQueueResponse {
            heartbeat_details,
            attempt: 2,
            ..numbered("chew", 9, 10)
        });
        let text = failure(&server.request(2).await);
        assert!(text.contains("the last heartbeat: expected `u64`, found JSON: a string"), "{text}");
    })
    .await;
}

/// Reports the notice of the shutdown and the cancellation, with their times.
#[activity]
async fn taste(ctx: &ActivityContext) -> Result<String, ActivityError> {
    let began = tokio::time::Instant::now();
    assert!(!ctx.is_worker_shutting_down() && ctx.cancel_reason().is_none());
    ctx.worker_shutting_down().await;
    let noticed = began.elapsed().as_secs();
    assert!(ctx.is_worker_shutting_down() && !ctx.is_cancelled());
    let reason = ctx.cancelled().await;
    assert_eq!(ctx.cancel_reason(), Some(ActivityCancelReason::WorkerShutdown));
    Ok(format!("noticed at {noticed}, cancelled at {}: {reason}", began.elapsed().as_secs()))
}

#[tokio::test(start_paused = true)]
async fn b058_an_attempt_sees_the_shutdown_before_it_is_told_to_stop() {
    let server = Server::new();
    let options = |worker: WorkerBuilder| worker.activities(taste).graceful_shutdown_timeout(secs(30));
    with_worker(&server, options, async {
        server.activity_task(activity("taste"));
        wait(secs(5)).await;
    })
    .await;
    let completed = server.asked::<Completed>();
    let result = text(completed[0].1.result.as_ref()).unwrap();
    assert_eq!(result, r#""noticed at 5, cancelled at 35: the worker is shutting down""#);
}

/// Leaves everything to the next attempt as soon as it has notice of a shutdown.
#[activity]
async fn leaves_at_once(ctx: &ActivityContext) -> Result<(), ActivityError> {
    ctx.worker_shutting_down().await;
    Err(ActivityError::cancelled())
}

#[tokio::test(start_paused = true)]
async fn b058_an_attempt_may_stop_at_the_notice_of_the_shutdown() {
    let server = Server::new();
    let options = |worker: WorkerBuilder| worker.activities(leaves_at_once).graceful_shutdown_timeout(secs(30));
    with_worker(&server, options, async {
        server.activity_task(activity("leaves_at_once"));
        wait(secs(5)).await;
    })
    .await;
    let (at, failed) = &server.asked::<Failed>()[0];
    let expected = "WorkerShutdown (retried): the worker shut down before the activity had ended";
    assert_eq!((*at, failure(failed).as_str()), (5, expected));
}

/// Stops for any reason.
#[activity(auto_heartbeat)]
async fn obedient(ctx: &ActivityContext, seconds: u64) -> Result<(), ActivityError> {
    tokio::select! {
        _ = ctx.cancelled() => Err(ActivityError::cancelled_with(&"crumbs")?),
        () = wait(secs(seconds)) => Ok(()),
    }
}

#[tokio::test(start_paused = true)]
async fn b053_the_report_of_an_attempt_that_stops_fits_the_reason() {
    let answer = RecordActivityTaskHeartbeatResponse::default;
    for (answer, expected) in [
        (
            RecordActivityTaskHeartbeatResponse { activity_paused: true, ..answer() },
            "ActivityPause (retried): Activity paused",
        ),
        (
            RecordActivityTaskHeartbeatResponse { activity_reset: true, ..answer() },
            "ActivityReset (retried): Activity reset",
        ),
    ] {
        let server = Server::new();
        server.answer("RecordActivityTaskHeartbeat", &answer);
        with_worker(&server, |worker| worker.activities(obedient), async {
            server.activity_task(numbered("obedient", 60, 10));
            assert_eq!(failure(&server.request(1).await), expected);
        })
        .await;
    }

    let server = Server::new();
    let answer = RecordActivityTaskHeartbeatResponse { cancel_requested: true, ..answer() };
    server.answer("RecordActivityTaskHeartbeat", &answer);
    with_worker(&server, |worker| worker.activities(obedient), async {
        server.activity_task(numbered("obedient", 60, 10));
        assert_eq!(text(server.request::<Cancelled>(1).await.details.as_ref()).unwrap(), r#""crumbs""#);
    })
    .await;

    let server = Server::new();
    server.refuse("RecordActivityTaskHeartbeat", Code::NotFound, "activity not found");
    with_worker(&server, |worker| worker.activities(obedient), async {
        server.activity_task(numbered("obedient", 60, 10));
        wait(secs(100)).await;
    })
    .await;
    assert_eq!(server.methods(), ["RecordActivityTaskHeartbeat", "ShutdownWorker"], "nobody waits for an answer");

    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obedient), async {
        server.activity_task(numbered("obedient", 60, 10));
        wait(secs(5)).await;
    })
    .await;
    let failed = &server.asked::<Failed>()[0].1;
    assert!(failure(failed).starts_with("WorkerShutdown (retried): the worker shut down"), "{failed:?}");
}
