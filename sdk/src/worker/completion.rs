//! Answers to workflow tasks: completions, failures, and the results of queries.
//!
//! An answer is sent until the server has it or the task's own deadline has passed. An answer that the server does not
//! take is never fatal: the run is forgotten, and rebuilt from history when its next task comes.

use std::sync::Arc;
use std::time::Duration;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::MeteringMetadata;
use abide_protos::temporal::api::enums::v1::{QueryResultType, WorkflowTaskFailedCause};
use abide_protos::temporal::api::query::v1::WorkflowQueryResult;
use abide_protos::temporal::api::taskqueue::v1::StickyExecutionAttributes;
use abide_protos::temporal::api::workflowservice::v1::respond_workflow_task_completed_request::Capabilities;
use abide_protos::temporal::api::workflowservice::v1::{
    RespondQueryTaskCompletedRequest, RespondWorkflowTaskCompletedRequest, RespondWorkflowTaskFailedRequest,
};
use tokio::time::Instant;

use super::lane::{Message, Ticket};
use super::lane_thread::task_failure;
use super::workflow_worker::{WorkflowWorker, sticky_queue};
use crate::client::RpcError;
use crate::duration::to_proto;
use crate::replay::{WorkflowTaskCompletion, WorkflowTaskFailure};

/// Answers are sent for so long even when the task's deadline is nearer: the clocks of two machines differ.
const AT_LEAST: Duration = Duration::from_secs(1);

impl WorkflowWorker {
    pub(super) async fn complete(self: &Arc<Self>, ticket: Box<Ticket>, completion: Box<WorkflowTaskCompletion>) {
        let request = self.completion_request(&ticket, *completion);
        if let Some(text) = self.too_large(&request) {
            self.evict(&ticket);
            return self.fail_with(&ticket, request.task_token, WorkflowTaskFailedCause::PayloadsTooLarge, &text).await;
        }
        match self.shared.connection.call_within(request, time_left(&ticket)).await {
            Ok(response) => {
                if response.reset_history_event_id > 0 {
                    // The server forgot a speculative task: the run has seen events that were never stored.
                    self.evict(&ticket);
                }
                if let Some(next) = response.workflow_task {
                    self.accept(next, ticket.slot);
                }
            }
            Err(error) => self.completion_refused(&ticket, &error).await,
        }
    }

    /// Tells the server that the task failed: once. Later attempts are left to time out, which slows them down.
    pub(super) async fn fail(&self, ticket: &Ticket, failure: WorkflowTaskFailure) {
        let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
        let (attempt, message) = (ticket.attempt, &failure.failure.message);
        if ticket.is_query {
            tracing::warn!(workflow_id, run_id, workflow_type, "a query could not be answered: {message}");
            let result = WorkflowQueryResult {
                result_type: QueryResultType::Failed as i32,
                error_message: message.clone(),
                failure: Some(failure.failure),
                ..Default::default()
            };
            return self.answer_query(ticket, result).await;
        }
        tracing::warn!(workflow_id, run_id, workflow_type, attempt, "the workflow task failed: {message}");
        if ticket.attempt > 1 {
            return;
        }
        self.send_failure(ticket, ticket.task_token.clone(), failure).await;
    }

    /// A run that waited for history was lost with its lane. The server sends the task again at once.
    pub(super) async fn fail_lost(&self, ticket: &Ticket) {
        let text = "the thread that worked on this run was replaced, because other workflow code blocked it";
        self.fail(ticket, *task_failure(text)).await;
    }

    pub(super) async fn answer_query(&self, ticket: &Ticket, answer: WorkflowQueryResult) {
        let request = RespondQueryTaskCompletedRequest {
            task_token: ticket.task_token.clone(),
            completed_type: answer.result_type,
            query_result: answer.answer,
            error_message: answer.error_message,
            failure: answer.failure,
            namespace: self.shared.namespace(),
            ..Default::default()
        };
        let mut answered = self.shared.connection.call(request).await.map(drop);
        if let Err(error) = &answered
            && error.is_message_too_large()
        {
            // Better a failure that somebody reads than a caller who waits in vain.
            let error_message = format!("the server did not take the query's result: {error}");
            let request = RespondQueryTaskCompletedRequest {
                task_token: ticket.task_token.clone(),
                completed_type: QueryResultType::Failed as i32,
                error_message,
                namespace: self.shared.namespace(),
                ..Default::default()
            };
            answered = self.shared.connection.call(request).await.map(drop);
        }
        if let Err(error) = answered {
            // Who asked has a timeout of its own, and may be gone.
            let (workflow_id, run_id) = (&ticket.workflow_id, &ticket.run_id);
            tracing::warn!(workflow_id, run_id, "the answer to a query could not be delivered: {error}");
        }
    }

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    fn completion_request(
        &self,
        ticket: &Ticket,
        completion: WorkflowTaskCompletion,
    ) -> RespondWorkflowTaskCompletedRequest {
        let shared = &self.shared;
        let sticky_attributes = self.sticky_queue.as_ref().map(|name| StickyExecutionAttributes {
            worker_task_queue: Some(sticky_queue(name, &shared.task_queue)),
            schedule_to_start_timeout: Some(to_proto(shared.options.sticky_queue_schedule_to_start_timeout)),
        });
        RespondWorkflowTaskCompletedRequest {
            task_token: ticket.task_token.clone(),
            commands: completion.commands,
            identity: shared.identity.clone(),
            return_new_workflow_task: sticky_attributes.is_some() && self.takes_another_task(),
            sticky_attributes,
            force_create_new_workflow_task: completion.force_create_new_workflow_task,
            query_results: completion.query_results,
            namespace: shared.namespace(),
            worker_version_stamp: shared.version_stamp(),
            deployment_options: shared.deployment_options(),
            versioning_behavior: self.versioning_behavior(&ticket.workflow_type),
            messages: completion.messages,
            sdk_metadata: Some(completion.sdk_metadata),
            metering_metadata: Some(MeteringMetadata::default()),
            capabilities: Some(Capabilities { discard_speculative_workflow_task_with_events: true }),
            worker_instance_key: shared.instance_key.clone(),
            ..Default::default()
        }
    }

    /// Finds a command with more data than the server takes. It would not only refuse, but terminate the workflow.
    fn too_large(&self, request: &RespondWorkflowTaskCompletedRequest) -> Option<String> {
        let limit = self.shared.blob_limit;
        if request.encoded_len() <= limit {
            return None;
        }
        let (at, size) =
            request.commands.iter().map(|command| command.encoded_len()).enumerate().find(|(_, size)| *size > limit)?;
        let kind = request.commands[at].command_type().as_str_name().trim_start_matches("COMMAND_TYPE_");
        Some(format!(
            "command {} of the workflow task ({kind}) has {size} bytes, and the namespace takes {limit} in one argument or result; \
             pass a reference to large data, not the data itself",
            at + 1
        ))
    }

    async fn completion_refused(&self, ticket: &Ticket, error: &RpcError) {
        self.evict(ticket);
        let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
        if error.is_not_found() {
            // The task has timed out, or the workflow was closed meanwhile.
            tracing::debug!(workflow_id, run_id, "a workflow task is not awaited any more: {error}");
        } else if error.is_message_too_large() {
            let text = format!("{error}; the workflow task's commands have too much data together");
            let cause = WorkflowTaskFailedCause::GrpcMessageTooLarge;
            self.fail_with(ticket, ticket.task_token.clone(), cause, &text).await;
        } else if error.message().contains("UnhandledCommand") {
            // News came while the workflow was about to close: the next task brings them.
            tracing::debug!(workflow_id, run_id, "the workflow task is repeated with new events: {error}");
        } else {
            tracing::warn!(
                workflow_id,
                run_id,
                workflow_type,
                "the server did not take a workflow task's completion: {error}"
            );
        }
    }

    async fn fail_with(&self, ticket: &Ticket, task_token: Vec<u8>, cause: WorkflowTaskFailedCause, text: &str) {
        let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
        tracing::warn!(
            workflow_id,
            run_id,
            workflow_type,
            attempt = ticket.attempt,
            "the workflow task failed: {text}"
        );
        if ticket.attempt == 1 {
            self.send_failure(ticket, task_token, WorkflowTaskFailure { cause, ..*task_failure(text) }).await;
        }
    }

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    async fn send_failure(&self, ticket: &Ticket, task_token: Vec<u8>, failure: WorkflowTaskFailure) {
        let request = RespondWorkflowTaskFailedRequest {
            task_token,
            cause: failure.cause as i32,
            failure: Some(failure.failure),
            identity: self.shared.identity.clone(),
            namespace: self.shared.namespace(),
            worker_version: self.shared.version_stamp(),
            deployment_options: self.shared.deployment_options(),
            ..Default::default()
        };
        if let Err(error) = self.shared.connection.call_within(request, time_left(ticket)).await {
            let (workflow_id, run_id) = (&ticket.workflow_id, &ticket.run_id);
            tracing::debug!(
                workflow_id,
                run_id,
                "a failed workflow task could not be reported; it will time out: {error}"
            );
        }
    }

    /// Forgets the run, if it is cached: what it did is not what history will say.
    pub(super) fn evict(&self, ticket: &Ticket) {
        self.lanes().send(&ticket.run_id, Message::Evict { run_id: ticket.run_id.clone() });
    }
}

/// How long an answer to the task is still of use.
pub(super) fn time_left(ticket: &Ticket) -> Duration {
    ticket.deadline.saturating_duration_since(Instant::now()).max(AT_LEAST)
}
