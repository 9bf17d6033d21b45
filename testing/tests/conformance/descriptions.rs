//! DescribeWorkflowExecution, field by field: of runs with something pending, of closed ones, of children, of runs that
//! follow others.

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
use expect_test::{Expect, expect};

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

/// Notes what a description says, except times, ids of runs, sizes and fields without a value.
async fn note(raw: &mut Raw, what: &str, execution: WorkflowExecution) -> Result<(), Failed> {
    let mut response = described(raw, execution).await?;
    let mut requests = Vec::new();
    if let (Some(info), Some(extended)) = (&response.workflow_execution_info, &mut response.workflow_extended_info) {
        let parent = info.parent_execution.as_ref().map(|parent| parent.run_id.clone()).unwrap_or_default();
        let infos = std::mem::take(&mut extended.request_id_infos).into_iter();
        requests.extend(infos.map(|(id, info)| {
            let id = if parent.is_empty() { id } else { id.replace(&parent, "parent") };
            format!("request {id}: {:?} {} {}", info.event_type(), info.event_id, info.buffered)
        }));
    }
    requests.sort();
    let text = format!("{response:#?}");
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| says_something(line)).collect();
    lines.extend(requests.iter().map(String::as_str));
    raw.note(what, &Ok(format!("described\n  {}", lines.join("\n  "))));
    Ok(())
}

/// Returns true if a line of a printed message has a value that is the same in every run of a test.
fn says_something(line: &str) -> bool {
    let line = line.trim_end_matches(',');
    let value = line.split_once(": ").map_or(line, |(_, value)| value);
    let is_type = !line.contains(": ") && line.ends_with(" {");
    let is_empty = matches!(value, "None" | "\"\"" | "0" | "0.0" | "false" | "[]" | "{}" | "}" | ")" | "]");
    let is_run_id = value.len() == 38 && value.matches('-').count() == 4;
    let varies = ["nanos: ", "history_size_bytes: ", "state_transition_count: ", "data: "];
    let is_time = line.strip_prefix("seconds: ").is_some_and(|seconds| {
        // Year 1 stands for no time. Timeouts are round, and nothing here takes ten seconds.
        let seconds: i64 = seconds.parse().unwrap_or_default();
        seconds != -62_135_596_800 && !(10..100_000).contains(&seconds)
    });
    !is_empty && !is_type && !is_run_id && !is_time && !varies.iter().any(|name| line.starts_with(name))
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

const CLOSED: Expect = expect![[r#"
        started: described
          execution_config: Some(
          task_queue: Some(
          name: "<id>",
          kind: Normal,
          workflow_execution_timeout: Some(
          seconds: 600,
          workflow_run_timeout: Some(
          seconds: 600,
          default_workflow_task_timeout: Some(
          seconds: 10,
          workflow_execution_info: Some(
          execution: Some(
          workflow_id: "<id>",
          r#type: Some(
          name: "raw",
          start_time: Some(
          status: Running,
          history_length: 2,
          execution_time: Some(
          memo: Some(
          search_attributes: Some(
          auto_reset_points: Some(
          task_queue: "<id>",
          root_execution: Some(
          workflow_id: "<id>",
          priority: Some(
          priority_key: 2,
          pending_workflow_task: Some(
          state: Scheduled,
          scheduled_time: Some(
          original_scheduled_time: Some(
          attempt: 1,
          workflow_extended_info: Some(
          execution_expiration_time: Some(
          run_expiration_time: Some(
          original_start_time: Some(
          request begins: WorkflowExecutionStarted 1 false
        -one: described
          execution_config: Some(
          task_queue: Some(
          name: "<id>",
          kind: Normal,
          workflow_run_timeout: Some(
          default_workflow_task_timeout: Some(
          seconds: 10,
          workflow_execution_info: Some(
          execution: Some(
          workflow_id: "<id>-one",
          r#type: Some(
          name: "child",
          start_time: Some(
          status: Running,
          history_length: 2,
          parent_execution: Some(
          workflow_id: "<id>",
          execution_time: Some(
          memo: Some(
          fields: {
          "of": [ImNoaWxkIg==],
          search_attributes: Some(
          auto_reset_points: Some(
          task_queue: "<id>",
          root_execution: Some(
          workflow_id: "<id>",
          priority: Some(
          priority_key: 2,
          pending_workflow_task: Some(
          state: Scheduled,
          scheduled_time: Some(
          original_scheduled_time: Some(
          attempt: 1,
          workflow_extended_info: Some(
          run_expiration_time: Some(
          seconds: -62135596800,
          original_start_time: Some(
          request parent:6:0: WorkflowExecutionStarted 1 false
        -two: described
          execution_config: Some(
          task_queue: Some(
          name: "<id>",
          kind: Normal,
          workflow_execution_timeout: Some(
          seconds: 50,
          workflow_run_timeout: Some(
          seconds: 50,
          default_workflow_task_timeout: Some(
          seconds: 10,
          workflow_execution_info: Some(
          execution: Some(
          workflow_id: "<id>-two",
          r#type: Some(
          name: "child",
          start_time: Some(
          status: Running,
          history_length: 2,
          parent_execution: Some(
          workflow_id: "<id>",
          execution_time: Some(
          memo: Some(
          fields: {
          "of": [ImNoaWxkIg==],
          search_attributes: Some(
          auto_reset_points: Some(
          task_queue: "<id>",
          root_execution: Some(
          workflow_id: "<id>",
          priority: Some(
          priority_key: 2,
          pending_workflow_task: Some(
          state: Scheduled,
          scheduled_time: Some(
          original_scheduled_time: Some(
          attempt: 1,
          workflow_extended_info: Some(
          execution_expiration_time: Some(
          run_expiration_time: Some(
          original_start_time: Some(
          request parent:7:0: WorkflowExecutionStarted 1 false
        terminated: described
          execution_config: Some(
          task_queue: Some(
          name: "<id>",
          kind: Normal,
          workflow_execution_timeout: Some(
          seconds: 600,
          workflow_run_timeout: Some(
          seconds: 600,
          default_workflow_task_timeout: Some(
          seconds: 10,
          workflow_execution_info: Some(
          execution: Some(
          workflow_id: "<id>",
          r#type: Some(
          name: "raw",
          start_time: Some(
          close_time: Some(
          status: Terminated,
          history_length: 11,
          execution_time: Some(
          memo: Some(
          search_attributes: Some(
          indexed_fields: {
          "BuildIds": [WyJ1bnZlcnNpb25lZCJd],
          auto_reset_points: Some(
          points: [
          first_workflow_task_completed_id: 4,
          create_time: Some(
          resettable: true,
          task_queue: "<id>",
          execution_duration: Some(
          root_execution: Some(
          workflow_id: "<id>",
          priority: Some(
          priority_key: 2,
          pending_activities: [
          activity_id: "a",
          activity_type: Some(
          name: "a",
          state: Scheduled,
          attempt: 1,
          scheduled_time: Some(
          expiration_time: Some(
          activity_options: Some(
          task_queue: Some(
          name: "<id>",
          kind: Unspecified,
          normal_name: "<id>",
          schedule_to_close_timeout: Some(
          seconds: 600,
          schedule_to_start_timeout: Some(
          seconds: 600,
          start_to_close_timeout: Some(
          seconds: 100,
          heartbeat_timeout: Some(
          retry_policy: Some(
          initial_interval: Some(
          backoff_coefficient: 2.0,
          maximum_interval: Some(
          seconds: 100,
          pending_children: [
          workflow_id: "<id>-one",
          workflow_type_name: "child",
          initiated_id: 6,
          parent_close_policy: Abandon,
          workflow_id: "<id>-two",
          workflow_type_name: "child",
          initiated_id: 7,
          parent_close_policy: Abandon,
          pending_workflow_task: Some(
          state: Scheduled,
          scheduled_time: Some(
          original_scheduled_time: Some(
          attempt: 1,
          workflow_extended_info: Some(
          execution_expiration_time: Some(
          run_expiration_time: Some(
          original_start_time: Some(
          request begins: WorkflowExecutionStarted 1 false
        its end: WorkflowExecutionTerminated
    "#]];

#[tokio::test]
async fn a_closed_run_and_its_children_are_described_alike() -> Outcome {
    compare_answers("described", CLOSED, |mut raw| async move {
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

const FOLLOWING: Expect = expect![[r#"
        the first run: described
          execution_config: Some(
          task_queue: Some(
          name: "<id>",
          kind: Normal,
          default_workflow_task_timeout: Some(
          seconds: 10,
          workflow_execution_info: Some(
          execution: Some(
          workflow_id: "<id>",
          r#type: Some(
          name: "raw",
          start_time: Some(
          close_time: Some(
          status: ContinuedAsNew,
          history_length: 7,
          execution_time: Some(
          memo: Some(
          search_attributes: Some(
          indexed_fields: {
          "BuildIds": [WyJ1bnZlcnNpb25lZCJd],
          auto_reset_points: Some(
          points: [
          first_workflow_task_completed_id: 5,
          create_time: Some(
          expire_time: Some(
          resettable: true,
          task_queue: "<id>",
          execution_duration: Some(
          root_execution: Some(
          workflow_id: "<id>",
          pending_activities: [
          activity_id: "a",
          activity_type: Some(
          name: "a",
          state: Scheduled,
          attempt: 1,
          scheduled_time: Some(
          activity_options: Some(
          task_queue: Some(
          name: "<id>",
          kind: Unspecified,
          normal_name: "<id>",
          schedule_to_close_timeout: Some(
          schedule_to_start_timeout: Some(
          start_to_close_timeout: Some(
          seconds: 100,
          heartbeat_timeout: Some(
          retry_policy: Some(
          initial_interval: Some(
          backoff_coefficient: 2.0,
          maximum_interval: Some(
          seconds: 100,
          workflow_extended_info: Some(
          run_expiration_time: Some(
          seconds: -62135596800,
          original_start_time: Some(
          request attached: WorkflowExecutionOptionsUpdated 3 false
          request begins: WorkflowExecutionStarted 1 false
        the run of a reset: described
          execution_config: Some(
          task_queue: Some(
          name: "<id>",
          kind: Normal,
          default_workflow_task_timeout: Some(
          seconds: 10,
          workflow_execution_info: Some(
          execution: Some(
          workflow_id: "<id>",
          r#type: Some(
          name: "raw",
          start_time: Some(
          status: Running,
          history_length: 6,
          execution_time: Some(
          memo: Some(
          search_attributes: Some(
          auto_reset_points: Some(
          task_queue: "<id>",
          root_execution: Some(
          workflow_id: "<id>",
          pending_workflow_task: Some(
          state: Scheduled,
          scheduled_time: Some(
          original_scheduled_time: Some(
          attempt: 1,
          workflow_extended_info: Some(
          run_expiration_time: Some(
          seconds: -62135596800,
          last_reset_time: Some(
          original_start_time: Some(
          request attached: WorkflowExecutionOptionsUpdated 3 false
          request begins: WorkflowExecutionStarted 1 false
    "#]];

#[tokio::test]
async fn runs_that_follow_others_are_described_alike() -> Outcome {
    compare_answers("described-following", FOLLOWING, |mut raw| async move {
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
