//! Tests of what is counted under which name and with which labels.

use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    CancelWorkflowExecutionCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{ActivityType, WorkflowType};
use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::TimeoutFailureInfo;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::workflowservice::v1::{PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse};

use super::*;
use crate::activity::ActivityInfo;
use crate::duration::time_to_proto;
use crate::failure::{ApplicationFailure, ErrorCategory, application_failure};
use crate::metrics::MetricValue;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Returns all series that have counted, without the labels that all have: `name{labels} value`, or number and sum.
fn counted(metrics: &WorkerMetrics) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in metrics.metrics().snapshot() {
        let name = metric.name.strip_prefix("temporal_").unwrap();
        for series in metric.series {
            let own = |(name, _): &&(String, String)| !["namespace", "service_name", "task_queue"].contains(&&**name);
            let labels: Vec<_> =
                series.labels.iter().filter(own).map(|(name, value)| format!("{name}={value}")).collect();
            let value = match series.value {
                MetricValue::Counter(0) => continue,
                MetricValue::Counter(count) => count.to_string(),
                MetricValue::Gauge(value) => value.to_string(),
                MetricValue::Histogram { counts, .. } if counts.iter().all(|count| *count == 0) => continue,
                MetricValue::Histogram { counts, sum, .. } => format!("{} {sum}", counts.iter().sum::<u64>()),
            };
            lines.push(format!("{name}{{{}}} {value}", labels.join(" ")));
        }
    }
    lines
}

fn failure(error_type: &str, category: ErrorCategory) -> FailureProto {
    application_failure(&ApplicationFailure::new("no").error_type(error_type).category(category), None)
}

#[test]
fn workflow_tasks_are_counted_with_cores_names() {
    let metrics = WorkerMetrics::for_test();
    let tasks = metrics.workflow_tasks();
    tasks.polled(&PollWorkflowTaskQueueResponse::default());
    tasks.polled(&PollWorkflowTaskQueueResponse {
        task_token: b"t".into(),
        scheduled_time: Some(time_to_proto(at(10))),
        started_time: Some(time_to_proto(at(12))),
        ..Default::default()
    });
    tasks.task_ended("order", Duration::from_millis(3));
    tasks.replayed("order", Duration::from_millis(2));
    for cause in [
        WorkflowTaskFailedCause::NonDeterministicError,
        WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
        WorkflowTaskFailedCause::GrpcMessageTooLarge,
        WorkflowTaskFailedCause::PayloadsTooLarge,
        WorkflowTaskFailedCause::RequestTooLarge,
    ] {
        tasks.task_failed("order", cause);
    }
    let expected = [
        "workflow_task_execution_failed{failure_reason=GrpcMessageTooLarge workflow_type=order} 1",
        "workflow_task_execution_failed{failure_reason=NonDeterminismError workflow_type=order} 1",
        "workflow_task_execution_failed{failure_reason=PayloadsTooLarge workflow_type=order} 1",
        "workflow_task_execution_failed{failure_reason=RequestTooLarge workflow_type=order} 1",
        "workflow_task_execution_failed{failure_reason=WorkflowError workflow_type=order} 1",
        "workflow_task_execution_latency{workflow_type=order} 1 3",
        "workflow_task_queue_poll_empty{} 1",
        "workflow_task_queue_poll_succeed{} 1",
        "workflow_task_replay_latency{workflow_type=order} 1 2",
        "workflow_task_schedule_to_start_latency{} 1 2000",
    ];
    assert_eq!(counted(&metrics), expected);
}

#[test]
fn the_end_of_a_workflow_follows_from_its_last_command() {
    let command = |attributes| Command { attributes: Some(attributes), ..Default::default() };
    let failed = |failure| {
        let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
        command(Attributes::FailWorkflowExecutionCommandAttributes(attributes))
    };
    let timer = command(Attributes::StartTimerCommandAttributes(StartTimerCommandAttributes::default()));
    let complete = CompleteWorkflowExecutionCommandAttributes::default();
    let complete = command(Attributes::CompleteWorkflowExecutionCommandAttributes(complete));
    let cancel = CancelWorkflowExecutionCommandAttributes::default();
    let cancel = command(Attributes::CancelWorkflowExecutionCommandAttributes(cancel));
    let again = ContinueAsNewWorkflowExecutionCommandAttributes::default();
    let again = command(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(again));
    let metrics = WorkerMetrics::for_test();
    let ends = [
        (complete, Closing::Completed),
        (cancel, Closing::Canceled),
        (again, Closing::ContinuedAsNew),
        (failed(failure("Declined", ErrorCategory::Unspecified)), Closing::Failed),
        (failed(failure("Declined", ErrorCategory::Benign)), Closing::FailedBenignly),
    ];
    for (command, expected) in ends {
        let closing = Closing::of(&[timer.clone(), command]).unwrap();
        assert_eq!(closing, expected);
        metrics.workflow_tasks().closed("order", closing, Some(Duration::from_secs(1)));
    }
    assert_eq!(Closing::of(&[timer]), None);
    let expected = [
        "workflow_canceled{workflow_type=order} 1",
        "workflow_completed{workflow_type=order} 1",
        "workflow_continue_as_new{workflow_type=order} 1",
        "workflow_endtoend_latency{workflow_type=order} 5 5000",
        "workflow_failed{workflow_type=order} 1",
    ];
    assert_eq!(counted(&metrics), expected, "a benign failure is no failure");
}

#[test]
fn activities_are_counted_with_cores_names() {
    let metrics = WorkerMetrics::for_test();
    let activities = metrics.activities();
    activities.no_task();
    let task = PollActivityTaskQueueResponse {
        activity_type: Some(ActivityType { name: "charge".into() }),
        workflow_type: Some(WorkflowType { name: "order".into() }),
        current_attempt_scheduled_time: Some(time_to_proto(at(10))),
        started_time: Some(time_to_proto(at(11))),
        ..Default::default()
    };
    activities.received(&task, Delivery::Polled);
    activities.received(&task, Delivery::Eager);
    let of_type = activities.of_type("charge", "order");
    of_type.ended(Duration::from_millis(5));
    let mut info = ActivityInfo::for_test("charge");
    (info.scheduled_time, info.started_time) = (Some(at(1)), Some(at(11)));
    of_type.succeeded(&info, Duration::from_millis(500));
    of_type.failed(&failure("Declined", ErrorCategory::Unspecified));
    of_type.failed(&failure("PayloadsTooLarge", ErrorCategory::Unspecified));
    of_type.failed(&failure("Declined", ErrorCategory::Benign));
    of_type.failed(&failure("WorkerShutdown", ErrorCategory::Unspecified));
    let expected = [
        "activity_execution_failed{activity_type=charge failure_reason=ActivityError workflow_type=order} 1",
        "activity_execution_failed{activity_type=charge failure_reason=PayloadsTooLarge workflow_type=order} 1",
        "activity_execution_latency{activity_type=charge workflow_type=order} 1 5",
        "activity_poll_no_task{} 1",
        "activity_schedule_to_start_latency{} 2 2000",
        "activity_succeed_endtoend_latency{activity_type=charge workflow_type=order} 1 10500",
        "activity_task_received{activity_type=charge eager=false workflow_type=order} 1",
        "activity_task_received{activity_type=charge eager=true workflow_type=order} 1",
    ];
    assert_eq!(counted(&metrics), expected);
}

#[test]
fn local_activities_are_counted_with_cores_names() {
    let metrics = WorkerMetrics::for_test();
    let of_type = metrics.local_activities().of_type("charge", "order");
    of_type.began();
    of_type.ended(Duration::from_millis(5));
    of_type.succeeded(Some(Duration::from_secs(1)));
    of_type.succeeded(None);
    of_type.cancelled();
    of_type.failed(&failure("Declined", ErrorCategory::Unspecified));
    of_type.failed(&failure("Declined", ErrorCategory::Benign));
    let timeout = FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo::default());
    of_type.failed(&FailureProto { failure_info: Some(timeout), ..Default::default() });
    let expected = [
        "local_activity_execution_cancelled{activity_type=charge workflow_type=order} 1",
        "local_activity_execution_failed{activity_type=charge failure_reason=ActivityError workflow_type=order} 1",
        "local_activity_execution_failed{activity_type=charge failure_reason=timeout workflow_type=order} 1",
        "local_activity_execution_latency{activity_type=charge workflow_type=order} 1 5",
        "local_activity_succeed_endtoend_latency{activity_type=charge workflow_type=order} 1 1000",
        "local_activity_total{activity_type=charge workflow_type=order} 1",
    ];
    assert_eq!(counted(&metrics), expected);
}

#[test]
fn two_workers_share_series_and_each_knows_its_own_share() {
    let metrics = WorkerMetrics::for_test();
    let (one, other) = (metrics.cache(), metrics.cache());
    one.hits.count();
    other.hits.count();
    other.hits.count();
    assert_eq!((one.hits.own(), other.hits.own()), (1, 2));
    assert_eq!(metrics.metrics().total("temporal_sticky_cache_hit", &[("task_queue", "queue")]), 3.0);
    let polls = metrics.polls();
    polls.open(PollKind::StickyWorkflow).add(1.0);
    metrics.polls().open(PollKind::StickyWorkflow).add(1.0);
    assert_eq!(metrics.metrics().total("temporal_num_pollers", &[("poller_type", "sticky_workflow_task")]), 2.0);
}
