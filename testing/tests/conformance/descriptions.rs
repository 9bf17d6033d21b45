//! DescribeWorkflowExecution, field by field: of runs with something pending, of closed ones, of children, of runs that
//! follow others.

use abide_protos::fields::{FieldValue, fields_of};
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    Command, ContinueAsNewWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{ActivityType, Memo, Priority, WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::enums::v1::{CommandType, ParentClosePolicy, WorkflowIdConflictPolicy};
use abide_protos::temporal::api::workflow::v1::OnConflictOptions;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse, ResetWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};
use expect_test::expect;

use crate::arm::{Outcome, until};
use crate::raw::{Raw, command, compare_answers, json, unique, with_deadline};

type Failed = Box<dyn std::error::Error>;

fn seconds(seconds: i64) -> Option<abide_protos::Duration> {
    Some(abide_protos::Duration { seconds, nanos: 0 })
}

async fn described(
    raw: &mut Raw,
    execution: WorkflowExecution,
) -> Result<DescribeWorkflowExecutionResponse, tonic::Status> {
    let request = DescribeWorkflowExecutionRequest { namespace: "default".into(), execution: Some(execution) };
    let mut response = raw.service.describe_workflow_execution(with_deadline(request)).await?.into_inner();
    // The real server lists them in no order.
    response.pending_activities.sort_by(|left, right| left.activity_id.cmp(&right.activity_id));
    response.pending_children.sort_by(|left, right| left.workflow_id.cmp(&right.workflow_id));
    Ok(response)
}

/// Writes down what a description says, but for times, ids of runs and sizes.
async fn note(raw: &mut Raw, what: &str, execution: WorkflowExecution) -> Result<(), Failed> {
    let response = described(raw, execution).await?;
    let first = response.workflow_execution_info.clone().unwrap_or_default();
    let parent = first.parent_execution.map(|parent| parent.run_id).unwrap_or_default();
    let mut lines = Vec::new();
    for (path, value) in fields_of(&response) {
        let text = match value {
            FieldValue::Text(text) | FieldValue::Word(text) => text,
            FieldValue::Payloads(payloads) => format!("{} payloads", payloads.len()),
        };
        let never = text.starts_with("0001-01-01");
        let varies = ["_time", "run_id", "execution", "duration", "namespace_id", "current_retry_interval"];
        let is_size = path.ends_with("history_size_bytes") || path.ends_with("state_transition_count");
        let varies = varies.iter().any(|end| path.ends_with(end)) && !never;
        if !is_size && !path.contains("request_id_infos") {
            lines.push(if varies { format!("{path} ..") } else { format!("{path} {text}") });
        }
    }
    let extended = response.workflow_extended_info.unwrap_or_default();
    let mut requests: Vec<String> = extended
        .request_id_infos
        .iter()
        .map(|(id, info)| {
            let id = if parent.is_empty() { id.clone() } else { id.replace(&parent, "parent") };
            format!("request {id}: {:?} {} {}", info.event_type(), info.event_id, info.buffered)
        })
        .collect();
    requests.sort();
    lines.extend(requests);
    raw.note(what, &Ok(format!("\n  {}", lines.join("\n  "))));
    Ok(())
}

fn activity(raw: &Raw, id: &str) -> Command {
    command(
        CommandType::ScheduleActivityTask,
        Attributes::ScheduleActivityTaskCommandAttributes(ScheduleActivityTaskCommandAttributes {
            activity_id: id.into(),
            activity_type: Some(ActivityType { name: "a".into() }),
            task_queue: Some(raw.queue()),
            start_to_close_timeout: seconds(100),
            ..Default::default()
        }),
    )
}

fn child(raw: &Raw, name: &str, timeout: Option<abide_protos::Duration>) -> Command {
    command(
        CommandType::StartChildWorkflowExecution,
        Attributes::StartChildWorkflowExecutionCommandAttributes(StartChildWorkflowExecutionCommandAttributes {
            workflow_id: raw.id_of(name),
            workflow_type: Some(WorkflowType { name: "child".into() }),
            task_queue: Some(raw.queue()),
            workflow_execution_timeout: timeout,
            parent_close_policy: ParentClosePolicy::Abandon.into(),
            memo: Some(Memo { fields: [("of".to_owned(), json("\"child\""))].into() }),
            ..Default::default()
        }),
    )
}

#[tokio::test]
async fn a_closed_run_and_its_children_are_described_alike() -> Outcome {
    compare_answers("described", expect![[r#""#]], |mut raw| async move {
        let mut start = raw.start_request("");
        start.request_id = "begins".into();
        start.workflow_execution_timeout = seconds(600);
        start.priority = Some(Priority { priority_key: 2, ..Default::default() });
        raw.service.start_workflow_execution(start).await?;
        let parent = raw.execution_of("");
        note(&mut raw, "started", parent.clone()).await?;
        raw.poll().await?;
        let commands = vec![activity(&raw, "a"), child(&raw, "-one", None), child(&raw, "-two", seconds(50))];
        raw.complete(commands).await?;
        let shared = std::sync::Arc::new(tokio::sync::Mutex::new(raw));
        until("the children have started", || async {
            let mut raw = shared.lock().await;
            let parent = raw.execution_of("");
            let children = described(&mut raw, parent).await?.pending_children;
            Ok(children.len() == 2 && children.iter().all(|child| !child.run_id.is_empty()))
        })
        .await?;
        let mut raw = std::sync::Arc::into_inner(shared).ok_or("nobody else has it")?.into_inner();
        for name in ["-one", "-two"] {
            let child = raw.execution_of(name);
            note(&mut raw, name, child).await?;
        }
        let request = TerminateWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_execution: Some(parent.clone()),
            ..Default::default()
        };
        raw.service.terminate_workflow_execution(request).await?;
        note(&mut raw, "terminated", parent).await?;
        let mut end = raw.events("").await?.pop().unwrap_or_default();
        end.event_time = None;
        raw.note("its end", &Ok(format!("{:?}", end.event_type())));
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn runs_that_follow_others_are_described_alike() -> Outcome {
    compare_answers("described-following", expect![[r#""#]], |mut raw| async move {
        let mut start = raw.start_request("");
        start.request_id = "begins".into();
        raw.service.start_workflow_execution(start).await?;
        let mut attached = raw.start_request("");
        attached.request_id = "attached".into();
        attached.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
        attached.on_conflict_options = Some(OnConflictOptions { attach_request_id: true, ..Default::default() });
        raw.service.start_workflow_execution(attached).await?;
        raw.poll().await?;
        let first = raw.task.workflow_execution.clone().unwrap_or_default();
        let next = ContinueAsNewWorkflowExecutionCommandAttributes {
            workflow_type: Some(WorkflowType { name: "raw".into() }),
            ..Default::default()
        };
        let attributes = Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(next);
        let commands = vec![activity(&raw, "a"), command(CommandType::ContinueAsNewWorkflowExecution, attributes)];
        raw.complete(commands).await?;
        note(&mut raw, "the first run", first.clone()).await?;
        let request = ResetWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_execution: Some(first),
            reason: "again".into(),
            request_id: unique(),
            workflow_task_finish_event_id: 5,
            ..Default::default()
        };
        raw.service.reset_workflow_execution(request).await?;
        let latest = raw.execution_of("");
        note(&mut raw, "the run of a reset", latest).await?;
        Ok(raw)
    })
    .await
}
