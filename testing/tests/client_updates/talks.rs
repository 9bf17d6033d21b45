//! Conversations between the client, a hand-written worker, and a server: the embedded one and a real one.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use abide::Priority;
use abide::client::{
    Client, ClientOptions, StartError, UpdateError, UpdateWithStartError, WorkflowHandle, WorkflowIdConflictPolicy,
};
use abide_testing::server::TestServer;

use crate::definitions::{Close, Counter, Double, Go, Later};
use crate::worker::work;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A client with unique names.
struct Talk {
    client: Client,
    queue: String,
}

impl Talk {
    fn start(&self) -> abide::client::StartWorkflow<Counter> {
        self.client.start(Counter, ()).id(&self.queue).task_queue(&self.queue)
    }
}

/// Runs a body together with a worker, on the embedded server and on a real one.
async fn on_both<F, Fut>(name: &str, body: F) -> Outcome
where
    F: Fn(Talk) -> Fut,
    Fut: Future<Output = Outcome>,
{
    let server = TestServer::builder().start();
    let address = server.listen("127.0.0.1:0".parse()?).await?;
    on_one(&address.to_string(), name, &body).await?;
    match std::env::var("ABIDE_TEST_SERVER") {
        Ok(address) => on_one(&address, name, &body).await,
        Err(_) => {
            eprintln!("{name}: not run on a real server (ABIDE_TEST_SERVER is not set)");
            Ok(())
        }
    }
}

async fn on_one<F, Fut>(address: &str, name: &str, body: &F) -> Outcome
where
    F: Fn(Talk) -> Fut,
    Fut: Future<Output = Outcome>,
{
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let client = Client::connect(ClientOptions::new(address)).await?;
    let queue = format!("{name}-{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let worker = work(address, queue.clone());
    tokio::select! {
        done = body(Talk { client: client.clone(), queue: queue.clone() }) => done?,
        failed = worker => failed?,
    }
    // An already closed workflow is fine, too.
    let _ = client.handle(Counter, queue).terminate().reason("end of test").await;
    Ok(())
}

#[tokio::test]
async fn an_update_gives_its_result_its_rejection_or_its_failure() -> Outcome {
    on_both("outcomes", |talk| async move {
        let counter = talk.start().await?;
        assert_eq!(counter.update(Double, 4).await?, 8);
        for (number, message) in [(-1, "negative"), (13, "unlucky")] {
            let error = counter.update(Double, number).await.expect_err("the workflow refuses it");
            let failure = error.failure().ok_or("a failure")?;
            assert_eq!((failure.message(), failure.error_type()), (message, Some("Refused")));
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_started_update_is_found_again_by_its_id() -> Outcome {
    on_both("handles", |talk| async move {
        let counter = talk.start().await?;
        let update = counter.start_update(Later, 5).id("the-update").await?;
        assert_eq!((update.id(), update.workflow_id()), ("the-update", counter.workflow_id()));
        assert_eq!(update.run_id(), counter.run_id());
        let again = counter.start_update(Later, 6).id("the-update").await?;

        counter.signal(Go, ()).await?;
        assert_eq!(update.result().await?, 5);
        assert_eq!(again.result().await?, 5, "a second update with the id is the first one");
        assert_eq!(counter.update_handle(Later, "the-update").result().await?, 5);
        assert_eq!(counter.update(Later, 7).id("the-update").await?, 5);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_rejected_update_that_was_only_started_tells_so_as_its_result() -> Outcome {
    on_both("rejected-start", |talk| async move {
        let counter = talk.start().await?;
        let update = counter.start_update(Double, -1).await?;
        let error = update.result().await.expect_err("it is rejected");
        assert!(matches!(&error, UpdateError::Failed(failure) if failure.message() == "negative"), "{error}");
        let gone = counter.update_handle(Double, update.id()).result().await.expect_err("it has left no trace");
        assert!(matches!(gone, UpdateError::NotFound { .. }), "{gone}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_workflow_that_ends_ends_its_updates() -> Outcome {
    on_both("ends", |talk| async move {
        let counter = talk.start().await?;
        let error = counter.update(Close, 0).await.expect_err("the workflow ends");
        assert!(matches!(error, UpdateError::WorkflowClosed { .. }), "{error}");
        let error = counter.update(Double, 1).await.expect_err("the workflow has ended");
        assert!(matches!(&error, UpdateError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("with_update"), "{error}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_update_of_nothing_is_not_found() -> Outcome {
    on_both("nothing", |talk| async move {
        let nobody: WorkflowHandle<Counter> = talk.client.handle(Counter, "no-such-workflow");
        let error = nobody.update(Double, 1).await.expect_err("there is no such workflow");
        assert!(matches!(error, UpdateError::NotFound { .. }), "{error}");
        let counter = talk.start().await?;
        let error = counter.update_handle(Double, "no-such-update").result().await.expect_err("no such update");
        assert!(matches!(error, UpdateError::NotFound { .. }), "{error}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn update_with_start_starts_only_what_is_not_there() -> Outcome {
    on_both("with-start", |talk| async move {
        let (first, doubled) = talk.start().with_update(Double, 3).update_id("first").await?;
        assert_eq!((doubled.id(), doubled.result().await?), ("first", 6));
        assert_eq!(doubled.run_id(), first.run_id());

        let (second, doubled) = talk.start().with_update(Double, 4).await?;
        assert_eq!((second.run_id(), doubled.result().await?), (first.run_id(), 8));

        let start = talk.start().id_conflict_policy(WorkflowIdConflictPolicy::Fail);
        let error = start.with_update(Double, 5).await.expect_err("it is running");
        let UpdateWithStartError::Start(StartError::AlreadyStarted { run_id, .. }) = &error else {
            return Err(error.into());
        };
        assert_eq!(Some(run_id.as_str()), first.run_id());

        let start = talk.start().id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting);
        let (third, doubled) = start.with_update(Double, 6).await?;
        assert_ne!(third.run_id(), first.run_id());
        assert_eq!(doubled.result().await?, 12);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn update_with_start_tells_a_rejection_as_the_updates_result() -> Outcome {
    on_both("with-start-rejected", |talk| async move {
        let (counter, update) = talk.start().with_update(Double, -1).await?;
        assert!(matches!(update.result().await, Err(UpdateError::Failed(_))));
        assert!(counter.describe().await?.status().is_open(), "the workflow is started all the same");
        let refused = talk.start().with_signal(Go, ()).with_update(Double, 1).await.expect_err("one of them at most");
        assert!(matches!(refused, UpdateWithStartError::Start(StartError::SignalAndUpdate { .. })), "{refused}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn summary_details_and_priority_are_in_the_first_event() -> Outcome {
    on_both("side-data", |talk| async move {
        let priority = Priority::new().priority_key(2).fairness_key("blue").fairness_weight(1.5);
        let start = talk.start().static_summary("counts").static_details("by *hand*").priority(priority);
        let counter = start.await?;
        let history = counter.fetch_history().await?;
        let started = history.events().first().ok_or("a first event")?;
        let metadata = started.user_metadata.clone().unwrap_or_default();
        let text = |payload: Option<abide_protos::temporal::api::common::v1::Payload>| {
            String::from_utf8(payload.unwrap_or_default().data)
        };
        assert_eq!(text(metadata.summary)?, r#""counts""#);
        assert_eq!(text(metadata.details)?, r#""by *hand*""#);
        let text = format!("{:?}", started.attributes);
        let expected = r#"Priority { priority_key: 2, fairness_key: "blue", fairness_weight: 1.5 }"#;
        assert!(text.contains(expected), "{text}");
        Ok(())
    })
    .await
}
