//! Requests of workers: polls, answers with a task token or an activity's id, task queues; and namespaces.

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
use expect_test::expect;

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
    compare_answers("refused-polls", expect![[r#""#]], |mut raw| async move {
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

#[tokio::test]
async fn answers_are_refused_alike() -> Outcome {
    let embedded = abide_testing::server::TestServer::builder().namespace("plain");
    crate::raw::compare_answers_on(embedded, "refused-answers", expect![[r#""#]], |mut raw| async move {
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
    compare_answers("refused-queues", expect![[r#""#]], |mut raw| async move {
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
