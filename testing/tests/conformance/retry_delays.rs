//! A failure that sets its own retry delay.

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    FailWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{ActivityType, RetryPolicy};
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use abide_protos::temporal::api::history::v1::history_event;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, PollActivityTaskQueueRequest, RespondActivityTaskFailedRequest,
};
use expect_test::expect;

use crate::arm::Outcome;
use crate::raw::{Raw, command, compare_answers, unique, with_deadline};

/// Retry delays in seconds: between the policy's interval of one second and its maximum of three, and outside.
const DELAYS: [i64; 4] = [2, 9, 0, -1];

fn duration(seconds: i64) -> Option<abide_protos::Duration> {
    Some(abide_protos::Duration { seconds, nanos: 0 })
}

fn policy() -> Option<RetryPolicy> {
    Some(RetryPolicy { initial_interval: duration(1), maximum_interval: duration(3), ..Default::default() })
}

fn failure(delay: i64) -> Option<Failure> {
    let info = ApplicationFailureInfo { next_retry_delay: duration(delay), ..Default::default() };
    Some(Failure {
        message: "later".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    })
}

#[tokio::test]
async fn a_workflow_waits_no_longer_than_its_policy_allows() -> Outcome {
    let expected = expect![[r#"
        2 s: attempt 2 in 2 s
        9 s: attempt 2 in 3 s
        0 s: attempt 2 in 3 s
        -1 s: attempt 2 in 3 s
    "#]];
    compare_answers("workflow-delay", expected, |mut raw| async move {
        for delay in DELAYS {
            let name = unique();
            let mut request = raw.start_request(&name);
            request.retry_policy = policy();
            raw.service.start_workflow_execution(request).await?;
            raw.poll().await?;
            let attributes = FailWorkflowExecutionCommandAttributes { failure: failure(delay) };
            let attributes = Attributes::FailWorkflowExecutionCommandAttributes(attributes);
            raw.complete(vec![command(CommandType::FailWorkflowExecution, attributes)]).await?;
            let first = raw.events(&name).await?.swap_remove(0);
            let Some(history_event::Attributes::WorkflowExecutionStartedEventAttributes(start)) = first.attributes
            else {
                return Err("a run begins with its start".into());
            };
            let backoff = start.first_workflow_task_backoff.unwrap_or_default();
            raw.note(&format!("{delay} s"), &Ok(format!("attempt {} in {} s", start.attempt, backoff.seconds)));
        }
        Ok(raw)
    })
    .await
}

/// Records the state of the pending activity, or the event that has ended it.
async fn note_activity(raw: &mut Raw, name: &str, what: &str) -> Outcome {
    let request =
        DescribeWorkflowExecutionRequest { namespace: "default".into(), execution: Some(raw.execution_of(name)) };
    let pending = raw.service.describe_workflow_execution(request).await?.into_inner().pending_activities.pop();
    let state = match pending {
        Some(pending) => {
            let interval = pending.current_retry_interval.map(|interval| interval.seconds);
            format!("attempt {}, in {interval:?} s", pending.attempt)
        }
        None => {
            let events = raw.events(name).await?;
            let failed = events.iter().find_map(|event| match &event.attributes {
                Some(history_event::Attributes::ActivityTaskFailedEventAttributes(failed)) => {
                    Some(failed.retry_state())
                }
                _ => None,
            });
            format!("over: {failed:?}")
        }
    };
    raw.note(what, &Ok(state));
    Ok(())
}

#[tokio::test]
async fn an_activity_waits_as_long_as_its_failure_says() -> Outcome {
    let expected = expect![[r#"
        2 s: attempt 2, in Some(2) s
        9 s: attempt 2, in Some(9) s
        0 s: over: Some(Timeout)
        -1 s: attempt 2, in None s
    "#]];
    compare_answers("activity-delay", expected, |mut raw| async move {
        for delay in DELAYS {
            let name = unique();
            raw.start(&name).await?;
            raw.poll().await?;
            let attributes = ScheduleActivityTaskCommandAttributes {
                activity_id: "a".into(),
                activity_type: Some(ActivityType { name: "a".into() }),
                task_queue: Some(raw.queue()),
                start_to_close_timeout: duration(60),
                retry_policy: policy(),
                ..Default::default()
            };
            let attributes = Attributes::ScheduleActivityTaskCommandAttributes(attributes);
            raw.complete(vec![command(CommandType::ScheduleActivityTask, attributes)]).await?;
            let poll = PollActivityTaskQueueRequest {
                namespace: "default".into(),
                task_queue: Some(raw.queue()),
                ..Default::default()
            };
            let task = raw.service.poll_activity_task_queue(with_deadline(poll)).await?.into_inner();
            let request = RespondActivityTaskFailedRequest {
                namespace: "default".into(),
                task_token: task.task_token,
                failure: failure(delay),
                ..Default::default()
            };
            raw.service.respond_activity_task_failed(with_deadline(request)).await?;
            note_activity(&mut raw, &name, &format!("{delay} s")).await?;
            // The next attempt may come at once, and must not be taken for the next workflow's.
            let request = raw.arm.client.handle(abide::WorkflowType::<fn()>::new("raw"), raw.id_of(&name));
            request.terminate().reason("seen enough").await?;
        }
        Ok(raw)
    })
    .await
}
