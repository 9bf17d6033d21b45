//! Local activities: requests to the worker, their record in the history, and replay.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use expect_test::{Expect, expect};

use crate::converter::{from_payload, to_payload};
use crate::duration::{millis, secs};
use crate::replay::text::{FIRST_SECOND, parse_history};
use crate::replay::{
    Input, LocalActivityResolution, LocalActivityResult, Output, WorkflowTask, WorkflowTaskCompletion,
};
use crate::runtime::WorkflowRun;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded, run_of, task, text};
use crate::workflow::ActivityCancellationType::{TryCancel, WaitCancellationCompleted};
use crate::workflow::{LocalActivityCall, LocalActivityOptions, WorkflowContext};
use crate::{ActivityError, RetryPolicy, activity};

#[activity]
pub(super) async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

#[activity]
async fn look() -> Result<Option<u32>, ActivityError> {
    Ok(None)
}

pub(super) fn call(ctx: &WorkflowContext, text: &str) -> LocalActivityCall<EchoActivity> {
    ctx.local_activity(echo, text.into()).start_to_close_timeout(secs(5))
}

// ---- a run that gets the outcomes of its local activities -------------------------------------------------------------

pub(super) fn begin(run: &mut WorkflowRun) -> Output {
    run.handle(Input::WorkflowTask(Box::new(task(&parse_history(FIRST_TASK).unwrap()))))
}

/// Gives the run its next task, with the events from `first` on.
fn go_on(run: &mut WorkflowRun, history: &str, first: i64) -> Output {
    let events = parse_history(&after_first_task(history)).unwrap();
    let events: Vec<_> = events.into_iter().filter(|event| event.event_id >= first).collect();
    run.handle(Input::WorkflowTask(Box::new(task(&events))))
}

pub(super) fn resolve(run: &mut WorkflowRun, seq: u32, result: LocalActivityResult) -> Output {
    let resolution = LocalActivityResolution { seq, result, attempt: 1, run_time: millis(250), wall_time: None };
    run.handle(Input::LocalActivityResolved(Box::new(resolution)))
}

pub(super) fn completed(run: &mut WorkflowRun, seq: u32, result: &str) -> Output {
    resolve(run, seq, LocalActivityResult::Completed(to_payload(&result.to_string()).unwrap()))
}

#[track_caller]
pub(super) fn completion(output: Output) -> WorkflowTaskCompletion {
    match output {
        Output::Complete(completion) => *completion,
        other => panic!("expected a completion, found {}", text(&other)),
    }
}

#[track_caller]
pub(super) fn waits(output: &Output, expected: Expect) {
    assert!(matches!(output, Output::RunLocalActivities { .. }), "{}", text(output));
    expected.assert_eq(&text(output));
}

/// Returns the data of a marker, as it is written.
pub(super) fn marker_data(command: &Command) -> String {
    match &command.attributes {
        Some(Attributes::RecordMarkerCommandAttributes(marker)) => {
            String::from_utf8(marker.details["data"].payloads[0].data.clone()).unwrap()
        }
        other => panic!("expected a marker, found {other:?}"),
    }
}

#[test]
fn b066_the_worker_runs_it_and_the_marker_is_all_that_history_gets() {
    let mut run = run_of(|ctx| async move { Ok(call(&ctx, "hi").await?) });
    waits(&begin(&mut run), expect![[r#"run local_activity=1 type=echo id=1 input="hi""#]]);
    let completion = completion(completed(&mut run, 1, "hi"));
    expect![[r#"
        RecordMarker name=core_local_activity details.data={"seq":1,"attempt":1,"activity_id":"1","activity_type":"echo","complete_time":{"seconds":1767225600,"nanos":252000000},"backoff":null,"original_schedule_time":null,"activation_index":1} details.result="hi"
        CompleteWorkflowExecution result="hi""#]]
    .assert_eq(&text(&Output::Complete(Box::new(completion))));
}

#[test]
fn options_come_in_any_order() {
    let shared = || LocalActivityOptions::with_start_to_close_timeout(secs(9)).local_retry_threshold(secs(3));
    let mut run = run_of(move |ctx| async move {
        let policy = || RetryPolicy::new().maximum_attempts(2);
        let calls = [
            ctx.local_activity(look, ()).retry_policy(policy()).activity_id("a").start_to_close_timeout(secs(5)),
            ctx.local_activity(look, ()).start_to_close_timeout(secs(5)).activity_id("b").retry_policy(policy()),
            ctx.local_activity(look, ()).local_retry_threshold(secs(7)).options(&shared()),
            ctx.local_activity(look, ()).start_to_close_timeout(secs(5)).options(&shared()),
        ];
        futures_util::future::try_join_all(calls).await?;
        Ok(())
    });
    let Output::RunLocalActivities { start, .. } = begin(&mut run) else { panic!("nothing is to be run") };
    let said = start.iter().map(|task| {
        let (timeout, attempts) = (task.start_to_close_timeout.unwrap(), task.retry_policy.to_proto().maximum_attempts);
        (task.activity_id.as_str(), timeout.as_secs(), attempts, task.local_retry_threshold.as_secs())
    });
    let [before, after, threshold, timeout] = said.collect::<Vec<_>>()[..] else { panic!("four are to be run") };
    assert_eq!((before, after), (("a", 5, 2, 60), ("b", 5, 2, 60)));
    assert_eq!((threshold, timeout), (("3", 9, 0, 7), ("4", 5, 0, 3)));
}

#[test]
fn b067_a_command_right_after_the_marker_replays() {
    check(
        |ctx| async move {
            call(&ctx, "hi").await?;
            ctx.timer(secs(1)).await?;
            call(&ctx, "again").await?;
            Ok(())
        },
        &after_first_task(
            "5 MarkerRecorded local_activity=1 activity=echo index=1 result=\"hi\"
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"run local_activity=2 type=echo id=2 input="again""#]],
    );
}

#[test]
fn b068_each_outcome_is_delivered_as_it_comes() {
    let mut run = run_of(|ctx| async move {
        let (one, other) = (call(&ctx, "one").start(), call(&ctx, "other").start());
        other.await?;
        let third = call(&ctx, "third").start();
        one.await?;
        third.await?;
        Ok(())
    });
    begin(&mut run);
    waits(&completed(&mut run, 2, "other"), expect![[r#"run local_activity=3 type=echo id=3 input="third""#]]);
    waits(&completed(&mut run, 3, "third"), expect!["wait for local activities"]);
    let completion = completion(completed(&mut run, 1, "one"));
    let data: Vec<String> = completion.commands[..3].iter().map(marker_data).collect();
    let order: Vec<&str> = data.iter().map(|data| &data[..8]).collect();
    assert_eq!(order, ["{\"seq\":2", "{\"seq\":3", "{\"seq\":1"], "in the order in which they ended");
    let indexes: Vec<&str> = data.iter().map(|data| data.rsplit(':').next().unwrap()).collect();
    assert_eq!(indexes, ["1}", "2}", "3}"], "each is an activation of its own");
}

#[test]
fn b069_a_heartbeat_sends_what_there_is_and_the_next_task_goes_on() {
    let mut run = run_of(|ctx| async move {
        let timer = ctx.timer(secs(60)).start();
        call(&ctx, "long").await?;
        timer.await?;
        Ok(())
    });
    begin(&mut run);
    let heartbeat = completion(run.handle(Input::HeartbeatDue));
    assert!(heartbeat.force_create_new_workflow_task);
    expect!["StartTimer id=1 after=1m"].assert_eq(&text(&Output::Complete(Box::new(heartbeat))));
    let history = "5 TimerStarted\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted";
    waits(&go_on(&mut run, history, 4), expect!["wait for local activities"]);
    let completion = completion(completed(&mut run, 1, "done"));
    assert!(!completion.force_create_new_workflow_task);
    assert!(marker_data(&completion.commands[0]).ends_with("\"activation_index\":0}"), "no code ran in this task");
}

#[test]
fn b070_between_two_tasks_nothing_is_taken_in() {
    let mut run = run_of(|ctx| async move { Ok(call(&ctx, "long").await?) });
    begin(&mut run);
    assert!(completion(run.handle(Input::HeartbeatDue)).force_create_new_workflow_task);
    assert_eq!(text(&run.handle(Input::HeartbeatDue)), "Idle");
    assert_eq!(text(&completed(&mut run, 1, "too early")), "Idle");
    waits(&go_on(&mut run, "5 WorkflowTaskScheduled\n6 WorkflowTaskStarted", 4), expect!["wait for local activities"]);
}

#[test]
fn b071_outcomes_after_a_heartbeat_come_one_by_one_again() {
    check(
        |ctx| async move {
            let (one, other) = (call(&ctx, "one").start(), call(&ctx, "other").start());
            one.await?;
            let timer = ctx.timer(secs(1)).start();
            other.await?;
            timer.await?;
            Ok(())
        },
        // Both ended in the second task, which began with a heartbeat: its activations are counted from 0.
        &after_first_task(
            "5 WorkflowTaskScheduled
             6 WorkflowTaskStarted
             7 WorkflowTaskCompleted
             8 MarkerRecorded local_activity=1 activity=echo index=0 result=\"one\"
             9 TimerStarted
             10 MarkerRecorded local_activity=2 activity=echo index=1 result=\"other\"
             11 TimerFired
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect![["CompleteWorkflowExecution result=null"]],
    );
}

#[test]
fn b071_a_fan_out_beside_a_timer_replays() {
    check(
        |ctx| async move {
            let timer = ctx.timer(secs(1)).start();
            let (one, other) = (call(&ctx, "one").start(), call(&ctx, "other").start());
            timer.await?;
            let third = call(&ctx, "third").await?;
            let all = format!("{third} {} {}", one.await?, other.await?);
            ctx.timer(secs(2)).summary(all).await?;
            Ok(())
        },
        // The second ended before the timer fired, the first after it, with heartbeats in between.
        &after_first_task(
            "5 TimerStarted
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 MarkerRecorded local_activity=2 activity=echo index=0 result=\"b\"
             10 TimerFired
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted
             13 WorkflowTaskCompleted
             14 MarkerRecorded local_activity=3 activity=echo index=1 result=\"c\"
             15 MarkerRecorded local_activity=1 activity=echo index=2 result=\"a\"
             16 TimerStarted
             17 TimerFired
             18 WorkflowTaskScheduled
             19 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

/// Runs two at once. Returns which of them had ended when the code first looked.
async fn batches(ctx: WorkflowContext) -> Result<(), crate::WorkflowError> {
    use futures_util::FutureExt as _;
    let (one, other) = (call(&ctx, "one").start(), call(&ctx, "other").start());
    one.await?;
    let together = other.now_or_never().is_some();
    ctx.timer(if together { secs(1) } else { secs(2) }).await?;
    Ok(())
}

fn two_markers(index: (&str, &str)) -> String {
    after_first_task(&format!(
        "5 MarkerRecorded local_activity=1 activity=echo {} result=\"a\"
         6 MarkerRecorded local_activity=2 activity=echo {} result=\"b\"
         7 TimerStarted
         8 TimerFired
         9 WorkflowTaskScheduled
         10 WorkflowTaskStarted",
        index.0, index.1
    ))
}

#[test]
fn b072_old_markers_are_delivered_together_and_new_ones_one_by_one() {
    let together = |ctx| batches(ctx);
    check_recorded(together, &two_markers(("", "")), expect!["CompleteWorkflowExecution result=null"]);
    // If they came one by one, the second is not there when the code looks at the first. Its future is dropped and it
    // is cancelled, which on replay waits for the outcome in the history.
    let history = after_first_task(
        "5 MarkerRecorded local_activity=1 activity=echo index=1 result=\"a\"
         6 TimerStarted
         7 MarkerRecorded local_activity=2 activity=echo index=2 result=\"b\"
         8 TimerFired
         9 WorkflowTaskScheduled
         10 WorkflowTaskStarted",
    );
    check(together, &history, expect!["CompleteWorkflowExecution result=null"]);
}

#[test]
fn an_old_marker_may_stand_behind_commands_that_the_code_issues_later() {
    // The marker does not record that the timer fired first, so its outcome comes together with the timer's.
    check_recorded(
        |ctx| async move {
            let timers = async {
                ctx.timer(secs(1)).await?;
                ctx.timer(secs(2)).await
            };
            let (timers, local) = crate::join!(timers, call(&ctx, "one"));
            timers?;
            local?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerStarted
             11 MarkerRecorded local_activity=1 activity=echo result=\"a\"
             12 TimerFired
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn b073_a_cancellation_does_not_pull_what_came_later() {
    // Cancelled when the timer fired. It still completed, after other code had run.
    check(
        |ctx| async move {
            let running = call(&ctx, "one").cancellation_type(WaitCancellationCompleted).start();
            ctx.timer(secs(1)).await?;
            running.cancel();
            let first = call(&ctx, "two").await?;
            let all = format!("{first} {}", running.await?);
            ctx.activity(echo, all).start_to_close_timeout(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 TimerFired
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted
             12 WorkflowTaskCompleted
             13 MarkerRecorded local_activity=2 activity=echo index=1 result=\"b\"
             14 MarkerRecorded local_activity=1 activity=echo index=2 result=\"a\"
             15 ActivityTaskScheduled id=3 type=echo
             16 ActivityTaskStarted
             17 ActivityTaskCompleted result=\"b a\"
             18 WorkflowTaskScheduled
             19 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn b076_above_the_threshold_a_timer_and_a_new_one_follow() {
    let workflow = |ctx: WorkflowContext| async move {
        let policy = RetryPolicy::new().initial_interval(secs(90));
        Ok(call(&ctx, "hi").retry_policy(policy).activity_id("mine").await?)
    };
    check(
        workflow,
        &after_first_task(
            "5 MarkerRecorded local_activity=1 id=mine activity=echo index=1 backoff=90s original=7s message=\"busy\"
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"run local_activity=2 type=echo id=mine input="hi" attempt=2"#]],
    );
    // The task for the worker has the time at which the first attempt was scheduled.
    let mut run = run_of(workflow);
    begin(&mut run);
    let failure = Box::new(FailureProto { message: "busy".into(), ..Default::default() });
    let waiting = completion(resolve(&mut run, 1, LocalActivityResult::BackOff { failure, delay: secs(90) }));
    expect![[r#"
        RecordMarker name=core_local_activity details.data={"seq":1,"attempt":1,"activity_id":"mine","activity_type":"echo","complete_time":{"seconds":1767225600,"nanos":252000000},"backoff":{"seconds":90,"nanos":0},"original_schedule_time":null,"activation_index":1} message=busy
        StartTimer id=1 after=90s"#]]
    .assert_eq(&text(&Output::Complete(Box::new(waiting))));
}

#[test]
fn b076_the_original_schedule_time_is_carried() {
    let mut run = run_of(|ctx| async move { Ok(call(&ctx, "hi").await?) });
    let history = after_first_task(
        "5 MarkerRecorded local_activity=1 activity=echo index=1 backoff=90s original=7s message=\"busy\"
         6 TimerStarted
         7 TimerFired
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
    );
    let output = run.handle(Input::WorkflowTask(Box::new(task(&parse_history(&history).unwrap()))));
    let Output::RunLocalActivities { start, .. } = output else { panic!("{output:?}") };
    assert_eq!(start[0].original_schedule_time.map(|time| time.seconds), Some(FIRST_SECOND + 7));
    assert_eq!((start[0].seq, start[0].attempt, start[0].activity_id.as_str()), (2, 2, "2"));
}

#[test]
fn b080_what_comes_after_the_workflows_end_is_dropped() {
    let mut run = run_of(|ctx| async move {
        let long = call(&ctx, "long").start();
        call(&ctx, "short").await?;
        drop(long);
        Ok(())
    });
    begin(&mut run);
    let completion = completion(completed(&mut run, 2, "short"));
    assert!(completion.closes_workflow && !completion.force_create_new_workflow_task);
    assert_eq!(completion.cancel_local_activities, [1]);
    assert_eq!(completion.commands.len(), 2, "one marker, and the workflow's completion");
}

#[test]
fn b081_a_run_that_is_rebuilt_asks_for_them_again() {
    let workflow = |ctx: WorkflowContext| async move {
        call(&ctx, "one").await?;
        Ok(call(&ctx, "two").await?)
    };
    let mut run = run_of(workflow);
    begin(&mut run);
    completed(&mut run, 1, "one");
    drop(run);
    check(
        workflow,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed
         5 WorkflowTaskScheduled
         6 WorkflowTaskStarted",
        expect![[r#"run local_activity=1 type=echo id=1 input="one""#]],
    );
}

#[test]
fn b084_null_results_arguments_and_summaries() {
    check(
        |ctx| async move {
            assert_eq!(ctx.local_activity(look, ()).start_to_close_timeout(secs(1)).await?, None);
            assert_eq!(ctx.local_activity(look, ()).start_to_close_timeout(secs(1)).await?, None);
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 MarkerRecorded local_activity=1 activity=look index=1 result=null
             6 MarkerRecorded local_activity=2 activity=look index=2
             7 TimerStarted
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
    let mut run = run_of(|ctx| async move { Ok(call(&ctx, "hi").include_arguments().summary("says hi").await?) });
    begin(&mut run);
    let completion = completion(completed(&mut run, 1, "hi"));
    let Some(Attributes::RecordMarkerCommandAttributes(marker)) = &completion.commands[0].attributes else {
        panic!("{completion:?}")
    };
    assert_eq!(from_payload::<String>(&marker.details["input"].payloads[0]).unwrap(), "hi");
    let summary = completion.commands[0].user_metadata.as_ref().unwrap().summary.as_ref().unwrap();
    assert_eq!(from_payload::<String>(summary).unwrap(), "says hi");
}

#[test]
fn b085_outcomes_of_local_activities_come_last() {
    // The old marker is delivered in the activation of the timer, and after it.
    check_recorded(
        |ctx| async move {
            let running = call(&ctx, "one").start();
            let tried =
                ctx.activity(echo, "far".into()).start_to_close_timeout(secs(9)).cancellation_type(TryCancel).start();
            let order = Rc::new(RefCell::new(Vec::new()));
            let log = order.clone();
            let local = ctx.spawn(async move {
                running.await.ok();
                log.borrow_mut().push("local activity");
            });
            ctx.timer(secs(1)).await?;
            tried.cancel();
            order.borrow_mut().push("timer");
            local.await;
            assert_eq!(*order.borrow(), ["timer", "local activity"]);
            assert!(tried.await.is_err_and(|failure| failure.is_cancelled()));
            ctx.timer(secs(2)).await?;
            Ok(())
        },
        &after_first_task(
            "5 ActivityTaskScheduled id=2 type=echo
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 MarkerRecorded local_activity=1 activity=echo result=\"a\"
             12 ActivityTaskCancelRequested
             13 TimerStarted
             14 TimerFired
             15 WorkflowTaskScheduled
             16 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn b086_queries_are_no_activations() {
    let mut run = run_of(|ctx| async move { Ok(call(&ctx, "long").await?) });
    let query = WorkflowQuery { query_type: "nothing".into(), ..Default::default() };
    let first = WorkflowTask { queries: vec![("q".into(), query)], ..task(&parse_history(FIRST_TASK).unwrap()) };
    // The query's caller does not wait for the local activity.
    let answered = completion(run.handle(Input::WorkflowTask(Box::new(first))));
    assert!(answered.force_create_new_workflow_task && answered.query_results.len() == 1);
    let history = "5 WorkflowTaskScheduled\n6 WorkflowTaskStarted";
    waits(&go_on(&mut run, history, 4), expect![[r#"run local_activity=1 type=echo id=1 input="long""#]]);
    let completion = completion(completed(&mut run, 1, "done"));
    assert!(marker_data(&completion.commands[0]).ends_with("\"activation_index\":0}"), "{completion:?}");
}

#[test]
fn the_workflows_clock_moves_on_to_its_end() {
    check_recorded(
        |ctx| async move {
            let before = ctx.now();
            call(&ctx, "one").await?;
            assert_eq!(ctx.now().duration_since(before).unwrap(), Duration::from_millis(4998));
            call(&ctx, "two").await?;
            assert_eq!(ctx.now().duration_since(before).unwrap(), Duration::from_millis(4998), "it never goes back");
            Ok(())
        },
        &after_first_task(
            "5 MarkerRecorded local_activity=1 activity=echo index=1 complete=5s result=\"a\"
             6 MarkerRecorded local_activity=2 activity=echo index=2 complete=3s result=\"b\"
             7 WorkflowExecutionCompleted",
        ),
        expect!["Idle"],
    );
}

#[test]
fn another_type_or_number_is_nondeterminism() {
    let workflow = |ctx: WorkflowContext| async move { Ok(call(&ctx, "hi").await?) };
    let end = "6 WorkflowExecutionCompleted result=\"hi\"";
    check_recorded(
        workflow,
        &after_first_task(&format!("5 MarkerRecorded local_activity=1 activity=shout index=1 result=\"hi\"\n{end}")),
        expect![[r#"
            Fail NonDeterministicError LocalActivityMarker: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: local_activity=1 type=shout id=1
              code now: local_activity=1 type=echo id=1
              at:       local_activities.rs `ctx.local_activity(echo, text.into()).start_to_close_timeout(secs(5))`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // The same holds if the other one's result cannot be read.
    check_recorded(
        workflow,
        &after_first_task(&format!("5 MarkerRecorded local_activity=1 activity=shout index=1 result=7\n{end}")),
        expect![[r#"
            Fail NonDeterministicError LocalActivityMarker: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: local_activity=1 type=shout id=1
              code now: local_activity=1 type=echo id=1
              at:       local_activities.rs `ctx.local_activity(echo, text.into()).start_to_close_timeout(secs(5))`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        workflow,
        &after_first_task(&format!("5 MarkerRecorded local_activity=2 activity=echo index=1 result=\"hi\"\n{end}")),
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: local_activity=2 type=echo id=2
              code now: produced no command here; it waits for local activity local_activity=1 type=echo id=1
              at:       local_activities.rs `ctx.local_activity(echo, text.into()).start_to_close_timeout(secs(5))`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |ctx| async move { Ok(ctx.timer(secs(1)).await?) },
        &after_first_task(&format!("5 MarkerRecorded local_activity=1 activity=echo index=1 result=\"hi\"\n{end}")),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: local_activity=1 type=echo id=1
              code now: StartTimer id=1
              at:       local_activities.rs `|ctx| async move { Ok(ctx.timer(secs(1)).await?) },`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        workflow,
        &after_first_task(&format!("5 MarkerRecorded name=core_local_activity details.data={{\"seq\":1}}\n{end}")),
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: event 5 (MarkerRecorded) is not a local activity's marker: `data` is {"seq":1}: missing field `attempt` at line 1 column 9"#
        ]],
    );
}

#[test]
fn a_thousand_later_nothing_is_kept() {
    let mut run = run_of(|ctx| async move {
        for _ in 0..1000 {
            call(&ctx, "hi").await?;
        }
        ctx.wait_until(|| false).await?;
        Ok(())
    });
    let mut output = begin(&mut run);
    for seq in 1..=1000 {
        assert!(matches!(output, Output::RunLocalActivities { .. }));
        output = completed(&mut run, seq, "hi");
    }
    assert_eq!(completion(output).commands.len(), 1000);
    let markers = (1..=1000).map(|seq| {
        format!("{} MarkerRecorded local_activity={seq} activity=echo index={seq} result=\"hi\"\n", seq + 4)
    });
    let history = format!("{}1005 WorkflowTaskScheduled\n1006 WorkflowTaskStarted", markers.collect::<String>());
    completion(go_on(&mut run, &history, 4));
    assert_eq!(run.shared().operation_state.borrow().machines.machines_alive(), 0);
    // Read from the beginning, it ends in the same way.
    let mut rebuilt = run_of(|ctx| async move {
        for _ in 0..1000 {
            call(&ctx, "hi").await?;
        }
        ctx.wait_until(|| false).await?;
        Ok(())
    });
    let events = parse_history(&after_first_task(&history)).unwrap();
    completion(rebuilt.handle(Input::WorkflowTask(Box::new(task(&events)))));
    assert_eq!(rebuilt.shared().operation_state.borrow().machines.machines_alive(), 0);
}

/// Three in sequence, whose markers fill pages of their own if pages are short.
#[test]
fn a_marker_that_was_read_ahead_is_named_when_the_code_no_longer_fits() {
    let three = |types: [&str; 3]| {
        let marker = |(index, name)| {
            format!(
                "{} MarkerRecorded local_activity={} activity={name} index={} result=\"hi\"\n",
                index + 5,
                index + 1,
                index + 1
            )
        };
        let markers: String = types.into_iter().enumerate().map(marker).collect();
        after_first_task(&format!(
            "{markers}8 TimerStarted\n9 TimerFired\n10 WorkflowTaskScheduled\n11 WorkflowTaskStarted"
        ))
    };
    let workflow = |ctx: WorkflowContext| async move {
        for _ in 0..3 {
            call(&ctx, "hi").await?;
        }
        ctx.timer(secs(1)).await?;
        Ok(())
    };
    check(workflow, &three(["echo"; 3]), expect!["CompleteWorkflowExecution result=null"]);
    check_recorded(
        workflow,
        &three(["echo", "shout", "echo"]),
        expect![[r#"
            Fail NonDeterministicError LocalActivityMarker: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 6 MarkerRecorded: local_activity=2 type=shout id=2
              code now: local_activity=2 type=echo id=2
              at:       local_activities.rs `ctx.local_activity(echo, text.into()).start_to_close_timeout(secs(5))`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // The code calls only two of them.
    check_recorded(
        |ctx| async move {
            call(&ctx, "hi").await?;
            call(&ctx, "hi").await?;
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &three(["echo"; 3]),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 7 MarkerRecorded: local_activity=3 type=echo id=3
              code now: StartTimer id=1
              at:       local_activities.rs `ctx.timer(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // The code gets the outcome, and issues another command before the marker that records it.
    check_recorded(
        |ctx| async move {
            let timer = ctx.timer(secs(1)).start();
            for _ in 0..3 {
                call(&ctx, "hi").await?;
            }
            Ok(timer.await?)
        },
        &three(["echo"; 3]),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: local_activity=1 type=echo id=1
              code now: StartTimer id=1
              at:       local_activities.rs `let timer = ctx.timer(secs(1)).start();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_detached_local_activity_keeps_running() {
    let mut run = run_of(|ctx| async move {
        ctx.local_activity(echo, "hi".into()).start_to_close_timeout(secs(5)).start().detach();
        ctx.timer(secs(1)).await?;
        Ok(())
    });
    waits(&begin(&mut run), expect![[r#"run local_activity=1 type=echo id=1 input="hi""#]]);
}
