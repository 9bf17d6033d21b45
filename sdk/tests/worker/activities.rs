//! Activities that succeed and activities that go wrong.

use abide::client::WorkflowFailedError;
use abide::{Failure, FailureKind};

use crate::workflows::*;
use crate::{eventually, unique, with_worker};

/// Returns the failure of the activity that failed a workflow.
fn activity_failure(error: &WorkflowFailedError) -> Failure {
    match error {
        WorkflowFailedError::Failed(failure) => failure.root_cause(),
        other => panic!("expected a failed workflow, found {other:?}"),
    }
}

#[tokio::test]
async fn an_activity_is_run_and_a_timer_fires() {
    with_worker(
        "greeting",
        |worker| worker.workflow(greeting).activities(greet),
        async |client, queue| {
            let result = client.execute(greeting, "Ada".into()).task_queue(&queue).await.unwrap();
            assert_eq!(result, "Hello, Ada!");
        },
    )
    .await;
}

#[tokio::test]
async fn failed_attempts_are_repeated() {
    with_worker(
        "lucky",
        |worker| worker.workflow(lucky).activities(third_time_lucky),
        async |client, queue| {
            assert_eq!(client.execute(lucky, ()).task_queue(&queue).await.unwrap(), 3);
        },
    )
    .await;
}

#[tokio::test]
async fn progress_survives_a_failed_attempt() {
    with_worker(
        "counting",
        |worker| worker.workflow(counting).activities(count_to_six),
        async |client, queue| {
            assert_eq!(client.execute(counting, ()).task_queue(&queue).await.unwrap(), [4, 5, 6]);
        },
    )
    .await;
}

#[tokio::test]
async fn a_mistake_of_an_activity_fails_only_that_activity() {
    let register = |worker: abide::worker::WorkerBuilder| {
        worker.workflow(misbehaving).workflow(greeting).activities(misbehave).activities(greet)
    };
    with_worker("misbehaving", register, async |client, queue| {
        let cases = [
            ("panic", "Panic", "out of beans"),
            ("decline", "Declined", "declined"),
            ("large result", "PayloadsTooLarge", "reference to large data"),
            ("large heartbeat", "PayloadsTooLarge", "heartbeat"),
            ("cancelled", "CancelledError", "nobody requested its cancellation"),
        ];
        for (how, error_type, text) in cases {
            let error = client.execute(misbehaving, how.into()).task_queue(&queue).await.unwrap_err();
            let failure = activity_failure(&error);
            assert_eq!((failure.kind(), failure.error_type()), (FailureKind::Application, Some(error_type)), "{how}");
            assert!(failure.message().contains(text), "{how}: {failure}");
        }
        assert_eq!(client.execute(greeting, "Ada".into()).task_queue(&queue).await.unwrap(), "Hello, Ada!");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_activity_type_fails_with_the_names_that_are_known() {
    with_worker(
        "unknown-activity",
        |worker| worker.workflow(misbehaving).activities(greet),
        async |client, queue| {
            let error = client.execute(misbehaving, "?".into()).task_queue(&queue).await.unwrap_err();
            let failure = activity_failure(&error);
            assert_eq!(failure.error_type(), Some("NotFoundError"));
            assert!(
                failure.message().contains("`misbehave`") && failure.message().contains("registered: greet"),
                "{failure}"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn cancellation_comes_with_a_heartbeat() {
    let register = |worker: abide::worker::WorkerBuilder| worker.workflow(waiting).activities(wait_for_cancellation);
    with_worker("waiting", register, async |client, queue| {
        let handle = client.start(waiting, ()).id(unique("waiting")).task_queue(&queue).await.unwrap();
        eventually("the activity has a heartbeat", async || {
            let described = handle.describe().await.unwrap();
            described.pending_activities().iter().any(|activity| activity.last_heartbeat_time().is_some())
        })
        .await;
        handle.cancel().await.unwrap();
        let error = handle.result().await.unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
        let history = handle.fetch_history().await.unwrap().to_string();
        assert!(history.contains("ActivityTaskCanceled"), "{history}");
    })
    .await;
}
