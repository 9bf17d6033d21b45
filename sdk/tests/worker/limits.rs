//! Data that is too large: the task or the attempt fails, and a smaller retry succeeds.

use std::sync::atomic::{AtomicU32, Ordering};

use abide::client::WorkflowFailedError;
use abide::prelude::*;
use abide::workflow::ActivityCancellationType::WaitCancellationCompleted;

use crate::workflows::*;
use crate::{unique, with_worker};

const MIB: usize = 1024 * 1024;

#[activity]
async fn length(text: String) -> Result<usize, ActivityError> {
    Ok(text.len())
}

/// Bytes are not serialized as JSON, which is slow without optimization.
#[activity]
async fn byte_count(bytes: Vec<u8>) -> Result<usize, ActivityError> {
    Ok(bytes.len())
}

static TASKS: AtomicU32 = AtomicU32::new(0);

/// Sends an oversized argument the first time its task runs, like a bug that a deployment fixes.
#[workflow]
async fn shrinks_argument(ctx: &WorkflowContext) -> Result<usize, WorkflowError> {
    let size = if TASKS.fetch_add(1, Ordering::Relaxed) == 0 { 3 * MIB } else { MIB };
    Ok(ctx.activity(length, "x".repeat(size)).start_to_close_timeout(secs(20)).await?)
}

static RESULTS: AtomicU32 = AtomicU32::new(0);

#[workflow]
async fn shrinks_result(_ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok("x".repeat(if RESULTS.fetch_add(1, Ordering::Relaxed) == 0 { 3 * MIB } else { MIB }))
}

#[workflow]
async fn oversized(ctx: &WorkflowContext) -> Result<usize, WorkflowError> {
    let small = ctx.activity(byte_count, vec![0]).start_to_close_timeout(secs(20)).start();
    let large = ctx.activity(byte_count, vec![0; 5 * MIB]).start_to_close_timeout(secs(20)).start();
    Ok(small.await? + large.await?)
}

#[workflow]
#[derive(Default)]
struct Talkative {
    end: State<bool>,
}

#[workflow_methods]
impl Talkative {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.end.get()).await?;
        Ok(())
    }

    #[signal]
    fn end(&self) {
        self.end.set(true);
    }

    /// Returns as many words, for a caller that waits.
    #[update]
    fn speech(&self, size: usize) -> String {
        "x".repeat(size)
    }

    /// Fails with as many words.
    #[update]
    fn refusal(&self, size: usize) -> Result<(), WorkflowError> {
        Err(ApplicationFailure::new("no").error_type("Refused").non_retryable().detail(&"x".repeat(size))?.into())
    }

    #[query]
    fn words(&self, size: usize) -> String {
        "x".repeat(size)
    }
}

/// Too large at its first attempt.
#[activity]
async fn shrinks(ctx: &ActivityContext, how: String) -> Result<usize, ActivityError> {
    let text = "x".repeat(if ctx.info().attempt == 1 { 3 * MIB } else { MIB });
    match how.as_str() {
        "heartbeat" => {
            ctx.heartbeat(&text)?;
            if ctx.info().attempt == 1 {
                let _ = ctx.cancelled().await;
            }
        }
        _ if ctx.info().attempt == 1 => return Err(ApplicationFailure::new("much").detail(&text)?.into()),
        _ => {}
    }
    Ok(text.len())
}

#[activity]
async fn shrinks_its_result(ctx: &ActivityContext) -> Result<String, ActivityError> {
    Ok("x".repeat(if ctx.info().attempt == 1 { 3 * MIB } else { MIB }))
}

#[workflow]
async fn shrinking(ctx: &WorkflowContext) -> Result<Vec<usize>, WorkflowError> {
    let soon = || RetryPolicy::new().initial_interval(millis(10)).maximum_attempts(2);
    let mut lengths = Vec::new();
    for how in ["heartbeat", "failure"] {
        let call = ctx.activity(shrinks, how.into()).start_to_close_timeout(secs(20)).retry_policy(soon());
        lengths.push(call.await?);
    }
    let call = ctx.activity(shrinks_its_result, ()).start_to_close_timeout(secs(20)).retry_policy(soon());
    lengths.push(call.await?.len());
    Ok(lengths)
}

static DECLINED: AtomicU32 = AtomicU32::new(0);

/// Fails without a retry, with large details.
#[activity]
async fn declines_at_length() -> Result<(), ActivityError> {
    DECLINED.fetch_add(1, Ordering::Relaxed);
    let cause = ApplicationFailure::new("the cause").detail(&"x".repeat(3 * MIB))?;
    Err(ApplicationFailure::new("declined").error_type("Declined").non_retryable().cause(cause).into())
}

/// The same failure as a normal and as a local activity.
#[workflow]
async fn is_declined(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let soon = || RetryPolicy::new().initial_interval(millis(10)).maximum_attempts(5);
    let remote = ctx.activity(declines_at_length, ()).start_to_close_timeout(secs(20)).retry_policy(soon()).await;
    let local = ctx.local_activity(declines_at_length, ()).start_to_close_timeout(secs(20)).retry_policy(soon()).await;
    let told = [remote, local].into_iter().filter_map(|failed| failed.err()?.cause());
    Ok(told.map(|cause| format!("{:?} {} {}", cause.error_type(), cause.is_non_retryable(), cause.message())).collect())
}

/// Is cancelled with large details.
#[activity]
async fn stops_with_many_words(ctx: &ActivityContext) -> Result<(), ActivityError> {
    loop {
        ctx.heartbeat(&())?;
        tokio::select! {
            _ = ctx.cancelled() => return Err(ActivityError::cancelled_with(&"x".repeat(3 * MIB))?),
            () = tokio::time::sleep(millis(200)) => {}
        }
    }
}

#[workflow]
async fn cancels_it(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let running = ctx
        .activity(stops_with_many_words, ())
        .start_to_close_timeout(secs(20))
        .heartbeat_timeout(secs(1))
        .cancellation_type(WaitCancellationCompleted)
        .start();
    ctx.timer(millis(500)).await?;
    running.cancel();
    let failure = running.await.expect_err("it stops");
    Ok(failure.cause().and_then(|cause| cause.error_type().map(str::to_string)).unwrap_or_default())
}

#[tokio::test]
async fn b041_a_payload_over_the_limit_fails_the_task_once_and_succeeds_when_shrunk() {
    let register = |worker: abide::worker::WorkerBuilder| {
        worker.workflow(shrinks_argument).workflow(shrinks_result).activities(length)
    };
    with_worker("shrinks", register, async |client, queue| {
        let argument = client.start(shrinks_argument, ()).id(unique("argument")).task_queue(&queue).await.unwrap();
        assert_eq!(argument.result().await.unwrap(), MIB);
        let result = client.start(shrinks_result, ()).id(unique("result")).task_queue(&queue).await.unwrap();
        assert_eq!(result.result().await.unwrap().len(), MIB);
        for history in [argument.fetch_history().await.unwrap(), result.fetch_history().await.unwrap()] {
            let text = history.to_string();
            assert_eq!(text.matches("WorkflowTaskFailed").count(), 1, "{text}");
            assert!(text.contains("PayloadsTooLarge") && text.contains("TMPRL1103"), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn b041_with_the_limit_disabled_the_server_ends_the_workflow() {
    with_worker(
        "no-limit",
        |worker| worker.workflow(large_argument).disable_payload_error_limit(),
        async |client, queue| {
            let handle = client.start(large_argument, ()).id(unique("no-limit")).task_queue(&queue).await.unwrap();
            let error = handle.result().await.unwrap_err();
            assert!(matches!(error, WorkflowFailedError::Terminated { .. }), "{error}");
        },
    )
    .await;
}

#[tokio::test]
async fn b040_one_command_that_is_too_large_is_not_split() {
    with_worker(
        "oversized",
        |worker| worker.workflow(oversized).activities(byte_count).disable_payload_error_limit(),
        async |client, queue| {
            let error = client.execute(oversized, ()).task_queue(&queue).await.unwrap_err();
            assert!(error.to_string().contains("GrpcMessageTooLarge"), "{error}");
        },
    )
    .await;
}

#[tokio::test]
async fn b108_a_query_answer_that_is_too_large_becomes_a_failure() {
    with_worker(
        "talkative",
        |worker| worker.workflow(Talkative::run),
        async |client, queue| {
            let handle = client.start(Talkative::run, ()).id(unique("talkative")).task_queue(&queue).await.unwrap();
            assert_eq!(handle.query(Talkative::words, 1000).await.unwrap().len(), 1000);
            // Above the namespace's limit, and above the maximum message size.
            for size in [3 * MIB, 5 * MIB] {
                let error = handle.query(Talkative::words, size).await.unwrap_err().to_string();
                assert!(error.contains("the query's answer has"), "{error}");
            }
            handle.signal(Talkative::end, ()).await.unwrap();
            handle.result().await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn b056_what_is_too_large_fails_the_attempt_and_the_next_one_may_succeed() {
    let register = |worker: abide::worker::WorkerBuilder| {
        worker.workflow(shrinking).activities(shrinks).activities(shrinks_its_result)
    };
    with_worker("shrinking", register, async |client, queue| {
        let lengths = client.execute(shrinking, ()).task_queue(&queue).await.unwrap();
        assert_eq!(lengths, [MIB, MIB, MIB]);
    })
    .await;
}

#[tokio::test]
async fn b056_cancel_details_that_are_too_large_fail_the_activity() {
    with_worker(
        "many-words",
        |worker| worker.workflow(cancels_it).activities(stops_with_many_words),
        async |client, queue| {
            assert_eq!(client.execute(cancels_it, ()).task_queue(&queue).await.unwrap(), "PayloadsTooLarge");
        },
    )
    .await;
}

#[tokio::test]
async fn a_failure_that_is_too_large_is_no_more_retried_than_it_asked_to_be() {
    let register = |worker: abide::worker::WorkerBuilder| worker.workflow(is_declined).activities(declines_at_length);
    with_worker("declined", register, async |client, queue| {
        let told = client.execute(is_declined, ()).task_queue(&queue).await.unwrap();
        assert_eq!((told.len(), DECLINED.load(Ordering::Relaxed)), (2, 2), "one attempt each: {told:?}");
        for told in told {
            assert!(told.starts_with("Some(\"Declined\") true [TMPRL1103] the activity's failure has"), "{told}");
            assert!(told.ends_with("Sent without details and causes: declined"), "{told}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_update_whose_outcome_is_too_large_fails_and_blocks_nobody() {
    with_worker(
        "speech",
        |worker| worker.workflow(Talkative::run),
        async |client, queue| {
            let handle = client.start(Talkative::run, ()).id(unique("speech")).task_queue(&queue).await.unwrap();
            for size in [3 * MIB, 5 * MIB] {
                let error = handle.update(Talkative::speech, size).await.unwrap_err();
                assert!(error.to_string().contains("has in its result"), "{error}");
                assert_eq!(handle.query(Talkative::words, 10).await.unwrap().len(), 10);
                assert_eq!(handle.update(Talkative::speech, 10).await.unwrap().len(), 10);
            }
            let error = handle.update(Talkative::refusal, 3 * MIB).await.unwrap_err();
            assert!(error.to_string().contains("has in its failure"), "{error}");
            handle.signal(Talkative::end, ()).await.unwrap();
            handle.result().await.unwrap();
            let history = handle.fetch_history().await.unwrap();
            abide::WorkflowReplayer::new().workflow(Talkative::run).replay(&history).unwrap();
        },
    )
    .await;
}
