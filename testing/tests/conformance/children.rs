//! Child workflows. If a child and its parent could race for the next event, the child waits briefly.

use abide::client::Client;
use abide::prelude::*;
use abide::workflow::{ChildWorkflowCancellationType, ParentClosePolicy, WorkflowIdReusePolicy};
use abide::{ChildWorkflowFailure, History, Workflow};

use crate::arm::{Arm, Histories, Outcome, compare, until, until_event};

#[workflow]
async fn slow_echo(ctx: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
    ctx.timer(millis(300)).await?;
    if text == "fail" {
        return Err(ApplicationFailure::new("the child failed").error_type("Broken").detail(&7_u32)?.into());
    }
    Ok(text)
}

/// Ends when told; when cancelled, it cleans up first.
#[workflow]
#[derive(Default)]
struct Waiter {
    word: State<Option<String>>,
}

#[workflow_methods]
impl Waiter {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        if let Err(cancelled) = ctx.wait_until(|| self.word.with(Option::is_some)).await {
            ctx.shielded(ctx.timer(millis(300))).await?;
            return Err(cancelled.into());
        }
        ctx.timer(millis(300)).await?;
        Ok(self.word.get().unwrap_or_default())
    }

    #[signal]
    fn finish(&self, word: String) {
        self.word.set(Some(word));
    }
}

fn told(error: &ChildWorkflowFailure) -> String {
    let kinds = [
        ("already started", error.is_already_started()),
        ("timed out", error.is_timeout()),
        ("cancelled", error.is_cancelled()),
        ("terminated", error.is_terminated()),
    ];
    match kinds.into_iter().find(|(_, is)| *is) {
        Some((kind, _)) => kind.into(),
        None => error.error_type().unwrap_or_default(),
    }
}

/// Returns the id of a workflow's only child. Arguments contain no ids, because these differ from run to run.
fn child_id(ctx: &WorkflowContext) -> String {
    format!("{}-child", ctx.info().workflow_id)
}

/// Returns the history of a workflow that is about to close.
async fn closed<Kind, W: Workflow<Kind>>(
    client: &Client,
    workflow: W,
    id: String,
) -> Result<History, Box<dyn std::error::Error>> {
    let handle = client.handle(workflow, id);
    // Boxed, because a body waits for several of these and would contain them all.
    Box::pin(async move {
        until("it has closed", || async { Ok(!handle.describe().await?.status().is_open()) }).await?;
        Ok(handle.fetch_history().await?)
    })
    .await
}

#[workflow]
async fn outcomes(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let named = |name: &str| format!("{}-{name}", ctx.info().workflow_id);
    let ok = ctx.child_workflow(slow_echo, "hello".into()).id(named("ok"));
    let ok = ok
        .memo("note", &"kept".to_string())
        .static_summary("says it")
        .static_details("and no more")
        .task_timeout(secs(7));
    let policy = RetryPolicy::new().maximum_attempts(1);
    let failing = ctx.child_workflow(slow_echo, "fail".into()).id(named("fail")).retry_policy(policy);
    let timed_out = ctx.child_workflow(Waiter::run, ()).id(named("late")).execution_timeout(secs(1));
    let mut all = vec![ok.await?];
    all.push(told(&failing.await.expect_err("it fails")));
    all.push(told(&timed_out.await.expect_err("it takes too long")));
    let again = ctx.child_workflow(slow_echo, "hello".into()).id(named("ok"));
    let refused = again.id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate).await;
    all.push(told(&refused.expect_err("its id was used")));
    Ok(all)
}

#[tokio::test]
async fn children_end_in_every_way() -> Outcome {
    compare("child-outcomes", |arm| async move {
        let worker = arm.worker().workflow(outcomes).workflow(slow_echo).workflow(Waiter::run).build()?;
        let histories = worker
            .run_until(async {
                let handle = arm.client.start(outcomes, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, ["hello", "Broken", "timed out", "already started"]);
                let child = |name: &str| format!("{}-{name}", arm.id());
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    handle.fetch_history().await?,
                    closed(&arm.client, slow_echo, child("ok")).await?,
                    closed(&arm.client, slow_echo, child("fail")).await?,
                    closed(&arm.client, Waiter::run, child("late")).await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn terminated_child(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let id = child_id(ctx);
    let first = ctx.child_workflow(Waiter::run, ()).id(id.clone()).start().await?;
    let second = ctx.child_workflow(Waiter::run, ()).id(id).await;
    let refused = told(&second.expect_err("the id is in use"));
    Ok(vec![refused, told(&first.await.expect_err("somebody terminates it"))])
}

#[tokio::test]
async fn a_child_whose_id_runs_is_refused_and_a_terminated_one_is_told_of() -> Outcome {
    compare("child-terminated", |arm| async move {
        let worker = arm.worker().workflow(terminated_child).workflow(Waiter::run).build()?;
        let histories = worker
            .run_until(async {
                let child = format!("{}-child", arm.id());
                let start = arm.client.start(terminated_child, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                arm.client.handle(Waiter::run, child.clone()).terminate().reason("no more").await?;
                assert_eq!(handle.result().await?, ["already started", "terminated"]);
                let parent = handle.fetch_history().await?;
                Ok::<_, Box<dyn std::error::Error>>(vec![parent, closed(&arm.client, Waiter::run, child).await?])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn signals_child(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let child = ctx.child_workflow(Waiter::run, ()).id(child_id(ctx)).start().await?;
    ctx.timer(millis(300)).await?;
    child.signal(Waiter::finish, "told by the parent".into()).await?;
    Ok(child.await?)
}

#[tokio::test]
async fn a_parent_signals_its_child() -> Outcome {
    compare("child-signalled", |arm| async move {
        let worker = arm.worker().workflow(signals_child).workflow(Waiter::run).build()?;
        let histories = worker
            .run_until(async {
                let child = format!("{}-child", arm.id());
                let start = arm.client.start(signals_child, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.await?;
                assert_eq!(handle.result().await?, "told by the parent");
                let parent = handle.fetch_history().await?;
                Ok::<_, Box<dyn std::error::Error>>(vec![parent, closed(&arm.client, Waiter::run, child).await?])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn cancels_child(ctx: &WorkflowContext, kind: u32) -> Result<String, WorkflowError> {
    let kind = match kind {
        0 => ChildWorkflowCancellationType::Abandon,
        1 => ChildWorkflowCancellationType::TryCancel,
        2 => ChildWorkflowCancellationType::WaitCancellationRequested,
        _ => ChildWorkflowCancellationType::WaitCancellationCompleted,
    };
    let call = ctx.child_workflow(Waiter::run, ()).id(child_id(ctx)).cancellation_type(kind);
    let child = call.start().await?;
    ctx.timer(millis(300)).await?;
    child.cancel_with_reason("the parent has changed its mind");
    let ended = told(&child.await.expect_err("it was cancelled"));
    // Later events trigger a task, to which the workflow does not react.
    ctx.timer(secs(3)).await?;
    Ok(ended)
}

async fn cancelling(arm: Arm, kind: u32) -> Histories {
    let worker = arm.worker().workflow(cancels_child).workflow(Waiter::run).build()?;
    let histories = worker
        .run_until(async {
            let child = format!("{}-child", arm.id());
            let start = arm.client.start(cancels_child, kind).id(arm.id()).task_queue(arm.queue());
            let handle = start.await?;
            assert_eq!(handle.result().await?, "cancelled");
            let parent = handle.fetch_history().await?;
            Ok::<_, Box<dyn std::error::Error>>(vec![parent, closed(&arm.client, Waiter::run, child).await?])
        })
        .await??;
    Ok(histories)
}

#[tokio::test]
async fn an_abandoned_child_is_not_asked() -> Outcome {
    compare("child-abandon", |arm| cancelling(arm, 0)).await
}

#[tokio::test]
async fn try_cancel_of_a_child_resolves_at_once() -> Outcome {
    compare("child-try-cancel", |arm| cancelling(arm, 1)).await
}

#[tokio::test]
async fn both_waiting_types_wait_for_the_child() -> Outcome {
    compare("child-wait-requested", |arm| cancelling(arm, 2)).await?;
    compare("child-wait-completed", |arm| cancelling(arm, 3)).await
}

#[workflow]
async fn waits_for_child(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.child_workflow(Waiter::run, ()).id(child_id(ctx)).await?)
}

#[tokio::test]
async fn a_cancelled_parent_cancels_its_child_and_waits_for_it() -> Outcome {
    compare("child-of-cancelled", |arm| async move {
        let worker = arm.worker().workflow(waits_for_child).workflow(Waiter::run).build()?;
        let histories = worker
            .run_until(async {
                let child = format!("{}-child", arm.id());
                let start = arm.client.start(waits_for_child, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                let running = arm.client.handle(Waiter::run, child.clone());
                until_event(&running, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                handle.cancel().reason("enough").await?;
                let error = handle.result().await.expect_err("it was cancelled");
                assert!(error.is_cancelled(), "{error}");
                let parent = handle.fetch_history().await?;
                Ok::<_, Box<dyn std::error::Error>>(vec![parent, closed(&arm.client, Waiter::run, child).await?])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn leaves_children(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let id = &ctx.info().workflow_id;
    let policies = [
        ("terminate", ParentClosePolicy::Terminate),
        ("abandon", ParentClosePolicy::Abandon),
        ("cancel", ParentClosePolicy::RequestCancel),
    ];
    for (name, policy) in policies {
        let call = ctx.child_workflow(Waiter::run, ()).id(format!("{id}-{name}")).parent_close_policy(policy);
        call.start().await?.detach();
    }
    ctx.timer(millis(300)).await?;
    Ok("left them".into())
}

#[tokio::test]
async fn parent_close_policies() -> Outcome {
    compare("parent-close", |arm| async move {
        let worker = arm.worker().workflow(leaves_children).workflow(Waiter::run).build()?;
        let histories = worker
            .run_until(async {
                let handle = arm.client.start(leaves_children, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, "left them");
                let child = |name: &str| format!("{}-{name}", arm.id());
                let terminated = closed(&arm.client, Waiter::run, child("terminate")).await?;
                let cancelled = closed(&arm.client, Waiter::run, child("cancel")).await?;
                let abandoned = arm.client.handle(Waiter::run, child("abandon"));
                abandoned.signal(Waiter::finish, "on its own".into()).await?;
                assert_eq!(abandoned.result().await?, "on its own");
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    handle.fetch_history().await?,
                    terminated,
                    cancelled,
                    abandoned.fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn countdown(ctx: &WorkflowContext, n: u32) -> Result<String, WorkflowError> {
    ctx.timer(millis(300)).await?;
    match n {
        0 => Ok("lift-off".into()),
        n => ctx.continue_as_new(countdown, n - 1).into(),
    }
}

#[workflow]
async fn waits_for_chain(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.child_workflow(countdown, 1).id(child_id(ctx)).await?)
}

#[tokio::test]
async fn a_child_that_continues_as_new_ends_with_its_last_run() -> Outcome {
    compare("child-chain", |arm| async move {
        let worker = arm.worker().workflow(waits_for_chain).workflow(countdown).build()?;
        let histories = worker
            .run_until(async {
                let child = format!("{}-child", arm.id());
                let start = arm.client.start(waits_for_chain, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.await?;
                assert_eq!(handle.result().await?, "lift-off");
                let parent = handle.fetch_history().await?;
                Ok::<_, Box<dyn std::error::Error>>(vec![parent, closed(&arm.client, countdown, child).await?])
            })
            .await??;
        Ok(histories)
    })
    .await
}

/// Continues in a second run, as continue-as-new or as a retry after a failure. The second run waits to be cancelled.
#[workflow]
async fn second_run_waits(ctx: &WorkflowContext, how: String) -> Result<(), WorkflowError> {
    if ctx.info().continued_run_id.is_empty() {
        return match how.as_str() {
            "continued" => ctx.continue_as_new(second_run_waits, how).into(),
            _ => Err(ApplicationFailure::new("once more").into()),
        };
    }
    ctx.wait_until(|| false).await?;
    Ok(())
}

/// Cancels its child when told, and waits for the child's end.
#[workflow]
#[derive(Default)]
struct CancelsLater {
    told: State<bool>,
}

#[workflow_methods]
impl CancelsLater {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, how: String) -> Result<String, WorkflowError> {
        let call = ctx.child_workflow(second_run_waits, how).id(child_id(ctx));
        let call = call.retry_policy(RetryPolicy::new().initial_interval(millis(20)).maximum_attempts(2));
        let child = call.cancellation_type(ChildWorkflowCancellationType::WaitCancellationCompleted).start().await?;
        ctx.wait_until(|| self.told.get()).await?;
        child.cancel();
        Ok(told(&child.await.expect_err("it is cancelled")))
    }

    #[signal]
    fn cancel(&self) {
        self.told.set(true);
    }
}

async fn cancelled_in_its_second_run(arm: Arm, how: &str) -> Histories {
    let worker = arm.worker().workflow(CancelsLater::run).workflow(second_run_waits).build()?;
    let histories = worker
        .run_until(Box::pin(async {
            let start = arm.client.start(CancelsLater::run, how.into()).id(arm.id()).task_queue(arm.queue());
            let (parent, child) = (start.await?, arm.client.handle(second_run_waits, format!("{}-child", arm.id())));
            until("the second run waits", || async {
                let Ok(described) = child.describe().await else { return Ok(false) };
                let is_second = described.info().run_id() != described.info().first_execution_run_id();
                Ok(is_second && child.fetch_history().await?.len() >= 4)
            })
            .await?;
            parent.signal(CancelsLater::cancel, ()).await?;
            assert_eq!(parent.result().await?, "cancelled");
            Ok::<_, Box<dyn std::error::Error>>(vec![parent.fetch_history().await?, child.fetch_history().await?])
        }))
        .await??;
    Ok(histories)
}

#[tokio::test]
async fn a_child_that_has_continued_as_new_is_cancelled_in_its_open_run() -> Outcome {
    compare("child-continued-cancelled", |arm| cancelled_in_its_second_run(arm, "continued")).await
}

#[tokio::test]
async fn a_child_that_was_tried_again_is_cancelled_in_its_open_run() -> Outcome {
    compare("child-retried-cancelled", |arm| cancelled_in_its_second_run(arm, "retried")).await
}
