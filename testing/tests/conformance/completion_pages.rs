//! Completions of workflow tasks that exceed the maximum message size: they are sent in pages.
//!
//! A real server accepts pages only if it is configured to. `.ci/real-server` does that, and allows transactions that
//! are large enough for all pages.

use std::time::Duration;

use abide::History;
use abide::client::WorkflowHandle;
use abide::prelude::*;
use abide_protos::google::rpc;
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    Command, CompleteWorkflowExecutionCommandAttributes, RecordMarkerCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::{CommandType, WorkflowTaskFailedCause};
use abide_protos::temporal::api::history::v1::{HistoryEvent, history_event};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::arm::{Arm, Histories, Outcome, compare, until_event};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const KIB: usize = 1024;

#[activity]
async fn byte_count(bytes: Vec<u8>) -> std::result::Result<usize, ActivityError> {
    Ok(bytes.len())
}

/// Each argument is within the limit; together they exceed the maximum message size.
#[workflow]
async fn many_arguments(ctx: &WorkflowContext, count: usize) -> std::result::Result<usize, WorkflowError> {
    let calls = (0..count).map(|_| ctx.activity(byte_count, vec![0; 800 * KIB]).start_to_close_timeout(secs(20)));
    let lengths = futures_util::future::join_all(calls).await;
    Ok(lengths.into_iter().sum::<std::result::Result<usize, _>>()?)
}

#[tokio::test]
async fn b040_a_completion_over_4_mb_goes_in_pages() -> Outcome {
    compare("many-arguments", |arm| async move {
        assert!(Bare::of(&arm).await?.takes_pages().await?, "the namespace takes no pages: see .ci/real-server");
        let worker = arm.worker().workflow(many_arguments).activities(byte_count).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(many_arguments, 6).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, 6 * 800 * KIB);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        assert!(!history.to_string().contains("WorkflowTaskFailed"), "{history}");
        // The activities end in any order, but the effects of the first task are always the same.
        let first_task: Vec<_> = history.events().iter().take(4 + 6).cloned().collect();
        let scheduled = |event: &&HistoryEvent| {
            matches!(event.attributes, Some(history_event::Attributes::ActivityTaskScheduledEventAttributes(_)))
        };
        assert_eq!(first_task.iter().filter(scheduled).count(), 6);
        Ok(vec![History::from_events(first_task)])
    })
    .await
}

/// A workflow without a worker: the bodies answer its tasks.
#[workflow]
async fn unworked(_ctx: &WorkflowContext) -> std::result::Result<(), WorkflowError> {
    Ok(())
}

/// A worker made of plain RPCs, which sends requests that no real worker would send.
struct Bare {
    service: WorkflowServiceClient<Channel>,
    queue: String,
    token: Vec<u8>,
}

impl Bare {
    async fn of(arm: &Arm) -> Result<Self> {
        let service = WorkflowServiceClient::connect(format!("http://{}", arm.address())).await?;
        Ok(Self { service, queue: arm.queue(), token: Vec::new() })
    }

    async fn takes_pages(&mut self) -> Result<bool> {
        let request = DescribeNamespaceRequest { namespace: "default".into(), ..Default::default() };
        let described = self.service.describe_namespace(request).await?.into_inner();
        let capabilities = described.namespace_info.and_then(|info| info.capabilities);
        Ok(capabilities.is_some_and(|capabilities| capabilities.workflow_task_completion_pagination))
    }

    /// Takes the next workflow task. Returns the attempt number.
    async fn poll(&mut self) -> Result<i32> {
        let request = PollWorkflowTaskQueueRequest {
            namespace: "default".into(),
            task_queue: Some(TaskQueue { name: self.queue.clone(), ..Default::default() }),
            identity: "bare".into(),
            ..Default::default()
        };
        let mut request = tonic::Request::new(request);
        request.set_timeout(secs(60));
        let task = self.service.poll_workflow_task_queue(request).await?.into_inner();
        self.token = task.task_token;
        Ok(task.attempt)
    }

    /// Sends a page that is followed by others.
    async fn page(&mut self, number: i32, commands: Vec<Command>) -> std::result::Result<(), Status> {
        self.respond(number, true, commands).await
    }

    /// Sends the last page.
    async fn last(&mut self, number: i32, commands: Vec<Command>) -> std::result::Result<(), Status> {
        self.respond(number, false, commands).await
    }

    async fn respond(&mut self, number: i32, more: bool, commands: Vec<Command>) -> std::result::Result<(), Status> {
        let request = RespondWorkflowTaskCompletedRequest {
            namespace: "default".into(),
            task_token: self.token.clone(),
            commands,
            identity: "bare".into(),
            page_number: number,
            intermediate_page: more,
            ..Default::default()
        };
        self.service.respond_workflow_task_completed(request).await.map(drop)
    }

    async fn fail(&mut self) -> Result<()> {
        let request = RespondWorkflowTaskFailedRequest {
            namespace: "default".into(),
            task_token: self.token.clone(),
            cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure.into(),
            identity: "bare".into(),
            ..Default::default()
        };
        self.service.respond_workflow_task_failed(request).await?;
        Ok(())
    }
}

fn marker(name: &str, bytes: usize) -> Vec<Command> {
    let details = Payloads { payloads: vec![Payload { data: vec![0; bytes], ..Default::default() }] };
    let attributes = RecordMarkerCommandAttributes {
        marker_name: name.into(),
        details: [("data".into(), details)].into(),
        ..Default::default()
    };
    let attributes = Some(Attributes::RecordMarkerCommandAttributes(attributes));
    vec![Command { command_type: CommandType::RecordMarker.into(), attributes, ..Default::default() }]
}

fn complete() -> Vec<Command> {
    let attributes = CompleteWorkflowExecutionCommandAttributes::default();
    let attributes = Some(Attributes::CompleteWorkflowExecutionCommandAttributes(attributes));
    vec![Command { command_type: CommandType::CompleteWorkflowExecution.into(), attributes, ..Default::default() }]
}

/// Returns the answer to a refused page.
fn refused(answer: std::result::Result<(), Status>) -> (Code, String, String) {
    let status = answer.expect_err("the page is refused");
    let details = rpc::Status::decode(status.details()).unwrap_or_default().details;
    let detail = details.first().and_then(|detail| detail.type_url.rsplit('.').next()).unwrap_or_default();
    (status.code(), status.message().to_string(), detail.to_string())
}

fn lost(message: &str) -> (Code, String, String) {
    (Code::Aborted, message.to_string(), "WorkflowTaskCompletionBufferLostFailure".to_string())
}

fn invalid(message: &str) -> (Code, String, String) {
    (Code::InvalidArgument, message.to_string(), String::new())
}

async fn started(arm: &Arm, task_timeout: Duration) -> Result<WorkflowHandle<UnworkedWorkflow>> {
    let start = arm.client.start(unworked, ()).id(arm.id()).task_queue(arm.queue()).task_timeout(task_timeout);
    Ok(start.await?)
}

async fn any_order(arm: Arm) -> Histories {
    let handle = started(&arm, secs(60)).await?;
    let mut worker = Bare::of(&arm).await?;
    worker.poll().await?;
    let nothing_kept = "workflow task completion buffer lost for scheduled event 2 attempt 1";
    assert_eq!(refused(worker.last(1, complete()).await), lost(nothing_kept));
    worker.page(2, marker("c", 1)).await?;
    worker.page(0, marker("a", 1)).await?;
    let hole = "workflow task completion buffer missing page 1 of 3";
    assert_eq!(refused(worker.last(3, complete()).await), lost(hole));
    assert_eq!(refused(worker.last(3, complete()).await), lost(nothing_kept), "the others were dropped");
    worker.page(7, marker("too many", 1)).await?;
    worker.page(1, marker("b", 1)).await?;
    worker.page(0, marker("a", 1)).await?;
    worker.page(0, marker("not again", 1)).await?;
    let commands = [marker("c", 1), complete()].concat();
    worker.last(2, commands).await?;
    Ok(vec![handle.fetch_history().await?])
}

#[tokio::test]
async fn pages_come_in_any_order_and_none_may_be_missing() -> Outcome {
    compare("pages", any_order).await
}

async fn senseless(arm: Arm) -> Histories {
    let handle = started(&arm, secs(60)).await?;
    let mut worker = Bare::of(&arm).await?;
    worker.poll().await?;
    let nothing_kept = "workflow task completion buffer lost for scheduled event 2 attempt 1";
    let too_many = "workflow task completion pagination supports at most 1024 pages";
    worker.page(0, marker("a", 1)).await?;
    let empty = "intermediate workflow task page must carry at least one command";
    assert_eq!(refused(worker.page(1, Vec::new()).await), invalid(empty));
    assert_eq!(refused(worker.last(1, complete()).await), lost(nothing_kept), "the first page was dropped");
    let negative = "workflow task completion pagination page number must be non-negative";
    assert_eq!(refused(worker.page(-1, marker("a", 1)).await), invalid(negative));
    assert_eq!(refused(worker.page(1024, marker("a", 1)).await), invalid(too_many));
    worker.page(0, complete()).await?;
    let sequence = "invalid command sequence: [CompleteWorkflowExecution, RecordMarker], command \
                    CompleteWorkflowExecution must be the last command.";
    assert_eq!(refused(worker.last(1, marker("late", 1)).await), invalid(sequence));
    worker.page(0, marker("a", 1)).await?;
    assert_eq!(refused(worker.last(1024, complete()).await), invalid(too_many));
    // A negative number marks the only page.
    worker.last(-1, complete()).await?;
    Ok(vec![handle.fetch_history().await?])
}

#[tokio::test]
async fn pages_that_make_no_sense_are_refused() -> Outcome {
    compare("senseless-pages", senseless).await
}

async fn timed_out(arm: Arm) -> Histories {
    let handle = started(&arm, secs(1)).await?;
    let mut worker = Bare::of(&arm).await?;
    worker.poll().await?;
    worker.page(0, marker("a", 1)).await?;
    until_event(&handle, "WORKFLOW_TASK_TIMED_OUT", 1).await?;
    assert_eq!(refused(worker.last(1, complete()).await).1, "Workflow task not found.");
    assert_eq!(worker.poll().await?, 2);
    let nothing_kept = "workflow task completion buffer lost for scheduled event 5 attempt 2";
    assert_eq!(refused(worker.last(1, complete()).await), lost(nothing_kept));
    worker.last(0, complete()).await?;
    Ok(vec![handle.fetch_history().await?])
}

#[tokio::test]
async fn pages_are_dropped_when_their_task_times_out() -> Outcome {
    compare("late-pages", timed_out).await
}

async fn looked_at_late(arm: Arm) -> Histories {
    let handle = started(&arm, secs(60)).await?;
    let mut worker = Bare::of(&arm).await?;
    worker.poll().await?;
    worker.page(0, marker("large", 3000 * KIB)).await?;
    let text = "BadRecordMarkerAttributes: RecordMarkerCommandAttributes.Details exceeds size limit.";
    assert_eq!(refused(worker.last(1, complete()).await), invalid(text));
    Ok(vec![handle.fetch_history().await?])
}

#[tokio::test]
async fn commands_of_pages_are_checked_with_the_last_page() -> Outcome {
    compare("pages-looked-at", looked_at_late).await
}

/// Sends pages until they exceed the maximum size of one task.
async fn overflow(worker: &mut Bare) -> std::result::Result<(), Status> {
    for number in 0..12 {
        worker.page(number, marker("large", 3500 * KIB)).await?;
    }
    Ok(())
}

async fn too_much(arm: Arm) -> Histories {
    let handle = started(&arm, secs(60)).await?;
    let mut worker = Bare::of(&arm).await?;
    worker.poll().await?;
    let text = "RequestTooLarge: workflow task completion buffer size exceeds the per-workflow limit";
    assert_eq!(refused(overflow(&mut worker).await), invalid(text));
    Ok(vec![handle.fetch_history().await?])
}

#[tokio::test]
async fn more_than_40_mb_of_pages_end_the_workflow() -> Outcome {
    compare("too-many-pages", too_much).await
}

async fn too_much_again(arm: Arm) -> Histories {
    let handle = started(&arm, secs(60)).await?;
    let mut worker = Bare::of(&arm).await?;
    worker.poll().await?;
    worker.fail().await?;
    assert_eq!(worker.poll().await?, 2);
    let text = "RequestTooLarge: workflow task completion buffer size exceeds the per-workflow limit";
    assert_eq!(refused(overflow(&mut worker).await), invalid(text));
    Ok(vec![handle.fetch_history().await?])
}

#[tokio::test]
async fn more_than_40_mb_of_pages_of_a_repeated_task_leave_it_to_its_timeout() -> Outcome {
    compare("too-many-pages-again", too_much_again).await
}
