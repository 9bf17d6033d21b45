//! Workflow tasks as a server sees them: a worker's answers and reports, its cache, and the pages it fetches.

use std::sync::atomic::{AtomicU32, Ordering};

use abide::prelude::*;
use abide::worker::WorkflowErrorType;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::{CommandType, TaskQueueKind, WorkflowTaskFailedCause};
use abide_protos::temporal::api::history::v1::History;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::harness::{FIRST_TASK, after_first_task};
use crate::server::{Server, history_page, run, sticky_task, task};

type Completed = RespondWorkflowTaskCompletedRequest;
type Failed = RespondWorkflowTaskFailedRequest;

/// Sleeps twice.
#[workflow(name = "wf")]
async fn sleeps(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    ctx.timer(secs(2)).await?;
    Ok(())
}

const FIRED: &str = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";

/// Returns the commands of a completion by type.
fn commands(completed: &Completed) -> Vec<CommandType> {
    completed.commands.iter().map(|command| command.command_type()).collect()
}

/// Returns the same task for another run.
fn of_another_run(task: PollWorkflowTaskQueueResponse) -> PollWorkflowTaskQueueResponse {
    let execution = task.workflow_execution.map(|mut execution| {
        execution.run_id = "another-run".into();
        execution
    });
    PollWorkflowTaskQueueResponse { workflow_execution: execution, ..task }
}

/// Number of times that [`goes_wrong`] has run.
static PANICS: AtomicU32 = AtomicU32::new(0);

/// Panics the first three times it runs, like a bug that a deployment fixes.
#[workflow(name = "wf")]
async fn goes_wrong(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    assert!(PANICS.fetch_add(1, Ordering::SeqCst) >= 3, "out of beans");
    Ok(())
}

#[tokio::test]
async fn b011_a_panic_fails_its_task_once_and_the_worker_lives() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext, beans: u32) -> Result<(), WorkflowError> {
        assert!(beans > 0, "out of beans in {}", ctx.info().run_id);
        Ok(())
    }
    let server = Server::new();
    let worker = server.worker().await.workflow(wf).build().unwrap();
    run(worker, async {
        server.workflow_task(task(&FIRST_TASK.replace("type=wf", "type=wf input=0")));
        let failed: Failed = server.request(1).await;
        assert!(failed.failure.unwrap().message.contains("out of beans in 0123"));
        server.workflow_task(of_another_run(task(&FIRST_TASK.replace("type=wf", "type=wf input=1"))));
        let completed: Completed = server.request(1).await;
        assert_eq!(commands(&completed), [CommandType::CompleteWorkflowExecution]);
    })
    .await;
    assert_eq!(server.methods(), ["RespondWorkflowTaskFailed", "RespondWorkflowTaskCompleted", "ShutdownWorker"]);
}

#[tokio::test]
async fn b012_only_the_first_attempts_failure_is_reported() {
    let server = Server::new();
    let worker = server.worker().await.workflow(goes_wrong).build().unwrap();
    run(worker, async {
        for attempt in 1..=4 {
            server.workflow_task(PollWorkflowTaskQueueResponse { attempt, ..task(FIRST_TASK) });
        }
        let completed: Completed = server.request(1).await;
        assert_eq!(commands(&completed), [CommandType::CompleteWorkflowExecution]);
    })
    .await;
    assert_eq!(PANICS.load(Ordering::SeqCst), 4);
    assert_eq!(server.methods(), ["RespondWorkflowTaskFailed", "RespondWorkflowTaskCompleted", "ShutdownWorker"]);
}

/// The history of a workflow that started with another command than [`sleeps`] does.
const CHANGED: &str =
    "5 ActivityTaskScheduled type=work\n6 WorkflowExecutionSignaled\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";

#[tokio::test]
async fn b013_the_cause_is_told_to_the_server() {
    let server = Server::new();
    let worker = server.worker().await.workflow(sleeps).build().unwrap();
    run(worker, async {
        server.workflow_task(task(&after_first_task(CHANGED)));
        let failed: Failed = server.request(1).await;
        assert_eq!(failed.cause(), WorkflowTaskFailedCause::NonDeterministicError);
        server.workflow_task(of_another_run(task(&FIRST_TASK.replace("type=wf", "type=unknown"))));
        let failed: Failed = server.request(2).await;
        assert_eq!(failed.cause(), WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure);
    })
    .await;
}

#[tokio::test]
async fn b014_nondeterminism_fails_the_workflow_where_the_worker_is_told_so() {
    #[workflow(name = "other")]
    async fn other(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        Ok(())
    }
    type Build = fn(
        abide::worker::WorkerBuilder<abide::worker::Registered>,
    ) -> abide::worker::WorkerBuilder<abide::worker::Registered>;
    let globally: Build = |worker| worker.workflow_failure_errors([WorkflowErrorType::Nondeterminism]);
    let by_type: Build = |worker| worker.workflow_failure_errors_of(sleeps, [WorkflowErrorType::Nondeterminism]);
    let for_another: Build = |worker| worker.workflow_failure_errors_of(other, [WorkflowErrorType::Nondeterminism]);
    for (options, fails_workflow) in [(globally, true), (by_type, true), (for_another, false)] {
        let server = Server::new();
        let worker = options(server.worker().await.workflow(sleeps).workflow(other)).build().unwrap();
        run(worker, async {
            server.workflow_task(task(&after_first_task(CHANGED)));
            if fails_workflow {
                let completed: Completed = server.request(1).await;
                assert_eq!(commands(&completed), [CommandType::FailWorkflowExecution]);
                let text = format!("{:?}", completed.commands[0]);
                assert!(text.contains("TMPRL1100") && text.contains("NondeterminismError"), "{text}");
            } else {
                let failed: Failed = server.request(1).await;
                assert_eq!(failed.cause(), WorkflowTaskFailedCause::NonDeterministicError);
            }
        })
        .await;
    }
}

/// Refuses the completion of a first task, and then sends the next task as if it had been accepted.
async fn refused(code: Code, text: &str) {
    let server = Server::new();
    server.refuse("RespondWorkflowTaskCompleted", code, text);
    server.answer("GetWorkflowExecutionHistory", &history_page(&after_first_task(FIRED)));
    let worker = server.worker().await.workflow(sleeps).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        server.request::<Completed>(1).await;
        // The worker no longer has the run, so the new events alone are not enough.
        server.workflow_task(sticky_task(3, &after_first_task(FIRED)));
        assert_eq!(commands(&server.request::<Completed>(2).await), [CommandType::StartTimer]);
    })
    .await;
    assert_eq!(
        server.methods(),
        [
            "RespondWorkflowTaskCompleted",
            "GetWorkflowExecutionHistory",
            "RespondWorkflowTaskCompleted",
            "ShutdownWorker"
        ]
    );
}

#[tokio::test]
async fn b015_the_run_of_a_task_that_nobody_awaits_is_read_anew() {
    refused(Code::NotFound, "workflow task not found").await;
}

#[tokio::test]
async fn b016_the_run_of_a_task_with_unhandled_events_is_read_anew() {
    refused(Code::InvalidArgument, "UnhandledCommand").await;
}

/// Returns true while it is still sleeping.
#[workflow(name = "wf")]
#[derive(Default)]
struct Sleeper {
    awake: State<bool>,
}

#[workflow_methods]
impl Sleeper {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.awake.set(true);
        ctx.timer(secs(2)).await?;
        Ok(())
    }

    #[query]
    fn is_awake(&self) -> bool {
        self.awake.get()
    }
}

#[tokio::test]
async fn b023_a_run_that_is_not_in_memory_is_fetched_and_a_query_waits_for_it() {
    let server = Server::new();
    let query = WorkflowQuery { query_type: "is_awake".into(), ..WorkflowQuery::default() };
    let asking = PollWorkflowTaskQueueResponse {
        query: Some(query),
        started_event_id: 0,
        history: None,
        ..sticky_task(8, &after_first_task(FIRED))
    };
    server.answer(
        "GetWorkflowExecutionHistory",
        &history_page(&format!("{}\n9 WorkflowTaskCompleted\n10 TimerStarted", after_first_task(FIRED))),
    );
    server.answer("GetWorkflowExecutionHistory", &history_page(&after_first_task(FIRED)));
    let worker = server.worker().await.workflow(Sleeper::run).build().unwrap();
    run(worker, async {
        server.workflow_task(asking);
        let answered: RespondQueryTaskCompletedRequest = server.request(1).await;
        assert_eq!(answered.query_result.unwrap().payloads[0].data, b"true", "{}", answered.error_message);
        server.workflow_task(of_another_run(sticky_task(3, &after_first_task(FIRED))));
        assert_eq!(commands(&server.request::<Completed>(1).await), [CommandType::StartTimer]);
    })
    .await;
    let fetched = server.asked::<GetWorkflowExecutionHistoryRequest>();
    let runs: Vec<_> = fetched.iter().map(|(_, one)| one.execution.as_ref().unwrap().run_id.as_str()).collect();
    assert_eq!(runs, [abide::replay::text::RUN_ID, "another-run"]);
}

#[tokio::test]
async fn b031_a_history_of_empty_pages_without_an_end_fails_its_task() {
    let server = Server::new();
    let empty = GetWorkflowExecutionHistoryResponse { next_page_token: b"more".to_vec(), ..history_page("") };
    (0..200).for_each(|_| server.answer("GetWorkflowExecutionHistory", &empty));
    let first_page = PollWorkflowTaskQueueResponse { next_page_token: b"more".to_vec(), ..task(FIRST_TASK) };
    let worker = server.worker().await.workflow(sleeps).build().unwrap();
    run(worker, async {
        // Both ways to fetch: from the beginning, and from the end of the events in the task.
        server.workflow_task(of_another_run(sticky_task(3, &after_first_task(FIRED))));
        let failed: Failed = server.request(1).await;
        let text = failed.failure.unwrap().message;
        assert!(text.contains("100 pages") && text.contains("after event 0"), "{text}");
        server.workflow_task(PollWorkflowTaskQueueResponse { started_event_id: 8, ..first_page });
        let failed: Failed = server.request(2).await;
        assert!(failed.failure.unwrap().message.contains("100 pages"));
        server.workflow_task(of_another_run(task(FIRST_TASK)));
        assert_eq!(commands(&server.request::<Completed>(1).await), [CommandType::StartTimer]);
    })
    .await;
    assert_eq!(server.asked::<GetWorkflowExecutionHistoryRequest>().len(), 200);
}

#[tokio::test]
async fn b026_a_full_cache_drops_the_run_that_was_not_used_for_the_longest_time() {
    let server = Server::new();
    server.answer("GetWorkflowExecutionHistory", &history_page(&after_first_task(FIRED)));
    let worker = server.worker().await.workflow(sleeps).max_cached_workflows(1).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        server.request::<Completed>(1).await;
        server.workflow_task(of_another_run(task(FIRST_TASK)));
        server.request::<Completed>(2).await;
        server.workflow_task(of_another_run(sticky_task(3, &after_first_task(FIRED))));
        server.request::<Completed>(3).await;
        assert!(server.asked::<GetWorkflowExecutionHistoryRequest>().is_empty(), "the later run is still there");
        server.workflow_task(sticky_task(3, &after_first_task(FIRED)));
        assert_eq!(commands(&server.request::<Completed>(4).await), [CommandType::StartTimer]);
        assert_eq!(server.asked::<GetWorkflowExecutionHistoryRequest>().len(), 1, "the earlier one was dropped");
    })
    .await;
}

#[tokio::test]
async fn b027_without_a_cache_there_is_no_sticky_queue_and_every_task_is_replayed() {
    let server = Server::new();
    let worker = server.worker().await.workflow(sleeps).max_cached_workflows(0).build().unwrap();
    run(worker, async {
        for (number, history) in [FIRST_TASK.to_string(), after_first_task(FIRED)].iter().enumerate() {
            server.workflow_task(task(history));
            let completed: Completed = server.request(number + 1).await;
            assert_eq!(commands(&completed), [CommandType::StartTimer]);
            assert!(completed.sticky_attributes.is_none() && !completed.return_new_workflow_task);
        }
    })
    .await;
    let polls = server.asked::<PollWorkflowTaskQueueRequest>();
    assert!(polls.iter().all(|(_, poll)| poll.task_queue.as_ref().unwrap().kind() == TaskQueueKind::Normal));
}

#[tokio::test]
async fn b029_a_task_that_comes_with_an_answer_is_worked_on_also_when_its_history_comes_in_pages() {
    let server = Server::new();
    let next = sticky_task(3, &after_first_task(FIRED));
    let last = format!(
        "{}\n9 WorkflowTaskCompleted\n10 TimerStarted\n11 TimerFired\n12 WorkflowTaskScheduled\n13 WorkflowTaskStarted",
        after_first_task(FIRED)
    );
    let mut first_page = sticky_task(8, &last);
    let rest = first_page.history.as_mut().unwrap().events.split_off(2);
    first_page.next_page_token = b"the rest".to_vec();
    for task in [next, first_page] {
        let response = RespondWorkflowTaskCompletedResponse { workflow_task: Some(task), ..Default::default() };
        server.answer("RespondWorkflowTaskCompleted", &response);
    }
    let history = Some(History { events: rest });
    server
        .answer("GetWorkflowExecutionHistory", &GetWorkflowExecutionHistoryResponse { history, ..Default::default() });
    let worker = server.worker().await.workflow(sleeps).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        assert_eq!(commands(&server.request::<Completed>(2).await), [CommandType::StartTimer]);
        assert_eq!(commands(&server.request::<Completed>(3).await), [CommandType::CompleteWorkflowExecution]);
    })
    .await;
    let fetched = server.asked::<GetWorkflowExecutionHistoryRequest>();
    assert_eq!(fetched.len(), 1);
    assert_eq!(fetched[0].1.next_page_token, b"the rest");
}

#[tokio::test]
async fn b031_a_run_whose_history_cannot_be_fetched_is_dropped_and_its_task_left_to_time_out() {
    let server = Server::new();
    server.refuse("GetWorkflowExecutionHistory", Code::InvalidArgument, "no such page");
    let worker = server.worker().await.workflow(sleeps).build().unwrap();
    run(worker, async {
        let mut first_page = task(&after_first_task(FIRED));
        first_page.history.as_mut().unwrap().events.truncate(4);
        first_page.next_page_token = b"the rest".to_vec();
        server.workflow_task(first_page);
        server.request::<GetWorkflowExecutionHistoryRequest>(1).await;
        server.workflow_task(PollWorkflowTaskQueueResponse { attempt: 2, ..task(&after_first_task(FIRED)) });
        assert_eq!(commands(&server.request::<Completed>(1).await), [CommandType::StartTimer]);
    })
    .await;
    assert_eq!(server.methods(), ["GetWorkflowExecutionHistory", "RespondWorkflowTaskCompleted", "ShutdownWorker"]);
}

#[tokio::test]
async fn b039_a_task_that_took_too_long_is_done_again() {
    let server = Server::new();
    server.refuse("RespondWorkflowTaskCompleted", Code::NotFound, "workflow task not found");
    let worker = server.worker().await.workflow(sleeps).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        server.request::<Completed>(1).await;
        let again =
            format!("{FIRST_TASK}\n4 WorkflowTaskTimedOut\n5 WorkflowTaskScheduled attempt=2\n6 WorkflowTaskStarted");
        server.workflow_task(PollWorkflowTaskQueueResponse { attempt: 2, ..task(&again) });
        assert_eq!(commands(&server.request::<Completed>(2).await), [CommandType::StartTimer]);
    })
    .await;
}

#[tokio::test]
async fn b040_a_completion_that_is_too_large_fails_its_task_once() {
    let server = Server::new();
    for _ in 0..2 {
        server.refuse(
            "RespondWorkflowTaskCompleted",
            Code::ResourceExhausted,
            "grpc: received message larger than max (5000000 vs. 4194304)",
        );
    }
    let worker = server.worker().await.workflow(sleeps).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        let failed: Failed = server.request(1).await;
        assert_eq!(failed.cause(), WorkflowTaskFailedCause::GrpcMessageTooLarge);
        server.workflow_task(PollWorkflowTaskQueueResponse { attempt: 2, ..task(FIRST_TASK) });
        server.request::<Completed>(2).await;
        server.workflow_task(PollWorkflowTaskQueueResponse { attempt: 3, ..task(FIRST_TASK) });
        server.request::<Completed>(3).await;
    })
    .await;
    assert_eq!(server.asked::<Failed>().len(), 1);
}

/// Number of characters that [`passes_text_on`] passes on.
static CHARACTERS: AtomicU32 = AtomicU32::new(5000);

#[activity]
async fn read(text: String) -> Result<(), ActivityError> {
    drop(text);
    Ok(())
}

#[workflow(name = "wf")]
async fn passes_text_on(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let text = "x".repeat(CHARACTERS.load(Ordering::SeqCst) as usize);
    Ok(ctx.activity(read, text).start_to_close_timeout(secs(5)).await?)
}

#[tokio::test]
async fn b041_a_payload_over_the_limit_fails_the_task_until_it_has_shrunk() {
    let server = Server::new().blob_limit(1000);
    let worker = server.worker().await.workflow(passes_text_on).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        let failed: Failed = server.request(1).await;
        assert_eq!(failed.cause(), WorkflowTaskFailedCause::PayloadsTooLarge);
        CHARACTERS.store(500, Ordering::SeqCst);
        server.workflow_task(PollWorkflowTaskQueueResponse { attempt: 2, ..task(FIRST_TASK) });
        assert_eq!(commands(&server.request::<Completed>(1).await), [CommandType::ScheduleActivityTask]);
    })
    .await;
}

/// Calls [`read`].
#[workflow(name = "wf")]
async fn calls_an_activity(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.activity(read, "a page".into()).start_to_close_timeout(secs(5)).await?)
}

#[tokio::test]
async fn b061_with_a_task_queues_rate_no_activity_passes_the_task_queue_by() {
    for limited in [false, true] {
        let server = Server::new();
        let worker = server.worker().await.workflow(calls_an_activity).activities(read);
        let worker = if limited { worker.max_task_queue_activities_per_second(5.0) } else { worker };
        server.workflow_task(task(FIRST_TASK));
        let completed: Completed = run(worker.build().unwrap(), server.request(1)).await;
        let Some(Attributes::ScheduleActivityTaskCommandAttributes(activity)) = &completed.commands[0].attributes
        else {
            panic!("{completed:?}")
        };
        assert_eq!(activity.request_eager_execution, !limited);
    }
}

/// Succeeds at that attempt.
#[activity]
async fn succeeds_at(ctx: &ActivityContext, attempt: u32) -> Result<u32, ActivityError> {
    let now = ctx.info().attempt;
    if now < attempt { Err(ApplicationFailure::new("not yet").into()) } else { Ok(now) }
}

#[tokio::test]
async fn b083_each_completion_tells_the_attempts_that_were_not_the_first() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let policy = RetryPolicy::new().initial_interval(millis(5));
        for attempt in [3, 1] {
            let call = ctx.local_activity(succeeds_at, attempt).start_to_close_timeout(secs(5));
            call.retry_policy(policy.clone()).await?;
            ctx.timer(secs(1)).await?;
        }
        Ok(())
    }
    let server = Server::new();
    let worker = server.worker().await.workflow(wf).activities(succeeds_at).build().unwrap();
    let metered =
        |completed: &Completed| completed.metering_metadata.unwrap().nonfirst_local_activity_execution_attempts;
    let kinds = [CommandType::RecordMarker, CommandType::StartTimer];
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        let completed: Completed = server.request(1).await;
        assert_eq!((commands(&completed).as_slice(), metered(&completed)), (&kinds[..], 2), "the second and the third");
        let next = after_first_task(
            "5 MarkerRecorded local_activity=1 activity=succeeds_at index=1 result=3
             6 TimerStarted\n7 TimerFired\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted",
        );
        server.workflow_task(sticky_task(3, &next));
        let completed: Completed = server.request(2).await;
        assert_eq!((commands(&completed).as_slice(), metered(&completed)), (&kinds[..], 0), "none is told twice");
    })
    .await;
}
