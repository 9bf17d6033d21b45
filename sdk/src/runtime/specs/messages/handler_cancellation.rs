//! Requests to cancel the workflow, and the handlers of its messages.

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{after_first_task, check_workflow, check_workflow_recorded};
use crate::{
    ActivityError, ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

#[activity]
async fn refund() -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn note() -> Result<(), ActivityError> {
    Ok(())
}

/// Cleans up when it is cancelled, possibly while handlers run.
#[workflow(name = "wf")]
#[derive(Default)]
struct Order {
    noted: State<bool>,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        if ctx.timer(secs(60)).await.is_err() {
            ctx.shielded(ctx.activity(refund, ()).start_to_close_timeout(secs(5))).await?;
        }
        Ok(format!("refunded, noted {}", self.noted.get()))
    }

    #[signal]
    async fn note_it(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.activity(note, ()).start_to_close_timeout(secs(5)).await?;
        self.noted.set(true);
        Ok(())
    }

    /// Cancels its own operations, and ends with that cancellation.
    #[signal]
    async fn give_up(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let scope = ctx.cancellation_scope();
        scope.cancel_with_reason("changed its mind");
        scope.run(ctx.timer(secs(1))).await?;
        Ok(())
    }

    #[signal]
    async fn fail(&self, _ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Err(ApplicationFailure::new("broken").into())
    }

    #[update]
    async fn note_now(&self, ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
        ctx.activity(note, ()).start_to_close_timeout(secs(5)).await?;
        Ok(ctx.is_cancelled())
    }

    #[update]
    async fn try_it(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        self.give_up(ctx).await
    }
}

#[test]
fn a_request_to_cancel_does_not_reach_a_handler_that_runs() {
    check_workflow(
        Order::run,
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionSignaled name=note_it
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 ActivityTaskScheduled id=1 type=note
             11 WorkflowExecutionCancelRequested
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted
             14 WorkflowTaskCompleted
             15 TimerCanceled id=1
             16 ActivityTaskScheduled id=2 type=refund
             17 ActivityTaskStarted id=1
             18 ActivityTaskCompleted id=1
             19 ActivityTaskStarted id=2
             20 ActivityTaskCompleted id=2
             21 WorkflowTaskScheduled
             22 WorkflowTaskStarted",
        ),
        None,
        expect![[r#"CompleteWorkflowExecution result="refunded, noted true""#]],
    );
}

const CANCELLED: &str = "
    5 TimerStarted
    6 WorkflowExecutionCancelRequested
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted
    9 WorkflowTaskCompleted
    10 TimerCanceled id=1
    11 ActivityTaskScheduled id=1 type=refund
";

#[test]
fn a_handler_that_begins_after_the_request_does_its_work() {
    let signalled = "12 WorkflowExecutionSignaled name=note_it\n13 WorkflowTaskScheduled\n14 WorkflowTaskStarted";
    check_workflow(
        Order::run,
        &(after_first_task(CANCELLED) + signalled),
        None,
        expect!["ScheduleActivityTask id=2 type=note start_to_close=5s"],
    );
    let update = "12 WorkflowTaskScheduled\n13 WorkflowTaskStarted\nupdate id=u1 name=note_now";
    check_workflow(
        Order::run,
        &(after_first_task(CANCELLED) + update),
        None,
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ScheduleActivityTask id=2 type=note start_to_close=5s
            u1/request/accept of u1: Acceptance request=u1/request sequencing=12 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=note_now"#]],
    );
}

#[test]
fn a_handler_that_ends_as_cancelled_ends_nothing_else() {
    for cancelled in ["", "6 WorkflowExecutionCancelRequested\n"] {
        let signalled = format!(
            "5 TimerStarted\n{cancelled}\
             {} WorkflowExecutionSignaled name=give_up\n{} WorkflowTaskScheduled\n{} WorkflowTaskStarted",
            6 + i32::from(!cancelled.is_empty()),
            7 + i32::from(!cancelled.is_empty()),
            8 + i32::from(!cancelled.is_empty()),
        );
        let expected = match cancelled {
            "" => expect![""],
            _ => expect![[r#"
                CancelTimer id=1
                ScheduleActivityTask id=1 type=refund start_to_close=5s"#]],
        };
        check_workflow(Order::run, &after_first_task(&signalled), None, expected);
    }
}

#[test]
fn a_handler_that_fails_still_fails_the_workflow() {
    check_workflow(
        Order::run,
        &after_first_task(
            "5 TimerStarted\n6 WorkflowExecutionSignaled name=fail\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted",
        ),
        None,
        expect!["FailWorkflowExecution message=broken source=AbideSDK"],
    );
}

#[test]
fn the_caller_of_an_update_whose_handler_ends_as_cancelled_gets_a_cancellation() {
    check_workflow(
        Order::run,
        &after_first_task("5 TimerStarted\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted\nupdate id=u1 name=try_it"),
        None,
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u1/request/complete
            u1/request/accept of u1: Acceptance request=u1/request sequencing=6 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=try_it
            u1/request/complete of u1: Response update=u1 meta.identity=caller message="Cancelled: changed its mind" source=AbideSDK cancelled=true"#]],
    );
}

/// Other SDKs have one scope for everything, as Abide 0.1.0 had.
#[test]
fn handlers_are_cancelled_where_the_recorder_cancels_them() {
    let history = "
        5 TimerStarted
        6 WorkflowExecutionSignaled name=note_it
        7 WorkflowTaskScheduled
        8 WorkflowTaskStarted
        9 WorkflowTaskCompleted
        10 ActivityTaskScheduled id=1 type=note
        11 WorkflowExecutionCancelRequested
        12 WorkflowTaskScheduled
        13 WorkflowTaskStarted
        14 WorkflowTaskCompleted
        15 TimerCanceled id=1
        16 ActivityTaskCancelRequested id=1
        17 ActivityTaskScheduled id=2 type=refund
        18 WorkflowExecutionCanceled";
    for recorder in [
        "sdk=abide sdk_version=0.1.0 lang=2",
        "sdk=temporal-typescript lang=2",
        "sdk=temporal-dotnet lang=1,2",
        "sdk=temporal-ruby",
    ] {
        let history = after_first_task(history)
            .replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted {recorder}"));
        check_workflow_recorded(Order::run, &history, expect!["Idle"]);
    }
}

/// Its main routine cleans up until a handler has got the last signal.
#[workflow(name = "wf")]
#[derive(Default)]
struct Cleanup {
    told: State<bool>,
    heard: State<&'static str>,
}

#[workflow_methods]
impl Cleanup {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let _ = ctx.timer(secs(60)).await;
        ctx.shielded(ctx.wait_until(|| !self.heard.get().is_empty())).await?;
        Ok(self.heard.get().to_string())
    }

    #[signal]
    async fn listen(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.told.get()).await?;
        self.heard.set("met");
        Ok(())
    }

    #[signal]
    async fn listen_for_a_while(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let met = ctx.wait_until(|| self.told.get()).timeout(secs(9)).await?;
        self.heard.set(if met { "met" } else { "timed out" });
        Ok(())
    }

    #[signal]
    fn tell(&self) {
        self.told.set(true);
    }
}

/// Python's flag 2 ignores scopes here: the wait began before the request and is over after it.
#[test]
fn a_handlers_condition_ends_as_cancelled_where_the_recorder_ends_it_so() {
    let (python, python_2) = ("sdk=temporal-python lang=1", "sdk=temporal-python lang=1,2");
    let completed = "WorkflowExecutionCompleted result=";
    for (recorder, listen, then, end) in [
        (python, "listen", "WorkflowExecutionSignaled name=tell", format!("{completed}\"met\"")),
        (python, "listen_for_a_while", "TimerFired started=10", format!("{completed}\"timed out\"")),
        (
            "sdk=abide sdk_version=0.2.0 lang=2",
            "listen",
            "WorkflowExecutionSignaled name=tell",
            format!("{completed}\"met\""),
        ),
        (python_2, "listen", "WorkflowExecutionSignaled name=tell", "WorkflowExecutionCanceled".into()),
        (python_2, "listen_for_a_while", "TimerFired started=10", "WorkflowExecutionCanceled".into()),
    ] {
        let tenth = if listen == "listen" { "WorkflowExecutionSignaled name=unheard" } else { "TimerStarted" };
        let rest = format!(
            "5 TimerStarted
             6 WorkflowExecutionSignaled name={listen}
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 {tenth}
             11 WorkflowExecutionCancelRequested
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted
             14 WorkflowTaskCompleted
             15 TimerCanceled started=5
             16 {then}
             17 WorkflowTaskScheduled
             18 WorkflowTaskStarted
             19 WorkflowTaskCompleted
             20 {end}"
        );
        let history = after_first_task(&rest)
            .replace("4 WorkflowTaskCompleted\n", &format!("4 WorkflowTaskCompleted {recorder}\n"));
        check_workflow_recorded(Cleanup::run, &history, expect!["Idle"]);
    }
}

/// Code that begins to wait after the request already knows of it.
#[test]
fn a_condition_that_is_waited_for_since_the_request_ends_as_any_other() {
    let history = after_first_task(
        "5 TimerStarted
         6 WorkflowExecutionCancelRequested
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 TimerCanceled id=1
         11 WorkflowExecutionSignaled name=listen
         12 WorkflowExecutionSignaled name=tell
         13 WorkflowTaskScheduled
         14 WorkflowTaskStarted
         15 WorkflowTaskCompleted
         16 WorkflowExecutionCompleted result=\"met\"",
    );
    let history =
        history.replace("4 WorkflowTaskCompleted\n", "4 WorkflowTaskCompleted sdk=temporal-python lang=1,2\n");
    check_workflow_recorded(Cleanup::run, &history, expect!["Idle"]);
}
