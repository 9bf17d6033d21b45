//! Requests of workers: polls, answers with a task token or an activity's id, task queues; and namespaces.

use std::time::Duration;

use abide_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use abide_protos::temporal::api::enums::v1::{DescribeTaskQueueMode, TaskQueueKind};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, DescribeTaskQueueRequest as DescribeQueue, PollActivityTaskQueueRequest as PollActivity,
    PollNexusTaskQueueRequest as PollNexus, PollWorkflowTaskQueueRequest as PollWorkflow,
    RecordActivityTaskHeartbeatByIdRequest, RecordActivityTaskHeartbeatRequest, RecordWorkerHeartbeatRequest,
    RegisterNamespaceRequest, RespondActivityTaskCanceledByIdRequest, RespondActivityTaskCanceledRequest,
    RespondActivityTaskCompletedByIdRequest as CompleteById, RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest, RespondActivityTaskFailedRequest, RespondNexusTaskCompletedRequest,
    RespondNexusTaskFailedRequest, RespondQueryTaskCompletedRequest, RespondWorkflowTaskCompletedRequest as Complete,
    RespondWorkflowTaskFailedRequest, ShutdownWorkerRequest,
};
use expect_test::{Expect, expect};

use super::{Mistake, long, send, shown};
use crate::arm::Outcome;
use crate::raw::{compare_answers, with_deadline};

fn queue(queue: &mut Option<TaskQueue>) -> &mut TaskQueue {
    queue.get_or_insert_default()
}

fn sticky(normal_name: String) -> Option<TaskQueue> {
    Some(TaskQueue { name: "sticky".into(), kind: TaskQueueKind::Sticky.into(), normal_name })
}

const WORKFLOWS: &[(&str, Mistake<PollWorkflow>)] = &[
    ("no namespace", |r| r.namespace.clear()),
    ("an unknown namespace, no queue", |r| (r.namespace, r.task_queue) = ("nowhere".into(), None)),
    ("no queue", |r| r.task_queue = None),
    ("an empty queue", |r| queue(&mut r.task_queue).name.clear()),
    ("a long queue", |r| queue(&mut r.task_queue).name = long()),
    ("a partition", |r| queue(&mut r.task_queue).name = "/_sys/queue/1".into()),
    ("a long normal name", |r| r.task_queue = sticky(long())),
    ("a deployment without the normal name", |r| {
        r.task_queue = sticky(String::new());
        r.deployment_options = Some(WorkerDeploymentOptions::default());
    }),
    ("a long identity, a long queue", |r| (r.identity, queue(&mut r.task_queue).name) = (long(), long())),
];

const ACTIVITIES: &[(&str, Mistake<PollActivity>)] = &[
    ("no queue", |r| r.task_queue = None),
    ("a long identity", |r| r.identity = long()),
    ("a long identity, a long queue", |r| (r.identity, queue(&mut r.task_queue).name) = (long(), long())),
];

const NEXUS: &[(&str, Mistake<PollNexus>)] = &[
    ("no queue", |r| r.task_queue = None),
    ("an empty queue", |r| queue(&mut r.task_queue).name.clear()),
    ("a long identity", |r| r.identity = long()),
];

#[tokio::test]
async fn polls_are_refused_alike() -> Outcome {
    compare_answers("refused-polls", expect![[r#"
        no namespace: InvalidArgument: Namespace is empty.
        an unknown namespace, no queue: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
        no queue: InvalidArgument: taskQueue is not set
        an empty queue: InvalidArgument: missing task queue name
        a long queue: InvalidArgument: taskQueue length exceeds limit
        a partition: InvalidArgument: task queue name cannot start with reserved prefix /_sys/
        a long normal name: InvalidArgument: taskQueue length exceeds limit
        a deployment without the normal name: InvalidArgument: NormalName must be set on sticky queue when UseVersioning is true or DeploymentOptions are set.
        a long identity, a long queue: InvalidArgument: Identity length exceeds limit.
        no queue: InvalidArgument: taskQueue is not set
        a long identity: InvalidArgument: Identity length exceeds limit.
        a long identity, a long queue: InvalidArgument: taskQueue length exceeds limit
        no queue: InvalidArgument: taskQueue is not set
        an empty queue: InvalidArgument: missing task queue name
        a long identity: InvalidArgument: Identity length exceeds limit.
    "#]], |mut raw| async move {
        let (namespace, task_queue) = ("default".to_owned(), Some(raw.queue()));
        let valid = PollWorkflow { namespace: namespace.clone(), task_queue: task_queue.clone(), ..Default::default() };
        send!(raw, poll_workflow_task_queue, valid.clone(), WORKFLOWS);
        let valid = PollActivity { namespace: namespace.clone(), task_queue: task_queue.clone(), ..Default::default() };
        send!(raw, poll_activity_task_queue, valid.clone(), ACTIVITIES);
        let valid = PollNexus { namespace, task_queue, ..Default::default() };
        send!(raw, poll_nexus_task_queue, valid.clone(), NEXUS);
        Ok(raw)
    })
    .await
}

const TIMES: [(&str, Option<Duration>); 3] = [
    ("no deadline", None),
    ("one second", Some(Duration::from_secs(1))),
    // Some of it has passed when the server looks.
    ("two seconds", Some(Duration::from_secs(2))),
];

/// Sends a poll with each of these times.
macro_rules! polls {
    ($raw:ident, $($method:ident: $request:ident),* $(,)?) => {$(
        for (what, time) in TIMES {
            let (namespace, task_queue) = ("default".to_owned(), Some($raw.queue()));
            let mut request = tonic::Request::new($request { namespace, task_queue, ..Default::default() });
            time.into_iter().for_each(|time| request.set_timeout(time));
            let answer = $raw.service.$method(request).await;
            $raw.note(&format!("{} {what}", stringify!($method)), &shown(answer));
        }
    )*};
}

#[tokio::test]
async fn polls_without_time_to_wait_are_refused_alike() -> Outcome {
    compare_answers(
        "hasty-polls",
        expect![[r#"
        poll_workflow_task_queue no deadline: InvalidArgument: Context timeout is not set.
        poll_workflow_task_queue one second: FailedPrecondition: Context timeout is too short.
        poll_workflow_task_queue two seconds: FailedPrecondition: Context timeout is too short.
        poll_activity_task_queue no deadline: InvalidArgument: Context timeout is not set.
        poll_activity_task_queue one second: FailedPrecondition: Context timeout is too short.
        poll_activity_task_queue two seconds: FailedPrecondition: Context timeout is too short.
        poll_nexus_task_queue no deadline: InvalidArgument: Context timeout is not set.
        poll_nexus_task_queue one second: FailedPrecondition: Context timeout is too short.
        poll_nexus_task_queue two seconds: FailedPrecondition: Context timeout is too short.
    "#]],
        |mut raw| async move {
            polls!(
                raw,
                poll_workflow_task_queue: PollWorkflow,
                poll_activity_task_queue: PollActivity,
                poll_nexus_task_queue: PollNexus,
            );
            Ok(raw)
        },
    )
    .await
}

/// Sends an answer without a token, and one with a token of nobody.
macro_rules! answers {
    ($raw:ident, $($method:ident: $request:ident),* $(,)?) => {$(
        for (what, token) in [("no token", Vec::new()), ("a strange token", b"none".to_vec())] {
            let request = $request { namespace: "default".into(), task_token: token, ..Default::default() };
            let answer = $raw.service.$method(with_deadline(request)).await;
            $raw.note(&format!("{} {what}", stringify!($method)), &shown(answer));
        }
    )*};
}

const COMPLETIONS: &[(&str, Mistake<Complete>)] = &[
    ("an unknown namespace, a strange token", |r| {
        (r.namespace, r.task_token) = ("nowhere".into(), b"none".into());
    }),
    ("no namespace, no token", |r| (r.namespace, r.task_token) = (String::new(), Vec::new())),
    ("a token of another namespace", |r| r.namespace = "plain".into()),
    ("a long identity", |r| r.identity = long()),
];

const BY_ID: &[(&str, Mistake<CompleteById>)] = &[
    ("no activity", |r| r.activity_id.clear()),
    ("no workflow", |r| r.workflow_id.clear()),
    ("no run id", |r| r.run_id = "one".into()),
    ("a long identity", |r| r.identity = long()),
    ("an unknown workflow", |r| r.workflow_id = "nobody".into()),
    ("an unknown activity", |_| {}),
];

const REFUSED_ANSWERS: Expect = expect![[r#"
    respond_workflow_task_completed no token: InvalidArgument: Task token not set on request.
    respond_workflow_task_completed a strange token: InvalidArgument: Error deserializing task token.
    respond_workflow_task_failed no token: InvalidArgument: Task token not set on request.
    respond_workflow_task_failed a strange token: InvalidArgument: Error deserializing task token.
    respond_activity_task_completed no token: InvalidArgument: Task token not set on request.
    respond_activity_task_completed a strange token: InvalidArgument: Error deserializing task token.
    respond_activity_task_failed no token: InvalidArgument: Task token not set on request.
    respond_activity_task_failed a strange token: InvalidArgument: Error deserializing task token.
    respond_activity_task_canceled no token: InvalidArgument: Task token not set on request.
    respond_activity_task_canceled a strange token: InvalidArgument: Error deserializing task token.
    record_activity_task_heartbeat no token: InvalidArgument: Task token not set on request.
    record_activity_task_heartbeat a strange token: InvalidArgument: Error deserializing task token.
    respond_query_task_completed no token: InvalidArgument: Task token not set on request.
    respond_query_task_completed a strange token: InvalidArgument: Error deserializing task token.
    respond_nexus_task_completed no token: InvalidArgument: Task token not set on request.
    respond_nexus_task_completed a strange token: InvalidArgument: Error deserializing task token.
    respond_nexus_task_failed no token: InvalidArgument: Task token not set on request.
    respond_nexus_task_failed a strange token: InvalidArgument: Error deserializing task token.
    an unknown namespace, a strange token: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
    no namespace, no token: InvalidArgument: Task token not set on request.
    a token of another namespace: InvalidArgument: Operation requested with a token from a different namespace.
    a long identity: InvalidArgument: Identity length exceeds limit.
    no activity: InvalidArgument: ActivityId is not set on request.
    no workflow: NotFound (NotFoundFailure): activity not found for ID: a
    no run id: InvalidArgument: RunId is not valid UUID.
    a long identity: InvalidArgument: Identity length exceeds limit.
    an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
    an unknown activity: NotFound (NotFoundFailure): cannot find pending activity with ActivityID a, check workflow execution history for more details
    failed by id, no workflow: NotFound (NotFoundFailure): activity not found for ID: a
    cancelled by id, no workflow: NotFound (NotFoundFailure): activity not found for ID: a
    heartbeat by id, no workflow: NotFound (NotFoundFailure): activity not found for ID: a
"#]];

#[tokio::test]
async fn answers_are_refused_alike() -> Outcome {
    let embedded = abide_testing::server::TestServer::builder().namespace("plain");
    crate::raw::compare_answers_on(embedded, "refused-answers", REFUSED_ANSWERS, |mut raw| async move {
        answers!(
            raw,
            respond_workflow_task_completed: Complete,
            respond_workflow_task_failed: RespondWorkflowTaskFailedRequest,
            respond_activity_task_completed: RespondActivityTaskCompletedRequest,
            respond_activity_task_failed: RespondActivityTaskFailedRequest,
            respond_activity_task_canceled: RespondActivityTaskCanceledRequest,
            record_activity_task_heartbeat: RecordActivityTaskHeartbeatRequest,
            respond_query_task_completed: RespondQueryTaskCompletedRequest,
            respond_nexus_task_completed: RespondNexusTaskCompletedRequest,
            respond_nexus_task_failed: RespondNexusTaskFailedRequest,
        );
        raw.start("").await?;
        raw.poll().await?;
        let task_token = raw.task.task_token.clone();
        let valid = Complete { namespace: "default".into(), task_token, ..Default::default() };
        send!(raw, respond_workflow_task_completed, valid.clone(), COMPLETIONS);
        let valid = CompleteById {
            namespace: "default".into(),
            workflow_id: raw.id_of(""),
            activity_id: "a".into(),
            ..Default::default()
        };
        send!(raw, respond_activity_task_completed_by_id, valid.clone(), BY_ID);
        let (namespace, activity_id) = ("default".to_owned(), "a".to_owned());
        let request = RespondActivityTaskFailedByIdRequest {
            namespace: namespace.clone(),
            activity_id: activity_id.clone(),
            ..Default::default()
        };
        let answer = raw.service.respond_activity_task_failed_by_id(request).await;
        raw.note("failed by id, no workflow", &shown(answer));
        let request = RespondActivityTaskCanceledByIdRequest {
            namespace: namespace.clone(),
            activity_id: activity_id.clone(),
            ..Default::default()
        };
        let answer = raw.service.respond_activity_task_canceled_by_id(request).await;
        raw.note("cancelled by id, no workflow", &shown(answer));
        let request = RecordActivityTaskHeartbeatByIdRequest { namespace, activity_id, ..Default::default() };
        let answer = raw.service.record_activity_task_heartbeat_by_id(request).await;
        raw.note("heartbeat by id, no workflow", &shown(answer));
        Ok(raw)
    })
    .await
}

const QUEUES: &[(&str, Mistake<DescribeQueue>)] = &[
    ("an unknown namespace, no queue", |r| (r.namespace, r.task_queue) = ("nowhere".into(), None)),
    ("no queue", |r| r.task_queue = None),
    ("an empty queue", |r| queue(&mut r.task_queue).name.clear()),
    ("a long queue", |r| queue(&mut r.task_queue).name = long()),
    ("no partition", |r| queue(&mut r.task_queue).name = "/_sys/queue".into()),
    ("a partition", |r| queue(&mut r.task_queue).name = "/_sys/queue/1".into()),
    ("a partition, enhanced", |r| {
        queue(&mut r.task_queue).name = "/_sys/queue/1".into();
        r.set_api_mode(DescribeTaskQueueMode::Enhanced);
    }),
    ("a sticky queue, enhanced", |r| {
        r.task_queue = sticky("normal".into());
        r.set_api_mode(DescribeTaskQueueMode::Enhanced);
    }),
];

const REGISTRATIONS: &[(&str, Mistake<RegisterNamespaceRequest>)] = &[
    ("no name", |r| r.namespace.clear()),
    ("a long name", |r| r.namespace = long()),
    ("a known name, no retention", |r| (r.namespace, r.workflow_execution_retention_period) = ("default".into(), None)),
    ("a short retention", |r| r.workflow_execution_retention_period.get_or_insert_default().seconds = 3599),
    ("a known name", |r| r.namespace = "default".into()),
    ("the server's own name", |r| r.namespace = "temporal-system".into()),
];

const NAMESPACES: &[(&str, Mistake<DescribeNamespaceRequest>)] = &[
    ("nothing", |_| {}),
    ("an unknown name", |r| r.namespace = "nowhere".into()),
    ("an unknown id", |r| r.id = super::NOBODY.into()),
    ("no id", |r| r.id = "one".into()),
];

#[tokio::test]
async fn calls_about_queues_and_namespaces_are_refused_alike() -> Outcome {
    compare_answers("refused-queues", expect![[r#"
        an unknown namespace, no queue: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
        no queue: InvalidArgument: taskQueue is not set
        an empty queue: InvalidArgument: missing task queue name
        a long queue: InvalidArgument: taskQueue length exceeds limit
        no partition: InvalidArgument: invalid task queue partition name /_sys/queue
        a partition: taken
        a partition, enhanced: InvalidArgument: task queue name cannot start with reserved prefix /_sys/
        a sticky queue, enhanced: InvalidArgument: Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.
        no name: InvalidArgument: Namespace not set on request.
        a long name: InvalidArgument: Namespace length exceeds limit.
        a known name, no retention: InvalidArgument: A valid retention period is not set on request.
        a short retention: InvalidArgument: A valid retention period is not set on request.
        a known name: AlreadyExists (NamespaceAlreadyExistsFailure): Namespace "default" already exists
        the server's own name: AlreadyExists (NamespaceAlreadyExistsFailure): Namespace "temporal-system" already exists
        nothing: InvalidArgument: Namespace not set on request.
        an unknown name: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
        an unknown id: NotFound (NamespaceNotFoundFailure): Namespace 00000000-0000-4000-8000-000000000005 is not found.
        no id: Unknown: invalid UUID length: 3
        a worker of no namespace shuts down: InvalidArgument: Namespace is empty.
        a worker of an unknown namespace lives: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
    "#]], |mut raw| async move {
        let namespace = "default".to_owned();
        let valid = DescribeQueue { namespace, task_queue: Some(raw.queue()), ..Default::default() };
        send!(raw, describe_task_queue, valid.clone(), QUEUES);
        let retention = abide_protos::Duration { seconds: 86_400, nanos: 0 };
        let valid = RegisterNamespaceRequest {
            namespace: raw.id_of("new"),
            workflow_execution_retention_period: Some(retention),
            ..Default::default()
        };
        send!(raw, register_namespace, valid.clone(), REGISTRATIONS);
        send!(raw, describe_namespace, DescribeNamespaceRequest::default(), NAMESPACES);
        let answer = raw.service.shutdown_worker(ShutdownWorkerRequest::default()).await;
        raw.note("a worker of no namespace shuts down", &shown(answer));
        let request = RecordWorkerHeartbeatRequest { namespace: "nowhere".into(), ..Default::default() };
        let answer = raw.service.record_worker_heartbeat(request).await;
        raw.note("a worker of an unknown namespace lives", &shown(answer));
        Ok(raw)
    })
    .await
}
