//! Interceptors before commands: what they see and change, and which operations they are not called for.

use async_trait::async_trait;
use expect_test::{Expect, expect};

use super::{Notes, one};
use crate::duration::{hours, mins, secs};
use crate::interceptor::{
    CancelExternalWorkflowInput, ContinueAsNewInput, ScheduleActivityInput, ScheduleLocalActivityInput,
    SignalExternalWorkflowInput, StartChildWorkflowInput, StartNexusOperationInput, StartTimerInput,
    WorkflowInterceptor,
};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check_with, closure};
use crate::runtime::specs::operations::child_workflows::{Listener, chore};
use crate::{
    ActivityError, NexusOperation, PayloadValue, SearchAttributeKey, WorkflowContext, WorkflowError, activity,
};

#[activity]
async fn charge(_cents: u32) -> Result<String, ActivityError> {
    Ok("receipt".into())
}

const REGION: SearchAttributeKey<String> = SearchAttributeKey::keyword("Region");
const PAY: NexusOperation<u64, String> = NexusOperation::new("service", "operation");

/// Changes everything that it sees, and keeps what it saw in a header.
struct Edits;

#[async_trait(?Send)]
impl WorkflowInterceptor for Edits {
    fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
        let cents: u32 = input.arguments.get(0).unwrap();
        let saw = format!(
            "{} {:?} {cents} {:?} {:?} {}",
            input.activity_type,
            input.activity_id,
            input.summary,
            input.options.start_to_close_timeout,
            ctx.info().attempt
        );
        input.headers.set("saw", &saw).unwrap();
        input.arguments.set(0, &(cents + 1)).unwrap();
        input.activity_type = "charge_twice".into();
        input.activity_id = Some("chosen".into());
        input.options.task_queue = Some("others".into());
        input.options.heartbeat_timeout = Some(secs(9));
        input.options.retry_policy.get_or_insert_default().maximum_attempts += 1;
        input.summary = Some("changed".into());
    }

    fn schedule_local_activity(&self, _: &WorkflowContext, input: &mut ScheduleLocalActivityInput) {
        let cents: u32 = input.arguments.get(0).unwrap();
        let saw = format!("{} {:?} {cents} {:?}", input.activity_type, input.activity_id, input.summary);
        input.headers.set("saw", &saw).unwrap();
        input.arguments.set(0, &(cents + 1)).unwrap();
        input.activity_type = "charge_twice".into();
        input.activity_id = Some("chosen".into());
    }

    fn start_child_workflow(&self, _: &WorkflowContext, input: &mut StartChildWorkflowInput) {
        let n: u32 = input.arguments.get(0).unwrap();
        let (memo, region) = (input.memo::<String>("team").unwrap(), input.search_attribute(&REGION));
        let saw = format!(
            "{} {} {n} {:?} {:?} {memo:?} {region:?} {:?}",
            input.workflow_type,
            input.workflow_id,
            input.static_summary,
            input.static_details,
            input.options.run_timeout
        );
        input.headers.set("saw", &saw).unwrap();
        input.arguments.push(&(n + 1)).unwrap();
        input.workflow_type = "kid".into();
        input.workflow_id = "changed".into();
        input.options.task_queue = Some("others".into());
        input.static_summary = Some("changed".into());
        input.set_memo("tenant", &"acme").unwrap();
        input.set_search_attributes([REGION.set("US")]);
        assert!(!format!("{input:?}").contains("acme"), "{input:?}");
    }

    fn signal_external_workflow(&self, _: &WorkflowContext, input: &mut SignalExternalWorkflowInput) {
        let saw =
            format!("{} {} {:?} {:?} {}", input.name, input.workflow_id, input.run_id, input.namespace, input.is_child);
        input.headers.set("saw", &saw).unwrap();
        input.arguments.set(0, &"changed").unwrap();
        input.name = "listen".into();
        input.workflow_id.push_str("-2");
        input.namespace = Some("others".into());
    }

    fn cancel_external_workflow(&self, _: &WorkflowContext, input: &mut CancelExternalWorkflowInput) {
        input.reason = format!("{} {:?} {:?} {:?}", input.workflow_id, input.run_id, input.namespace, input.reason);
        input.workflow_id = "changed".into();
        input.run_id = Some("run".into());
    }

    fn start_nexus_operation(&self, _: &WorkflowContext, input: &mut StartNexusOperationInput) {
        let amount: u64 = input.input.to_value().unwrap();
        let saw = format!("{} {} {} {amount} {:?}", input.endpoint, input.service, input.operation, input.summary);
        input.nexus_headers.insert("Saw".into(), saw.clone());
        let shown = format!("{input:?}");
        assert!(shown.contains("Saw") && !shown.contains(&saw), "{shown}");
        input.input = crate::converter::RawPayload::from_value(&(amount + 1)).unwrap();
        input.endpoint = "others".into();
        input.operation = "changed".into();
        input.schedule_to_close_timeout = input.schedule_to_close_timeout.map(|limit| limit * 2);
        input.start_to_close_timeout = Some(secs(7));
        input.summary = Some("changed".into());
    }

    fn start_timer(&self, _: &WorkflowContext, input: &mut StartTimerInput) {
        input.summary = Some(format!("{:?} {:?}", input.duration, input.summary));
        input.duration += secs(1);
    }

    fn continue_as_new(&self, _: &WorkflowContext, input: &mut ContinueAsNewInput) {
        let n: u32 = input.arguments.get(0).unwrap();
        let memo = input.memo::<String>("team").unwrap();
        let saw = format!("{} {} {n} {:?} {memo:?}", input.workflow_type, input.task_queue, input.run_timeout);
        input.headers.set("saw", &saw).unwrap();
        input.arguments.set(0, &(n + 1)).unwrap();
        input.run_timeout = input.run_timeout.map(|limit| limit * 2);
        input.retry_policy.get_or_insert_default().maximum_attempts = 3;
        input.set_memo("tenant", &"acme").unwrap();
        input.task_queue = "others".into();
    }
}

#[track_caller]
fn check<F, Fut, T>(code: F, expected: Expect)
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    check_with(&one(Edits), closure(code), FIRST_TASK, expected);
}

#[test]
fn activities() {
    check(
        |ctx| async move { Ok(ctx.activity(charge, 7).summary("first").start_to_close_timeout(mins(1)).await?) },
        expect![[
            r#"ScheduleActivityTask id=chosen type=charge_twice queue=others header.saw="charge None 7 Some(\"first\") Some(60s) 1" input=8 start_to_close=1m heartbeat=9s retry.maximum_attempts=1"#
        ]],
    );
    check(
        |ctx| async move { Ok(ctx.local_activity(charge, 7).summary("first").start_to_close_timeout(mins(1)).await?) },
        expect![[
            r#"run local_activity=1 type=charge_twice id=chosen input=8 header.saw="charge None 7 Some(\"first\")""#
        ]],
    );
}

#[test]
fn children() {
    check(
        |ctx| async move {
            let child = ctx.child_workflow(chore, 7).id("child-1").header("trace", &1).static_summary("first");
            let child = child.static_details("more").search_attributes([REGION.set("EU")]).run_timeout(mins(1));
            Ok(child.memo("kept", &true).memo("team", &"blue").await?)
        },
        expect![[
            r#"StartChildWorkflowExecution id=changed type=kid queue=others input=7,8 workflow_run=1m header.saw="child child-1 7 Some(\"first\") Some(\"more\") Some(\"blue\") Some(\"EU\") Some(60s)" header.trace=1 memo.kept=true memo.team="blue" memo.tenant="acme" search_attributes.Region="US""#
        ]],
    );
}

#[test]
fn a_child_keeps_a_generated_id_that_nobody_changes() {
    struct PassesOn;
    impl WorkflowInterceptor for PassesOn {
        fn start_child_workflow(&self, _: &WorkflowContext, input: &mut StartChildWorkflowInput) {
            assert_eq!(input.workflow_id.len(), 36);
        }
    }
    // The id of another SDK is not compared.
    check_with(
        &one(PassesOn),
        closure(|ctx| async move { Ok(ctx.child_workflow(chore, 7).await?) }),
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated id=another type=child
             6 ChildWorkflowExecutionStarted
             7 ChildWorkflowExecutionCompleted result=\"done\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="done""#]],
    );
}

#[test]
fn messages_to_other_workflows() {
    check(
        |ctx| async move {
            let other = ctx.external_workflow("other").with_run_id("run-1");
            let signal = other.signal(Listener::hear, "hello".into()).header("trace", &1).start();
            let cancel = ctx.external_workflow("third").with_namespace("space").cancel().reason("late").start();
            signal.await?;
            Ok(cancel.await?)
        },
        expect![[r#"
            SignalExternalWorkflowExecution namespace=others workflow=other-2/run-1 name=listen input="changed" header.saw="hear other Some(\"run-1\") None false" header.trace=1
            RequestCancelExternalWorkflowExecution namespace=space id=changed run_id=run reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: third None Some(\"space\") \"late\"""#]],
    );
    check_with(
        &one(Edits),
        closure(|ctx| async move {
            let child = ctx.child_workflow(chore, 7).id("child-1").start().await?;
            let child_id = child.workflow_id().to_string();
            Ok(ctx.external_workflow(child_id).signal(Listener::hear, "hello".into()).await?)
        }),
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated id=changed type=kid
             6 ChildWorkflowExecutionStarted
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[
            r#"SignalExternalWorkflowExecution namespace=others workflow=changed-2 name=listen input="changed" header.saw="hear changed None None false""#
        ]],
    );
}

#[test]
fn a_signal_to_a_child_says_so() {
    struct Tells;
    impl WorkflowInterceptor for Tells {
        fn signal_external_workflow(&self, _: &WorkflowContext, input: &mut SignalExternalWorkflowInput) {
            input.headers.set("is_child", &input.is_child).unwrap();
        }
    }
    check_with(
        &one(Tells),
        closure(|ctx| async move {
            let child = ctx.child_workflow(Listener::run, ()).id("child-1").start().await?;
            child.signal(Listener::hear, "hello".into()).await?;
            Ok(child.await?)
        }),
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated id=child-1 type=listener
             6 ChildWorkflowExecutionStarted
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[
            r#"SignalExternalWorkflowExecution workflow=child-1 name=hear input="hello" child_workflow_only=true header.is_child=true"#
        ]],
    );
}

#[test]
fn nexus_operations() {
    check(
        |ctx| async move {
            Ok(ctx
                .nexus_operation("endpoint", PAY, 7)
                .schedule_to_close_timeout(hours(1))
                .nexus_header("A", "b")
                .await?)
        },
        expect![[
            r#"ScheduleNexusOperation endpoint=others service=service operation=changed input=8 schedule_to_close=2h nexus_header.a=b nexus_header.saw="endpoint service operation 7 None" start_to_close=7s"#
        ]],
    );
}

#[test]
fn timers_and_timeouts() {
    check(
        |ctx| async move {
            let _timer = ctx.timer(secs(5)).summary("mine").start();
            Ok(ctx.wait_until(|| false).timeout(secs(60)).await?)
        },
        expect![[r#"
            StartTimer id=1 after=6s
            StartTimer id=2 after=61s"#]],
    );
}

#[test]
fn continue_as_new() {
    check(
        |ctx| async move {
            let next = ctx.continue_as_new(chore, 7).header("trace", &1).memo("team", &"blue");
            abide_result(next.run_timeout(mins(1)).start_delay(secs(3)))
        },
        expect![[
            r#"ContinueAsNewWorkflowExecution type=child queue=others input=8 workflow_run=2m backoff_start_interval=3s retry.maximum_attempts=3 header.saw="child queue 7 Some(60s) Some(\"blue\")" header.trace=1 memo.team="blue" memo.tenant="acme""#
        ]],
    );
}

fn abide_result(next: crate::workflow::ContinueAsNew) -> Result<(), WorkflowError> {
    next.into()
}

/// Keeps the names of its methods.
struct Tells(Notes);

#[async_trait(?Send)]
impl WorkflowInterceptor for Tells {
    fn schedule_activity(&self, _: &WorkflowContext, _: &mut ScheduleActivityInput) {
        self.0.add("activity");
    }

    fn schedule_local_activity(&self, _: &WorkflowContext, _: &mut ScheduleLocalActivityInput) {
        self.0.add("local activity");
    }

    fn start_child_workflow(&self, _: &WorkflowContext, _: &mut StartChildWorkflowInput) {
        self.0.add("child");
    }

    fn signal_external_workflow(&self, _: &WorkflowContext, _: &mut SignalExternalWorkflowInput) {
        self.0.add("signal");
    }

    fn cancel_external_workflow(&self, _: &WorkflowContext, _: &mut CancelExternalWorkflowInput) {
        self.0.add("cancel");
    }

    fn start_nexus_operation(&self, _: &WorkflowContext, _: &mut StartNexusOperationInput) {
        self.0.add("nexus");
    }

    fn start_timer(&self, _: &WorkflowContext, _: &mut StartTimerInput) {
        self.0.add("timer");
    }

    fn activity_completed(
        &self,
        _: &WorkflowContext,
        activity: &crate::interceptor::CompletedActivity,
        result: Result<crate::converter::RawPayload, crate::ActivityFailure>,
    ) -> Result<crate::converter::RawPayload, crate::ActivityFailure> {
        self.0.add(format!("completed {}", activity.activity_type));
        result
    }
}

#[test]
fn nothing_is_called_for_operations_that_begin_in_a_cancelled_scope() {
    let notes = Notes::default();
    let workflow = closure(|ctx| async move {
        let scope = ctx.cancellation_scope();
        scope.cancel();
        let code = ctx.clone();
        let ends = scope.run(async move {
            let ctx = code;
            let activity = ctx.activity(charge, 1).start_to_close_timeout(secs(1)).await.is_err();
            let local = ctx.local_activity(charge, 1).start_to_close_timeout(secs(1)).await.is_err();
            let child = ctx.child_workflow(chore, 7).await.is_err();
            let signal = ctx.external_workflow("other").signal(Listener::hear, "hello".into()).await.is_err();
            let cancel = ctx.external_workflow("other").cancel().await.is_err();
            let nexus = ctx.nexus_operation("endpoint", PAY, 7).await.is_err();
            let timer = ctx.timer(secs(1)).await.is_err();
            [activity, local, child, signal, cancel, nexus, timer].iter().filter(|failed| **failed).count()
        });
        Ok(ends.await)
    });
    check_with(&one(Tells(notes.clone())), workflow, FIRST_TASK, expect!["CompleteWorkflowExecution result=7"]);
    assert!(notes.take().is_empty());
}

#[test]
fn arguments_that_cannot_be_written_are_noticed_on_replay_too() {
    #[activity]
    async fn keyed(_map: std::collections::BTreeMap<(u8, u8), u8>) -> Result<u32, ActivityError> {
        Ok(0)
    }
    let notes = Notes::default();
    let workflow =
        closure(
            |ctx| async move { Ok(ctx.activity(keyed, [((1, 2), 3)].into()).start_to_close_timeout(secs(5)).await?) },
        );
    check_with(
        &one(Tells(notes.clone())),
        workflow,
        &after_first_task("5 ActivityTaskScheduled type=keyed\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: the arguments of activity `keyed` cannot be written: argument 1: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string (at outbound.rs `|ctx| async move { Ok(ctx.activity(keyed, [((1, 2), 3)].into()).start_to_close_timeout(secs(5)).await?) },`)"
        ],
    );
    assert!(notes.take().is_empty());
}
