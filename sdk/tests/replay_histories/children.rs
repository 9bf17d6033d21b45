//! Twins that start children, signal other workflows and cancel them.

use abide::prelude::*;
use abide::workflow::{ChildWorkflowCancellationType, ParentClosePolicy};
use abide::{ChildWorkflowFailure, ExternalWorkflowFailure, FailureKind, WorkflowReplayer};

use super::python::{Describe, echo, outcome};
use super::{fits, from_elsewhere, recorded};

impl Describe for ChildWorkflowFailure {
    fn describe(&self) -> String {
        if self.is_already_started() {
            return format!("already started {}", self.workflow_id());
        }
        let cause = self.cause().expect("a child's failure has a cause");
        match cause.kind() {
            FailureKind::Application => {
                format!("application {}: {}", cause.error_type().unwrap_or_default(), cause.message())
            }
            FailureKind::Timeout => "timeout START_TO_CLOSE".into(),
            FailureKind::Terminated => "terminated".into(),
            FailureKind::Cancelled => "cancelled".into(),
            other => format!("{other:?}: {}", cause.message()),
        }
    }
}

impl Describe for ExternalWorkflowFailure {
    fn describe(&self) -> String {
        let failure = self.failure();
        format!("application {}: {}", failure.error_type().unwrap_or_default(), failure.message())
    }
}

#[workflow(name = "Child")]
pub(crate) async fn child(_ctx: &WorkflowContext, value: String) -> Result<String, WorkflowError> {
    match value.as_str() {
        "fail" => Err(ApplicationFailure::new("child failed").error_type("ChildFailure").into()),
        value => Ok(format!("child {value}")),
    }
}

#[workflow]
#[derive(Default)]
struct Waiter {
    result: State<Option<String>>,
}

#[workflow_methods]
impl Waiter {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.result.with(Option::is_some)).await?;
        Ok(self.result.get().unwrap_or_default())
    }

    #[signal]
    fn finish(&self, value: String) {
        self.result.set(Some(value));
    }

    #[signal]
    fn note(&self, value: String) {
        drop(value);
    }
}

#[workflow(name = "ChildOutcomes")]
async fn child_outcomes(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let run = |value: &str| ctx.child_workflow(child, value.into()).id(format!("child_outcomes-{value}"));
    let wait = |name: &str| ctx.child_workflow(Waiter::run, ()).id(format!("child_outcomes-{name}"));
    let mut results = vec![
        outcome(run("ok")).await,
        outcome(run("fail")).await,
        outcome(wait("timeout").execution_timeout(secs(1))).await,
    ];
    let victim = wait("victim").start().await?;
    results.push(outcome(wait("victim")).await);
    results.push(outcome(victim).await);
    let signalled = wait("signalled").start().await?;
    signalled.signal(Waiter::finish, "from parent".into()).await?;
    results.push(outcome(signalled).await);
    Ok(results)
}

#[workflow(name = "ChildCancel")]
async fn child_cancel(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    use ChildWorkflowCancellationType as Type;
    let mut results = Vec::new();
    for (name, cancellation_type) in [
        ("abandon", Type::Abandon),
        ("try_cancel", Type::TryCancel),
        ("wait_cancellation_requested", Type::WaitCancellationRequested),
        ("wait_cancellation_completed", Type::WaitCancellationCompleted),
    ] {
        let call = ctx.child_workflow(Waiter::run, ()).id(format!("child_cancel-{name}"));
        let running = call.cancellation_type(cancellation_type).start().await?;
        running.cancel();
        results.push(outcome(running).await);
    }
    Ok(results)
}

#[workflow(name = "ParentClose")]
async fn parent_close(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    for (name, policy) in [
        ("terminate", ParentClosePolicy::Terminate),
        ("abandon", ParentClosePolicy::Abandon),
        ("request_cancel", ParentClosePolicy::RequestCancel),
    ] {
        let call = ctx.child_workflow(Waiter::run, ()).id(format!("parent_close-{name}"));
        call.parent_close_policy(policy).start().await?.detach();
    }
    Ok("left them".into())
}

#[workflow(name = "External")]
async fn external(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let existing = ctx.external_workflow("external-target");
    let missing = ctx.external_workflow("external-missing");
    let none = |sent: Result<(), ExternalWorkflowFailure>| std::future::ready(sent.map(|()| "None"));
    Ok(vec![
        outcome(none(existing.signal(Waiter::note, "hello".into()).await)).await,
        outcome(none(missing.signal(Waiter::note, "hello".into()).await)).await,
        outcome(none(existing.cancel().await)).await,
        outcome(none(missing.cancel().await)).await,
    ])
}

#[workflow(name = "CancelledBeforeSent")]
async fn cancelled_before_sent(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let timer = ctx.timer(secs(60)).start();
    let activity = ctx.activity(echo, "never".into()).start_to_close_timeout(secs(10)).start();
    let waiter = ctx.child_workflow(Waiter::run, ()).id("cancelled_before_sent-child").start();
    timer.cancel();
    activity.cancel();
    waiter.cancel();
    let mut results = vec![
        outcome(std::future::ready(timer.await.map(|()| "None"))).await,
        outcome(activity).await,
        outcome(std::future::ready(waiter.await.map(|started| started.run_id().to_string()))).await,
    ];
    ctx.timer(millis(10)).await?;
    results.push(ctx.activity(echo, "sent".into()).start_to_close_timeout(secs(10)).await?);
    Ok(results)
}

#[workflow(name = "Open")]
async fn open(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(echo, "first".into()).start_to_close_timeout(secs(10)).await?;
    let nobody = "nobody runs this".to_string();
    let (hour, echoed, hours, waited) = abide::join!(
        ctx.timer(hours(1)),
        ctx.activity(echo, nobody).start_to_close_timeout(secs(10)).task_queue("nobody"),
        ctx.timer(hours(2)),
        ctx.child_workflow(Waiter::run, ()).id("open-child").task_queue("nobody"),
    );
    hour?;
    hours?;
    drop((echoed?, waited?));
    Ok(())
}

#[workflow]
#[derive(Default)]
pub(crate) struct ChildWorkflowWaitOnSignal {
    unblocked: State<bool>,
}

#[workflow_methods]
impl ChildWorkflowWaitOnSignal {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.wait_until(|| self.unblocked.get()).await?)
    }

    #[signal]
    fn unblock(&self, nothing: Option<()>) {
        self.unblocked.set(nothing.is_none());
    }
}

/// Go itself refuses a second child with the same id without telling the server, so it is not in the history.
#[workflow(name = "DuplicateChildWorkflow")]
async fn duplicate_child_workflow(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let call = ctx.child_workflow(ChildWorkflowWaitOnSignal::run, ());
    let running = call.id("ABC-SIMPLE-CHILD-WORKFLOW-ID").start().await?;
    ctx.timer(secs(1)).await?;
    ctx.timer(secs(1)).await?;
    // Go signals the child's run like any other workflow.
    let same = ctx.external_workflow(running.workflow_id()).with_run_id(running.run_id());
    same.signal(ChildWorkflowWaitOnSignal::unblock, None).await?;
    Ok(running.await?)
}

#[workflow(name = "TestChildWorkflow")]
async fn test_child_workflow(_ctx: &WorkflowContext, input: String) -> Result<String, WorkflowError> {
    Ok(format!("Hello {input}!"))
}

#[workflow(name = "ResetWorkflowWithChild")]
async fn reset_workflow_with_child(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.child_workflow(test_child_workflow, "CHILD INPUT".into()).await?)
}

fn replayer() -> WorkflowReplayer {
    WorkflowReplayer::new()
        .workflow(child_outcomes)
        .workflow(child_cancel)
        .workflow(parent_close)
        .workflow(external)
        .workflow(cancelled_before_sent)
        .workflow(open)
        .workflow(duplicate_child_workflow)
        .workflow(reset_workflow_with_child)
}

#[test]
fn python_children_and_external_workflows_end_as_recorded() {
    for name in ["child_outcomes", "child_cancel", "parent_close", "external", "cancelled_before_sent"] {
        fits(&replayer(), &recorded(name));
    }
}

#[test]
fn python_runs_that_were_left_open_are_open() {
    for name in ["open", "open_task_scheduled", "open_task_started"] {
        fits(&replayer(), &recorded(name));
    }
}

#[test]
fn go_a_child_that_is_signalled_by_its_run() {
    let Some(history) = from_elsewhere("go/duplicate-child-workflow.json") else { return };
    fits(&replayer(), &history);
}

#[test]
fn go_a_child_with_an_id_that_go_made_up_after_a_reset() {
    let Some(history) = from_elsewhere("go/reset-workflow-before-child-init.json") else { return };
    fits(&replayer(), &history);
}
