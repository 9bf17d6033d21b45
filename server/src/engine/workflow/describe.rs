//! DescribeWorkflowExecution.
//!
//! Extends `Engine`.

use std::collections::HashMap;

use super::execution::Execution;
use crate::engine::Engine;
use crate::engine::activities::Activity;
use crate::engine::api::enums::{EventType, PendingActivityState, PendingWorkflowTaskState};
use crate::engine::api::{Attributes, HistoryEvent, common, history, service, taskqueue, workflow};
use crate::engine::children::Child;
use crate::engine::errors::Error;
use crate::engine::time::{self, Time};

/// Value of the real server for a time that does not come: the first of January of year 1.
const NEVER: abide_protos::Timestamp = abide_protos::Timestamp { seconds: -62_135_596_800, nanos: 0 };

impl Engine {
    #[expect(deprecated, reason = "the real server still tells the build of the latest answer")]
    pub(crate) fn describe_workflow_execution(
        &self,
        request: &service::DescribeWorkflowExecutionRequest,
    ) -> Result<service::DescribeWorkflowExecutionResponse, Error> {
        let id = self.find(&request.namespace, request.execution.as_ref())?;
        let execution = self.execution(id);
        let state = &execution.state;
        let last_answer = execution.last_answer();
        let is_reset = state.start.original_execution_run_id != execution.run_id;
        let pending_workflow_task =
            state.task.as_ref().or(state.left.task.as_ref()).map(|task| workflow::PendingWorkflowTaskInfo {
                state: match task.started_time {
                    Some(_) => PendingWorkflowTaskState::Started.into(),
                    None => PendingWorkflowTaskState::Scheduled.into(),
                },
                scheduled_time: Some(task.scheduled_time.proto()),
                original_scheduled_time: Some(task.original_scheduled_time.proto()),
                started_time: task.started_time.map(Time::proto),
                attempt: task.attempt,
            });
        Ok(service::DescribeWorkflowExecutionResponse {
            execution_config: Some(config(execution)),
            workflow_execution_info: Some(workflow::WorkflowExecutionInfo {
                auto_reset_points: Some(state.reset_points().unwrap_or_default()),
                most_recent_worker_version_stamp: last_answer.and_then(|answer| answer.worker_version.clone()),
                worker_deployment_name: last_answer
                    .map(|answer| answer.worker_deployment_name.clone())
                    .unwrap_or_default(),
                priority: state.start.priority.clone(),
                ..info(execution)
            }),
            pending_activities: state
                .activities
                .values()
                .chain(&state.left.activities)
                .map(|activity| pending(execution, activity, self.now.time))
                .collect(),
            pending_children: state.children.values().chain(&state.left.children).map(pending_child).collect(),
            pending_workflow_task,
            workflow_extended_info: Some(workflow::WorkflowExecutionExtendedInfo {
                execution_expiration_time: state.execution_expiration.map(Time::proto),
                run_expiration_time: Some(state.run_expiration.map_or(NEVER, Time::proto)),
                cancel_requested: state.cancel_requested,
                request_id_infos: request_ids(execution),
                reset_run_id: execution.reset_run_id.clone(),
                original_start_time: Some(state.start_time.proto()),
                last_reset_time: is_reset.then(|| state.start_time.proto()),
                ..Default::default()
            }),
            ..Default::default()
        })
    }
}

fn config(execution: &Execution) -> workflow::WorkflowExecutionConfig {
    let start = &execution.state.start;
    workflow::WorkflowExecutionConfig {
        task_queue: Some(taskqueue::TaskQueue { ..execution.state.normal_task_queue() }),
        workflow_execution_timeout: start.workflow_execution_timeout,
        workflow_run_timeout: start.workflow_run_timeout,
        default_workflow_task_timeout: start.workflow_task_timeout,
        user_metadata: execution.state.user_metadata.clone(),
    }
}

/// Returns a run's data for lists and descriptions.
pub(crate) fn info(execution: &Execution) -> workflow::WorkflowExecutionInfo {
    let state = &execution.state;
    let execution_time = state.execution_time();
    workflow::WorkflowExecutionInfo {
        execution: Some(execution.execution()),
        r#type: state.start.workflow_type.clone(),
        start_time: Some(state.start_time.proto()),
        close_time: state.close_time.map(Time::proto),
        status: state.status.into(),
        history_length: execution.next_event_id() - 1,
        execution_time: Some(execution_time.proto()),
        memo: Some(common::Memo { fields: state.memo.clone().into_iter().collect() }),
        search_attributes: Some(common::SearchAttributes {
            indexed_fields: state.search_attributes.clone().into_iter().collect(),
        }),
        task_queue: state.task_queue().to_owned(),
        state_transition_count: execution.transitions,
        history_size_bytes: execution.history.size_bytes,
        execution_duration: state.close_time.map(|close| time::proto(close.since(execution_time))),
        parent_namespace_id: state.start.parent_workflow_namespace_id.clone(),
        parent_execution: state.start.parent_workflow_execution.clone(),
        root_execution: Some(state.start.root_workflow_execution.clone().unwrap_or_else(|| {
            common::WorkflowExecution {
                workflow_id: execution.workflow_id.clone(),
                run_id: execution.first_run_id().to_owned(),
            }
        })),
        first_run_id: execution.first_run_id().to_owned(),
        ..Default::default()
    }
}

/// Returns the effects of the requests that this run remembers.
fn request_ids(execution: &Execution) -> HashMap<String, workflow::RequestIdInfo> {
    let info =
        |kind: EventType, event_id, buffered| workflow::RequestIdInfo { event_type: kind.into(), event_id, buffered };
    let attached = |event: &HistoryEvent| match &event.attributes {
        Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(options)) => {
            Some(options.attached_request_id.clone()).filter(|id| !id.is_empty())
        }
        _ => None,
    };
    let kind = EventType::WorkflowExecutionOptionsUpdated;
    let written = execution.history.events.iter();
    let written = written.filter_map(|event| Some((attached(event)?, info(kind, event.event_id, false))));
    let buffered = execution.state.buffer.iter().filter_map(|event| Some((attached(event)?, info(kind, 0, true))));
    let started = (execution.state.start_request_id.clone(), info(EventType::WorkflowExecutionStarted, 1, false));
    written.chain(buffered).chain([started]).collect()
}

fn pending_child(child: &Child) -> workflow::PendingChildExecutionInfo {
    workflow::PendingChildExecutionInfo {
        workflow_id: child.workflow_id.clone(),
        run_id: child.run_id.clone(),
        workflow_type_name: child.workflow_type.as_ref().map(|kind| kind.name.clone()).unwrap_or_default(),
        initiated_id: child.initiated_event_id,
        parent_close_policy: child.parent_close_policy.into(),
    }
}

/// Returns the effective options of an activity.
fn options(
    activity: &Activity,
    attributes: &history::ActivityTaskScheduledEventAttributes,
) -> crate::engine::api::activity::ActivityOptions {
    let (name, policy) = (activity.task_queue.clone(), &activity.retry_policy);
    crate::engine::api::activity::ActivityOptions {
        task_queue: Some(taskqueue::TaskQueue { normal_name: name.clone(), name, ..Default::default() }),
        schedule_to_close_timeout: attributes.schedule_to_close_timeout,
        schedule_to_start_timeout: attributes.schedule_to_start_timeout,
        start_to_close_timeout: attributes.start_to_close_timeout,
        heartbeat_timeout: attributes.heartbeat_timeout,
        // The real server omits the non-retryable error types.
        retry_policy: Some(common::RetryPolicy { non_retryable_error_types: Vec::new(), ..policy.clone() }),
        priority: attributes.priority.clone(),
        ..Default::default()
    }
}

fn pending(execution: &Execution, activity: &Activity, now: Time) -> workflow::PendingActivityInfo {
    let started = activity.started.as_ref();
    let state = match (activity.cancel_requested, started) {
        (Some(_), _) => PendingActivityState::CancelRequested,
        (None, Some(_)) => PendingActivityState::Started,
        (None, None) => PendingActivityState::Scheduled,
    };
    let attributes = execution.activity_attributes(activity.scheduled_event_id);
    let backing_off = activity.is_backing_off() && now < activity.scheduled_time;
    let backing_off = backing_off.then(|| activity.scheduled_time.proto());
    let interval = activity.last_attempt_complete_time.map(|ended| time::proto(activity.scheduled_time.since(ended)));
    workflow::PendingActivityInfo {
        activity_id: activity.activity_id.clone(),
        activity_type: attributes.and_then(|attributes| attributes.activity_type.clone()),
        state: state.into(),
        heartbeat_details: activity.heartbeat_details.clone(),
        last_heartbeat_time: activity.last_heartbeat_time.map(Time::proto),
        last_started_time: started.map(|started| started.time.proto()),
        attempt: activity.attempt,
        maximum_attempts: activity.retry_policy.maximum_attempts,
        scheduled_time: Some(activity.scheduled_time.proto()),
        expiration_time: activity.expires().map(Time::proto),
        last_failure: activity.last_failure.as_deref().cloned(),
        last_worker_identity: activity.last_worker_identity.clone(),
        current_retry_interval: interval.filter(|_| backing_off.is_some()),
        last_attempt_complete_time: activity.last_attempt_complete_time.map(Time::proto),
        next_attempt_schedule_time: backing_off,
        priority: attributes.and_then(|attributes| attributes.priority.clone()),
        activity_options: attributes.map(|attributes| options(activity, attributes)),
        ..Default::default()
    }
}
