//! Payloads beyond the declared arguments are ignored, as in other SDKs. Missing arguments are read as `null`.

use expect_test::expect;
use serde::{Deserialize, Serialize};

use crate::runtime::specs::harness::{after_first_task, check_workflow};
use crate::{State, WorkflowContext, WorkflowError, workflow, workflow_methods};

/// An argument with a default: a missing one is read as `null`, which it accepts.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(from = "Option<u32>")]
struct Percent(u32);

impl From<Option<u32>> for Percent {
    fn from(given: Option<u32>) -> Self {
        Self(given.unwrap_or(100))
    }
}

/// Takes no argument, and waits until it is released.
#[workflow(name = "wf")]
#[derive(Default)]
struct Gate {
    opened: State<u32>,
    released: State<bool>,
}

#[workflow_methods]
impl Gate {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.released.get()).await?;
        Ok(self.opened.get())
    }

    #[signal]
    fn release(&self) {
        self.released.set(true);
    }

    #[signal]
    fn open(&self, percent: Percent) {
        self.opened.set(percent.0);
    }

    #[update]
    fn close(&self, by: Percent) -> u32 {
        self.opened.update(|opened| *opened -= by.0);
        self.opened.get()
    }
}

#[test]
fn null_for_no_arguments_starts_the_workflow_and_reaches_the_handler() {
    check_workflow(
        Gate::run,
        "1 WorkflowExecutionStarted type=wf input=null
         2 WorkflowTaskScheduled
         3 WorkflowExecutionSignaled name=release input=null
         4 WorkflowTaskStarted",
        None,
        expect!["CompleteWorkflowExecution result=0"],
    );
}

#[test]
fn more_payloads_than_arguments_are_ignored_and_missing_ones_take_their_default() {
    check_workflow(
        Gate::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=open input=90,{\"what\": \"is this\"}
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             update id=u1 name=close input=20,\"too much\"",
        ),
        None,
        expect![[r#"
            ProtocolMessage message_id=u1/request/accept
            ProtocolMessage message_id=u1/request/complete
            u1/request/accept of u1: Acceptance request=u1/request sequencing=6 accepted_request.meta.update_id=u1 accepted_request.meta.identity=caller name=close args=20,"too much"
            u1/request/complete of u1: Response update=u1 meta.identity=caller result=70"#]],
    );
    check_workflow(
        Gate::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=open
             6 WorkflowExecutionSignaled name=release input=1,2,3
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        None,
        expect!["CompleteWorkflowExecution result=100"],
    );
}
