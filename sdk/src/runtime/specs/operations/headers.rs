//! Headers: values that travel beside the arguments, out with a workflow's commands, and in with its messages.
//!
//! (Headers of continue-as-new and of the start: `side_data.rs`.)

use std::collections::BTreeMap;

use expect_test::expect;

use super::child_workflows::{Listener, chore};
use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_workflow};
use crate::{
    ActivityError, ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

#[activity]
async fn charge(_cents: u32) -> Result<(), ActivityError> {
    Ok(())
}

/// JSON cannot hold this map, because its keys are not strings.
fn unwritable() -> BTreeMap<(u8, u8), u8> {
    BTreeMap::from([((1, 2), 3)])
}

#[test]
fn children_carry_headers() {
    check(
        |ctx| async move {
            let call = ctx.child_workflow(chore, 7).id("child-1").header("trace", &"old".to_string());
            Ok(call.header("trace", &"new".to_string()).await?)
        },
        FIRST_TASK,
        expect![[r#"StartChildWorkflowExecution id=child-1 type=child input=7 header.trace="new""#]],
    );
    check(
        |ctx| async move { Ok(ctx.child_workflow(chore, 7).header("trace", &unwritable()).await?) },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: child workflow `child` cannot be started: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string (at headers.rs `|ctx| async move { Ok(ctx.child_workflow(chore, 7).header("trace", &unwritable()).await?) },`)"#
        ]],
    );
}

#[test]
fn calls_prepared_on_replay_are_sent_whole_when_the_run_is_live() {
    check(
        |ctx| async move {
            let child = ctx.child_workflow(chore, 7).id("child-1");
            let child = child.memo("note", &"kept".to_string()).header("trace", &"abc".to_string());
            let signal = ctx.external_workflow("other").signal(Listener::hear, "hello".into());
            let signal = signal.header("trace", &"abc".to_string());
            ctx.timer(secs(1)).await?;
            signal.await?;
            Ok(child.await?)
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"SignalExternalWorkflowExecution workflow=other name=hear input="hello" header.trace="abc""#]],
    );
    check(
        |ctx| async move {
            let child = ctx.child_workflow(chore, 7).id("child-1");
            let child = child.memo("note", &"kept".to_string()).header("trace", &"abc".to_string());
            ctx.timer(secs(1)).await?;
            Ok(child.await?)
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"StartChildWorkflowExecution id=child-1 type=child input=7 header.trace="abc" memo.note="kept""#]],
    );
}

#[test]
fn signals_to_children_and_to_others_carry_headers() {
    check(
        |ctx| async move {
            let child = ctx.child_workflow(Listener::run, ()).id("child-1").start().await?;
            child.signal(Listener::hear, "hello".into()).header("trace", &"abc".to_string()).await?;
            Ok(child.await?)
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated id=child-1 type=listener
             6 ChildWorkflowExecutionStarted
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[
            r#"SignalExternalWorkflowExecution workflow=child-1 name=hear input="hello" child_workflow_only=true header.trace="abc""#
        ]],
    );
    check(
        |ctx| async move {
            let other = ctx.external_workflow("other");
            Ok(other.signal(Listener::hear, "hello".into()).header("trace", &unwritable()).await?)
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: a header of signal `hear` cannot be written: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string (at headers.rs `Ok(other.signal(Listener::hear, "hello".into()).header("trace", &unwritable()).await?)`)"#
        ]],
    );
}

#[test]
fn local_activities_carry_headers_which_the_history_does_not_hold() {
    check(
        |ctx| async move {
            let call = ctx.local_activity(charge, 1).start_to_close_timeout(secs(5));
            Ok(call.header("trace", &"abc".to_string()).await?)
        },
        FIRST_TASK,
        expect![[r#"run local_activity=1 type=charge id=1 input=1 header.trace="abc""#]],
    );
    check(
        |ctx| async move {
            let call = ctx.local_activity(charge, 1).start_to_close_timeout(secs(5));
            Ok(call.header("trace", &unwritable()).await?)
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the header `trace` of local activity `charge` cannot be written: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string (at headers.rs `Ok(call.header("trace", &unwritable()).await?)`)"#
        ]],
    );
}

/// Returns the headers of its messages.
#[workflow(name = "wf")]
#[derive(Default)]
struct Reader {
    read: State<Vec<String>>,
}

#[workflow_methods]
impl Reader {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.read.with(|read| read.len() == 3)).await?;
        self.note(ctx, "the main routine");
        Ok(self.read.take())
    }

    #[signal]
    async fn hear(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.note(ctx, "a signal");
        Ok(())
    }

    #[update]
    fn ask(&self, ctx: &WorkflowContext) {
        self.note(ctx, "an update");
    }

    #[update_validator(ask)]
    fn may_ask(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        match ctx.message_header::<String>("trace") {
            Ok(None) => Err(ApplicationFailure::new("no trace").into()),
            _ => Ok(()),
        }
    }

    fn note(&self, ctx: &WorkflowContext, whose: &str) {
        let trace = match ctx.message_header::<String>("trace") {
            Ok(trace) => format!("{trace:?}"),
            Err(error) => error.to_string(),
        };
        self.read.update(|read| read.push(format!("{whose}: {trace}")));
    }
}

#[test]
fn handlers_and_validators_read_the_headers_of_their_message() {
    let history = |updates: &str| {
        after_first_task(&format!(
            "5 WorkflowExecutionSignaled name=hear header.trace=\"abc\"
             6 WorkflowExecutionSignaled name=hear
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerStarted id=1
             11 TimerStarted id=2
             12 TimerFired id=2
             13 TimerFired id=1
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted
             {updates}"
        ))
    };
    check_workflow(
        Reader::run,
        &history("update id=u1 name=ask\nupdate id=u2 name=ask header.trace=7"),
        None,
        expect![[r#"
            ProtocolMessage message_id=u2/request/accept
            ProtocolMessage message_id=u2/request/complete
            CompleteWorkflowExecution result=["an update: expected `String`, found JSON: an integer","a signal: None","a signal: Some(\"abc\")","the main routine: None"]
            u1/request/reject of u1: Rejection rejected_request_message_id=u1/request rejected_request_sequencing=14 rejected_request.meta.update_id=u1 rejected_request.meta.identity=caller rejected_request.input.name=ask message="no trace" source=AbideSDK
            u2/request/accept of u2: Acceptance request=u2/request sequencing=14 accepted_request.meta.update_id=u2 accepted_request.meta.identity=caller accepted_request.input.header.trace=7 name=ask
            u2/request/complete of u2: Response update=u2 meta.identity=caller result=null"#]],
    );
}
