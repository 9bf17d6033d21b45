//! Answers to workflow tasks: completions, failures, and the results of queries.
//!
//! An answer is sent until the server has it or the task's deadline has passed. An answer that the server refuses is
//! never fatal: the run is evicted, and rebuilt from history when its next task comes.

use std::sync::Arc;
use std::time::Duration;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::common::v1::MeteringMetadata;
use abide_protos::temporal::api::enums::v1::{QueryResultType, WorkflowTaskFailedCause};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::query::v1::WorkflowQueryResult;
use abide_protos::temporal::api::taskqueue::v1::StickyExecutionAttributes;
use abide_protos::temporal::api::workflowservice::v1::respond_workflow_task_completed_request::Capabilities;
use abide_protos::temporal::api::workflowservice::v1::{
    PollActivityTaskQueueResponse, RespondQueryTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskCompletedResponse, RespondWorkflowTaskFailedRequest,
};
use tokio::time::Instant;

use super::completion_pages;
use super::eager_activities;
use super::refused::{self, Issued};
use super::slow_task::warn_if_slow;
use super::{WorkflowWorker, sticky_queue};
use crate::client::RpcError;
use crate::duration::to_proto;
use crate::replay::{WorkflowTaskCompletion, WorkflowTaskFailure};
use crate::worker::activity_tasks::encoded_failure;
use crate::worker::coding::encode_by;
use crate::worker::lanes::{LaneMessage, Ticket};
use crate::worker::limits::{TooLarge, failed_query};
use crate::worker::metrics::{Closing, Delivery};
use crate::worker::polling::Slot;
use crate::worker::shutdown::Phase;
use crate::worker::task_failure::task_failure;
use crate::worker::watch::tell_refused;

/// Minimum time for sending an answer, even past the task's deadline: the clocks of two machines differ.
const AT_LEAST: Duration = Duration::from_secs(1);

impl WorkflowWorker {
    pub(crate) async fn complete(self: &Arc<Self>, ticket: Box<Ticket>, completion: Box<WorkflowTaskCompletion>) {
        self.task_ended(&ticket);
        let heartbeat = completion.force_create_new_workflow_task;
        let mut completion = completion;
        let closing = Closing::of(&completion.commands).filter(|_| completion.closes_workflow);
        let start_time = completion.start_time;
        let eager_slots = self.reserve_eager(&mut completion.commands);
        let statements = refused::statements(&completion);
        let mut request = self.completion_request(&ticket, *completion);
        let deadline = Instant::now() + time_left(&ticket);
        let whose = self.shared.of_workflow(&ticket.workflow_id);
        if let Err(error) = encode_by(self.shared.data_converter(), &mut request, whose, deadline).await {
            self.evict(&ticket);
            let cause = WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure;
            return self.fail_with(&ticket, request.task_token, cause, &error.to_string()).await;
        }
        request.query_results.values_mut().for_each(|result| {
            hide_message(result);
            self.shared.limits.check_query_result(result);
        });
        for text in self.shared.limits.check_update_outcomes(&mut request.messages) {
            let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
            tracing::warn!(
                workflow_id,
                run_id,
                workflow_type,
                "an update fails because the server would not accept its outcome: {text}"
            );
        }
        let size = request.encoded_len();
        if let Some(TooLarge { cause, text }) = self.too_large(&ticket, &request, size) {
            self.evict(&ticket);
            return self.fail_with(&ticket, request.task_token, cause, &text).await;
        }
        let answered = self.send_completion(&ticket, request, size).await;
        warn_if_slow(&ticket);
        match answered {
            Ok(response) => {
                self.slots.count(false);
                if let Some(closing) = closing {
                    let lasted = start_time.and_then(|start| ticket.clock.now().duration_since(start).ok());
                    self.shared.metrics.workflow_tasks().closed(&ticket.workflow_type, closing, lasted);
                }
                self.start_eager(response.activity_tasks, eager_slots);
                if response.reset_history_event_id > 0 {
                    self.take_back(&ticket, response.reset_history_event_id);
                }
                if let Some(next) = response.workflow_task {
                    self.accept(next, ticket.slot);
                } else if heartbeat {
                    self.lanes().send(&ticket.run_id, LaneMessage::NoTaskAlong { run_id: ticket.run_id.clone() });
                }
            }
            Err(error) => self.completion_refused(&ticket, &error, &statements).await,
        }
    }

    /// Reserves slots for eager activities; none if the worker is shutting down.
    fn reserve_eager(&self, commands: &mut [Command]) -> Vec<Slot> {
        let options = &self.shared.options;
        let ending = self.shared.phases.has_reached(Phase::Draining);
        // Eager activities bypass the task queue, where the server applies its rate limit.
        let has_rate = options.max_task_queue_activities_per_second.is_some();
        let eager = !(ending || has_rate || options.disable_eager_activity_execution);
        let activities = self.activities.get().filter(|_| eager);
        eager_activities::reserve(commands, options.max_eager_activity_reservations_per_workflow_task, |activity| {
            activities?.reserve(activity.activity_type.as_ref().map_or("", |activity_type| &activity_type.name))
        })
    }

    /// Starts the eager activities that the server returned. Unused slots are freed.
    fn start_eager(&self, tasks: Vec<PollActivityTaskQueueResponse>, slots: Vec<Slot>) {
        let Some(activities) = self.activities.get() else { return };
        if tasks.len() > slots.len() {
            tracing::warn!(
                task_queue = self.shared.task_queue,
                "the server started {} eager activities, {} more than requested; these will time out",
                tasks.len(),
                tasks.len() - slots.len()
            );
        }
        tasks.into_iter().zip(slots).for_each(|(task, slot)| activities.start(task, slot, Delivery::Eager));
    }

    async fn send_completion(
        &self,
        ticket: &Ticket,
        request: RespondWorkflowTaskCompletedRequest,
        size: usize,
    ) -> Result<RespondWorkflowTaskCompletedResponse, RpcError> {
        let send = |request| self.shared.call_within(request, time_left(ticket));
        if size <= completion_pages::MAX_PAGE || !self.shared.paginates_completions {
            return send(request).await;
        }
        // Boxed, because a future with pages is large and rare.
        Box::pin(async {
            completion_pages::deliver(&completion_pages::split(request, completion_pages::MAX_PAGE), send).await
        })
        .await
    }

    /// Reports the failed task to the server, for the first attempt only. Later attempts are left to time out, which
    /// slows down retries.
    pub(crate) async fn fail(&self, ticket: &Ticket, failure: WorkflowTaskFailure) {
        let message = &failure.failure.message;
        if ticket.is_query {
            let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
            tracing::warn!(workflow_id, run_id, workflow_type, "a query could not be answered: {message}");
            let result = WorkflowQueryResult {
                result_type: QueryResultType::Failed as i32,
                error_message: message.clone(),
                failure: Some(failure.failure),
                ..Default::default()
            };
            return self.answer_query(ticket, result).await;
        }
        self.task_ended(ticket);
        self.count_failure(ticket, failure.cause);
        warn_if_slow(ticket);
        self.tell_failed(ticket, &format!("the workflow task failed: {message}"));
        if ticket.attempt > 1 {
            return;
        }
        self.send_failure(ticket, ticket.task_token.clone(), failure).await;
    }

    /// Fails a task whose run waited for history and was lost with its lane. The server sends the task again at once.
    pub(crate) async fn fail_lost(&self, ticket: &Ticket) {
        let text = "the thread that worked on this run was replaced because other workflow code blocked it; the server \
                    sends the task again, and a TMPRL1101 error in the worker's log names the code that blocked";
        self.fail(ticket, *task_failure(text)).await;
    }

    pub(crate) async fn answer_query(&self, ticket: &Ticket, mut answer: WorkflowQueryResult) {
        self.task_ended(ticket);
        let deadline = Instant::now() + time_left(ticket);
        let whose = self.shared.of_workflow(&ticket.workflow_id);
        if let Err(error) = encode_by(self.shared.data_converter(), &mut answer, whose, deadline).await {
            let (workflow_id, run_id) = (&ticket.workflow_id, &ticket.run_id);
            tracing::warn!(workflow_id, run_id, "a query's answer could not be encoded: {error}");
            answer = failed_query(error.to_string());
        }
        self.slots.count(answer.result_type() == QueryResultType::Failed);
        hide_message(&mut answer);
        self.shared.limits.check_query_result(&mut answer);
        let mut answered = self.send_answer(ticket, answer).await;
        if let Err(error) = &answered
            && error.is_message_too_large()
        {
            // A failure that can be read is better than a caller that waits in vain.
            let failed = failed_query(format!("the server did not accept the query's result: {error}"));
            answered = self.send_answer(ticket, failed).await;
        }
        if let Err(error) = answered {
            // The caller of the query has its own timeout and may be gone.
            let (workflow_id, run_id) = (&ticket.workflow_id, &ticket.run_id);
            tracing::warn!(workflow_id, run_id, "the answer to a query could not be delivered: {error}");
        }
    }

    async fn send_answer(&self, ticket: &Ticket, answer: WorkflowQueryResult) -> Result<(), RpcError> {
        let request = RespondQueryTaskCompletedRequest {
            task_token: ticket.task_token.clone(),
            completed_type: answer.result_type,
            query_result: answer.answer,
            error_message: answer.error_message,
            failure: answer.failure,
            namespace: self.shared.namespace(),
            ..Default::default()
        };
        self.shared.call_within(request, time_left(ticket)).await.map(drop)
    }

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    fn completion_request(
        &self,
        ticket: &Ticket,
        completion: WorkflowTaskCompletion,
    ) -> RespondWorkflowTaskCompletedRequest {
        let shared = &self.shared;
        // A worker that shuts down sends the next task elsewhere, unless it comes with this answer.
        let stays = completion.force_create_new_workflow_task || !shared.phases.has_reached(Phase::Draining);
        let sticky_attributes = self.sticky_queue.as_ref().filter(|_| stays).map(|name| StickyExecutionAttributes {
            worker_task_queue: Some(sticky_queue(name, &shared.task_queue)),
            schedule_to_start_timeout: Some(to_proto(shared.options.sticky_queue_schedule_to_start_timeout)),
        });
        RespondWorkflowTaskCompletedRequest {
            task_token: ticket.task_token.clone(),
            commands: completion.commands,
            identity: shared.identity.clone(),
            return_new_workflow_task: self.takes_another_task(completion.force_create_new_workflow_task),
            sticky_attributes,
            force_create_new_workflow_task: completion.force_create_new_workflow_task,
            query_results: completion.query_results,
            namespace: shared.namespace(),
            worker_version_stamp: shared.version_stamp(),
            deployment_options: shared.deployment_options(),
            versioning_behavior: self.versioning_behavior(&ticket.workflow_type),
            messages: completion.messages,
            sdk_metadata: Some(completion.sdk_metadata),
            metering_metadata: Some(MeteringMetadata {
                nonfirst_local_activity_execution_attempts: completion.nonfirst_local_activity_attempts,
            }),
            capabilities: Some(Capabilities { discard_speculative_workflow_task_with_events: true }),
            worker_instance_key: shared.instance_key.clone(),
            worker_control_task_queue: shared.control_task_queue.clone(),
            ..Default::default()
        }
    }

    /// Returns the oversized part for which the server would terminate the workflow. Sizes worth a warning are logged.
    fn too_large(
        &self,
        ticket: &Ticket,
        request: &RespondWorkflowTaskCompletedRequest,
        size: usize,
    ) -> Option<TooLarge> {
        let findings = self.shared.limits.check_completion(request, size);
        let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
        for warning in findings.warnings {
            tracing::warn!(workflow_id, run_id, workflow_type, "{warning}");
        }
        findings.error
    }

    async fn completion_refused(&self, ticket: &Ticket, error: &RpcError, statements: &[Issued]) {
        self.evict(ticket);
        let (workflow_id, run_id) = (&ticket.workflow_id, &ticket.run_id);
        if error.is_not_found() {
            // The task has timed out, or the workflow was closed in the meantime.
            tracing::debug!(workflow_id, run_id, "a workflow task's completion came too late: {error}");
        } else if error.is_message_too_large() {
            let text = format!(
                "{error}; the workflow task's commands are too large together: pass references to large data, or do \
                 less in one task"
            );
            let cause = WorkflowTaskFailedCause::GrpcMessageTooLarge;
            self.fail_with(ticket, ticket.task_token.clone(), cause, &text).await;
        } else if error.is_unhandled_command() {
            // New events arrived while the workflow was about to close; the next task has them.
            tracing::debug!(workflow_id, run_id, "the workflow task is repeated with new events: {error}");
        } else {
            let named = refused::named(statements, error.message());
            tell_refused(&self.shared.client.now(), &named);
            if error.is_invalid_argument() {
                // The server has failed the task itself.
                let metrics = self.shared.metrics.workflow_tasks();
                metrics.task_failed(&ticket.workflow_type, WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure);
            }
            let text = format!("the server did not accept a workflow task's completion: {error}{named}");
            self.tell_failed(ticket, &text);
        }
    }

    async fn fail_with(&self, ticket: &Ticket, task_token: Vec<u8>, cause: WorkflowTaskFailedCause, text: &str) {
        self.count_failure(ticket, cause);
        self.tell_failed(ticket, &format!("the workflow task failed: {text}"));
        if ticket.attempt == 1 {
            self.send_failure(ticket, task_token, WorkflowTaskFailure { cause, ..*task_failure(text) }).await;
        }
    }

    /// Records that the worker has an answer to a task.
    fn task_ended(&self, ticket: &Ticket) {
        self.shared.metrics.workflow_tasks().task_ended(&ticket.workflow_type, ticket.received.elapsed());
    }

    /// Counts a failed attempt, whether the server is told of it or not.
    fn count_failure(&self, ticket: &Ticket, cause: WorkflowTaskFailedCause) {
        self.slots.count(true);
        self.shared.metrics.workflow_tasks().task_failed(&ticket.workflow_type, cause);
    }

    /// Logs that an attempt of a workflow task has failed. Its repetitions are for those who look closely.
    fn tell_failed(&self, ticket: &Ticket, text: &str) {
        let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
        let workflow_task_attempt = ticket.attempt;
        if self.failing_runs.is_worth_a_line(run_id, workflow_task_attempt) {
            tracing::warn!(workflow_id, run_id, workflow_type, workflow_task_attempt, "{text}");
        } else {
            tracing::debug!(workflow_id, run_id, workflow_type, workflow_task_attempt, "{text}");
        }
    }

    async fn send_failure(&self, ticket: &Ticket, task_token: Vec<u8>, failure: WorkflowTaskFailure) {
        let (cause, failure) = (failure.cause as i32, Box::new(failure.failure));
        let deadline = Instant::now() + time_left(ticket);
        let whose = self.shared.of_workflow(&ticket.workflow_id);
        let failure = encoded_failure(failure, self.shared.data_converter(), whose, deadline).await;
        let request = self.failure_request(task_token, cause, *failure);
        if let Err(error) = self.shared.call_within(request, time_left(ticket)).await {
            let (workflow_id, run_id) = (&ticket.workflow_id, &ticket.run_id);
            tracing::debug!(
                workflow_id,
                run_id,
                "a failed workflow task could not be reported; it will time out: {error}"
            );
        }
    }

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    fn failure_request(
        &self,
        task_token: Vec<u8>,
        cause: i32,
        failure: FailureProto,
    ) -> RespondWorkflowTaskFailedRequest {
        RespondWorkflowTaskFailedRequest {
            task_token,
            cause,
            failure: Some(failure),
            identity: self.shared.identity.clone(),
            namespace: self.shared.namespace(),
            worker_version: self.shared.version_stamp(),
            deployment_options: self.shared.deployment_options(),
            ..Default::default()
        }
    }

    /// Fails a task of which only the token could be read.
    pub(crate) async fn refuse(&self, task_token: Vec<u8>, error: &RpcError) {
        let WorkflowTaskFailure { cause, failure, .. } = *task_failure(&format!("the task cannot be decoded: {error}"));
        let request = self.failure_request(task_token, cause as i32, failure);
        if let Err(error) = self.shared.client.call(request).await {
            tracing::debug!("a task that cannot be decoded could not be failed; it will time out: {error}");
        }
    }

    /// Takes back a speculative task that the server dropped: the run has seen two events that were never stored.
    fn take_back(&self, ticket: &Ticket, last_started_event_id: i64) {
        let (run_id, dropped) = (ticket.run_id.clone(), ticket.started_event_id);
        self.lanes().send(&ticket.run_id, LaneMessage::TakeBackTask { run_id, dropped, last_started_event_id });
    }

    /// Evicts the run if it is cached, because its state differs from the history.
    pub(crate) fn evict(&self, ticket: &Ticket) {
        self.lanes().send(&ticket.run_id, LaneMessage::Evict { run_id: ticket.run_id.clone() });
    }
}

/// If the failure of a query is encoded, removes its plain text beside it, too.
fn hide_message(result: &mut WorkflowQueryResult) {
    if let Some(failure) = result.failure.as_ref().filter(|failure| failure.encoded_attributes.is_some()) {
        result.error_message.clone_from(&failure.message);
    }
}

/// Returns the time for which an answer to the task is still useful.
pub(crate) fn time_left(ticket: &Ticket) -> Duration {
    ticket.deadline.saturating_duration_since(Instant::now()).max(AT_LEAST)
}
