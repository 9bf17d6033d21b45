//! Replacing the client of a running worker: polls and all other calls use the new client. Each client here has its own
//! server, so that the tests can tell which of them is called.

use abide::prelude::*;
use abide::worker::{ClientHandle, PollerBehavior, Worker, WorkerBuilder};
use abide_protos::temporal::api::enums::v1::WorkerStatus;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::harness::FIRST_TASK;
use crate::server::{Server, activity, history_page, run, task};

type Polls = PollActivityTaskQueueRequest;

#[activity]
async fn work() -> Result<(), ActivityError> {
    Ok(())
}

/// Reports progress every two seconds, forever.
#[activity]
async fn reports(ctx: &ActivityContext) -> Result<(), ActivityError> {
    loop {
        ctx.heartbeat(&())?;
        tokio::time::sleep(secs(2)).await;
    }
}

#[workflow(name = "wf")]
async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(())
}

/// Returns a worker of the old server with one poller for activities.
async fn with_one_poller(old: &Server) -> (Worker, ClientHandle) {
    built(
        old.worker()
            .await
            .activities(work)
            .activities(reports)
            .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(1)),
    )
}

fn built<S: abide::worker::SomethingRegistered>(worker: WorkerBuilder<S>) -> (Worker, ClientHandle) {
    let worker = worker.build().unwrap();
    let handle = worker.client_handle();
    (worker, handle)
}

fn poll_times(server: &Server) -> Vec<u64> {
    server.asked::<Polls>().iter().map(|(at, _)| *at).collect()
}

#[tokio::test(start_paused = true)]
async fn b125_polls_begin_with_the_new_client_and_what_the_open_poll_brings_is_not_lost() {
    let (old, new) = (Server::new(), Server::new());
    let (worker, handle) = with_one_poller(&old).await;
    run(worker, async {
        old.request::<Polls>(1).await;
        tokio::time::sleep(secs(5)).await;
        handle.replace_client(&new.client().await).unwrap();
        new.request::<Polls>(1).await;
        // The poll that is still open at the old server brings a task after all.
        old.activity_task(activity("work"));
        let answer: RespondActivityTaskCompletedRequest = new.request(1).await;
        assert_eq!(answer.task_token, b"work");
        new.activity_task(activity("work"));
        new.request::<RespondActivityTaskCompletedRequest>(2).await;
        new.request::<Polls>(2).await;
    })
    .await;
    assert_eq!(poll_times(&old), [0], "the old client does not poll again");
    assert_eq!(poll_times(&new), [5, 5], "the new one polls at once");
    assert_eq!(old.methods(), Vec::<String>::new(), "and nothing else goes over the old one");
}

#[tokio::test(start_paused = true)]
async fn b125_after_polls_that_failed_the_new_client_polls_at_once() {
    let (old, new) = (Server::new(), Server::new());
    for _ in 0..100 {
        old.refuse("PollActivityTaskQueue", Code::ResourceExhausted, "too many polls");
    }
    let (worker, handle) = with_one_poller(&old).await;
    run(worker, async {
        // The next poll with the old client would come about 10 s later.
        old.request::<Polls>(6).await;
        handle.replace_client(&new.client().await).unwrap();
        new.request::<Polls>(1).await;
        tokio::time::sleep(secs(100)).await;
    })
    .await;
    assert_eq!(poll_times(&new), [*poll_times(&old).last().unwrap()]);
    assert_eq!(old.asked::<Polls>().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn b125_a_worker_whose_polls_are_refused_lives_on_with_a_new_client() {
    let (old, new) = (Server::new(), Server::new());
    for _ in 0..100 {
        old.refuse("PollActivityTaskQueue", Code::Unauthenticated, "the key has expired");
    }
    let (worker, handle) = with_one_poller(&old).await;
    run(worker, async {
        tokio::time::sleep(secs(50)).await;
        handle.replace_client(&new.client().await).unwrap();
        tokio::time::sleep(secs(100)).await;
        new.activity_task(activity("work"));
        new.request::<RespondActivityTaskCompletedRequest>(1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b125_heartbeats_and_the_notice_of_the_shutdown_go_over_the_new_client() {
    let (old, new) = (Server::new().taking_heartbeats(), Server::new());
    let worker = old.worker().await.activities(reports).worker_heartbeat_interval(secs(10)).identity("barista");
    let (worker, handle) = built(worker.default_heartbeat_throttle_interval(secs(1)));
    run(worker, async {
        old.activity_task(activity("reports"));
        old.request::<RecordActivityTaskHeartbeatRequest>(2).await;
        handle.replace_client(&new.client().await).unwrap();
        let before = old.methods();
        let beat: RecordActivityTaskHeartbeatRequest = new.request(3).await;
        assert_eq!((beat.task_token.as_slice(), beat.identity.as_str()), (&b"reports"[..], "barista"));
        new.request::<RecordWorkerHeartbeatRequest>(2).await;
        assert_eq!(old.methods(), before);
    })
    .await;
    let [(_, shutdown)] = &new.asked::<ShutdownWorkerRequest>()[..] else { panic!("one shutdown") };
    let last = shutdown.worker_heartbeat.as_ref().unwrap();
    assert_eq!(last.status, WorkerStatus::ShuttingDown as i32);
    assert!(old.asked::<ShutdownWorkerRequest>().is_empty());
    // The activity that was dropped is reported, too.
    new.request::<RespondActivityTaskFailedRequest>(1).await;
}

#[tokio::test]
async fn b125_workflow_tasks_their_pages_and_their_answers_go_over_the_new_client() {
    let (old, new) = (Server::new(), Server::new());
    let (worker, handle) = built(old.worker().await.workflow(waits));
    run(worker, async {
        old.request::<PollWorkflowTaskQueueRequest>(5).await;
        let queues = |server: &Server| {
            let polls = server.asked::<PollWorkflowTaskQueueRequest>();
            let mut names: Vec<_> = polls.into_iter().map(|(_, poll)| poll.task_queue.unwrap().name).collect();
            names.sort();
            names
        };
        handle.replace_client(&new.client().await).unwrap();
        new.request::<PollWorkflowTaskQueueRequest>(5).await;
        assert_eq!(queues(&old), queues(&new), "the sticky queue is the same");
        let mut without_history = task(FIRST_TASK);
        without_history.history = None;
        without_history.next_page_token = b"page 1".to_vec();
        new.answer("GetWorkflowExecutionHistory", &history_page(FIRST_TASK));
        old.workflow_task(without_history);
        new.request::<RespondWorkflowTaskCompletedRequest>(1).await;
    })
    .await;
    assert_eq!(old.methods(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn b125_an_answer_that_the_old_server_does_not_take_is_given_to_the_new_one() {
    let (old, new) = (Server::new(), Server::new());
    for _ in 0..100 {
        old.refuse("RespondActivityTaskCompleted", Code::Unavailable, "moving");
    }
    let (worker, handle) = with_one_poller(&old).await;
    run(worker, async {
        old.activity_task(activity("work"));
        old.request::<RespondActivityTaskCompletedRequest>(3).await;
        handle.replace_client(&new.client().await).unwrap();
        new.request::<RespondActivityTaskCompletedRequest>(1).await;
    })
    .await;
    assert_eq!(old.asked::<RespondActivityTaskCompletedRequest>().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn b125_a_client_of_another_namespace_is_refused_and_the_old_one_stays() {
    let (old, new) = (Server::new(), Server::new());
    let (worker, handle) = with_one_poller(&old).await;
    run(worker, async {
        old.request::<Polls>(1).await;
        let error = handle.replace_client(&new.client_of("elsewhere").await).unwrap_err().to_string();
        assert!(error.contains("`elsewhere`") && error.contains("`default`"), "{error}");
        old.activity_task(activity("work"));
        old.request::<RespondActivityTaskCompletedRequest>(1).await;
        old.request::<Polls>(2).await;
    })
    .await;
    assert!(new.asked::<Polls>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn b125_a_client_replaced_before_the_start_is_never_used() {
    let (old, new) = (Server::new(), Server::new());
    let (worker, handle) = with_one_poller(&old).await;
    handle.replace_client(&new.client().await).unwrap();
    run(worker, async {
        new.request::<Polls>(1).await;
    })
    .await;
    assert_eq!(old.all_methods(), ["GetSystemInfo"], "when the client was made");
}

#[tokio::test]
async fn b125_eager_starts_are_those_of_the_new_client() {
    let (old, new) = (Server::new(), Server::new());
    let (old_client, new_client) = (old.client().await, new.client().await);
    let (worker, handle) = built(old.worker_of(&old_client).workflow(waits));
    run(worker, async {
        old.request::<PollWorkflowTaskQueueRequest>(1).await;
        handle.replace_client(&new_client).unwrap();
        for (client, server, expected) in [(&old_client, &old, false), (&new_client, &new, true)] {
            server.answer("StartWorkflowExecution", &StartWorkflowExecutionResponse::default());
            client.start(waits, ()).task_queue("queue").request_eager_start().await.unwrap();
            assert_eq!(server.request::<StartWorkflowExecutionRequest>(1).await.request_eager_execution, expected);
        }
    })
    .await;
}
