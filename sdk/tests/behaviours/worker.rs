//! A worker's start, polls and shutdown.

use abide::prelude::*;
use abide::worker::PollerBehavior;
use abide::{History, WorkflowReplayer};
use abide_protos::temporal::api::enums::v1::QueryResultType;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::workflowservice::v1::*;
use expect_test::expect;
use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::harness::{FIRST_TASK, parse};
use crate::server::{Server, activity, run, task};

type Polls = PollActivityTaskQueueRequest;

#[activity]
async fn work() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow(name = "wf")]
async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(())
}

#[tokio::test]
async fn b121_an_unknown_workflow_type_fails_its_task_and_the_worker_lives() {
    let server = Server::new();
    let worker = server.worker().await.workflow(waits).build().unwrap();
    run(worker, async {
        server.workflow_task(task(&FIRST_TASK.replace("type=wf", "type=unknown")));
        let failed: RespondWorkflowTaskFailedRequest = server.request(1).await;
        let failure = failed.failure.unwrap();
        assert!(failure.message.contains("`unknown` is not registered") && failure.message.contains("registered: wf"));
        assert!(matches!(failure.failure_info, Some(FailureInfo::ApplicationFailureInfo(_))));
        server.workflow_task(task(FIRST_TASK));
        server.request::<RespondWorkflowTaskCompletedRequest>(1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b122_a_worker_of_a_namespace_that_is_not_there_does_not_start() {
    let server = Server::new();
    server.refuse("DescribeNamespace", Code::NotFound, "Namespace default is not found.");
    let worker = server.worker().await.activities(work).build().unwrap();
    let error = worker.run().await.unwrap_err();
    assert!(error.to_string().contains("`default`"), "{error}");
    assert!(server.asked::<Polls>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn b123_a_shutdown_is_told_once_and_ends_whatever_the_server_says() {
    for trouble in ["none", "refusal", "silence"] {
        let server = Server::new();
        match trouble {
            "refusal" => server.refuse("ShutdownWorker", Code::Unavailable, "not now"),
            "silence" => server.keep_silent("ShutdownWorker"),
            _ => {}
        }
        let worker = server.worker().await.activities(work).build().unwrap();
        let handle = worker.shutdown_handle();
        let running = worker.run();
        let end = async {
            server.request::<Polls>(5).await;
            handle.shutdown();
            handle.shutdown();
            Instant::now()
        };
        let (ended, began) = tokio::join!(timeout(secs(600), running), end);
        ended.expect("it ends").unwrap();
        assert!(began.elapsed() <= secs(5), "{trouble}: took {:?}", began.elapsed());
        assert_eq!(server.asked::<ShutdownWorkerRequest>().len(), 1, "{trouble}");
        assert_eq!(server.asked::<Polls>().len(), 5, "{trouble}: nothing is polled afterwards");
    }
}

#[tokio::test(start_paused = true)]
async fn b123_a_task_that_is_handed_out_while_the_worker_shuts_down_is_not_lost() {
    let server = Server::new();
    server.keep_silent("ShutdownWorker");
    let worker = server.worker().await.activities(work).graceful_shutdown_timeout(secs(5)).build().unwrap();
    let handle = worker.shutdown_handle();
    let end = async {
        server.request::<Polls>(5).await;
        // One of the five polls brings the task; the others end without one.
        server.activity_task(activity("work"));
        handle.shutdown();
    };
    let (ended, ()) = tokio::join!(timeout(secs(60), worker.run()), end);
    ended.expect("it ends").unwrap();
    assert_eq!(server.asked::<RespondActivityTaskCompletedRequest>().len(), 1);
    assert_eq!(server.asked::<Polls>().len(), 5, "nothing is polled afterwards");
}

#[tokio::test(start_paused = true)]
async fn b123_tasks_on_their_way_are_run_where_the_server_leaves_polls_open() {
    let server = Server::new().leaving_polls_open();
    let worker = server.worker().await.activities(work).build().unwrap();
    let handle = worker.shutdown_handle();
    let end = async {
        server.request::<Polls>(5).await;
        handle.shutdown();
        let began = Instant::now();
        for _ in 0..3 {
            tokio::time::sleep(millis(800)).await;
            server.activity_task(activity("work"));
        }
        began
    };
    let (ended, began) = tokio::join!(timeout(secs(60), worker.run()), end);
    ended.expect("it ends").unwrap();
    assert!(began.elapsed() < secs(5), "took {:?}", began.elapsed());
    assert_eq!(server.asked::<RespondActivityTaskCompletedRequest>().len(), 3);
    assert_eq!(server.asked::<Polls>().len(), 5, "nothing is polled afterwards");
}

#[tokio::test]
async fn b123_a_run_does_not_stay_with_a_worker_that_leaves() {
    let server = Server::new().leaving_polls_open();
    let worker = server
        .worker()
        .await
        .workflow(waits)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(2))
        .build()
        .unwrap();
    let handle = worker.shutdown_handle();
    let end = async {
        // One poll of each queue.
        server.request::<PollWorkflowTaskQueueRequest>(2).await;
        handle.shutdown();
        server.workflow_task(task(FIRST_TASK));
        assert_eq!(server.request::<RespondWorkflowTaskCompletedRequest>(1).await.sticky_attributes, None);
    };
    let (ended, ()) = tokio::join!(timeout(secs(20), worker.run()), end);
    ended.expect("it ends").unwrap();
}

#[tokio::test]
async fn b124_a_shutdown_before_the_first_poll_and_with_a_task_in_hand_ends() {
    let server = Server::new();
    let worker = server.worker().await.workflow(waits).activities(work).build().unwrap();
    worker.shutdown_handle().shutdown();
    timeout(secs(20), worker.run()).await.expect("it ends").unwrap();

    let server = Server::new();
    let worker = server.worker().await.workflow(waits).build().unwrap();
    let handle = worker.shutdown_handle();
    // The task's completion is not answered while the worker shuts down.
    server.keep_silent("RespondWorkflowTaskCompleted");
    server.workflow_task(task(FIRST_TASK));
    let end = async {
        server.request::<RespondWorkflowTaskCompletedRequest>(1).await;
        // No other thread has work left, so the seconds that the worker waits pass at once.
        tokio::time::pause();
        handle.shutdown();
    };
    let (ended, ()) = tokio::join!(timeout(secs(20), worker.run()), end);
    ended.expect("it ends").unwrap();
}

#[tokio::test(start_paused = true)]
async fn b126_polls_that_fail_come_less_and_less_often() {
    let server = Server::new();
    for _ in 0..9 {
        server.refuse("PollActivityTaskQueue", Code::ResourceExhausted, "too many polls");
    }
    server.activity_task(activity("work"));
    let worker = server
        .worker()
        .await
        .activities(work)
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(1))
        .build()
        .unwrap();
    run(worker, async {
        server.request::<RespondActivityTaskCompletedRequest>(1).await;
    })
    .await;
    let times: Vec<_> = server.asked::<Polls>().iter().map(|(at, _)| *at).collect();
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).take(9).collect();
    // 1, 2, 4, 8 seconds and then 10, each plus or minus a fifth.
    for (pause, expected) in pauses.iter().zip([1, 2, 4, 8, 10, 10, 10, 10, 10]) {
        assert!((expected * 4 / 5..=expected * 6 / 5 + 1).contains(pause), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b129_answers_say_which_build_gave_them() {
    let server = Server::new();
    let worker = server.worker().await.activities(work).build_id("build-7").build().unwrap();
    server.activity_task(activity("work"));
    let completed: RespondActivityTaskCompletedRequest = run(worker, server.request(1)).await;
    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    let stamp = completed.worker_version.unwrap();
    assert_eq!((stamp.build_id.as_str(), stamp.use_versioning), ("build-7", false));
}

#[tokio::test]
async fn b108_an_answer_that_is_too_large_becomes_a_failure() {
    #[workflow(name = "wf")]
    #[derive(Default)]
    struct Verbose;

    #[workflow_methods]
    impl Verbose {
        #[run]
        async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
            ctx.timer(secs(1)).await?;
            Ok(())
        }

        #[query]
        fn tell(&self) -> String {
            "x".repeat(1000)
        }
    }
    let server = Server::new();
    let text = "grpc: received message larger than max (5000000 vs. 4194304)";
    server.refuse("RespondQueryTaskCompleted", Code::ResourceExhausted, text);
    let worker = server.worker().await.workflow(Verbose::run).build().unwrap();
    let history = crate::harness::after_first_task("5 TimerStarted");
    let query = WorkflowQuery { query_type: "tell".into(), ..WorkflowQuery::default() };
    server.workflow_task(PollWorkflowTaskQueueResponse { query: Some(query), started_event_id: 0, ..task(&history) });
    let answered: RespondQueryTaskCompletedRequest = run(worker, server.request(2)).await;
    assert_eq!(answered.completed_type(), QueryResultType::Failed);
    assert!(answered.query_result.is_none() && answered.error_message.contains("larger than max"));
}

#[test]
fn b130_complete_open_failed_and_broken_histories_are_told_apart() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext, beans: u32) -> Result<u32, WorkflowError> {
        ctx.timer(secs(1)).await?;
        if beans == 0 { Err(ApplicationFailure::new("no beans").into()) } else { Ok(beans) }
    }
    let replayer = WorkflowReplayer::new().workflow(wf);
    let history = |beans: u32, rest: &str| {
        let began = FIRST_TASK.replace("type=wf", &format!("type=wf input={beans}"));
        History::from_events(parse(&format!("{began}\n4 WorkflowTaskCompleted\n{rest}")))
    };
    let fired = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted\n9 WorkflowTaskCompleted";
    let completed = history(7, &format!("{fired}\n10 WorkflowExecutionCompleted result=7"));
    let failed = history(
        0,
        &format!("{fired}\n10 WorkflowExecutionFailed message=\"no beans\" retry_state=MaximumAttemptsReached"),
    );
    let open = history(7, "5 TimerStarted\n6 TimerFired");
    let broken = history(7, "5 ActivityTaskScheduled");
    let verdict = |history: &History| match replayer.replay(history) {
        Ok(replayed) => format!("{} now, {} then", replayed.outcome(), replayed.recorded()),
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_string(),
    };
    // The same run twice: each is replayed separately.
    let told: Vec<String> = [&completed, &failed, &broken, &open, &completed].map(verdict).to_vec();
    expect![[r#"
        completed with an integer now, completed with an integer then
        failed: no beans now, failed: no beans then
        [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
        open now, open then
        completed with an integer now, completed with an integer then"#]]
    .assert_eq(&told.join("\n"));
}
