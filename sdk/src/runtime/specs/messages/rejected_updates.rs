//! Rejected updates leave no trace: neither in the history, nor in counts that are taken while they are validated.

use std::time::Duration;

use abide_protos::temporal::api::command::v1::command::Attributes;

use crate::converter::to_payload;
use crate::duration::{hours, secs};
use crate::replay::text::{parse_history, parse_task};
use crate::replay::{Input, LocalActivityResolution, LocalActivityResult, Output, WorkflowTask};
use crate::runtime::WorkflowRun;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, new_run, registry, task, text};
use crate::workflow::ActivityCancellationType::TryCancel;
use crate::{ActivityError, ApplicationFailure, WorkflowContext, WorkflowError, activity, workflow, workflow_methods};

#[activity]
async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

/// Has two local activities under way, and rejects updates below 1.
#[workflow(name = "wf")]
#[derive(Default)]
struct Picky {}

#[workflow_methods]
impl Picky {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let alarm = ctx.timer(hours(1)).start();
        let call = |text: &str| ctx.local_activity(echo, text.into()).start_to_close_timeout(secs(5));
        let tried = call("tried").cancellation_type(TryCancel).start();
        call("short").await?;
        tried.cancel();
        ctx.timer(secs(1)).await?;
        alarm.cancel();
        Ok(())
    }

    #[update]
    fn add(&self, _number: i64) {}

    #[update_validator(add)]
    fn check(&self, number: &i64) -> Result<(), WorkflowError> {
        if *number > 0 { Ok(()) } else { Err(ApplicationFailure::new("not positive").into()) }
    }
}

/// Goes on when its history has grown.
#[workflow(name = "wf")]
#[derive(Default)]
struct Watcher {}

#[workflow_methods]
impl Watcher {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let alarm = ctx.timer(hours(1)).start();
        ctx.wait_until(|| ctx.history_length() > 3).await?;
        drop(alarm);
        Ok(())
    }

    #[update]
    fn add(&self, _number: i64) {}

    #[update_validator(add)]
    fn check(&self, number: &i64) -> Result<(), WorkflowError> {
        if *number > 0 { Ok(()) } else { Err(ApplicationFailure::new("not positive").into()) }
    }
}

/// Gives the run its second task, with these updates. The first one has left a timer.
fn second_task(run: &mut WorkflowRun, updates: &str) -> Output {
    let second = after_first_task("5 TimerStarted id=1\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted");
    let (events, messages) = parse_task(&format!("{second}\n{updates}")).unwrap();
    run.handle(Input::WorkflowTask(Box::new(WorkflowTask { messages, ..task(&events[3..]) })))
}

/// Returns the live run's output for a task with these updates, once its local activity 2 is done.
fn answered(updates: &str) -> Output {
    let mut run = new_run(&registry(Picky::run), None);
    run.handle(Input::WorkflowTask(Box::new(task(&parse_history(FIRST_TASK).unwrap()))));
    run.handle(Input::HeartbeatDue);
    let waits = second_task(&mut run, updates);
    assert!(matches!(waits, Output::RunLocalActivities { .. }), "{}", text(&waits));
    short_is_done(&mut run)
}

fn short_is_done(run: &mut WorkflowRun) -> Output {
    let result = LocalActivityResult::Completed(to_payload(&"short".to_string()).unwrap());
    let resolution = LocalActivityResolution { seq: 2, result, attempt: 1, run_time: Duration::ZERO, wall_time: None };
    run.handle(Input::LocalActivityResolved(Box::new(resolution)))
}

/// Returns the number of activations before each marker.
fn indexes(output: &Output) -> Vec<String> {
    let Output::Complete(completion) = output else { panic!("{}", text(output)) };
    let markers = completion.commands.iter().filter_map(|command| match &command.attributes {
        Some(Attributes::RecordMarkerCommandAttributes(marker)) => Some(&marker.details["data"].payloads[0].data),
        _ => None,
    });
    let index =
        |data: &Vec<u8>| serde_json::from_slice::<serde_json::Value>(data).unwrap()["activation_index"].to_string();
    markers.map(index).collect()
}

#[test]
fn a_task_that_only_rejects_is_counted_as_a_replay_counts_it() {
    let rejected = answered("update id=u1 name=add input=0\nupdate id=u2 name=add input=-1");
    assert_eq!(indexes(&rejected), ["0", "1"]);
    assert_eq!(replayed(0, 1), "CancelTimer id=1\nCompleteWorkflowExecution result=null");
    // If the rejected updates were counted, the outcomes would be delivered at other places than when recorded.
    assert!(replayed(1, 2).starts_with("Fail NonDeterministicError"), "{}", replayed(1, 2));
}

/// Returns the output of a replay whose outcomes were recorded after so many activations. The history does not hold the
/// updates.
fn replayed(short: u32, tried: u32) -> String {
    let history = after_first_task(&format!(
        "5 TimerStarted id=1
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted
         8 WorkflowTaskCompleted
         9 MarkerRecorded local_activity=2 activity=echo index={short} result=\"short\"
         10 MarkerRecorded local_activity=1 activity=echo index={tried} attempt=0 failure.canceled_failure_info={{}}
         11 TimerStarted id=2
         12 TimerFired id=2
         13 WorkflowTaskScheduled
         14 WorkflowTaskStarted"
    ));
    let events = parse_history(&history).unwrap();
    text(&new_run(&registry(Picky::run), None).handle(Input::WorkflowTask(Box::new(task(&events)))))
}

#[test]
fn a_task_that_accepts_one_is_counted() {
    let accepted = answered("update id=u1 name=add input=0\nupdate id=u2 name=add input=1");
    assert_eq!(indexes(&accepted), ["1", "2"]);
}

#[test]
fn a_task_that_only_rejects_asks_no_condition() {
    let answered = |updates: &str| {
        let mut run = new_run(&registry(Watcher::run), None);
        run.handle(Input::WorkflowTask(Box::new(task(&parse_history(FIRST_TASK).unwrap()))));
        text(&second_task(&mut run, updates))
    };
    let rejected = answered("update id=u1 name=add input=0");
    assert!(rejected.starts_with("u1/request/reject"), "{rejected}");
    let accepted = answered("update id=u1 name=add input=1");
    assert!(accepted.contains("CompleteWorkflowExecution"), "{accepted}");
}
