//! Interceptors of results: they see each outcome once, live and on replay, and may replace it.

use expect_test::expect;

use super::one;
use crate::converter::RawPayload;
use crate::duration::secs;
use crate::interceptor::{CompletedActivity, CompletedChildWorkflow, CompletedNexusOperation, WorkflowInterceptor};
use crate::runtime::specs::harness::{after_first_task, check_with, closure};
use crate::runtime::specs::operations::child_workflows::chore;
use crate::{
    ActivityError, ActivityFailure, ApplicationFailure, Cancelled, ChildWorkflowFailure, NexusOperation,
    NexusOperationFailure, WorkflowContext, activity,
};

const PAY: NexusOperation<u64, String> = NexusOperation::new("service", "operation");

#[activity]
async fn charge(_cents: u32) -> Result<String, ActivityError> {
    Ok("receipt".into())
}

#[activity]
async fn silent() -> Result<(), ActivityError> {
    Ok(())
}

/// Writes its name into each result, and replaces failures.
struct Edits(&'static str);

impl Edits {
    fn edit<E: std::fmt::Display>(&self, what: String, result: Result<RawPayload, E>) -> Result<RawPayload, E> {
        let text = match result {
            Ok(result) => match result.to_value::<String>() {
                Ok(text) => text,
                // Not a text: left as it is.
                Err(_) => return Ok(result),
            },
            Err(error) => format!("instead of: {error}"),
        };
        Ok(RawPayload::from_value(&format!("{text} [{what} {}]", self.0)).unwrap())
    }
}

impl WorkflowInterceptor for Edits {
    fn activity_completed(
        &self,
        _: &WorkflowContext,
        activity: &CompletedActivity,
        result: Result<RawPayload, ActivityFailure>,
    ) -> Result<RawPayload, ActivityFailure> {
        let CompletedActivity { activity_type, activity_id, is_local } = activity;
        self.edit(format!("{activity_type} {activity_id} {is_local}"), result)
    }

    fn child_workflow_completed(
        &self,
        _: &WorkflowContext,
        child: &CompletedChildWorkflow,
        result: Result<RawPayload, ChildWorkflowFailure>,
    ) -> Result<RawPayload, ChildWorkflowFailure> {
        self.edit(format!("{} {}", child.workflow_type, child.workflow_id), result)
    }

    fn nexus_operation_completed(
        &self,
        _: &WorkflowContext,
        operation: &CompletedNexusOperation,
        result: Result<RawPayload, NexusOperationFailure>,
    ) -> Result<RawPayload, NexusOperationFailure> {
        self.edit(format!("{} {} {}", operation.endpoint, operation.service, operation.operation), result)
    }
}

#[test]
fn results_of_activities_pass_through_all_interceptors_the_first_last() {
    let mut both = one(Edits("first"));
    both.extend(one(Edits("second")));
    let code = closure(|ctx| async move {
        let receipt = ctx.activity(charge, 7).start_to_close_timeout(secs(5)).await?;
        ctx.activity(silent, ()).start_to_close_timeout(secs(5)).await?;
        Ok(receipt)
    });
    check_with(
        &both,
        code,
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 ActivityTaskStarted
             7 ActivityTaskCompleted result=\"receipt\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 ActivityTaskScheduled type=silent
             12 ActivityTaskStarted
             13 ActivityTaskCompleted
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="receipt [charge 1 false second] [charge 1 false first]""#]],
    );
}

#[test]
fn failures_of_activities_can_be_replaced_by_results() {
    let code = closure(|ctx| async move { Ok(ctx.activity(charge, 7).start_to_close_timeout(secs(5)).await?) });
    check_with(
        &one(Edits("one")),
        code,
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 ActivityTaskStarted
             7 ActivityTaskFailed message=\"declined\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result="instead of: activity charge (id 1): Activity task failed: declined [charge 1 false one]""#
        ]],
    );
}

/// Replaces each result by a failure.
struct Refuses;

impl WorkflowInterceptor for Refuses {
    fn activity_completed(
        &self,
        _: &WorkflowContext,
        activity: &CompletedActivity,
        _: Result<RawPayload, ActivityFailure>,
    ) -> Result<RawPayload, ActivityFailure> {
        Err(activity.failed(ApplicationFailure::new("distrusted").error_type("Distrusted")))
    }

    fn child_workflow_completed(
        &self,
        _: &WorkflowContext,
        child: &CompletedChildWorkflow,
        _: Result<RawPayload, ChildWorkflowFailure>,
    ) -> Result<RawPayload, ChildWorkflowFailure> {
        Err(child.failed(Cancelled::new("by the interceptor")))
    }

    fn nexus_operation_completed(
        &self,
        _: &WorkflowContext,
        operation: &CompletedNexusOperation,
        _: Result<RawPayload, NexusOperationFailure>,
    ) -> Result<RawPayload, NexusOperationFailure> {
        Err(operation.failed("distrusted"))
    }
}

#[test]
fn results_can_be_replaced_by_failures() {
    let code = closure(|ctx| async move {
        let activity = ctx.activity(charge, 7).start_to_close_timeout(secs(5)).await.unwrap_err();
        let child = ctx.child_workflow(chore, 7).id("child-1").await.unwrap_err();
        let operation = ctx.nexus_operation("endpoint", PAY, 7).await.unwrap_err();
        assert_eq!(activity.error_type().as_deref(), Some("Distrusted"));
        assert!(child.is_cancelled() && !child.is_already_started());
        Ok((activity.to_string(), child.to_string(), operation.to_string()))
    });
    check_with(
        &one(Refuses),
        code,
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 ActivityTaskStarted
             7 ActivityTaskCompleted result=\"receipt\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 StartChildWorkflowExecutionInitiated id=child-1 type=child
             12 ChildWorkflowExecutionStarted
             13 ChildWorkflowExecutionCompleted result=\"done\"
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted
             16 WorkflowTaskCompleted
             17 NexusOperationScheduled input=7
             18 NexusOperationCompleted result=\"done\"
             19 WorkflowTaskScheduled
             20 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result=["activity charge (id 1): Activity task failed: distrusted (Distrusted)","child workflow child (id child-1): Child Workflow execution failed: Cancelled: by the interceptor","Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: distrusted"]"#
        ]],
    );
}

#[test]
fn a_result_that_does_not_fit_after_interceptors_fails_the_task() {
    struct Spoils;
    impl WorkflowInterceptor for Spoils {
        fn activity_completed(
            &self,
            _: &WorkflowContext,
            _: &CompletedActivity,
            result: Result<RawPayload, ActivityFailure>,
        ) -> Result<RawPayload, ActivityFailure> {
            result.map(|_| RawPayload::from_value(&7).unwrap())
        }
    }
    let code = closure(|ctx| async move { Ok(ctx.activity(charge, 7).start_to_close_timeout(secs(5)).await?) });
    check_with(
        &one(Spoils),
        code,
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 ActivityTaskStarted
             7 ActivityTaskCompleted result=\"receipt\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: the result of activity `charge` cannot be read: expected `String`, found JSON: an integer (at results.rs `let code = closure(|ctx| async move { Ok(ctx.activity(charge, 7).start_to_close_timeout(secs(5)).await?) });`)"
        ],
    );
}

#[test]
fn outcomes_of_local_activities() {
    let code = closure(|ctx| async move {
        let receipt = ctx.local_activity(charge, 7).start_to_close_timeout(secs(5)).await?;
        let second = ctx.local_activity(charge, 7).start_to_close_timeout(secs(5)).await?;
        assert_eq!(receipt, "receipt [charge 1 true one]");
        assert_eq!(second, "instead of: activity charge (id 2): Local activity failed: declined [charge 2 true one]");
        Ok(())
    });
    check_with(
        &one(Edits("one")),
        code,
        &after_first_task(
            "5 MarkerRecorded local_activity=1 activity=charge index=1 result=\"receipt\"
             6 MarkerRecorded local_activity=2 activity=charge index=2 message=\"declined\" failure.application_failure_info.non_retryable=true
             7 WorkflowExecutionCompleted",
        ),
        expect!["Idle"],
    );
}

#[test]
fn outcomes_of_children() {
    let code = closure(|ctx| async move {
        let receipt = ctx.child_workflow(chore, 7).id("child-1").await?;
        let second = ctx.child_workflow(chore, 7).id("child-2").await?;
        Ok((receipt, second))
    });
    check_with(
        &one(Edits("one")),
        code,
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated id=child-1 type=child
             6 ChildWorkflowExecutionStarted
             7 ChildWorkflowExecutionCompleted result=\"done\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 StartChildWorkflowExecutionInitiated id=child-2 type=child
             12 StartChildWorkflowExecutionFailed cause=WorkflowAlreadyExists
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result=["done [child child-1 one]","instead of: child workflow child (id child-2): Child Workflow execution not started: Workflow execution already started (WorkflowAlreadyExists) [child child-2 one]"]"#
        ]],
    );
}

#[test]
fn outcomes_of_nexus_operations() {
    let code = closure(|ctx| async move {
        let started = ctx.nexus_operation("endpoint", PAY, 7).start().await?;
        let receipt = started.await?;
        let second = ctx.nexus_operation("endpoint", PAY, 7).await?;
        Ok((receipt, second))
    });
    check_with(
        &one(Edits("one")),
        code,
        &after_first_task(
            "5 NexusOperationScheduled input=7
             6 NexusOperationCompleted result=\"done\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 NexusOperationScheduled input=7
             11 NexusOperationFailed failure.message=\"declined\"
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result=["done [endpoint service operation one]","instead of: Nexus operation service/operation at endpoint: declined: the operation failed [endpoint service operation one]"]"#
        ]],
    );
}
