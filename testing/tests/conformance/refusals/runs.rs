//! Requests of a run: signals, updates, queries, resets, reading, lists.

use abide_protos::temporal::api::common::v1::{Link, WorkflowExecution};
use abide_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Lifecycle;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::update::v1::{Input, Meta, Request as Update, UpdateRef, WaitPolicy};
use abide_protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest as History,
    ListWorkflowExecutionsRequest as List, PollWorkflowExecutionUpdateRequest as PollUpdate,
    QueryWorkflowRequest as Query, RequestCancelWorkflowExecutionRequest as Cancel,
    ResetStickyTaskQueueRequest as ResetSticky, ResetWorkflowExecutionRequest as Reset,
    SignalWorkflowExecutionRequest as Signal, TerminateWorkflowExecutionRequest as Terminate,
    UpdateWorkflowExecutionRequest as UpdateRun,
};
use expect_test::expect;

use super::{Mistake, NOBODY, long, send};
use crate::arm::Outcome;
use crate::raw::{Raw, compare_answers, unique};

fn id(execution: &mut Option<WorkflowExecution>) -> &mut String {
    &mut execution.get_or_insert_default().workflow_id
}

fn run(execution: &mut Option<WorkflowExecution>) -> &mut String {
    &mut execution.get_or_insert_default().run_id
}

const SIGNALS: &[(&str, Mistake<Signal>)] = &[
    ("no namespace", |r| r.namespace.clear()),
    ("an unknown namespace, no execution", |r| (r.namespace, r.workflow_execution) = ("nowhere".into(), None)),
    ("no execution, no name", |r| (r.workflow_execution, r.signal_name) = (None, String::new())),
    ("no workflow id", |r| id(&mut r.workflow_execution).clear()),
    ("no run id, no name", |r| (*run(&mut r.workflow_execution), r.signal_name) = ("one".into(), String::new())),
    ("no name", |r| r.signal_name.clear()),
    ("a long name", |r| r.signal_name = long()),
    ("a long request id", |r| r.request_id = long()),
    ("an empty link", |r| r.links = vec![Link::default()]),
    ("an unknown workflow", |r| *id(&mut r.workflow_execution) = "nobody".into()),
    ("an unknown run", |r| *run(&mut r.workflow_execution) = NOBODY.into()),
];

const CANCELS: &[(&str, Mistake<Cancel>)] = &[
    ("no execution", |r| r.workflow_execution = None),
    ("no workflow id", |r| id(&mut r.workflow_execution).clear()),
    ("no run id", |r| *run(&mut r.workflow_execution) = "one".into()),
    ("an empty link", |r| r.links = vec![Link::default()]),
    ("an unknown workflow", |r| *id(&mut r.workflow_execution) = "nobody".into()),
    ("an unknown run", |r| *run(&mut r.workflow_execution) = NOBODY.into()),
    ("another chain", |r| r.first_execution_run_id = NOBODY.into()),
];

const TERMINATIONS: &[(&str, Mistake<Terminate>)] = &[
    ("no execution", |r| r.workflow_execution = None),
    ("no workflow id", |r| id(&mut r.workflow_execution).clear()),
    ("no run id", |r| *run(&mut r.workflow_execution) = "one".into()),
    ("an empty link", |r| r.links = vec![Link::default()]),
    ("an unknown workflow", |r| *id(&mut r.workflow_execution) = "nobody".into()),
    ("an unknown run", |r| *run(&mut r.workflow_execution) = NOBODY.into()),
    ("another chain", |r| r.first_execution_run_id = "no run".into()),
];

#[tokio::test]
async fn signals_and_ends_are_refused_alike() -> Outcome {
    compare_answers("refused-signals", expect![[r#"
        no namespace: InvalidArgument: Namespace is empty.
        an unknown namespace, no execution: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
        no execution, no name: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id, no name: InvalidArgument: Invalid RunId.
        no name: InvalidArgument: SignalName is not set on request.
        a long name: InvalidArgument: SignalName length exceeds limit.
        a long request id: InvalidArgument: RequestId length exceeds limit.
        an empty link: InvalidArgument: unsupported link variant
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown run: NotFound (NotFoundFailure): workflow execution not found for workflow ID "<id>" and run ID "00000000-0000-4000-8000-000000000005"
        no execution: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        an empty link: InvalidArgument: unsupported link variant
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown run: NotFound (NotFoundFailure): workflow execution not found for workflow ID "<id>" and run ID "00000000-0000-4000-8000-000000000005"
        another chain: NotFound (NotFoundFailure): workflow execution not found
        no execution: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        an empty link: InvalidArgument: unsupported link variant
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown run: NotFound (NotFoundFailure): workflow execution not found for workflow ID "<id>" and run ID "00000000-0000-4000-8000-000000000005"
        another chain: NotFound (NotFoundFailure): workflow execution not found
    "#]], |mut raw| async move {
        raw.start("").await?;
        let valid = |raw: &Raw| Signal {
            namespace: "default".into(),
            workflow_execution: Some(raw.execution_of("")),
            signal_name: "hear".into(),
            request_id: unique(),
            ..Default::default()
        };
        send!(raw, signal_workflow_execution, valid(&raw), SIGNALS);
        let execution = Some(raw.execution_of(""));
        let valid = Cancel { namespace: "default".into(), workflow_execution: execution.clone(), ..Default::default() };
        send!(raw, request_cancel_workflow_execution, valid.clone(), CANCELS);
        let valid = Terminate { namespace: "default".into(), workflow_execution: execution, ..Default::default() };
        send!(raw, terminate_workflow_execution, valid.clone(), TERMINATIONS);
        Ok(raw)
    })
    .await
}

const UPDATES: &[(&str, Mistake<UpdateRun>)] = &[
    ("no execution, no request", |r| (r.workflow_execution, r.request) = (None, None)),
    ("no workflow id", |r| id(&mut r.workflow_execution).clear()),
    ("no run id", |r| *run(&mut r.workflow_execution) = "one".into()),
    ("no request", |r| r.request = None),
    ("no meta", |r| r.request.get_or_insert_default().meta = None),
    ("a long id", |r| r.request.get_or_insert_default().meta.get_or_insert_default().update_id = long()),
    ("no input", |r| r.request.get_or_insert_default().input = None),
    ("no name", |r| r.request.get_or_insert_default().input = Some(Input::default())),
    ("waits for admission", |r| {
        r.wait_policy = Some(WaitPolicy { lifecycle_stage: Lifecycle::Admitted.into() });
    }),
    ("an unknown workflow", |r| *id(&mut r.workflow_execution) = "nobody".into()),
    ("an unknown run", |r| *run(&mut r.workflow_execution) = NOBODY.into()),
    ("another chain", |r| r.first_execution_run_id = NOBODY.into()),
];

const UPDATE_POLLS: &[(&str, Mistake<PollUpdate>)] = &[
    ("no update", |r| r.update_ref = None),
    ("no execution", |r| r.update_ref.get_or_insert_default().workflow_execution = None),
    ("no workflow id", |r| id(&mut r.update_ref.get_or_insert_default().workflow_execution).clear()),
    ("no update id", |r| r.update_ref.get_or_insert_default().update_id.clear()),
    ("an unknown workflow", |r| {
        *id(&mut r.update_ref.get_or_insert_default().workflow_execution) = "nobody".into();
    }),
    ("an unknown update", |_| {}),
];

const QUERIES: &[(&str, Mistake<Query>)] = &[
    ("no execution, no query", |r| (r.execution, r.query) = (None, None)),
    ("no workflow id", |r| id(&mut r.execution).clear()),
    ("no run id", |r| *run(&mut r.execution) = "one".into()),
    ("no query", |r| r.query = None),
    ("no type", |r| r.query = Some(WorkflowQuery::default())),
    ("an unknown workflow", |r| *id(&mut r.execution) = "nobody".into()),
];

#[tokio::test]
async fn updates_and_queries_are_refused_alike() -> Outcome {
    compare_answers("refused-updates", expect![[r#"
        no execution, no request: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        no request: InvalidArgument: Update meta is not set on request.
        no meta: InvalidArgument: Update meta is not set on request.
        a long id: InvalidArgument: UpdateId length exceeds limit.
        no input: InvalidArgument: Update input is not set on request.
        no name: InvalidArgument: Update name is not set on request.
        waits for admission: PermissionDenied (PermissionDeniedFailure): UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown run: NotFound (NotFoundFailure): workflow execution not found for workflow ID "<id>" and run ID "00000000-0000-4000-8000-000000000005"
        another chain: NotFound (NotFoundFailure): workflow execution not found
        no update: InvalidArgument: UpdateRef is not set on request.
        no execution: InvalidArgument: Can't load workflow execution.  WorkflowId not set.
        no workflow id: InvalidArgument: Can't load workflow execution.  WorkflowId not set.
        no update id: NotFound (NotFoundFailure): update "" not found
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown update: NotFound (NotFoundFailure): update "unknown" not found
        no execution, no query: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        no query: InvalidArgument: WorkflowQuery is not set on request.
        no type: InvalidArgument: QueryType is not set on request.
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
    "#]], |mut raw| async move {
        raw.start("").await?;
        let valid = |raw: &Raw| UpdateRun {
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
        send!(raw, update_workflow_execution, valid(&raw), UPDATES);
        let valid = |raw: &Raw| PollUpdate {
            namespace: "default".into(),
            update_ref: Some(UpdateRef { workflow_execution: Some(raw.execution_of("")), update_id: "unknown".into() }),
            ..Default::default()
        };
        send!(raw, poll_workflow_execution_update, valid(&raw), UPDATE_POLLS);
        let valid = |raw: &Raw| Query {
            namespace: "default".into(),
            execution: Some(raw.execution_of("")),
            query: Some(WorkflowQuery { query_type: "state".into(), ..Default::default() }),
            ..Default::default()
        };
        send!(raw, query_workflow, valid(&raw), QUERIES);
        Ok(raw)
    })
    .await
}

#[expect(deprecated, reason = "older clients say it in this field")]
const RESETS: &[(&str, Mistake<Reset>)] = &[
    ("no request id, no execution", |r| (r.request_id, r.workflow_execution) = (String::new(), None)),
    ("a long request id", |r| r.request_id = long()),
    ("no execution", |r| r.workflow_execution = None),
    ("no workflow id", |r| id(&mut r.workflow_execution).clear()),
    ("no run id", |r| *run(&mut r.workflow_execution) = "one".into()),
    ("an unknown kind", |r| r.reset_reapply_type = 77),
    ("an unknown workflow", |r| *id(&mut r.workflow_execution) = "nobody".into()),
    ("an unknown run", |r| *run(&mut r.workflow_execution) = NOBODY.into()),
    ("no event", |r| r.workflow_task_finish_event_id = 0),
    ("the first event", |r| r.workflow_task_finish_event_id = 1),
    ("an event before all", |r| r.workflow_task_finish_event_id = -2),
    ("an event after all", |r| r.workflow_task_finish_event_id = 99),
];

const READS: &[(&str, Mistake<History>)] = &[
    ("no execution", |r| r.execution = None),
    ("no workflow id", |r| id(&mut r.execution).clear()),
    ("no run id", |r| *run(&mut r.execution) = "one".into()),
    ("an unknown workflow", |r| *id(&mut r.execution) = "nobody".into()),
    ("an unknown run", |r| *run(&mut r.execution) = NOBODY.into()),
    ("no page", |r| r.next_page_token = b"none".into()),
    ("no page, no execution", |r| (r.next_page_token, r.execution) = (b"none".into(), None)),
    ("a page below zero", |r| r.maximum_page_size = -1),
];

const DESCRIPTIONS: &[(&str, Mistake<DescribeWorkflowExecutionRequest>)] = &[
    ("no execution", |r| r.execution = None),
    ("no workflow id", |r| id(&mut r.execution).clear()),
    ("no run id", |r| *run(&mut r.execution) = "one".into()),
    ("an unknown workflow", |r| *id(&mut r.execution) = "nobody".into()),
    ("an unknown run of an unknown workflow", |r| {
        r.execution = Some(WorkflowExecution { workflow_id: "nobody".into(), run_id: NOBODY.into() });
    }),
];

const LISTS: &[(&str, Mistake<List>)] = &[
    ("no namespace", |r| r.namespace.clear()),
    ("an unknown namespace, no query", |r| (r.namespace, r.query) = ("nowhere".into(), "(".into())),
    ("no page", |r| r.next_page_token = b"none".into()),
    ("a page below zero", |r| r.page_size = -1),
    ("a large page", |r| r.page_size = 100_000),
    ("an unknown attribute", |r| r.query = "Nowhere = 1".into()),
];

const COUNTS: &[(&str, Mistake<CountWorkflowExecutionsRequest>)] = &[
    ("no namespace", |r| r.namespace.clear()),
    ("an unknown namespace", |r| r.namespace = "nowhere".into()),
    ("an unknown attribute", |r| r.query = "Nowhere = 1".into()),
];

const STICKY: &[(&str, Mistake<ResetSticky>)] = &[
    ("no execution", |r| r.execution = None),
    ("no run id", |r| *run(&mut r.execution) = "one".into()),
    ("an unknown workflow", |r| *id(&mut r.execution) = "nobody".into()),
];

#[tokio::test]
async fn reads_and_resets_are_refused_alike() -> Outcome {
    compare_answers("refused-reads", expect![[r#"
        no request id, no execution: InvalidArgument: RequestId is not set on request.
        a long request id: InvalidArgument: RequestId length exceeds limit.
        no execution: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        an unknown kind: Internal: something went wrong, please retry (..)
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown run: NotFound (NotFoundFailure): workflow execution not found for workflow ID "<id>" and run ID "00000000-0000-4000-8000-000000000005"
        no event: InvalidArgument: Workflow task finish ID must be > 1 && <= workflow last event ID.
        the first event: InvalidArgument: Workflow task finish ID must be > 1 && <= workflow last event ID.
        an event before all: InvalidArgument: Workflow task finish ID must be > 1 && <= workflow last event ID.
        an event after all: InvalidArgument: Workflow task finish ID must be > 1 && <= workflow last event ID.
        no execution: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown run: NotFound (NotFoundFailure): workflow execution not found for workflow ID "<id>" and run ID "00000000-0000-4000-8000-000000000005"
        no page: InvalidArgument: Invalid NextPageToken.
        no page, no execution: InvalidArgument: Execution is not set on request.
        a page below zero: taken
        no execution: InvalidArgument: Execution is not set on request.
        no workflow id: InvalidArgument: WorkflowId is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
        an unknown run of an unknown workflow: NotFound (NotFoundFailure): workflow execution not found for workflow ID "nobody" and run ID "00000000-0000-4000-8000-000000000005"
        no namespace: InvalidArgument: Namespace is empty.
        an unknown namespace, no query: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
        no page: Unknown: something went wrong, please retry (..)
        a page below zero: taken
        a large page: taken
        an unknown attribute: InvalidArgument: invalid query: invalid search attribute: Nowhere
        no namespace: InvalidArgument: Namespace is empty.
        an unknown namespace: NotFound (NamespaceNotFoundFailure): Namespace nowhere is not found.
        an unknown attribute: InvalidArgument: invalid query: invalid search attribute: Nowhere
        no execution: InvalidArgument: Execution is not set on request.
        no run id: InvalidArgument: Invalid RunId.
        an unknown workflow: NotFound (NotFoundFailure): workflow not found for ID: nobody
    "#]], |mut raw| async move {
        raw.start("").await?;
        let (namespace, execution) = ("default".to_owned(), Some(raw.execution_of("")));
        let valid = Reset {
            namespace: namespace.clone(),
            workflow_execution: execution.clone(),
            request_id: unique(),
            workflow_task_finish_event_id: 3,
            ..Default::default()
        };
        send!(raw, reset_workflow_execution, valid.clone(), RESETS);
        let valid = History { namespace: namespace.clone(), execution: execution.clone(), ..Default::default() };
        send!(raw, get_workflow_execution_history, valid.clone(), READS);
        let valid = DescribeWorkflowExecutionRequest { namespace: namespace.clone(), execution: execution.clone() };
        send!(raw, describe_workflow_execution, valid.clone(), DESCRIPTIONS);
        let query = "WorkflowId = 'nobody'".to_owned();
        let valid = List { namespace: namespace.clone(), query: query.clone(), ..Default::default() };
        send!(raw, list_workflow_executions, valid.clone(), LISTS);
        let valid = CountWorkflowExecutionsRequest { namespace: namespace.clone(), query };
        send!(raw, count_workflow_executions, valid.clone(), COUNTS);
        let valid = ResetSticky { namespace, execution };
        send!(raw, reset_sticky_task_queue, valid.clone(), STICKY);
        Ok(raw)
    })
    .await
}
