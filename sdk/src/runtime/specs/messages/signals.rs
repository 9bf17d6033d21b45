//! Signals.

use expect_test::{Expect, expect};

use crate::duration::secs;
use crate::runtime::specs::harness::{after_first_task, check_workflow};
use crate::{
    ActivityError, ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

#[activity]
async fn note(text: String) -> Result<(), ActivityError> {
    drop(text);
    Ok(())
}

/// Records what happens, until it is told to end.
#[workflow(name = "wf")]
#[derive(Default)]
struct Diary {
    pages: State<Vec<String>>,
    ended: State<bool>,
}

#[workflow_methods]
impl Diary {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        self.write("main");
        ctx.wait_until(|| self.ended.get()).await?;
        self.write(&format!("ended, handlers finished: {}", ctx.all_handlers_finished()));
        ctx.wait_until(|| ctx.all_handlers_finished()).await?;
        Ok(self.pages.get())
    }

    #[signal]
    fn say(&self, text: String) {
        self.write(&text);
    }

    #[signal]
    fn end(&self) {
        self.ended.set(true);
    }

    #[signal]
    async fn slow(&self, ctx: &WorkflowContext, text: String) -> Result<(), WorkflowError> {
        self.write(&format!("begin {text}"));
        ctx.activity(note, text.clone()).start_to_close_timeout(secs(5)).await?;
        self.write(&format!("end {text}"));
        Ok(())
    }

    #[signal]
    fn refuse(&self, text: String) -> Result<(), WorkflowError> {
        Err(ApplicationFailure::new(text).error_type("Refused").into())
    }

    fn write(&self, text: &str) {
        self.pages.update(|pages| pages.push(text.to_string()));
    }
}

#[track_caller]
fn check_diary(history: &str, expected: Expect) {
    check_workflow(Diary::run, history, None, expected);
}

#[test]
fn signals_before_the_first_task_reach_their_handlers_before_the_main_routine() {
    check_diary(
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionSignaled name=say input=\"first\"
         3 WorkflowTaskScheduled
         4 WorkflowExecutionSignaled name=slow input=\"second\"
         5 WorkflowExecutionSignaled name=say input=\"third\"
         6 WorkflowTaskStarted
         7 WorkflowTaskCompleted
         8 ActivityTaskScheduled type=note
         9 ActivityTaskStarted
         10 ActivityTaskCompleted
         11 WorkflowExecutionSignaled name=end
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted",
        expect![[
            r#"CompleteWorkflowExecution result=["first","begin second","third","main","end second","ended, handlers finished: true"]"#
        ]],
    );
}

#[test]
fn signals_of_one_task_keep_their_order() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=\"one\"
             6 WorkflowExecutionSignaled name=say input=\"two\"
             7 WorkflowExecutionSignaled name=end
             8 WorkflowExecutionSignaled name=say input=\"three\"
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=["main","one","two","three","ended, handlers finished: true"]"#]],
    );
}

#[test]
fn async_handlers_run_side_by_side_and_end_in_the_order_of_their_activities() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=slow input=\"a\"
             6 WorkflowExecutionSignaled name=slow input=\"b\"
             7 WorkflowExecutionSignaled name=end
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 ActivityTaskScheduled type=note
             12 ActivityTaskScheduled type=note
             13 ActivityTaskStarted id=1
             14 ActivityTaskStarted id=2
             15 ActivityTaskCompleted id=2
             16 ActivityTaskCompleted id=1
             17 WorkflowTaskScheduled
             18 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result=["main","begin a","begin b","ended, handlers finished: false","end b","end a"]"#
        ]],
    );
}

#[test]
fn an_unknown_signal_is_kept_and_fails_nothing() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=shout input=\"hey\"
             6 WorkflowExecutionSignaled name=end
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=["main","ended, handlers finished: true"]"#]],
    );
}

#[test]
fn an_undecodable_signal_is_dropped_and_fails_nothing() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=say input=7
             6 WorkflowExecutionSignaled name=say
             7 WorkflowExecutionSignaled name=slow input=[1]
             8 WorkflowExecutionSignaled name=say input=\"good\"
             9 WorkflowExecutionSignaled name=end
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=["main","good","ended, handlers finished: true"]"#]],
    );
}

#[test]
fn a_handlers_error_fails_the_workflow() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=refuse input=\"not today\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted",
        ),
        expect![[r#"FailWorkflowExecution message="not today" source=AbideSDK type=Refused"#]],
    );
}

#[test]
fn an_async_handlers_error_fails_the_workflow() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=slow input=\"a\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 ActivityTaskScheduled type=note
             10 ActivityTaskStarted
             11 ActivityTaskFailed message=\"out of ink\" type=Ink
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect![[
            r#"FailWorkflowExecution message="Activity task failed" activity.scheduled_event_id=9 activity.started_event_id=10 activity=note activity.activity_id=1 activity.retry_state=NonRetryableFailure cause="out of ink" cause.type=Ink"#
        ]],
    );
}

#[test]
fn only_the_first_end_counts() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=end
             6 WorkflowExecutionSignaled name=refuse input=\"too early for an end\"
             7 WorkflowExecutionSignaled name=refuse input=\"again\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"FailWorkflowExecution message="too early for an end" source=AbideSDK type=Refused"#]],
    );
}

/// A fired timer and then a signal, both new in one task.
const FIRED_THEN_SIGNALLED: &str = "
    5 TimerStarted
    6 TimerFired
    7 WorkflowExecutionSignaled name=say input=\"signal\"
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted";

/// Waits for a timer and returns what it has seen by then.
#[workflow(name = "wf")]
#[derive(Default)]
struct Race {
    seen: State<Vec<String>>,
}

#[workflow_methods]
impl Race {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.seen.update(|seen| seen.push("timer".into()));
        Ok(self.seen.get())
    }

    #[signal]
    fn say(&self, text: String) {
        self.seen.update(|seen| seen.push(text));
    }
}

#[test]
fn a_signal_that_came_after_a_timers_firing_runs_first() {
    check_workflow(
        Race::run,
        &after_first_task(FIRED_THEN_SIGNALLED),
        None,
        expect![[r#"CompleteWorkflowExecution result=["signal","timer"]"#]],
    );
}

#[test]
fn a_signal_that_came_after_a_completion_runs_first() {
    check_diary(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=slow input=\"a\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 ActivityTaskScheduled type=note
             10 ActivityTaskStarted
             11 ActivityTaskCompleted
             12 WorkflowExecutionSignaled name=say input=\"signal\"
             13 WorkflowExecutionSignaled name=end
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result=["main","begin a","signal","end a","ended, handlers finished: true"]"#
        ]],
    );
}
