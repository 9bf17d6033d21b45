//! The limit of a history's length: a run that grows beyond it is terminated.

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{Command, RecordMarkerCommandAttributes};
use abide_protos::temporal::api::enums::v1::{CommandType, HistoryEventFilterType};
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;
use abide_protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;
use expect_test::expect;

use crate::arm::Outcome;
use crate::raw::{Raw, command, compare_answers, with_deadline};

fn markers(count: usize) -> Vec<Command> {
    let attributes = RecordMarkerCommandAttributes { marker_name: "m".into(), ..Default::default() };
    vec![command(CommandType::RecordMarker, Attributes::RecordMarkerCommandAttributes(attributes)); count]
}

/// Adds four events for each of the workflow tasks, and that many markers each.
async fn grow(raw: &mut Raw, tasks: usize, each: usize) -> Outcome {
    for task in 0..tasks {
        match task {
            0 => raw.start("").await?,
            _ => drop(raw.signal("", "more").await?),
        }
        raw.poll().await?;
        raw.complete(markers(each)).await?;
    }
    Ok(())
}

/// Adds the event that closed the run to the transcript. Its id tells whether the answer to a task precedes it.
async fn note_end(raw: &mut Raw) -> Outcome {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: "default".into(),
        execution: Some(raw.execution_of("")),
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        ..Default::default()
    };
    let response = raw.service.get_workflow_execution_history(with_deadline(request)).await?.into_inner();
    for event in response.history.unwrap_or_default().events {
        let kind = event.event_type().as_str_name();
        let told = match &event.attributes {
            Some(A::WorkflowExecutionTerminatedEventAttributes(end)) => {
                format!("{kind} by {}: {}", end.identity, end.reason)
            }
            _ => kind.to_owned(),
        };
        raw.note(&format!("event {}", event.event_id), &Ok(told));
    }
    Ok(())
}

#[tokio::test]
async fn a_signal_beyond_the_limit_terminates_the_run() -> Outcome {
    compare_answers(
        "long-signal",
        expect![[r#"
        signal: InvalidArgument: Workflow history count exceeds limit.
        event 51201: EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED by history-service: Workflow history count exceeds limit.
        another signal: NotFound (NotFoundFailure): workflow execution already completed
    "#]],
        |mut raw| async move {
            // 5 * (4 + 10,236) = 51,200 events.
            grow(&mut raw, 5, 10_236).await?;
            let answer = raw.signal("", "one too many").await;
            raw.note("signal", &answer);
            note_end(&mut raw).await?;
            let answer = raw.signal("", "after it").await;
            raw.note("another signal", &answer);
            Ok(raw)
        },
    )
    .await
}

#[tokio::test]
async fn an_answer_beyond_the_limit_terminates_the_run() -> Outcome {
    compare_answers(
        "long-answer",
        expect![[r#"
        answer: InvalidArgument: Workflow history count exceeds limit.
        event 51181: EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED by history-service: Workflow history count exceeds limit.
        another answer: NotFound (NotFoundFailure): Workflow task not found.
    "#]],
        |mut raw| async move {
            // 4 * (4 + 12,790) + 3 = 51,179 events before the answer.
            grow(&mut raw, 4, 12_790).await?;
            raw.signal("", "more").await?;
            raw.poll().await?;
            let answer = raw.complete(markers(30)).await;
            raw.note("answer", &answer);
            note_end(&mut raw).await?;
            let answer = raw.complete(Vec::new()).await;
            raw.note("another answer", &answer);
            Ok(raw)
        },
    )
    .await
}
