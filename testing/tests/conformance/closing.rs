//! A run whose worker tried to close it, which failed because new events had arrived.

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    Command, CompleteWorkflowExecutionCommandAttributes, ContinueAsNewWorkflowExecutionCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::enums::v1::{CommandType, EventType};
use abide_protos::temporal::api::workflowservice::v1::{
    RequestCancelWorkflowExecutionRequest, SignalWithStartWorkflowExecutionRequest,
};
use expect_test::expect;
use tonic::Status;

use crate::arm::{Outcome, until};
use crate::raw::{Raw, command, compare_answers, unique, with_deadline};

fn continue_as_new() -> Vec<Command> {
    let attributes = ContinueAsNewWorkflowExecutionCommandAttributes::default();
    vec![command(
        CommandType::ContinueAsNewWorkflowExecution,
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
    )]
}

fn complete() -> Vec<Command> {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    vec![command(
        CommandType::CompleteWorkflowExecution,
        Attributes::CompleteWorkflowExecutionCommandAttributes(attributes),
    )]
}

fn signal_of(id: String) -> Command {
    let attributes = SignalExternalWorkflowExecutionCommandAttributes {
        execution: Some(WorkflowExecution { workflow_id: id, run_id: String::new() }),
        signal_name: "from-elsewhere".into(),
        ..Default::default()
    };
    command(
        CommandType::SignalExternalWorkflowExecution,
        Attributes::SignalExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

async fn signal_with_start(raw: &mut Raw) -> Result<&'static str, Status> {
    let request = SignalWithStartWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_id: raw.id_of(""),
        workflow_type: Some(WorkflowType { name: "raw".into() }),
        task_queue: Some(raw.queue()),
        signal_name: "c".into(),
        request_id: unique(),
        ..Default::default()
    };
    raw.service.signal_with_start_workflow_execution(with_deadline(request)).await.map(|_| "taken")
}

async fn cancel(raw: &mut Raw) -> Result<&'static str, Status> {
    let request = RequestCancelWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(raw.execution_of("")),
        request_id: unique(),
        ..Default::default()
    };
    raw.service.request_cancel_workflow_execution(with_deadline(request)).await.map(|_| "taken")
}

#[tokio::test]
async fn signals_are_refused_while_a_run_is_closing() -> Outcome {
    let expected = expect![[r#"
        signal a, the first task in hand: taken
        continue as new: InvalidArgument: UnhandledCommand
        signal b, no task in hand: taken
        signal c, the next task in hand: ResourceExhausted (ResourceExhaustedFailure): workflow operation can not be applied because workflow is closing
        signal-with-start c: ResourceExhausted (ResourceExhaustedFailure): workflow operation can not be applied because workflow is closing
        events: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_TASK_STARTED, WORKFLOW_TASK_FAILED (UnhandledCommand), WORKFLOW_EXECUTION_SIGNALED a, WORKFLOW_TASK_SCHEDULED, WORKFLOW_EXECUTION_SIGNALED b, WORKFLOW_TASK_STARTED
        continue as new: done
        signal d, the next run: taken
    "#]];
    compare_answers("closing-signals", expected, |mut raw| async move {
        raw.start("").await?;
        raw.poll().await?;
        let answer = raw.signal("", "a").await;
        raw.note("signal a, the first task in hand", &answer);
        let answer = raw.complete(continue_as_new()).await;
        raw.note("continue as new", &answer);
        let answer = raw.signal("", "b").await;
        raw.note("signal b, no task in hand", &answer);
        raw.poll().await?;
        let answer = raw.signal("", "c").await;
        raw.note("signal c, the next task in hand", &answer);
        let answer = signal_with_start(&mut raw).await;
        raw.note("signal-with-start c", &answer);
        raw.note_events("").await?;
        let answer = raw.complete(continue_as_new()).await;
        raw.note("continue as new", &answer);
        let answer = raw.signal("", "d").await;
        raw.note("signal d, the next run", &answer);
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_request_to_cancel_is_taken_while_a_run_is_closing() -> Outcome {
    let expected = expect![[r#"
        complete: InvalidArgument: UnhandledCommand
        cancel, the next task in hand: taken
        complete: InvalidArgument: UnhandledCommand
        go on: done
        signal b: taken
        events: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_TASK_STARTED, WORKFLOW_TASK_FAILED (UnhandledCommand), WORKFLOW_EXECUTION_SIGNALED a, WORKFLOW_TASK_SCHEDULED, WORKFLOW_TASK_STARTED, WORKFLOW_TASK_FAILED (UnhandledCommand), WORKFLOW_EXECUTION_CANCEL_REQUESTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_TASK_STARTED, WORKFLOW_TASK_COMPLETED, WORKFLOW_EXECUTION_SIGNALED b, WORKFLOW_TASK_SCHEDULED
    "#]];
    compare_answers("closing-cancel", expected, |mut raw| async move {
        raw.start("").await?;
        raw.poll().await?;
        raw.signal("", "a").await?;
        let answer = raw.complete(complete()).await;
        raw.note("complete", &answer);
        raw.poll().await?;
        let answer = cancel(&mut raw).await;
        raw.note("cancel, the next task in hand", &answer);
        let answer = raw.complete(complete()).await;
        raw.note("complete", &answer);
        raw.poll().await?;
        let answer = raw.complete(Vec::new()).await;
        raw.note("go on", &answer);
        let answer = raw.signal("", "b").await;
        raw.note("signal b", &answer);
        raw.note_events("").await?;
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_signal_from_another_workflow_waits_until_the_run_is_over() -> Outcome {
    let expected = expect![[r#"
        continue as new: InvalidArgument: UnhandledCommand
        signal from elsewhere: done
        events: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_TASK_STARTED, WORKFLOW_TASK_COMPLETED, SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED
        continue as new: done
        the next run has the signal, its sender: knows
    "#]];
    compare_answers("closing-external", expected, |mut raw| async move {
        raw.start("").await?;
        raw.poll().await?;
        raw.signal("", "a").await?;
        let answer = raw.complete(continue_as_new()).await;
        raw.note("continue as new", &answer);
        raw.poll().await?;
        let closing = raw.task.clone();
        raw.start("sender").await?;
        raw.poll().await?;
        let command = signal_of(raw.id_of(""));
        let answer = raw.complete(vec![command]).await;
        raw.note("signal from elsewhere", &answer);
        raw.note_events("sender").await?;
        raw.task = closing;
        let answer = raw.complete(continue_as_new()).await;
        raw.note("continue as new", &answer);
        let aw = std::sync::Arc::new(tokio::sync::Mutex::new(raw));
        until("the next run has the signal", || async {
            let events = aw.lock().await.events("").await?;
            Ok(events.iter().any(|event| event.event_type() == EventType::WorkflowExecutionSignaled))
        })
        .await?;
        raw = std::sync::Arc::into_inner(aw).ok_or("nobody else has it")?.into_inner();
        let events = raw.events("sender").await?;
        let told = events.iter().any(|event| event.event_type() == EventType::ExternalWorkflowExecutionSignaled);
        raw.note("the next run has the signal, its sender", &Ok(if told { "knows" } else { "does not know" }));
        Ok(raw)
    })
    .await
}

fn start_child(raw: &Raw) -> Command {
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        workflow_id: raw.id_of("child"),
        workflow_type: Some(WorkflowType { name: "child".into() }),
        ..Default::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        Attributes::StartChildWorkflowExecutionCommandAttributes(attributes),
    )
}

fn cancel_child(raw: &Raw) -> Command {
    let attributes = RequestCancelExternalWorkflowExecutionCommandAttributes {
        workflow_id: raw.id_of("child"),
        child_workflow_only: true,
        ..Default::default()
    };
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes),
    )
}

#[tokio::test]
async fn a_child_is_not_started_and_cancelled_by_one_answer() -> Outcome {
    let expected = expect![[r#"
        start and cancel: InvalidArgument: BadRequestCancelExternalWorkflowExecutionAttributes: Start and RequestCancel for child workflow is not allowed in same workflow task. WorkflowId=<id>child RunId= Namespace=
        events: WORKFLOW_EXECUTION_STARTED, WORKFLOW_TASK_SCHEDULED, WORKFLOW_TASK_STARTED, WORKFLOW_TASK_FAILED (BadRequestCancelExternalWorkflowExecutionAttributes: Start and RequestCancel for child workflow is not allowed in same workflow task. WorkflowId=<id>child RunId= Namespace=), WORKFLOW_TASK_SCHEDULED, WORKFLOW_TASK_STARTED
        cancel and start: done
    "#]];
    compare_answers("start-and-cancel", expected, |mut raw| async move {
        raw.start("").await?;
        raw.poll().await?;
        let answer = raw.complete(vec![start_child(&raw), cancel_child(&raw)]).await;
        raw.note("start and cancel", &answer);
        raw.poll().await?;
        raw.note_events("").await?;
        let answer = raw.complete(vec![cancel_child(&raw), start_child(&raw)]).await;
        raw.note("cancel and start", &answer);
        Ok(raw)
    })
    .await
}
