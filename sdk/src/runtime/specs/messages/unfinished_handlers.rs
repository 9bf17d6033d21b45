//! Handlers that the end of the workflow cuts off.

use crate::duration::secs;
use crate::replay::text::parse_task;
use crate::replay::{Input, Output, WorkflowTask};
use crate::runtime::specs::harness::{new_run, registry, task};
use crate::{State, WorkflowContext, WorkflowError, workflow, workflow_methods};

#[workflow(name = "wf")]
#[derive(Default)]
struct Office {
    closed: State<bool>,
}

#[workflow_methods]
impl Office {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.wait_until(|| self.closed.get()).await?)
    }

    #[signal]
    async fn call(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.timer(secs(1)).await?)
    }

    #[signal(unfinished_policy = abandon)]
    async fn music(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.timer(secs(1)).await?)
    }

    #[update]
    async fn visit(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.timer(secs(1)).await?)
    }

    #[update(name = "clean", unfinished_policy = abandon)]
    async fn cleaning(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.timer(secs(1)).await?)
    }

    #[update(unfinished_policy = warn_and_abandon)]
    fn close(&self, closed: bool) {
        self.closed.set(closed);
    }
}

/// Returns the warning about handlers that were cut off.
fn unfinished(messages: &str) -> Option<String> {
    let (events, messages) = parse_task(messages).unwrap();
    let mut run = new_run(&registry(Office::run), None);
    let output = run.handle(Input::WorkflowTask(Box::new(WorkflowTask { messages, ..task(&events) })));
    let Output::Complete(completion) = output else { panic!("{output:?}") };
    assert!(completion.closes_workflow);
    run.unfinished_handlers()
}

#[test]
fn unfinished_handlers_are_named_unless_they_may_be_abandoned() {
    let begun = "
        1 WorkflowExecutionStarted type=wf
        2 WorkflowExecutionSignaled name=call
        3 WorkflowExecutionSignaled name=music
        4 WorkflowTaskScheduled
        5 WorkflowTaskStarted
        update id=u1 name=visit
        update id=u2 name=clean
        update id=u3 name=close input=true";
    let said = unfinished(begun).unwrap();
    assert!(said.starts_with("[TMPRL1102] the workflow ended before these handlers finished"), "{said}");
    assert!(said.contains(": signal `call` (event 2), update `visit` (id u1). Wait for them"), "{said}");
}

#[test]
fn nothing_is_said_where_none_is_left() {
    let begun = "
        1 WorkflowExecutionStarted type=wf
        2 WorkflowExecutionSignaled name=music
        3 WorkflowTaskScheduled
        4 WorkflowTaskStarted
        update id=u3 name=close input=true";
    assert_eq!(unfinished(begun), None);
}
