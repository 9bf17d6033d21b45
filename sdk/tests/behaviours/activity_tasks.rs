//! Activity tasks as a server sees them: answers, heartbeats, shutdown.
//!
//! These workers run only activities, so that all work uses tokio's clock, which the tests pause: seconds pass at once
//! and exactly.

use abide::activity::ActivityCancelReason;
use abide::prelude::*;
use abide::worker::ActivityLimits;
use abide::worker::{Registered, WorkerBuilder};
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::server::{Server, activity, run, seconds};

pub(crate) type Completed = RespondActivityTaskCompletedRequest;
pub(crate) type Failed = RespondActivityTaskFailedRequest;
pub(crate) type Cancelled = RespondActivityTaskCanceledRequest;
pub(crate) type Heartbeat = RecordActivityTaskHeartbeatRequest;

/// Runs a worker with these activities until the body is done.
pub(crate) async fn with_worker<T>(
    server: &Server,
    register: impl FnOnce(WorkerBuilder) -> WorkerBuilder<Registered>,
    body: impl Future<Output = T>,
) -> T {
    run(register(server.worker().await).build().unwrap(), body).await
}

pub(crate) fn text(payloads: Option<&Payloads>) -> Option<String> {
    payloads.map(|all| all.payloads.iter().map(|one| String::from_utf8_lossy(&one.data)).collect::<Vec<_>>().join(","))
}

pub(crate) fn payloads<const N: usize>(values: [&str; N]) -> Option<Payloads> {
    let payload = |value: &str| Payload {
        metadata: [("encoding".to_string(), b"json/plain".to_vec())].into(),
        data: value.into(),
        ..Payload::default()
    };
    Some(Payloads { payloads: values.into_iter().map(payload).collect() })
}

/// Describes a failure: its type, retryability and message.
pub(crate) fn failure(failed: &Failed) -> String {
    let failure = failed.failure.as_ref().unwrap();
    let Some(FailureInfo::ApplicationFailureInfo(info)) = &failure.failure_info else { panic!("{failure:?}") };
    let retried = if info.non_retryable { "final" } else { "retried" };
    format!("{} ({retried}): {}", info.r#type, failure.message)
}

pub(crate) async fn wait(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}

#[derive(Debug)]
struct OutOfBeans;

impl std::fmt::Display for OutOfBeans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no beans are left")
    }
}

impl std::error::Error for OutOfBeans {}

/// Does what its argument says.
#[activity]
async fn obey(ctx: &ActivityContext, what: String) -> Result<String, ActivityError> {
    match what.as_str() {
        "succeed" => Ok("done".into()),
        "fail" => Err(OutOfBeans.into()),
        "fail for good" => Err(ApplicationFailure::new("never again").error_type("Broke").non_retryable().into()),
        "panic" => panic!("out of beans"),
        "complete elsewhere" => Err(ActivityError::will_complete_async()),
        "large result" => Ok("x".repeat(2000)),
        "large heartbeat" => {
            ctx.heartbeat(&"x".repeat(2000))?;
            Ok(format!("{:?}", ctx.cancelled().await))
        }
        _ => Ok(what),
    }
}

fn told(what: &str) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse { input: payloads([&format!("{what:?}")]), ..activity("obey") }
}

#[tokio::test(start_paused = true)]
async fn b042_an_attempt_succeeds_fails_or_fails_for_good() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obey), async {
        server.activity_task(told("succeed"));
        assert_eq!(text(server.request::<Completed>(1).await.result.as_ref()).unwrap(), r#""done""#);
        server.activity_task(told("fail"));
        assert_eq!(failure(&server.request(1).await), "OutOfBeans (retried): no beans are left");
        server.activity_task(told("fail for good"));
        assert_eq!(failure(&server.request(2).await), "Broke (final): never again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b043_a_panic_is_a_failure_that_is_retried() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obey), async {
        server.activity_task(told("panic"));
        assert_eq!(failure(&server.request(1).await), "Panic (retried): the activity panicked: out of beans");
        server.activity_task(told("succeed"));
        server.request::<Completed>(1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b044_an_unknown_type_fails_its_attempt_and_the_worker_lives() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obey), async {
        server.activity_task(activity("bake"));
        let text = failure(&server.request(1).await);
        assert!(text.starts_with("NotFoundError (retried): activity `bake` is not registered"), "{text}");
        server.activity_task(told("succeed"));
        server.request::<Completed>(1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b045_arguments_that_do_not_fit_fail_the_attempt() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obey), async {
        server.activity_task(PollActivityTaskQueueResponse { input: payloads(["7"]), ..activity("obey") });
        let text = failure(&server.request(1).await);
        assert!(text.contains("expected `String`, found JSON: an integer"), "{text}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b051_an_attempt_that_is_completed_elsewhere_frees_its_slot_and_answers_nothing() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obey).max_concurrent_activities(1), async {
        server.activity_task(told("complete elsewhere"));
        server.activity_task(told("succeed"));
        server.request::<Completed>(1).await;
    })
    .await;
    assert_eq!(server.methods(), ["RespondActivityTaskCompleted", "ShutdownWorker"]);
}

/// Heartbeats every second with the number of heartbeats so far, and returns the reason for being cancelled. Slightly
/// more than a second, so that nothing else happens at the same time.
#[activity]
async fn count(ctx: &ActivityContext, up_to: u64) -> Result<String, ActivityError> {
    for second in 0..up_to {
        ctx.heartbeat(&second)?;
        tokio::select! {
            reason = ctx.cancelled() => return Ok(format!("{reason:?} at {second}")),
            () = wait(millis(1001)) => {}
        }
    }
    Ok("counted".into())
}

fn counting(up_to: u64, heartbeat_timeout: i64) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse {
        input: payloads([&up_to.to_string()]),
        heartbeat_timeout: Some(seconds(heartbeat_timeout)),
        start_to_close_timeout: Some(seconds(100_000)),
        ..activity("count")
    }
}

#[tokio::test(start_paused = true)]
async fn b052_heartbeats_are_throttled_and_the_latest_details_win() {
    // 80 % of the timeout, 30 s without one, at most 60 s.
    for (timeout, expected) in [
        (10, [(0, "0"), (8, "7"), (16, "15")]),
        (0, [(0, "0"), (30, "29"), (60, "59")]),
        (1000, [(0, "0"), (60, "59"), (120, "119")]),
    ] {
        let server = Server::new();
        with_worker(&server, |worker| worker.activities(count), async {
            server.activity_task(counting(150, timeout));
            server.request::<Completed>(1).await
        })
        .await;
        let sent = server.asked::<Heartbeat>();
        let sent: Vec<_> = sent.iter().map(|(at, one)| (*at, text(one.details.as_ref()).unwrap())).take(3).collect();
        assert_eq!(sent, expected.map(|(at, text)| (at, text.to_string())), "timeout {timeout} s");
    }
}

#[tokio::test(start_paused = true)]
async fn b053_the_answer_to_a_heartbeat_tells_an_attempt_to_stop_once() {
    let answer = RecordActivityTaskHeartbeatResponse::default;
    for (answer, reason) in [
        (RecordActivityTaskHeartbeatResponse { cancel_requested: true, ..answer() }, "Cancelled"),
        (RecordActivityTaskHeartbeatResponse { activity_paused: true, ..answer() }, "Paused"),
        (RecordActivityTaskHeartbeatResponse { activity_reset: true, ..answer() }, "Reset"),
    ] {
        let server = Server::new();
        server.answer("RecordActivityTaskHeartbeat", &RecordActivityTaskHeartbeatResponse::default());
        server.answer("RecordActivityTaskHeartbeat", &answer);
        let completed = with_worker(&server, |worker| worker.activities(count), async {
            server.activity_task(counting(60, 10));
            server.request::<Completed>(1).await
        })
        .await;
        assert_eq!(text(completed.result.as_ref()).unwrap(), format!("\"{reason} at 7\""));
        assert_eq!(server.asked::<Heartbeat>().len(), 2);
    }
}

/// Continues after it was cancelled, and returns the reasons it was given.
#[activity]
async fn goes_on(ctx: &ActivityContext) -> Result<Vec<String>, ActivityError> {
    let mut told = Vec::new();
    for second in 0..60_u64 {
        ctx.heartbeat(&second)?;
        wait(millis(1001)).await;
        if ctx.is_cancelled() {
            told.push(format!("{:?}", ctx.cancelled().await));
        }
    }
    told.dedup();
    Ok(told)
}

#[tokio::test(start_paused = true)]
async fn b053_later_answers_change_nothing() {
    let server = Server::new();
    let answer = RecordActivityTaskHeartbeatResponse::default;
    for answer in [
        RecordActivityTaskHeartbeatResponse { cancel_requested: true, ..answer() },
        RecordActivityTaskHeartbeatResponse { cancel_requested: true, activity_paused: true, ..answer() },
        RecordActivityTaskHeartbeatResponse { activity_reset: true, ..answer() },
    ] {
        server.answer("RecordActivityTaskHeartbeat", &answer);
    }
    let completed = with_worker(&server, |worker| worker.activities(goes_on), async {
        server.activity_task(PollActivityTaskQueueResponse {
            heartbeat_timeout: Some(seconds(10)),
            start_to_close_timeout: Some(seconds(100_000)),
            ..activity("goes_on")
        });
        server.request::<Completed>(1).await
    })
    .await;
    assert_eq!(text(completed.result.as_ref()).unwrap(), "[\"Cancelled\"]");
    assert!(server.asked::<Heartbeat>().len() > 3, "heartbeats go on");
}

/// Fails after two heartbeats, and succeeds when it resumes from an earlier attempt.
#[activity]
async fn resume(ctx: &ActivityContext) -> Result<String, ActivityError> {
    if let Some(earlier) = ctx.last_heartbeat::<u32>()? {
        return Ok(format!("went on from {earlier}"));
    }
    ctx.heartbeat(&1_u32)?;
    ctx.heartbeat(&2_u32)?;
    Err(OutOfBeans.into())
}

#[tokio::test(start_paused = true)]
async fn b054_a_failure_brings_the_last_heartbeat_and_the_next_attempt_gets_it() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(resume), async {
        server.activity_task(activity("resume"));
        let failed: Failed = server.request(1).await;
        assert_eq!(text(failed.last_heartbeat_details.as_ref()).unwrap(), "2");
        server.activity_task(PollActivityTaskQueueResponse {
            attempt: 2,
            heartbeat_details: failed.last_heartbeat_details,
            ..activity("resume")
        });
        assert_eq!(text(server.request::<Completed>(1).await.result.as_ref()).unwrap(), r#""went on from 2""#);
    })
    .await;
}

/// Reports if an earlier attempt had a heartbeat; fails with or without one.
#[activity]
async fn pulse(ctx: &ActivityContext, beats: bool) -> Result<String, ActivityError> {
    if ctx.info().attempt > 1 {
        return Ok(format!("{:?}", ctx.last_heartbeat::<()>()?));
    }
    if beats {
        ctx.heartbeat(&())?;
    }
    Err(OutOfBeans.into())
}

#[tokio::test(start_paused = true)]
async fn b055_no_heartbeat_differs_from_an_empty_one() {
    for (beats, details, seen) in [(false, None, r#""None""#), (true, Some(""), r#""Some(())""#)] {
        let server = Server::new();
        with_worker(&server, |worker| worker.activities(pulse), async {
            let first = PollActivityTaskQueueResponse { input: payloads([&beats.to_string()]), ..activity("pulse") };
            server.activity_task(first.clone());
            let failed: Failed = server.request(1).await;
            assert_eq!(text(failed.last_heartbeat_details.as_ref()).as_deref(), details);
            let heartbeat_details = failed.last_heartbeat_details;
            server.activity_task(PollActivityTaskQueueResponse { attempt: 2, heartbeat_details, ..first });
            assert_eq!(text(server.request::<Completed>(1).await.result.as_ref()).as_deref(), Some(seen));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn b056_what_is_too_large_fails_the_attempt_and_is_retried() {
    for what in ["large result", "large heartbeat"] {
        let server = Server::new().blob_limit(1000);
        with_worker(&server, |worker| worker.activities(obey), async {
            server.activity_task(told(what));
            let text = failure(&server.request(1).await);
            assert!(text.starts_with("PayloadsTooLarge (retried): "), "{what}: {text}");
        })
        .await;
    }
}

/// Reports when and why it was cancelled.
#[activity]
async fn linger(ctx: &ActivityContext, log: String) -> Result<String, ActivityError> {
    let began = tokio::time::Instant::now();
    let reason = ctx.cancelled().await;
    let text = format!("{log}: {reason:?} after {} s", began.elapsed().as_secs());
    LINGERED.lock().unwrap().push(text.clone());
    if reason == ActivityCancelReason::WorkerShutdown { Ok(text) } else { Err(ActivityError::cancelled()) }
}

static LINGERED: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

fn lingered(log: &str) -> Vec<String> {
    LINGERED.lock().unwrap().iter().filter(|line| line.starts_with(log)).cloned().collect()
}

fn lingering(log: &str) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse { input: payloads([&format!("{log:?}")]), ..activity("linger") }
}

#[tokio::test(start_paused = true)]
async fn b057_an_attempt_that_the_server_has_given_up_is_told_to_stop() {
    // 5 s after the server, which uses the timeouts as they are.
    for (name, start_to_close, heartbeat, after) in [("too long", 20, 0, 25), ("no heartbeat", 60, 4, 9)] {
        let server = Server::new();
        with_worker(&server, |worker| worker.activities(linger), async {
            server.activity_task(PollActivityTaskQueueResponse {
                start_to_close_timeout: Some(seconds(start_to_close)),
                heartbeat_timeout: Some(seconds(heartbeat)),
                ..lingering(name)
            });
            wait(secs(100)).await;
        })
        .await;
        assert_eq!(lingered(name), [format!("{name}: TimedOut after {after} s")]);
        assert_eq!(server.methods(), ["ShutdownWorker"], "nobody waits for an answer");
    }
}

#[tokio::test(start_paused = true)]
async fn b058_a_shutdown_gives_activities_their_time_and_then_tells_them_to_stop() {
    let server = Server::new();
    let options =
        |worker: WorkerBuilder| worker.activities(linger).activities(count).graceful_shutdown_timeout(secs(30));
    with_worker(&server, options, async {
        server.activity_task(lingering("shutdown"));
        // It ends within the graceful shutdown timeout.
        server.activity_task(counting(20, 10));
        wait(secs(5)).await;
    })
    .await;
    assert_eq!(lingered("shutdown"), ["shutdown: WorkerShutdown after 35 s"]);
    let completed = server.asked::<Completed>();
    let completed: Vec<_> = completed.iter().map(|(at, one)| (*at, text(one.result.as_ref()).unwrap())).collect();
    assert_eq!(
        completed,
        [(20, r#""counted""#.to_string()), (35, r#""shutdown: WorkerShutdown after 35 s""#.to_string())]
    );
}

#[tokio::test(start_paused = true)]
async fn b058_a_worker_that_has_ended_does_not_go_on_trying_to_report() {
    let server = Server::new();
    for _ in 0..1000 {
        server.refuse("RespondActivityTaskCompleted", Code::Unavailable, "away");
    }
    with_worker(&server, |worker| worker.activities(obey), async {
        let start_to_close_timeout = Some(seconds(3600));
        server.activity_task(PollActivityTaskQueueResponse { start_to_close_timeout, ..told("succeed") });
        server.request::<Completed>(3).await;
    })
    .await;
    let tried = server.asked::<Completed>().len();
    wait(secs(1000)).await;
    assert_eq!(server.asked::<Completed>().len(), tried, "as long as it ran it tried, and not any more");
}

#[tokio::test(start_paused = true)]
async fn b059_heartbeats_go_on_during_a_shutdown() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(count).graceful_shutdown_timeout(secs(60)), async {
        server.activity_task(counting(38, 10));
        wait(secs(5)).await;
    })
    .await;
    let times: Vec<_> = server.asked::<Heartbeat>().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 8, 16, 24, 32]);
    assert_eq!(server.asked::<Completed>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn b061_no_more_activities_begin_per_second_than_the_worker_may() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obey).max_activities_per_second(0.5), async {
        for _ in 0..6 {
            server.activity_task(told("succeed"));
        }
        server.request::<Completed>(5).await;
        // The pollers have waited at the same time and already have the next task: it waits for its turn.
        wait(secs(60)).await;
        for _ in 0..3 {
            server.activity_task(told("succeed"));
        }
        server.request::<Completed>(9).await;
    })
    .await;
    let times: Vec<_> = server.asked::<Completed>().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 2, 4, 6, 8, 10, 68, 70, 72]);
}

#[tokio::test(start_paused = true)]
async fn b061_a_type_has_a_rate_of_its_own_and_the_others_do_not_wait_for_it() {
    let server = Server::new();
    let limits = ActivityLimits::new().max_per_second(0.5);
    with_worker(&server, |worker| worker.activities(obey).activities(count).activity_limits(obey, limits), async {
        for _ in 0..3 {
            server.activity_task(told("succeed"));
        }
        server.activity_task(counting(0, 10));
        server.request::<Completed>(4).await;
    })
    .await;
    let times: Vec<_> = server.asked::<Completed>().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 0, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn b061_no_more_attempts_of_a_type_run_at_once_than_it_may_have() {
    let server = Server::new();
    let limits = ActivityLimits::new().max_concurrent(1);
    with_worker(&server, |worker| worker.activities(obey).activities(count).activity_limits(count, limits), async {
        server.activity_task(counting(5, 10));
        server.activity_task(counting(5, 10));
        server.activity_task(told("succeed"));
        server.request::<Completed>(3).await;
    })
    .await;
    let times: Vec<_> = server.asked::<Completed>().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0, 5, 10]);
}

/// It must not begin while its worker shuts down, and the server gets to know of it.
#[tokio::test(start_paused = true)]
async fn b061_an_attempt_that_waits_for_its_turn_ends_with_its_worker() {
    let server = Server::new();
    let limits = ActivityLimits::new().max_concurrent(1);
    with_worker(&server, |worker| worker.activities(count).activity_limits(count, limits), async {
        server.activity_task(counting(1000, 10));
        server.activity_task(counting(1000, 10));
        wait(secs(5)).await;
    })
    .await;
    let completed: Vec<_> =
        server.asked::<Completed>().iter().map(|(_, it)| text(it.result.as_ref()).unwrap()).collect();
    assert_eq!(completed, [r#""WorkerShutdown at 4""#]);
    assert_eq!(server.asked::<Failed>().len() + server.asked::<Cancelled>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn b061_the_task_queues_rate_is_told_to_the_server() {
    let server = Server::new();
    with_worker(&server, |worker| worker.activities(obey).max_task_queue_activities_per_second(12.5), async {
        server.activity_task(told("succeed"));
        server.request::<Completed>(1).await;
    })
    .await;
    let polls = server.asked::<PollActivityTaskQueueRequest>();
    assert!(polls.iter().all(|(_, poll)| poll.task_queue_metadata.unwrap().max_tasks_per_second == Some(12.5)));
}

#[tokio::test(start_paused = true)]
async fn b063_an_answer_that_nobody_awaits_is_no_error() {
    let server = Server::new();
    server.refuse("RespondActivityTaskCompleted", Code::NotFound, "activity not found");
    with_worker(&server, |worker| worker.activities(obey), async {
        server.activity_task(told("succeed"));
        server.request::<Completed>(1).await;
        server.activity_task(told("succeed"));
        server.request::<Completed>(2).await;
        wait(secs(60)).await;
    })
    .await;
    assert_eq!(server.asked::<Completed>().len(), 2, "it is not sent again");
}

#[tokio::test(start_paused = true)]
async fn b064_passing_trouble_while_answering_is_tried_again_and_lasting_trouble_is_survived() {
    let server = Server::new();
    server.refuse("RespondActivityTaskCompleted", Code::Unavailable, "the server restarts");
    with_worker(&server, |worker| worker.activities(obey), async {
        server.activity_task(told("succeed"));
        server.request::<Completed>(2).await;
        for _ in 0..1000 {
            server.refuse("RespondActivityTaskFailed", Code::Unavailable, "the server is gone");
        }
        server.activity_task(told("fail"));
        wait(secs(200)).await;
        let times: Vec<_> = server.asked::<Failed>().iter().map(|(at, _)| *at).collect();
        // As long as the server waits for the attempt: its timeout of a minute.
        assert!(times.len() > 10 && times.last().is_some_and(|last| (50..=61).contains(last)), "{times:?}");
        server.activity_task(told("succeed"));
        server.request::<Completed>(3).await;
    })
    .await;
    assert!(server.asked::<Cancelled>().is_empty());
}
