//! Answers to callers that do not show in a history: late polls, ended waits, compressed requests.

use std::time::{Duration, Instant};

use abide_protos::grpc::health::v1::HealthCheckRequest;
use abide_protos::grpc::health::v1::health_client::HealthClient;
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{ActivityType, Payload, Payloads, RetryPolicy};
use abide_protos::temporal::api::enums::v1::{
    CommandType, EventType, TimeoutType, UpdateWorkflowExecutionLifecycleStage as Lifecycle,
};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::history::v1::history_event;
use abide_protos::temporal::api::operatorservice::v1::ListSearchAttributesRequest;
use abide_protos::temporal::api::update::v1::{Input, Meta, Request as UpdateRequest, UpdateRef, WaitPolicy};
use abide_protos::temporal::api::workflowservice::v1::{
    PollActivityTaskQueueRequest, PollWorkflowExecutionUpdateRequest, PollWorkflowTaskQueueRequest,
    RespondWorkflowTaskCompletedRequest, ShutdownWorkerRequest, SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
};
use expect_test::expect;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

use crate::arm::{Outcome, until};
use crate::raw::{Raw, command, compare_answers, with_deadline};

#[expect(clippy::disallowed_methods, reason = "how soon a server answers is measured on the machine's clock")]
fn now() -> Instant {
    Instant::now()
}

/// Describes the time that a poll took: none, or as long as it was allowed to.
fn roughly(began: Instant) -> &'static str {
    if began.elapsed() < Duration::from_secs(2) { "empty at once" } else { "empty later" }
}

#[tokio::test]
async fn a_late_poll_of_a_worker_that_has_shut_down_ends_at_once() -> Outcome {
    let expected = expect![[r#"
        a workflow task: empty at once
        an activity: empty at once
        another worker of the queue: has the task
    "#]];
    compare_answers("late-poll", expected, |mut raw| async move {
        let request = ShutdownWorkerRequest {
            namespace: "default".into(),
            identity: "raw".into(),
            reason: "a test".into(),
            worker_instance_key: raw.id_of("instance"),
            task_queue: raw.arm.queue(),
            ..Default::default()
        };
        raw.service.shutdown_worker(request).await?;
        let began = now();
        let request = PollWorkflowTaskQueueRequest {
            namespace: "default".into(),
            task_queue: Some(raw.queue()),
            identity: "raw".into(),
            worker_instance_key: raw.id_of("instance"),
            ..Default::default()
        };
        raw.service.poll_workflow_task_queue(with_deadline(request)).await?;
        raw.note("a workflow task", &Ok(roughly(began)));
        let began = now();
        let request = PollActivityTaskQueueRequest {
            namespace: "default".into(),
            task_queue: Some(raw.queue()),
            identity: "raw".into(),
            worker_instance_key: raw.id_of("instance"),
            ..Default::default()
        };
        raw.service.poll_activity_task_queue(with_deadline(request)).await?;
        raw.note("an activity", &Ok(roughly(began)));
        raw.start("").await?;
        raw.poll().await?;
        raw.note("another worker of the queue", &Ok("has the task"));
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_termination_without_a_reason_gets_one() -> Outcome {
    let expected = expect![[r#"
        none: terminated by user via frontend
        a reason: enough
    "#]];
    compare_answers("no-reason", expected, |mut raw| async move {
        for (what, reason) in [("none", ""), ("a reason", "enough")] {
            raw.start(what).await?;
            let request = TerminateWorkflowExecutionRequest {
                namespace: "default".into(),
                workflow_execution: Some(raw.execution_of(what)),
                reason: reason.into(),
                ..Default::default()
            };
            raw.service.terminate_workflow_execution(request).await?;
            let written = raw.events(what).await?.into_iter().find_map(|event| match event.attributes {
                Some(history_event::Attributes::WorkflowExecutionTerminatedEventAttributes(end)) => Some(end.reason),
                _ => None,
            });
            raw.note(what, &Ok(written.unwrap_or_default()));
        }
        Ok(raw)
    })
    .await
}

fn update(raw: &Raw) -> UpdateWorkflowExecutionRequest {
    UpdateWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(raw.execution_of("")),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Lifecycle::Accepted.into() }),
        request: Some(UpdateRequest {
            meta: Some(Meta { update_id: "u".into(), identity: "raw".into() }),
            input: Some(Input { name: "change".into(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn each_caller_waits_for_an_update_until_its_own_deadline() -> Outcome {
    let expected = expect![[r#"
        the update: Cancelled: some text
        Accepted: Cancelled: some text
        Completed: Cancelled: some text
        Unspecified: Admitted
    "#]];
    compare_answers("update-deadline", expected, |mut raw| async move {
        raw.start("").await?;
        raw.poll().await?;
        let mut request = tonic::Request::new(update(&raw));
        request.set_timeout(Duration::from_millis(1500));
        let answer = raw.service.update_workflow_execution(request).await.map(|_| "an answer");
        raw.note("the update", &answer.map_err(|status| tonic::Status::new(status.code(), "some text")));
        for stage in [Lifecycle::Accepted, Lifecycle::Completed, Lifecycle::Unspecified] {
            let request = PollWorkflowExecutionUpdateRequest {
                namespace: "default".into(),
                update_ref: Some(UpdateRef { workflow_execution: Some(raw.execution_of("")), update_id: "u".into() }),
                wait_policy: Some(WaitPolicy { lifecycle_stage: stage.into() }),
                ..Default::default()
            };
            let mut request = tonic::Request::new(request);
            request.set_timeout(Duration::from_millis(1500));
            let answer = raw.service.poll_workflow_execution_update(request).await;
            let answer = answer.map(|response| format!("{:?}", response.into_inner().stage()));
            raw.note(&format!("{stage:?}"), &answer.map_err(|status| tonic::Status::new(status.code(), "some text")));
        }
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn compressed_requests_are_taken_by_all_services() -> Outcome {
    let expected = expect![[r#"
        health of "": Serving, compressed true
        health of "temporal.api.workflowservice.v1.WorkflowService": Serving, compressed true
        health of "nobody": NotFound: some text
        a start: taken
        a list: compressed true
    "#]];
    compare_answers("compressed", expected, |mut raw| async move {
        let channel = Channel::from_shared(format!("http://{}", raw.arm.address()))?.connect().await?;
        let gzip = CompressionEncoding::Gzip;
        for service in ["", "temporal.api.workflowservice.v1.WorkflowService", "nobody"] {
            let mut health = HealthClient::new(channel.clone()).send_compressed(gzip).accept_compressed(gzip);
            let answer = health.check(HealthCheckRequest { service: service.into() }).await;
            let answer = answer.map(|response| {
                let sent = response.metadata().get("grpc-encoding").is_some();
                format!("{:?}, compressed {sent}", response.into_inner().status())
            });
            raw.note(
                &format!("health of {service:?}"),
                &answer.map_err(|status| tonic::Status::new(status.code(), "some text")),
            );
        }
        raw.service = raw.service.clone().send_compressed(gzip).accept_compressed(gzip);
        raw.start("").await?;
        raw.note("a start", &Ok("taken"));
        raw.operator = raw.operator.clone().send_compressed(gzip).accept_compressed(gzip);
        let request = ListSearchAttributesRequest { namespace: "default".into() };
        let answer = raw.operator.list_search_attributes(request).await;
        let answer =
            answer.map(|response| format!("compressed {}", response.metadata().get("grpc-encoding").is_some()));
        raw.note("a list", &answer);
        Ok(raw)
    })
    .await
}

/// Returns a request of this many bytes: a signal with a large argument.
fn request_of(raw: &Raw, bytes: usize) -> SignalWorkflowExecutionRequest {
    let with = |input: usize| SignalWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(raw.execution_of("")),
        signal_name: "much".into(),
        input: Some(Payloads { payloads: vec![Payload { data: vec![b'x'; input], ..Default::default() }] }),
        request_id: "much".into(),
        ..Default::default()
    };
    let beside = with(bytes).encoded_len() - bytes;
    with(bytes - beside)
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused() -> Outcome {
    const LIMIT: usize = 4 * 1024 * 1024;
    let expected = expect![[r#"
        4194304 bytes: InvalidArgument: Blob data size exceeds limit.
        4194305 bytes: ResourceExhausted: grpc: received message larger than max (4194305 vs. 4194304)
        67108865 bytes: ResourceExhausted: grpc: received message larger than max (67108865 vs. 4194304)
        the operator service: ResourceExhausted: grpc: received message larger than max (4194309 vs. 4194304)
        4194304 bytes that compress to few: InvalidArgument: Blob data size exceeds limit.
        4194305 bytes that compress to few: ResourceExhausted: grpc: received message after decompression larger than max 4194304
    "#]];
    compare_answers("too-large", expected, |mut raw| async move {
        raw.start("").await?;
        for bytes in [LIMIT, LIMIT + 1, 16 * LIMIT + 1] {
            let answer = raw.service.signal_workflow_execution(with_deadline(request_of(&raw, bytes))).await;
            raw.note(&format!("{bytes} bytes"), &answer.map(|_| "taken"));
        }
        let namespace = "x".repeat(LIMIT);
        let answer = raw.operator.list_search_attributes(ListSearchAttributesRequest { namespace }).await;
        raw.note("the operator service", &answer.map(|_| "taken"));
        raw.service = raw.service.clone().send_compressed(CompressionEncoding::Gzip);
        for bytes in [LIMIT, LIMIT + 1] {
            let answer = raw.service.signal_workflow_execution(with_deadline(request_of(&raw, bytes))).await;
            raw.note(&format!("{bytes} bytes that compress to few"), &answer.map(|_| "taken"));
        }
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn an_eager_activity_with_schedule_to_close_alone_times_out_by_it() -> Outcome {
    let expected = expect![[r#"
        activities that come along: 1
        timed out: Some(ScheduleToClose), Timeout: Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying
    "#]];
    compare_answers("eager-timeout", expected, |mut raw| async move {
        raw.start("").await?;
        raw.poll().await?;
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: "a".into(),
            activity_type: Some(ActivityType { name: "a".into() }),
            task_queue: Some(raw.queue()),
            schedule_to_close_timeout: Some(abide_protos::Duration { seconds: 1, nanos: 0 }),
            request_eager_execution: true,
            retry_policy: Some(RetryPolicy { maximum_attempts: 1, ..Default::default() }),
            ..Default::default()
        };
        let attributes = Attributes::ScheduleActivityTaskCommandAttributes(attributes);
        let request = RespondWorkflowTaskCompletedRequest {
            namespace: "default".into(),
            task_token: raw.task.task_token.clone(),
            commands: vec![command(CommandType::ScheduleActivityTask, attributes)],
            identity: "raw".into(),
            ..Default::default()
        };
        let response = raw.service.respond_workflow_task_completed(request).await?.into_inner();
        raw.note("activities that come along", &Ok(response.activity_tasks.len().to_string()));
        let raw = tokio::sync::Mutex::new(raw);
        until("the activity has timed out", || async {
            let events = raw.lock().await.events("").await?;
            Ok(events.iter().any(|event| event.event_type() == EventType::ActivityTaskTimedOut))
        })
        .await?;
        let mut raw = raw.into_inner();
        for event in raw.events("").await? {
            let Some(history_event::Attributes::ActivityTaskTimedOutEventAttributes(end)) = event.attributes else {
                continue;
            };
            let kind = end.failure.as_ref().and_then(|failure| match &failure.failure_info {
                Some(FailureInfo::TimeoutFailureInfo(info)) => Some(info.timeout_type()),
                _ => None,
            });
            assert_ne!(kind, Some(TimeoutType::Unspecified));
            let text = end.failure.as_ref().map_or("", |failure| &failure.message).to_owned();
            raw.note("timed out", &Ok(format!("{kind:?}, {:?}: {text}", end.retry_state())));
        }
        Ok(raw)
    })
    .await
}
