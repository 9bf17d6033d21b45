//! Workflow tasks: messages, and faulty workflow code.

use abide::client::WorkflowExecutionStatus;
use abide::millis;

use crate::workflows::*;
use crate::{eventually, unique, with_worker};

#[tokio::test]
async fn signals_reach_a_run_and_queries_read_it_open_and_closed() {
    with_worker(
        "collector",
        |worker| worker.workflow(Collector::run),
        async |client, queue| {
            let handle = client.start(Collector::run, ()).id(unique("collector")).task_queue(&queue).await.unwrap();
            assert_eq!(handle.query(Collector::words, ()).await.unwrap(), Vec::<String>::new());
            for word in ["one", "two"] {
                handle.signal(Collector::add, word.into()).await.unwrap();
            }
            assert_eq!(handle.query(Collector::words, ()).await.unwrap(), ["one", "two"]);
            handle.signal(Collector::add, "three".into()).await.unwrap();
            assert_eq!(handle.result().await.unwrap(), "one two three");
            assert_eq!(handle.query(Collector::words, ()).await.unwrap(), ["one", "two", "three"]);
        },
    )
    .await;
}

#[tokio::test]
async fn a_mistake_fails_the_task_and_its_mending_lets_the_run_go_on() {
    with_worker(
        "mended",
        |worker| worker.workflow(mended),
        async |client, queue| {
            let handle = client.start(mended, ()).id(unique("mended")).task_queue(&queue).await.unwrap();
            assert_eq!(handle.result().await.unwrap(), "mended");
            let history = handle.fetch_history().await.unwrap().to_string();
            assert!(history.contains("WorkflowTaskFailed") && history.contains("the mistake"), "{history}");
        },
    )
    .await;
}

#[tokio::test]
async fn an_unknown_workflow_type_fails_its_task_and_the_worker_lives() {
    with_worker(
        "unknown-workflow",
        |worker| worker.workflow(greeting).activities(greet),
        async |client, queue| {
            let unknown = client.start(lucky, ()).id(unique("unknown")).task_queue(&queue).await.unwrap();
            eventually("the task of the unknown workflow has failed", async || {
                let history = unknown.fetch_history().await.unwrap().to_string();
                history.contains("WorkflowTaskFailed") && history.contains("lucky")
            })
            .await;
            assert_eq!(client.execute(greeting, "Ada".into()).task_queue(&queue).await.unwrap(), "Hello, Ada!");
            unknown.terminate().reason("the test is over").await.unwrap();
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_spins_fails_its_task_and_others_go_on() {
    let register = |worker: abide::worker::WorkerBuilder| {
        // There is one lane, so the other runs must move away from the one that spins.
        worker
            .workflow(spinning)
            .workflow(greeting)
            .activities(greet)
            .worker_threads(1)
            .deadlock_detection_timeout(millis(200))
    };
    with_worker("spinning", register, async |client, queue| {
        let spins = client
            .start(spinning, ())
            .id(unique("spinning"))
            .task_queue(&queue)
            .task_timeout(abide::secs(1))
            .await
            .unwrap();
        for name in ["Ada", "Grace"] {
            let greeted = client.execute(greeting, name.into()).task_queue(&queue).await.unwrap();
            assert_eq!(greeted, format!("Hello, {name}!"));
        }
        eventually("the task of the spinning workflow has failed", async || {
            spins.fetch_history().await.unwrap().to_string().contains("TMPRL1101")
        })
        .await;
        SPIN_ENDS.store(true, std::sync::atomic::Ordering::Relaxed);
        spins.result().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_large_argument_fails_the_task_and_not_the_workflow() {
    with_worker(
        "large-argument",
        |worker| worker.workflow(large_argument),
        async |client, queue| {
            let handle = client.start(large_argument, ()).id(unique("large")).task_queue(&queue).await.unwrap();
            eventually("the task has failed", async || {
                let history = handle.fetch_history().await.unwrap().to_string();
                history.contains("WorkflowTaskFailed") && history.contains("reference to large data")
            })
            .await;
            assert_eq!(handle.describe().await.unwrap().status(), WorkflowExecutionStatus::Running);
            handle.terminate().reason("the test is over").await.unwrap();
        },
    )
    .await;
}
