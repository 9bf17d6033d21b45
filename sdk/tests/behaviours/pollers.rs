//! The number of open polls: as configured, or as the server suggests.

use abide::prelude::*;
use abide::worker::{PollerBehavior, Worker};
use abide_protos::temporal::api::taskqueue::v1::PollerScalingDecision;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::server::{Server, activity, run};

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

async fn scaled(server: &Server, minimum: usize, initial: usize, maximum: usize) -> Worker {
    let behavior = PollerBehavior::Autoscaling { minimum, maximum, initial };
    server.worker().await.activities(work).activity_task_poller_behavior(behavior).build().unwrap()
}

/// Returns an answer without a task, with the server's suggestion.
fn nothing(suggestion: Option<i32>) -> PollActivityTaskQueueResponse {
    let poller_scaling_decision =
        suggestion.map(|change| PollerScalingDecision { poll_request_delta_suggestion: change });
    PollActivityTaskQueueResponse { poller_scaling_decision, ..Default::default() }
}

/// Answers one open poll. Returns the number of open polls once everything is idle.
async fn open_after(server: &Server, answered: &mut usize, answer: PollActivityTaskQueueResponse) -> usize {
    server.activity_task(answer);
    *answered += 1;
    open(server, *answered).await
}

/// Answers polls until each poller has had its turn. Returns the number of open polls.
async fn open_after_many(server: &Server, answered: &mut usize, answer: PollActivityTaskQueueResponse) -> usize {
    for _ in 0..20 {
        open_after(server, answered, answer.clone()).await;
    }
    open(server, *answered).await
}

async fn open(server: &Server, answered: usize) -> usize {
    tokio::time::sleep(millis(500)).await;
    server.asked::<Polls>().len() - answered
}

#[tokio::test(start_paused = true)]
async fn b126_polls_are_as_many_as_the_server_suggests() {
    let server = Server::new();
    let worker = scaled(&server, 1, 2, 5).await;
    run(worker, async {
        let mut answered = 0;
        assert_eq!(open(&server, answered).await, 2, "at the beginning");
        assert_eq!(open_after(&server, &mut answered, nothing(None)).await, 2, "nothing is suggested");
        assert_eq!(open_after(&server, &mut answered, nothing(Some(1))).await, 3);
        assert_eq!(open_after(&server, &mut answered, nothing(Some(7))).await, 5, "no more than the maximum");
        let mut with_task = activity("work");
        with_task.poller_scaling_decision = nothing(Some(-2)).poller_scaling_decision;
        // Open polls stay open; pollers rest only when their poll has ended.
        open_after(&server, &mut answered, with_task).await;
        assert_eq!(open_after_many(&server, &mut answered, nothing(Some(0))).await, 3);
        let one = open_after_many(&server, &mut answered, nothing(None)).await;
        assert_eq!(one, 1, "the server is known to suggest: empty answers make fewer");
        assert_eq!(open_after(&server, &mut answered, nothing(Some(1))).await, 2, "and it may go up again");
    })
    .await;
    assert_eq!(server.asked::<RespondActivityTaskCompletedRequest>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn b126_an_overloaded_server_gets_fewer_polls_and_passing_trouble_changes_nothing() {
    for (suggests, code, expected) in [
        (true, Code::ResourceExhausted, 2),
        (false, Code::ResourceExhausted, 8),
        (true, Code::Unavailable, 8),
        (true, Code::DeadlineExceeded, 8),
    ] {
        let server = if suggests { Server::new().suggesting_pollers() } else { Server::new() };
        server.refuse("PollActivityTaskQueue", code, "not now");
        server.refuse("PollActivityTaskQueue", code, "not now");
        let worker = scaled(&server, 2, 8, 10).await;
        run(worker, async {
            tokio::time::sleep(secs(30)).await;
            let mut answered = 2;
            let open = open_after_many(&server, &mut answered, nothing(Some(0))).await;
            assert_eq!(open, expected, "after two times {code:?}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn b126_a_simple_maximum_does_not_follow_suggestions() {
    let server = Server::new().suggesting_pollers();
    let worker = server
        .worker()
        .await
        .activities(work)
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(3))
        .build()
        .unwrap();
    run(worker, async {
        let mut answered = 0;
        for suggestion in [Some(5), Some(-2), None, Some(-100)] {
            assert_eq!(open_after(&server, &mut answered, nothing(suggestion)).await, 3);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b126_polls_never_run_ahead_of_slots() {
    let server = Server::new();
    let behavior = PollerBehavior::autoscaling();
    let worker = server.worker().await.activities(work).max_concurrent_activities(7);
    run(worker.activity_task_poller_behavior(behavior).build().unwrap(), async {
        let mut answered = 0;
        assert_eq!(open(&server, answered).await, 5);
        assert_eq!(open_after(&server, &mut answered, nothing(Some(50))).await, 7);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b126_a_namespace_enrols_workers_that_do_not_say_otherwise() {
    for (enrols, told) in [(true, None), (false, None), (true, Some(PollerBehavior::SimpleMaximum(3)))] {
        let mut server = Server::new().suggesting_pollers().taking_heartbeats();
        if enrols {
            server = server.enrolling_pollers();
        }
        let mut worker = server.worker().await.activities(work);
        if let Some(behavior) = told {
            worker = worker.activity_task_poller_behavior(behavior);
        }
        run(worker.build().unwrap(), async {
            let heartbeat: RecordWorkerHeartbeatRequest = server.request(1).await;
            let pollers = heartbeat.worker_heartbeat[0].activity_poller_info.unwrap();
            assert_eq!(pollers.is_autoscaling, enrols && told.is_none(), "{told:?}");
            let mut answered = 0;
            let open = open_after(&server, &mut answered, nothing(Some(3))).await;
            let expected = if let Some(PollerBehavior::SimpleMaximum(polls)) = told { polls } else { 5 };
            assert_eq!(open, if pollers.is_autoscaling { 8 } else { expected });
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn b126_both_queues_of_workflow_tasks_are_scaled_each_for_itself() {
    let server = Server::new();
    let behavior = PollerBehavior::Autoscaling { minimum: 1, maximum: 10, initial: 1 };
    let worker = server.worker().await.workflow(waits).workflow_task_poller_behavior(behavior).build().unwrap();
    run(worker, async {
        server.request::<PollWorkflowTaskQueueRequest>(2).await;
        let more = PollerScalingDecision { poll_request_delta_suggestion: 3 };
        server
            .workflow_task(PollWorkflowTaskQueueResponse { poller_scaling_decision: Some(more), ..Default::default() });
        tokio::time::sleep(secs(1)).await;
        let polls = server.asked::<PollWorkflowTaskQueueRequest>();
        let sticky = polls.iter().filter(|(_, poll)| poll.task_queue.as_ref().unwrap().name != "queue").count();
        // A poll of one of the two queues was answered: it has four open polls now, five with the answered one.
        let mut counts = [sticky, polls.len() - sticky];
        counts.sort_unstable();
        assert_eq!(counts, [1, 5]);
    })
    .await;
}

#[tokio::test]
async fn b126_numbers_of_pollers_that_mean_nothing_are_named() {
    let server = Server::new();
    for (minimum, maximum, initial) in [(0, 5, 3), (3, 2, 3), (1, 5, 6)] {
        let behavior = PollerBehavior::Autoscaling { minimum, maximum, initial };
        let worker = server.worker().await.activities(work).activity_task_poller_behavior(behavior);
        let error = worker.build().unwrap_err().to_string();
        assert!(error.contains("activity_task_poller_behavior") && error.contains("minimum"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn b126_polls_that_are_refused_for_a_minute_end_the_worker() {
    let server = Server::new();
    for _ in 0..1000 {
        server.refuse("PollActivityTaskQueue", Code::PermissionDenied, "no");
    }
    let worker = scaled(&server, 1, 3, 5).await;
    let began = tokio::time::Instant::now();
    let error = tokio::time::timeout(secs(600), worker.run()).await.expect("it ends").unwrap_err();
    assert!(error.rpc_error().is_some() && error.to_string().contains("`queue`"), "{error}");
    assert!((secs(60)..secs(90)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(server.asked::<ShutdownWorkerRequest>().len(), 1, "in order");
}
