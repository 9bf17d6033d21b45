//! Operations whose handles are gone, methods as branches, and collections. (All kinds of handles: `every_handle.rs`.)

use expect_test::expect;

use super::child_workflows::{ChoreWorkflow, Listener, chore};
use crate::duration::{mins, secs};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded, check_workflow};
use crate::workflow::ParentClosePolicy;
use crate::{
    ActivityError, NexusOperation, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

const CHARGE: NexusOperation<u64, String> = NexusOperation::new("Payments", "charge");

#[activity]
async fn double(n: u32) -> Result<u32, ActivityError> {
    Ok(2 * n)
}

/// Begins one operation of each kind, detaches all of them, and waits for a timer.
async fn lets_go(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(9)).start().detach();
    ctx.activity(double, 1).start_to_close_timeout(secs(9)).start().detach();
    ctx.child_workflow(chore, 7).id("child-1").start().detach();
    ctx.nexus_operation("payments", CHARGE, 995).start().detach();
    ctx.external_workflow("other").signal(Listener::hear, "hello".into()).start().detach();
    ctx.external_workflow("other").cancel().start().detach();
    ctx.spawn(ctx.timer(secs(8))).detach();
    ctx.timer(secs(1)).await?;
    Ok(())
}

#[test]
fn detached_operations_go_on() {
    check(
        lets_go,
        FIRST_TASK,
        expect![[r#"
            StartTimer id=1 after=9s
            ScheduleActivityTask id=1 type=double input=1 start_to_close=9s
            StartChildWorkflowExecution id=child-1 type=child input=7
            ScheduleNexusOperation endpoint=payments service=Payments operation=charge input=995
            SignalExternalWorkflowExecution workflow=other name=hear input="hello"
            RequestCancelExternalWorkflowExecution id=other reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: "
            StartTimer id=2 after=1s
            StartTimer id=3 after=8s"#]],
    );
}

/// A child that is to outlive its parent, and has started when the first timer fires.
async fn outliving(
    ctx: &WorkflowContext,
) -> Result<crate::workflow::ChildWorkflowHandle<ChoreWorkflow>, WorkflowError> {
    let call = ctx.child_workflow(chore, 7).id("child-1");
    Ok(call.parent_close_policy(ParentClosePolicy::Abandon).start().await?)
}

const CHILD_STARTED: &str = "5 StartChildWorkflowExecutionInitiated
    6 ChildWorkflowExecutionStarted
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted";

#[test]
fn returning_with_the_handle_of_an_abandoned_child_does_not_cancel_it() {
    check(
        |ctx| async move {
            let _child = outliving(&ctx).await?;
            Ok(())
        },
        &after_first_task(CHILD_STARTED),
        expect!["CompleteWorkflowExecution result=null"],
    );
    check(
        |ctx| async move {
            let _child = outliving(&ctx).await?;
            Err::<(), _>("out of stock".into())
        },
        &after_first_task(CHILD_STARTED),
        expect![[r#"FailWorkflowExecution message="out of stock" source=AbideSDK"#]],
    );
}

/// Abide 0.1.0 cancelled such a child, and its runs are replayed that way. Runs of this version hold no request.
#[test]
fn runs_of_the_first_version_are_replayed_with_the_cancellation_of_an_abandoned_child() {
    let closed = |recorder: &str, request: &str| {
        let end = format!("{CHILD_STARTED}\n9 WorkflowTaskCompleted {recorder}\n{request} WorkflowExecutionCompleted");
        after_first_task(&end).replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted {recorder}"))
    };
    let returns = |ctx: WorkflowContext| async move {
        let _child = outliving(&ctx).await?;
        Ok(())
    };
    let request = "10 RequestCancelExternalWorkflowExecutionInitiated workflow=child-1\n11";
    check_recorded(returns, &closed("sdk=abide sdk_version=0.1.0", request), expect!["Idle"]);
    check_recorded(returns, &closed("sdk=abide sdk_version=0.2.0", "10"), expect!["Idle"]);
}

#[test]
fn an_abandoned_child_is_started_even_if_the_run_ends_with_that() {
    check(
        |ctx| async move {
            let _starting =
                ctx.child_workflow(chore, 7).id("child-1").parent_close_policy(ParentClosePolicy::Abandon).start();
            Ok(())
        },
        FIRST_TASK,
        expect![[r"
            StartChildWorkflowExecution id=child-1 type=child input=7 parent_close_policy=Abandon
            CompleteWorkflowExecution result=null"]],
    );
}

#[test]
fn dropping_the_handle_of_an_abandoned_child_cancels_it_while_the_run_goes_on() {
    check(
        |ctx| async move {
            drop(outliving(&ctx).await?);
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(CHILD_STARTED),
        expect![[r"
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            StartTimer id=1 after=1s"]],
    );
    check(
        |ctx| async move {
            drop(ctx.child_workflow(chore, 7).parent_close_policy(ParentClosePolicy::Abandon).start());
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=1 after=1s"],
    );
}

#[test]
fn returning_with_the_handle_of_another_child_cancels_it() {
    check(
        |ctx| async move {
            let _child = ctx.child_workflow(chore, 7).id("child-1").start().await?;
            Ok(())
        },
        &after_first_task(CHILD_STARTED),
        expect![[r"
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            CompleteWorkflowExecution result=null"]],
    );
}

#[workflow(name = "wf")]
#[derive(Default)]
struct Watch {
    late: State<bool>,
}

#[workflow_methods]
impl Watch {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(bool, u32), WorkflowError> {
        let watching = ctx.spawn_method(Self::watch);
        let seven = 7;
        let counting = ctx.spawn_method(async move |this: &Self, ctx| this.count(ctx, seven).await);
        let counted = counting.await?;
        watching.await;
        Ok((self.late.get(), counted))
    }
}

impl Watch {
    async fn watch(&self, ctx: &WorkflowContext) {
        self.late.set(ctx.timer(secs(1)).await.is_ok());
    }

    async fn count(&self, ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
        ctx.timer(mins(1)).await?;
        Ok(n)
    }
}

#[test]
fn a_method_is_spawned_without_a_clone() {
    check_workflow(
        Watch::run,
        FIRST_TASK,
        None,
        expect![[r"
            StartTimer id=1 after=1s
            StartTimer id=2 after=1m"]],
    );
    check_workflow(
        Watch::run,
        &after_first_task(
            "5 TimerStarted id=1
             6 TimerStarted id=2
             7 TimerFired started=5
             8 TimerFired started=6
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        None,
        expect!["CompleteWorkflowExecution result=[true,7]"],
    );
}

#[test]
fn a_method_of_another_struct_is_refused_by_name() {
    check(
        |ctx| async move {
            ctx.spawn_method(Watch::watch).await;
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at handles.rs `ctx.spawn_method(Watch::watch).await;`: `abide::runtime::specs::operations::handles::Watch` is not the struct of this workflow (wf): spawn a method of the workflow's own struct, or a future with `spawn`"
        ]],
    );
}

#[test]
fn a_collection_is_begun_and_awaited_in_one_go() {
    check(
        |ctx| async move {
            let doubled = crate::workflow::join_all((1..=3).map(|n| {
                let call = ctx.activity(double, n);
                call.start_to_close_timeout(secs(9))
            }));
            Ok(doubled.await.into_iter().collect::<Result<Vec<_>, _>>()?)
        },
        FIRST_TASK,
        expect![[r"
            ScheduleActivityTask id=1 type=double input=1 start_to_close=9s
            ScheduleActivityTask id=2 type=double input=2 start_to_close=9s
            ScheduleActivityTask id=3 type=double input=3 start_to_close=9s"]],
    );
}
