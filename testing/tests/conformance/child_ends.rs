//! A parent that closes while it holds a child's handle, or in the answer that starts, cancels or signals the child.

use abide::prelude::*;
use abide::workflow::ParentClosePolicy;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    CancelWorkflowExecutionCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::WorkflowType;
use abide_protos::temporal::api::enums::v1::{CommandType, ParentClosePolicy as WirePolicy, TaskQueueKind};
use abide_protos::temporal::api::failure::v1::Failure;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use expect_test::expect;

use crate::arm::{Arm, Histories, Outcome, compare};
use crate::raw::{Raw, command, compare_answers};

type Failed = Box<dyn std::error::Error>;

/// Ends when told.
#[workflow]
#[derive(Default)]
struct Left {
    word: State<Option<String>>,
}

#[workflow_methods]
impl Left {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.word.with(Option::is_some)).await?;
        Ok(self.word.get().unwrap_or_default())
    }

    #[signal]
    fn finish(&self, word: String) {
        self.word.set(Some(word));
    }
}

fn policy(name: &str) -> ParentClosePolicy {
    match name {
        "abandon" => ParentClosePolicy::Abandon,
        "cancel" => ParentClosePolicy::RequestCancel,
        _ => ParentClosePolicy::Terminate,
    }
}

/// Returns while it holds the handle of a running child.
#[workflow]
async fn holds_its_child(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    let id = format!("{}-child", ctx.info().workflow_id);
    let call = ctx.child_workflow(Left::run, ()).id(id).parent_close_policy(policy(&name));
    let child = call.start().await?;
    ctx.timer(millis(300)).await?;
    let ended = if child.is_done() { "the child has ended" } else { "the child runs" };
    Ok(ended.into())
}

async fn held(arm: Arm, name: &str) -> Histories {
    let worker = arm.worker().workflow(holds_its_child).workflow(Left::run).build()?;
    worker
        .run_until(async {
            let start = arm.client.start(holds_its_child, name.to_owned()).id(arm.id()).task_queue(arm.queue());
            let parent = start.await?;
            let child = arm.client.handle(Left::run, format!("{}-child", arm.id()));
            assert_eq!(parent.result().await?, "the child runs");
            if name == "abandon" {
                // A cancellation request would reach it before the signal.
                child.signal(Left::finish, "on its own".into()).await?;
                assert_eq!(child.result().await?, "on its own");
            } else {
                let error = child.result().await.expect_err("its parent has ended");
                assert_eq!((error.is_terminated(), error.is_cancelled()), (name == "terminate", name == "cancel"));
            }
            Ok::<_, Failed>(vec![parent.fetch_history().await?, child.fetch_history().await?])
        })
        .await?
}

#[tokio::test]
async fn an_abandoned_child_whose_handle_is_held_at_the_return_goes_on() -> Outcome {
    compare("held-abandon", |arm| held(arm, "abandon")).await
}

#[tokio::test]
async fn a_child_whose_handle_is_held_at_the_return_ends_by_its_policy() -> Outcome {
    compare("held-terminate", |arm| held(arm, "terminate")).await?;
    compare("held-cancel", |arm| held(arm, "cancel")).await
}

/// Starts a child and returns, in one task.
#[workflow]
async fn begins_and_returns(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    let id = format!("{}-child", ctx.info().workflow_id);
    let call = ctx.child_workflow(Left::run, ()).id(id).parent_close_policy(policy(&name));
    call.start().detach();
    Ok(name)
}

/// Checks a child that is started, with its policy, in the task that closes the run: the server never starts it.
#[expect(clippy::disallowed_methods, reason = "nothing tells that a thing will not happen: time has to pass")]
async fn begun(arm: Arm, name: &str) -> Histories {
    let worker = arm.worker().workflow(begins_and_returns).workflow(Left::run).build()?;
    worker
        .run_until(Box::pin(async {
            let start = arm.client.start(begins_and_returns, name.to_owned()).id(arm.id()).task_queue(arm.queue());
            let parent = start.await?;
            assert_eq!(parent.result().await?, name);
            let child = arm.client.handle(Left::run, format!("{}-child", arm.id()));
            tokio::time::sleep(millis(500)).await;
            assert!(child.describe().await.expect_err("it was never started").is_not_found());
            Ok::<_, Failed>(vec![parent.fetch_history().await?])
        }))
        .await?
}

#[tokio::test]
async fn a_child_begun_in_the_task_that_ends_the_run_is_not_started() -> Outcome {
    for name in ["terminate", "abandon", "cancel"] {
        compare(&format!("begun-{name}"), |arm| begun(arm, name)).await?;
    }
    Ok(())
}

/// Returns the command that starts a child on its own queue, which no worker polls.
fn start_child(raw: &Raw, name: &str, policy: WirePolicy) -> Command {
    let queue = TaskQueue { name: raw.id_of("-children"), kind: TaskQueueKind::Normal.into(), ..Default::default() };
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: raw.id_of(name),
        workflow_type: Some(WorkflowType { name: "child".into() }),
        task_queue: Some(queue),
        parent_close_policy: policy.into(),
        ..Default::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        Attributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

fn cancel_child(raw: &Raw, name: &str) -> Command {
    let attributes = RequestCancelExternalWorkflowExecutionCommandAttributes {
        workflow_id: raw.id_of(name),
        child_workflow_only: true,
        ..Default::default()
    };
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

fn signal_child(raw: &Raw, name: &str) -> Command {
    let attributes = SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(raw.execution_of(name)),
        signal_name: "last".into(),
        ..Default::default()
    };
    command(
        CommandType::SignalExternalWorkflowExecution,
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

/// Returns each command that closes a run.
fn closings() -> [(&'static str, Command); 4] {
    use Attributes as A;
    let complete = CompleteWorkflowExecutionCommandAttributes::default();
    let failure = Failure { message: "over".into(), ..Default::default() };
    let fail = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
    let cancel = CancelWorkflowExecutionCommandAttributes::default();
    let next = ContinueAsNewWorkflowExecutionCommandAttributes::default();
    [
        (
            "complete",
            command(CommandType::CompleteWorkflowExecution, A::CompleteWorkflowExecutionCommandAttributes(complete)),
        ),
        ("fail", command(CommandType::FailWorkflowExecution, A::FailWorkflowExecutionCommandAttributes(fail))),
        ("cancel", command(CommandType::CancelWorkflowExecution, A::CancelWorkflowExecutionCommandAttributes(cancel))),
        (
            "continue as new",
            command(
                CommandType::ContinueAsNewWorkflowExecution,
                A::ContinueAsNewWorkflowExecutionCommandAttributes(next),
            ),
        ),
    ]
}

const POLICIES: [(&str, WirePolicy); 4] = [
    ("no policy", WirePolicy::Unspecified),
    ("terminate", WirePolicy::Terminate),
    ("abandon", WirePolicy::Abandon),
    ("request cancel", WirePolicy::RequestCancel),
];

/// Records the events of these children, or that there are none, once all effects of their parents' ends have arrived.
#[expect(clippy::disallowed_methods, reason = "nothing tells that a thing will not happen: time has to pass")]
async fn note_children(raw: &mut Raw, answers: Vec<(String, Result<&'static str, tonic::Status>)>) -> Outcome {
    tokio::time::sleep(millis(400)).await;
    for (what, answer) in answers {
        raw.note(&what, &answer);
        let events = raw.events(&child_of(&what)).await.map(|events| {
            let kinds = events.iter().map(|event| event.event_type().as_str_name().trim_start_matches("EVENT_TYPE_"));
            kinds.collect::<Vec<_>>().join(", ")
        });
        raw.note("  the child", &events.map_err(|status| tonic::Status::new(status.code(), "some text")));
    }
    Ok(())
}

fn child_of(what: &str) -> String {
    format!("-{}", what.replace(", ", "-").replace(' ', "-"))
}

#[tokio::test]
async fn a_child_in_the_answer_that_ends_the_run_is_never_started() -> Outcome {
    let expected = expect![[r#"
        complete, no policy: done
          the child: NotFound: some text
        complete, terminate: done
          the child: NotFound: some text
        complete, abandon: done
          the child: NotFound: some text
        complete, request cancel: done
          the child: NotFound: some text
        fail, no policy: done
          the child: NotFound: some text
        fail, terminate: done
          the child: NotFound: some text
        fail, abandon: done
          the child: NotFound: some text
        fail, request cancel: done
          the child: NotFound: some text
        cancel, no policy: done
          the child: NotFound: some text
        cancel, terminate: done
          the child: NotFound: some text
        cancel, abandon: done
          the child: NotFound: some text
        cancel, request cancel: done
          the child: NotFound: some text
        continue as new, no policy: done
          the child: NotFound: some text
        continue as new, terminate: done
          the child: NotFound: some text
        continue as new, abandon: done
          the child: NotFound: some text
        continue as new, request cancel: done
          the child: NotFound: some text
    "#]];
    compare_answers("begun-raw", expected, |mut raw| async move {
        let mut answers = Vec::new();
        for (end, closing) in closings() {
            for (name, policy) in POLICIES {
                let what = format!("{end}, {name}");
                raw.restart().await?;
                raw.poll().await?;
                let start = start_child(&raw, &child_of(&what), policy);
                answers.push((what, raw.complete(vec![start, closing.clone()]).await));
            }
        }
        note_children(&mut raw, answers).await?;
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_message_to_a_child_in_the_answer_that_ends_the_run_goes_with_it() -> Outcome {
    let expected = expect![[r#"
        complete, no policy: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        complete, terminate: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        complete, abandon: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED
        complete, request cancel: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_CANCEL_REQUESTED
        fail, no policy: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        fail, terminate: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        fail, abandon: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED
        fail, request cancel: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_CANCEL_REQUESTED
        cancel, no policy: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        cancel, terminate: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        cancel, abandon: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED
        cancel, request cancel: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_CANCEL_REQUESTED
        continue as new, no policy: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        continue as new, terminate: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_TERMINATED
        continue as new, abandon: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED
        continue as new, request cancel: done
          the child: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_CANCEL_REQUESTED
    "#]];
    compare_answers("asked-last", expected, |mut raw| async move {
        let mut answers = Vec::new();
        for (end, closing) in closings() {
            for (name, policy) in POLICIES {
                let what = format!("{end}, {name}");
                let child = child_of(&what);
                raw.restart().await?;
                raw.poll().await?;
                let start = start_child(&raw, &child, policy);
                raw.complete(vec![start]).await?;
                // The child's start triggers a task of the parent.
                raw.poll().await?;
                let asked = vec![cancel_child(&raw, &child), signal_child(&raw, &child), closing.clone()];
                answers.push((what, raw.complete(asked).await));
            }
        }
        note_children(&mut raw, answers).await?;
        Ok(raw)
    })
    .await
}
