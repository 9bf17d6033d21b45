//! How runs end, and how tasks fail.

use expect_test::expect;

use super::harness::check;
use crate::failure::ApplicationFailure;

const FIRST_TASK: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted";

#[test]
fn an_error_fails_the_workflow() {
    check(
        |_| async move { Err::<(), _>(ApplicationFailure::new("no money").error_type("Broke").into()) },
        FIRST_TASK,
        expect!["FailWorkflowExecution message=\"no money\" source=AbideSDK type=Broke"],
    );
}

#[test]
fn a_panic_fails_the_task_with_its_place() {
    check(
        |ctx| async move {
            assert!(ctx.info().attempt > 5, "too early");
            Ok(())
        },
        FIRST_TASK,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at sdk/src/runtime/specs/ends.rs:28:13: too early"
        ],
    );
}
