//! StartWorkflowExecution, SignalWithStartWorkflowExecution, ExecuteMultiOperation.

use abide_protos::temporal::api::common::v1::link::WorkflowEvent;
use abide_protos::temporal::api::common::v1::link::workflow_event::{EventReference, Reference};
use abide_protos::temporal::api::common::v1::{Link, Payload, Priority, RetryPolicy, SearchAttributes, link};
use abide_protos::temporal::api::enums::v1::{
    UpdateWorkflowExecutionLifecycleStage as Lifecycle, VersioningBehavior, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
};
use abide_protos::temporal::api::errordetails::v1::MultiOperationExecutionFailure;
use abide_protos::temporal::api::update::v1::{Input, Meta, Request as Update, WaitPolicy};
use abide_protos::temporal::api::workflow::v1::{OnConflictOptions, VersioningOverride};
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_request::Operation;
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_request::operation::Operation as Kind;
use abide_protos::temporal::api::workflowservice::v1::{
    ExecuteMultiOperationRequest, SignalWithStartWorkflowExecutionRequest as SignalWithStart,
    StartWorkflowExecutionRequest as Start, UpdateWorkflowExecutionRequest,
};
use abide_protos::{google::rpc, prost::Message as _};
use expect_test::expect;
use tonic::Status;

use super::{Mistake, NOBODY, before, long, send};
use crate::arm::Outcome;
use crate::raw::{Raw, compare_answers, json, unique, with_deadline};

fn retry(policy: RetryPolicy) -> Option<RetryPolicy> {
    Some(RetryPolicy { backoff_coefficient: 2.0, ..policy })
}

fn event_link(change: fn(&mut WorkflowEvent)) -> Link {
    let mut event = WorkflowEvent {
        namespace: "default".into(),
        workflow_id: "there".into(),
        run_id: NOBODY.into(),
        reference: None,
    };
    change(&mut event);
    Link { variant: Some(link::Variant::WorkflowEvent(event)) }
}

const STARTS: &[(&str, Mistake<Start>)] = &[
    ("no namespace", |r| r.namespace.clear()),
    ("an unknown namespace, no workflow id", |r| (r.namespace, r.workflow_id) = ("nowhere".into(), String::new())),
    ("a long namespace", |r| r.namespace = long()),
    ("no workflow id", |r| r.workflow_id.clear()),
    ("a long workflow id", |r| r.workflow_id = long()),
    ("no type", |r| r.workflow_type = None),
    ("an empty type, no queue", |r| (r.workflow_type, r.task_queue) = (Some(Default::default()), None)),
    ("a long type", |r| r.workflow_type.get_or_insert_default().name = long()),
    ("no queue, a bad timeout", |r| (r.task_queue, r.workflow_run_timeout) = (None, before())),
    ("an empty queue", |r| r.task_queue.get_or_insert_default().name.clear()),
    ("a long queue", |r| r.task_queue.get_or_insert_default().name = long()),
    ("a reserved queue", |r| r.task_queue.get_or_insert_default().name = "/_sys/queue/1".into()),
    ("an internal queue", |r| r.task_queue.get_or_insert_default().name = "temporal-sys-per-ns-tq".into()),
    ("a long request id", |r| r.request_id = long()),
    ("a negative execution timeout", |r| r.workflow_execution_timeout = before()),
    ("a negative run timeout, a long request id", |r| (r.workflow_run_timeout, r.request_id) = (before(), long())),
    ("a negative task timeout", |r| r.workflow_task_timeout = before()),
    ("different signs", |r| {
        r.workflow_execution_timeout = Some(abide_protos::Duration { seconds: 1, nanos: -1 });
    }),
    ("a negative delay", |r| r.workflow_start_delay = before()),
    ("a delay and a schedule", |r| {
        (r.workflow_start_delay, r.cron_schedule) = (Some(Default::default()), "* * * * *".into());
    }),
    ("no schedule", |r| r.cron_schedule = "every day".into()),
    ("negative attempts, a negative delay, no schedule", |r| {
        r.retry_policy = retry(RetryPolicy { maximum_attempts: -1, ..Default::default() });
        (r.workflow_start_delay, r.cron_schedule) = (before(), "every day".into());
    }),
    ("a small coefficient", |r| r.retry_policy = Some(RetryPolicy { backoff_coefficient: 0.5, ..Default::default() })),
    ("a negative interval", |r| {
        r.retry_policy = retry(RetryPolicy { initial_interval: before(), ..Default::default() });
    }),
    ("a negative maximum", |r| {
        r.retry_policy = retry(RetryPolicy { maximum_interval: before(), ..Default::default() });
    }),
    ("a maximum below the default interval", |r| {
        let maximum_interval = Some(abide_protos::Duration { seconds: 0, nanos: 1 });
        r.retry_policy = retry(RetryPolicy { maximum_interval, ..Default::default() });
    }),
    ("an unknown timeout", |r| {
        let non_retryable_error_types = vec!["Other".into(), "TemporalTimeout:Lunch".into()];
        r.retry_policy = retry(RetryPolicy { non_retryable_error_types, ..Default::default() });
    }),
    ("reject, and terminate", |r| {
        r.set_workflow_id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate);
        r.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting);
        r.search_attributes = attribute("Nowhere");
    }),
    ("an unknown attribute", |r| r.search_attributes = attribute("Nowhere")),
    ("a negative priority", |r| r.priority = Some(Priority { priority_key: -1, ..Default::default() })),
    ("a long fairness key", |r| r.priority = Some(Priority { fairness_key: "x".repeat(65), ..Default::default() })),
    ("a negative weight", |r| r.priority = Some(Priority { fairness_weight: -1.0, ..Default::default() })),
    ("callbacks without their request", |r| {
        r.on_conflict_options = Some(OnConflictOptions { attach_completion_callbacks: true, ..Default::default() });
    }),
    ("pinned to nothing", |r| r.versioning_override = versioning(VersioningBehavior::Pinned, "")),
    ("upgraded to a version", |r| r.versioning_override = versioning(VersioningBehavior::AutoUpgrade, "a.b")),
    ("an override of nothing", |r| r.versioning_override = versioning(VersioningBehavior::Unspecified, "")),
    ("an empty link", |r| r.links = vec![Link::default()]),
    ("many links", |r| r.links = vec![event_link(|_| {}); 11]),
    ("a link without a namespace", |r| r.links = vec![event_link(|event| event.namespace.clear())]),
    ("a link without a workflow", |r| r.links = vec![event_link(|event| event.workflow_id.clear())]),
    ("a link without a run", |r| r.links = vec![event_link(|event| event.run_id.clear())]),
    ("a large link", |r| r.links = vec![event_link(|event| event.workflow_id = "x".repeat(4000))]),
    ("a link to an event of no type", |r| {
        r.links = vec![event_link(|event| {
            event.reference = Some(Reference::EventRef(EventReference { event_id: 3, event_type: 0 }));
        })];
    }),
    ("time skipping", |r| r.time_skipping_config = Some(Default::default())),
];

fn attribute(name: &str) -> Option<SearchAttributes> {
    Some(SearchAttributes { indexed_fields: [(name.to_owned(), json("\"x\""))].into() })
}

#[expect(deprecated, reason = "older clients say it in these fields")]
fn versioning(behavior: VersioningBehavior, pinned_version: &str) -> Option<VersioningOverride> {
    let pinned_version = pinned_version.into();
    Some(VersioningOverride { behavior: behavior.into(), pinned_version, ..Default::default() })
}

#[tokio::test]
async fn starts_are_refused_alike() -> Outcome {
    compare_answers("refused-starts", expect![[r#"
        no namespace: InvalidArgument: Namespace is empty.
        an unknown namespace, no workflow id: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
        a long namespace: InvalidArgument: Namespace length exceeds limit.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        a long workflow id: InvalidArgument: WorkflowId exceeds maximum allowed length (1001/1000)
        no type: InvalidArgument: WorkflowType is not set on request.
        an empty type, no queue: InvalidArgument: WorkflowType is not set on request.
        a long type: InvalidArgument: WorkflowType length exceeds limit.
        no queue, a bad timeout: InvalidArgument: taskQueue is not set
        an empty queue: InvalidArgument: missing task queue name
        a long queue: InvalidArgument: taskQueue length exceeds limit
        a reserved queue: InvalidArgument: task queue name cannot start with reserved prefix /_sys/
        an internal queue: InvalidArgument: cannot use internal per-namespace task queue:temporal-sys-per-ns-tq
        a long request id: InvalidArgument: RequestId length exceeds limit.
        a negative execution timeout: InvalidArgument: An invalid WorkflowExecutionTimeoutSeconds is set on request. cause: negative duration
        a negative run timeout, a long request id: InvalidArgument: An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration
        a negative task timeout: InvalidArgument: An invalid WorkflowTaskTimeoutSeconds is set on request. cause: negative duration
        different signs: InvalidArgument: An invalid WorkflowExecutionTimeoutSeconds is set on request. cause: duration has seconds and nanos with different signs
        a negative delay: InvalidArgument: An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration
        a delay and a schedule: InvalidArgument: CronSchedule and WorkflowStartDelay may not be used together.
        no schedule: InvalidArgument: invalid CronSchedule.
        negative attempts, a negative delay, no schedule: InvalidArgument: MaximumAttempts cannot be negative on retry policy.
        a small coefficient: InvalidArgument: BackoffCoefficient cannot be less than 1 on retry policy.
        a negative interval: InvalidArgument: invalid InitialInterval set on retry policy: negative duration
        a negative maximum: InvalidArgument: invalid MaximumInterval set on retry policy: negative duration
        a maximum below the default interval: InvalidArgument: MaximumInterval cannot be less than InitialInterval on retry policy.
        an unknown timeout: InvalidArgument: Invalid timeout type value: Lunch.
        reject, and terminate: InvalidArgument: Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
        an unknown attribute: InvalidArgument: Namespace default has no mapping defined for search attribute Nowhere
        a negative priority: InvalidArgument: priority key can't be negative
        a long fairness key: InvalidArgument: fairness key length exceeds limit
        a negative weight: InvalidArgument: must be greater than zero
        callbacks without their request: InvalidArgument: attaching request ID is required for attaching completion callbacks
        pinned to nothing: InvalidArgument: must provide deployment (deprecated) or pinned version if behavior is 'PINNED'
        upgraded to a version: InvalidArgument: only provide pinned version if behavior is 'PINNED'
        an override of nothing: InvalidArgument: override behavior is required
        an empty link: InvalidArgument: unsupported link variant
        many links: InvalidArgument: cannot attach more than 10 links per request, got 11
        a link without a namespace: InvalidArgument: workflow event link must not have an empty namespace field
        a link without a workflow: InvalidArgument: workflow event link must not have an empty workflow ID field
        a link without a run: InvalidArgument: workflow event link must not have an empty run ID field
        a large link: InvalidArgument: link exceeds allowed size of 4000, got 4053
        a link to an event of no type: InvalidArgument: workflow event link ref cannot have an unspecified event type and a non-zero event ID
        time skipping: Unimplemented: The Time-Skipping feature is not enabled for namespace.
    "#]], |mut raw| async move {
        send!(raw, start_workflow_execution, raw.start_request(""), STARTS);
        Ok(raw)
    })
    .await
}

const WITH_SIGNAL: &[(&str, Mistake<SignalWithStart>)] = &[
    ("no workflow id", |r| r.workflow_id.clear()),
    ("a long workflow id", |r| r.workflow_id = long()),
    ("no signal, no type", |r| (r.signal_name, r.workflow_type) = (String::new(), None)),
    ("a long signal", |r| r.signal_name = long()),
    ("no type", |r| r.workflow_type = None),
    ("a long type", |r| r.workflow_type.get_or_insert_default().name = long()),
    ("no queue", |r| r.task_queue = None),
    ("a long request id", |r| r.request_id = long()),
    ("a negative timeout", |r| r.workflow_run_timeout = before()),
    ("negative attempts", |r| r.retry_policy = retry(RetryPolicy { maximum_attempts: -1, ..Default::default() })),
    ("no schedule, no workflow id", |r| (r.cron_schedule, r.workflow_id) = ("every day".into(), String::new())),
    ("a negative delay", |r| r.workflow_start_delay = before()),
    ("a conflict that fails", |r| r.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::Fail)),
    ("a negative priority", |r| r.priority = Some(Priority { priority_key: -1, ..Default::default() })),
    ("an empty link", |r| r.links = vec![Link::default()]),
    ("a large input", |r| {
        let data = vec![b'x'; 2 * 1024 * 1024];
        r.signal_input.get_or_insert_default().payloads.push(Payload { data, ..Default::default() });
    }),
];

fn with_signal(raw: &Raw) -> SignalWithStart {
    let start = raw.start_request("");
    SignalWithStart {
        namespace: start.namespace,
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        signal_name: "hear".into(),
        request_id: unique(),
        ..Default::default()
    }
}

#[tokio::test]
async fn starts_with_a_signal_are_refused_alike() -> Outcome {
    compare_answers("refused-with-signal", expect![[r#"
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        a long workflow id: InvalidArgument: WorkflowId exceeds maximum allowed length (1001/1000)
        no signal, no type: InvalidArgument: signal not set
        a long signal: InvalidArgument: signal name exceeds maximum allowed length (1001/1000)
        no type: InvalidArgument: workflow type not set
        a long type: InvalidArgument: workflow type name exceeds maximum allowed length (1001/1000)
        no queue: InvalidArgument: taskQueue is not set
        a long request id: InvalidArgument: Request ID exceeds maximum allowed length (1001/1000)
        a negative timeout: InvalidArgument: An invalid WorkflowRunTimeoutSeconds is set on request. cause: negative duration
        negative attempts: InvalidArgument: MaximumAttempts cannot be negative on retry policy.
        no schedule, no workflow id: InvalidArgument: invalid CronSchedule.
        a negative delay: InvalidArgument: An invalid WorkflowStartDelaySeconds is set on request. cause: negative duration
        a conflict that fails: InvalidArgument: Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.
        a negative priority: InvalidArgument: priority key can't be negative
        an empty link: InvalidArgument: unsupported link variant
        a large input: InvalidArgument: Blob data size exceeds limit.
    "#]], |mut raw| async move {
        send!(raw, signal_with_start_workflow_execution, with_signal(&raw), WITH_SIGNAL);
        Ok(raw)
    })
    .await
}

type Pair = (Start, UpdateWorkflowExecutionRequest);

const WITH_UPDATE: &[(&str, Mistake<Pair>)] = &[
    ("another namespace", |(start, _)| start.namespace = "plain".into()),
    ("another namespace of the update", |(_, update)| update.namespace = "plain".into()),
    ("another workflow", |(_, update)| update.workflow_execution.get_or_insert_default().workflow_id = "other".into()),
    ("a run", |(_, update)| update.workflow_execution.get_or_insert_default().run_id = NOBODY.into()),
    ("a first run", |(_, update)| update.first_execution_run_id = NOBODY.into()),
    ("a schedule", |(start, _)| start.cron_schedule = "* * * * *".into()),
    ("an eager start", |(start, _)| start.request_eager_execution = true),
    ("a delay", |(start, _)| start.workflow_start_delay = Some(abide_protos::Duration { seconds: 1, nanos: 0 })),
    ("no type, no execution", |(start, update)| {
        (start.workflow_type, update.workflow_execution) = (None, None);
    }),
    ("no update", |(_, update)| update.request = None),
    ("an update without a name", |(_, update)| {
        update.request.get_or_insert_default().input = Some(Input::default());
    }),
];

fn pair(raw: &Raw) -> Pair {
    let update = UpdateWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(raw.execution_of("")),
        wait_policy: Some(WaitPolicy { lifecycle_stage: Lifecycle::Accepted.into() }),
        request: Some(Update {
            meta: Some(Meta { update_id: "u".into(), identity: "raw".into() }),
            input: Some(Input { name: "change".into(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    };
    (raw.start_request(""), update)
}

/// The refusal with what is said of each operation.
fn of_each(status: &Status) -> Status {
    let details = rpc::Status::decode(status.details()).unwrap_or_default().details;
    let failures = details.iter().filter_map(|detail| MultiOperationExecutionFailure::decode(&*detail.value).ok());
    let operations: Vec<String> = failures
        .flat_map(|failure| failure.statuses)
        .map(|status| format!("{:?} {}", tonic::Code::from_i32(status.code), status.message))
        .collect();
    Status::new(status.code(), format!("{} [{}]", status.message(), operations.join("; ")))
}

#[tokio::test]
async fn starts_with_an_update_are_refused_alike() -> Outcome {
    compare_answers("refused-with-update", expect![[r#"
        another namespace: InvalidArgument: Update-with-Start could not be executed. [InvalidArgument Operation namespace did not match request's namespace.; Aborted Operation was aborted.]
        another namespace of the update: InvalidArgument: Update-with-Start could not be executed. [Aborted Operation was aborted.; InvalidArgument Operation namespace did not match request's namespace.]
        another workflow: InvalidArgument: Update-with-Start could not be executed. [Aborted Operation was aborted.; InvalidArgument WorkflowId is not consistent with previous operation(s).]
        a run: InvalidArgument: Update-with-Start could not be executed. [Aborted Operation was aborted.; InvalidArgument RunId is not allowed.]
        a first run: InvalidArgument: Update-with-Start could not be executed. [Aborted Operation was aborted.; InvalidArgument FirstExecutionRunId is not allowed.]
        a schedule: InvalidArgument: Update-with-Start could not be executed. [InvalidArgument CronSchedule is not allowed.; Aborted Operation was aborted.]
        an eager start: InvalidArgument: Update-with-Start could not be executed. [InvalidArgument RequestEagerExecution is not supported.; Aborted Operation was aborted.]
        a delay: InvalidArgument: Update-with-Start could not be executed. [InvalidArgument WorkflowStartDelay is not supported.; Aborted Operation was aborted.]
        no type, no execution: InvalidArgument: Update-with-Start could not be executed. [InvalidArgument WorkflowType is not set on request.; InvalidArgument Execution is not set on request.]
        no update: InvalidArgument: Update-with-Start could not be executed. [Aborted Operation was aborted.; InvalidArgument Update meta is not set on request.]
        an update without a name: InvalidArgument: Update-with-Start could not be executed. [Aborted Operation was aborted.; InvalidArgument Update name is not set on request.]
        no operations: InvalidArgument: Operations have to be exactly [Start, Update].
    "#]], |mut raw| async move {
        for (what, spoil) in WITH_UPDATE {
            let mut operations = pair(&raw);
            spoil(&mut operations);
            let (start, update) = operations;
            let request = ExecuteMultiOperationRequest {
                namespace: "default".into(),
                operations: [Kind::StartWorkflow(start), Kind::UpdateWorkflow(update)]
                    .map(|operation| Operation { operation: Some(operation) })
                    .into(),
                ..Default::default()
            };
            let answer = raw.service.execute_multi_operation(with_deadline(request)).await;
            raw.note(what, &answer.map(|_| "taken").map_err(|status| of_each(&status)));
        }
        let request = ExecuteMultiOperationRequest { namespace: "default".into(), ..Default::default() };
        let answer = raw.service.execute_multi_operation(with_deadline(request)).await;
        raw.note("no operations", &answer.map(|_| "taken"));
        Ok(raw)
    })
    .await
}
