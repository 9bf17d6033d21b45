//! Activities.

use expect_test::expect;

use super::harness::check;
use crate::ActivityError;
use crate::activity;
use crate::duration::secs;

#[activity]
async fn charge(cents: u64) -> Result<String, ActivityError> {
    Ok(format!("charged {cents}"))
}

#[test]
fn an_activity_is_a_command_with_its_input() {
    check(
        |ctx| async move { Ok(ctx.activity(charge, 995).start_to_close_timeout(secs(5)).await?) },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect!["ScheduleActivityTask id=1 type=charge input=995 start_to_close=5s"],
    );
}

#[test]
fn a_completed_activity_yields_its_result() {
    check(
        |ctx| async move { Ok(ctx.activity(charge, 995).start_to_close_timeout(secs(5)).await?) },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 ActivityTaskScheduled id=1 type=charge
         6 ActivityTaskStarted
         7 ActivityTaskCompleted result=\"done\"
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        expect!["CompleteWorkflowExecution result=\"done\""],
    );
}
