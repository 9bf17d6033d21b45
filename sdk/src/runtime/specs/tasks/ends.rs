//! Ends of runs.

use std::borrow::Cow;
use std::fmt;

use expect_test::expect;

use crate::converter::{PayloadError, PayloadReader, PayloadWriter};
use crate::definition::{Arguments, WorkflowDefinition};
use crate::duration::{mins, secs};
use crate::failure::ApplicationFailure;
use crate::replay::Input;
use crate::replay::text::parse_history;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded, run_of, task, text};
use crate::{Cancelled, RetryPolicy, WorkflowError};

const CANCELLED: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowExecutionCancelRequested cause=\"had enough\"
    3 WorkflowTaskScheduled
    4 WorkflowTaskStarted";

/// The definition of the next run.
#[derive(Clone, Copy)]
struct Next;

impl Arguments for Next {
    type Args = u32;

    fn write_args(args: &u32, to: &mut PayloadWriter) -> Result<(), PayloadError> {
        to.push(args)
    }

    fn read_args(from: &mut PayloadReader<'_>) -> Result<u32, PayloadError> {
        from.next()
    }
}

impl WorkflowDefinition for Next {
    type Output = ();
    type Workflow = Self;

    fn name(&self) -> Cow<'static, str> {
        "next".into()
    }
}

#[test]
fn a_result_completes_the_workflow() {
    check(|_| async move { Ok(vec![1, 2, 3]) }, FIRST_TASK, expect!["CompleteWorkflowExecution result=[1,2,3]"]);
}

#[test]
fn an_error_fails_the_workflow() {
    check(
        |_| async move { Err::<(), _>(ApplicationFailure::new("no money").error_type("Broke").into()) },
        FIRST_TASK,
        expect!["FailWorkflowExecution message=\"no money\" source=AbideSDK type=Broke"],
    );
}

#[test]
fn all_that_an_application_failure_says_is_in_the_failure() {
    check(
        |_| async move {
            let failure = ApplicationFailure::new("no money")
                .error_type("Broke")
                .non_retryable()
                .detail(&7_u32)?
                .detail(&"more".to_string())?
                .next_retry_delay(secs(30))
                .cause(ApplicationFailure::new("spent it").error_type("Careless"));
            Err::<(), _>(failure.into())
        },
        FIRST_TASK,
        expect![[
            r#"FailWorkflowExecution message="no money" source=AbideSDK type=Broke non_retryable=true details=7,"more" next_retry_delay=30s cause="spent it" cause.source=AbideSDK cause.type=Careless"#
        ]],
    );
}

#[derive(Debug)]
struct Outer(std::num::ParseIntError);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the form is wrong")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn any_error_fails_the_workflow_with_its_rust_type_and_its_sources() {
    check(
        |_| async move {
            let number: u32 = "seven".parse().map_err(Outer)?;
            Ok(number)
        },
        FIRST_TASK,
        expect![[
            r#"FailWorkflowExecution message="the form is wrong" source=AbideSDK type=Outer cause="invalid digit found in string" cause.source=AbideSDK"#
        ]],
    );
}

#[test]
fn a_cancelled_error_after_a_request_ends_the_run_as_cancelled() {
    check(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        CANCELLED,
        expect!["CancelWorkflowExecution"],
    );
}

#[test]
fn a_cancelled_error_without_a_request_fails_the_run() {
    check(
        |ctx| async move {
            let timer = ctx.timer(secs(1)).start();
            timer.cancel();
            timer.await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["FailWorkflowExecution message=Cancelled source=AbideSDK cancelled=true"],
    );
}

#[test]
fn a_cancellation_of_the_authors_own_ends_a_run_that_was_asked_to_stop() {
    check(
        |ctx| async move {
            assert!(ctx.is_cancelled());
            let boxed: Box<dyn std::error::Error + Send + Sync> = Cancelled::new("enough").detail(&3_u32)?.into();
            Err::<(), _>(boxed.into())
        },
        CANCELLED,
        expect!["CancelWorkflowExecution details=3"],
    );
}

#[test]
fn a_text_fails_the_run_without_a_type() {
    check(
        |_| async move {
            Err("no stock")?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"FailWorkflowExecution message="no stock" source=AbideSDK"#]],
    );
}

#[test]
fn another_error_after_a_request_fails_the_run() {
    check(
        |ctx| async move {
            let cancelled: Cancelled = ctx.cancelled().await;
            Err::<(), _>(ApplicationFailure::new(format!("gave up: {}", cancelled.reason())).into())
        },
        CANCELLED,
        expect![[r#"FailWorkflowExecution message="gave up: had enough" source=AbideSDK"#]],
    );
}

#[test]
fn a_result_after_a_request_completes_the_run() {
    check(
        |ctx| async move { Ok(ctx.timer(secs(1)).await.is_err()) },
        CANCELLED,
        expect!["CompleteWorkflowExecution result=true"],
    );
}

#[test]
fn continue_as_new_inherits_memo_search_attributes_and_retry_policy() {
    check(
        |ctx| async move { ctx.continue_as_new(Next, 7).into_result() },
        "1 WorkflowExecutionStarted type=wf memo.note=\"kept\" search_attributes.Place=\"Oslo\" retry.maximum_attempts=5
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect![[r#"ContinueAsNewWorkflowExecution type=next input=7 retry.maximum_attempts=5 memo.note="kept" search_attributes.Place="Oslo""#]],
    );
}

#[test]
fn continue_as_new_says_what_is_different() {
    check(
        |ctx| async move {
            ctx.continue_as_new(Next, 7)
                .task_queue("others")
                .run_timeout(mins(5))
                .task_timeout(secs(7))
                .retry_policy(RetryPolicy::new().maximum_attempts(2))
                .memo("more", &true)
                .into_result()
        },
        "1 WorkflowExecutionStarted type=wf memo.note=\"kept\" retry.maximum_attempts=5
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect![[
            r#"ContinueAsNewWorkflowExecution type=next queue=others input=7 workflow_run=5m workflow_task=7s retry.maximum_attempts=2 memo.more=true memo.note="kept""#
        ]],
    );
}

/// `Into<Result>` needs a type for the value that is never returned.
trait IntoResult {
    fn into_result(self) -> Result<(), WorkflowError>;
}

impl IntoResult for crate::workflow::ContinueAsNew {
    fn into_result(self) -> Result<(), WorkflowError> {
        self.into()
    }
}

#[test]
fn a_closed_run_replays_to_its_end() {
    check(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok("slept".to_string())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 WorkflowExecutionCompleted result=\"slept\"",
        ),
        expect!["Idle"],
    );
}

#[test]
fn a_replay_does_not_compare_results() {
    let events = parse_history(&after_first_task("5 WorkflowExecutionCompleted result=\"slept\"")).unwrap();
    let mut run = run_of(|_| async move { Ok("another result".to_string()) });
    let output = run.handle(Input::WorkflowTask(Box::new(task(&events))));
    assert_eq!(text(&output), "Idle");
}

#[test]
fn commands_issued_after_the_end_come_before_the_closing_command() {
    check(
        |ctx| async move {
            let branch = ctx.clone();
            drop(ctx.spawn(async move { branch.timer(secs(5)).await }));
            Ok("ended".to_string())
        },
        FIRST_TASK,
        expect![[r#"
            StartTimer id=1 after=5s
            CompleteWorkflowExecution result="ended""#]],
    );
}

#[test]
fn commands_moved_before_the_closing_one_replay_by_flag_3() {
    check(
        |ctx| async move {
            let branch = ctx.clone();
            drop(ctx.spawn(async move { branch.timer(secs(5)).await }));
            Ok("ended".to_string())
        },
        &after_first_task("5 TimerStarted after=5s\n6 WorkflowExecutionCompleted result=\"ended\""),
        expect!["Idle"],
    );
}

#[test]
fn without_flag_3_commands_issued_after_the_end_are_dropped() {
    check_recorded(
        |ctx| async move {
            let branch = ctx.clone();
            drop(ctx.spawn(async move { branch.timer(secs(5)).await }));
            Ok("ended".to_string())
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted flags=none
         5 WorkflowExecutionCompleted result=\"ended\"",
        expect!["Idle"],
    );
}

#[test]
fn a_run_that_is_open_at_the_end_of_its_history_replays() {
    for rest in ["", "5 WorkflowExecutionSignaled\n6 WorkflowTaskScheduled"] {
        check(
            |ctx| async move {
                ctx.wait_until(|| false).await?;
                Ok(())
            },
            &after_first_task(rest),
            expect!["Idle"],
        );
    }
}

#[test]
fn a_run_that_ends_in_a_task_that_nobody_has_answered_yet_replays() {
    // The history was exported while a worker had its last task.
    use crate::replay::text::parse_history;
    use crate::replay::{HistoryPage, Input, Until, WorkflowTask};
    use crate::runtime::specs::harness::{run_of, text};
    let mut run = run_of(|_| async move { Ok(()) });
    let history = HistoryPage { events: parse_history(FIRST_TASK).unwrap(), next_page_token: Vec::new() };
    let task = WorkflowTask { until: Until::End, history, ..WorkflowTask::default() };
    assert_eq!(text(&run.handle(Input::WorkflowTask(Box::new(task)))), "Idle");
    assert!(run.replayed_outcome().is_some());
}
