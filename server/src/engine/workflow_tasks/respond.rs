//! RespondWorkflowTaskCompleted and RespondWorkflowTaskFailed.
//!
//! Extends `Engine` and `Transaction`.

use std::time::Duration;

use super::completion_pages::{self, Page};
use super::life::{HISTORY_SERVICE, Scheduling, WorkflowTask, server_failure};
use crate::engine::Engine;
use crate::engine::api::failure::{Failure, failure::FailureInfo};
use crate::engine::api::{command, deployment, enums, history, service};
use crate::engine::commands::{self, Completion, Refusal};
use crate::engine::errors::{Code, Error};
use crate::engine::history::Extras;
use crate::engine::stuck::name_of;
use crate::engine::time;
use crate::engine::token::TaskToken;
use crate::engine::told::Told;
use crate::engine::transaction::Transaction;
use crate::engine::updates::messages;
use crate::engine::workflow::{ExecutionId, Sticky};

/// Maximum time of a series of tasks without commands.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(30 * 60);
const STICKY_TIMEOUT: Duration = Duration::from_secs(10);
const INLINE_REQUEST_ID: &str = "request-from-RespondWorkflowTaskCompleted";

/// The type of failure of a worker that does not have a workflow.
const UNKNOWN_WORKFLOW_TYPE: &str = "UnknownWorkflowType";

/// The result of a completion.
#[derive(Debug, Default)]
struct Outcome {
    refusal: Option<Refusal>,
    /// True if the next task was scheduled and should be started for this worker.
    inline: bool,
    eager_activities: Vec<i64>,
    /// If the task left no trace: the started event of the task to which the worker goes back.
    reset_history_event_id: i64,
}

impl Engine {
    pub(crate) fn respond_workflow_task_completed(
        &mut self,
        request: service::RespondWorkflowTaskCompletedRequest,
    ) -> Result<service::RespondWorkflowTaskCompletedResponse, Error> {
        // Effects on other runs come back as events: they must follow the next task, if the worker gets one with the
        // response.
        self.hold_errands();
        let response = self.workflow_task_completed(request);
        self.release_errands();
        response
    }

    fn workflow_task_completed(
        &mut self,
        mut request: service::RespondWorkflowTaskCompletedRequest,
    ) -> Result<service::RespondWorkflowTaskCompletedResponse, Error> {
        let token = TaskToken::decode_token(&request.task_token)?;
        let (id, task) = self.started_task(&token, Error::workflow_task_not_found)?;
        check_behavior(&request)?;
        match self.take_completion_page(id, &task, &mut request)? {
            Page::Intermediate => return Ok(service::RespondWorkflowTaskCompletedResponse::default()),
            Page::TooMuch => return Err(self.refuse_pages(id, &task, request.identity)),
            Page::Last => {}
        }
        commands::check_sequence(&request.commands)?;
        commands::check_namespaces(&request.commands, &self.namespaces)?;
        messages::check(&request.messages)?;
        let heartbeat = is_heartbeat(&request);
        if heartbeat && self.now.time > task.original_scheduled_time.plus(HEARTBEAT_LIMIT) {
            self.transact(id, |transaction| {
                transaction.state().sticky = None;
                transaction.time_out_workflow_task();
            });
            return Err(Error::not_found("workflow task heartbeat timeout"));
        }
        let (identity, control_task_queue) = (request.identity.clone(), request.worker_control_task_queue.clone());
        let return_new_task = request.return_new_workflow_task;
        #[expect(deprecated, reason = "workers still send it and the real server still records it")]
        let version = request.worker_version_stamp.clone();
        let eager_allowed = self.options.eager_activities;
        let (request, query_results) = split_queries(request);
        self.queries.hold(true);
        let outcome = self.try_transact(id, |transaction| {
            transaction.note_build(version.clone());
            transaction.complete(request, &task, eager_allowed)
        });
        self.queries.hold(false);
        self.answer_attached_queries(id, query_results);
        let outcome = outcome??;
        if let Some(refusal) = outcome.refusal {
            return Err(Error::invalid_argument(refusal.message()));
        }
        let inline = outcome.inline || (return_new_task && self.schedule_speculative_task(id, true));
        self.ensure_task_for_updates(id);
        let workflow_task = if inline {
            self.transact(id, |transaction| {
                transaction.start_workflow_task(INLINE_REQUEST_ID.to_owned(), identity.clone(), version);
            });
            self.started_workflow_task(id, true)
        } else {
            None
        };
        let activity_tasks = self.start_eager_activities(id, &outcome.eager_activities, &identity, &control_task_queue);
        let reset_history_event_id = outcome.reset_history_event_id;
        Ok(service::RespondWorkflowTaskCompletedResponse { workflow_task, activity_tasks, reset_history_event_id })
    }

    /// Returns the message for a refused answer that the worker would only repeat. There is none for an answer that
    /// came too late or after a new event, nor for a refusal that closes the run, because whoever awaits the run learns
    /// of that one.
    pub(crate) fn told_of_refusal(&self, task_token: &[u8], error: &Error) -> Option<String> {
        let token = TaskToken::decode_token(task_token).ok()?;
        let id = *self.by_run_id.get(&token.run_id)?;
        let waits_still = || self.started_task(&token, Error::completed).is_ok();
        let told = match error.code {
            Code::InvalidArgument => self.execution(id).is_running() && !Refusal::is_passing(error),
            Code::NotFound => waits_still(),
            Code::Unknown
            | Code::DeadlineExceeded
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::Unimplemented
            | Code::Internal => false,
        };
        told.then(|| {
            format!(
                "the server refuses a workflow task completion of {}: {}",
                name_of(self.execution(id)),
                error.message
            )
        })
    }

    /// Returns the text for a workflow task that a worker has failed.
    pub(crate) fn told_of_failed_task(&self, task_token: &[u8], failure: &Failure) -> Told {
        let mut told = Told::default();
        told.push_message(Some(failure));
        let is_unknown = match &failure.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type == UNKNOWN_WORKFLOW_TYPE,
            _ => false,
        };
        let run_id = TaskToken::decode_token(task_token).ok().filter(|_| is_unknown).map(|token| token.run_id);
        let child = run_id.and_then(|run_id| self.by_run_id.get(&run_id)).map(|id| self.execution(*id));
        let parent = child.and_then(|child| child.state.start.parent_workflow_execution.as_ref());
        let parent = parent.and_then(|parent| self.by_run_id.get(&parent.run_id)).map(|id| self.execution(*id));
        if let Some((child, parent)) = child.zip(parent) {
            told.push(format!(
                ". {} is a child of {}: a test can also replace it by a closure, with `.mock_child({}, |..| Ok(..))`",
                name_of(child),
                name_of(parent),
                child.state.workflow_type().name
            ));
        }
        told
    }

    fn refuse_pages(&mut self, id: ExecutionId, task: &WorkflowTask, identity: String) -> Error {
        let refusal = completion_pages::too_much();
        let message = refusal.message();
        let refused = self.transact(id, |transaction| transaction.refuse(&refusal, task, identity));
        refused.err().unwrap_or_else(|| Error::invalid_argument(message))
    }

    pub(crate) fn respond_workflow_task_failed(
        &mut self,
        request: service::RespondWorkflowTaskFailedRequest,
    ) -> Result<service::RespondWorkflowTaskFailedResponse, Error> {
        let token = TaskToken::decode_token(&request.task_token)?;
        let (id, _) = self.started_task(&token, Error::completed)?;
        let cause = request.cause();
        #[expect(deprecated, reason = "workers still send it and the real server still records it")]
        let attributes = history::WorkflowTaskFailedEventAttributes {
            cause: request.cause,
            failure: request.failure,
            identity: request.identity,
            binary_checksum: request.binary_checksum,
            ..Default::default()
        };
        #[expect(deprecated, reason = "workers still send it and the real server still records it")]
        let version = request.worker_version;
        self.try_transact(id, |transaction| {
            transaction.note_build(version);
            if cause == enums::WorkflowTaskFailedCause::GrpcMessageTooLarge {
                // The server writes the cause's short name.
                transaction.terminate("GrpcMessageTooLarge".to_owned(), None, HISTORY_SERVICE.to_owned(), Vec::new());
                return;
            }
            transaction.fail_workflow_task(attributes);
            transaction.ensure_workflow_task();
        })?;
        Ok(service::RespondWorkflowTaskFailedResponse::default())
    }

    /// Returns the task to which a token belongs, if it is still unanswered.
    fn started_task(&self, token: &TaskToken, closed: fn() -> Error) -> Result<(ExecutionId, WorkflowTask), Error> {
        let id =
            self.by_run_id.get(&token.run_id).copied().ok_or_else(|| Error::workflow_not_found(&token.workflow_id))?;
        let execution = self.execution(id);
        if !execution.is_running() {
            return Err(closed());
        }
        let matches = |task: &&WorkflowTask| {
            let same = task.scheduled_event_id == token.scheduled_event_id
                && task.started_event_id == token.started_event_id
                && task.attempt == token.attempt;
            same && task.started_time.is_some_and(|time| time.nanos() == token.started_time)
        };
        let task = execution.state.task.as_ref().filter(matches).ok_or_else(Error::workflow_task_not_found)?;
        Ok((id, task.clone()))
    }

    fn start_eager_activities(
        &mut self,
        id: ExecutionId,
        scheduled: &[i64],
        identity: &str,
        control_task_queue: &str,
    ) -> Vec<service::PollActivityTaskQueueResponse> {
        let mut tasks = Vec::new();
        for scheduled_event_id in scheduled {
            let request_id = self.ids.v4();
            self.transact(id, |transaction| {
                let (identity, queue) = (identity.to_owned(), control_task_queue.to_owned());
                transaction.start_activity(*scheduled_event_id, request_id, identity, queue);
            });
            tasks.extend(self.execution(id).activity_task(*scheduled_event_id));
        }
        tasks
    }
}

impl Transaction<'_> {
    fn complete(
        &mut self,
        mut request: service::RespondWorkflowTaskCompletedRequest,
        task: &WorkflowTask,
        eager_activities_allowed: bool,
    ) -> Result<Outcome, Error> {
        let heartbeating = is_heartbeat(&request);
        let traceless = self.leaves_no_trace(task, &request);
        let commands = std::mem::take(&mut request.commands);
        let snapshot = self.snapshot();
        let mut completion = Completion {
            completed_event_id: 0,
            identity: request.identity.clone(),
            eager_activities_allowed,
            has_unhandled_events: !self.execution.state.buffer.is_empty(),
            cancelled_unstarted_activity: false,
            eager_activities: Vec::new(),
            children: Default::default(),
            messages: std::mem::take(&mut request.messages),
        };
        self.state().sticky = sticky(&request);
        let carried_out = if traceless {
            self.drop_speculative_task(&mut completion)
        } else {
            completion.completed_event_id = self.complete_workflow_task(completed_attributes(&request));
            self.carry_out(commands, &mut completion, request.force_create_new_workflow_task)
        };
        if let Err(refusal) = carried_out {
            self.roll_back(snapshot);
            self.refuse(&refusal, task, request.identity)?;
            return Ok(Outcome { refusal: Some(refusal), ..Outcome::default() });
        }
        let wanted = request.force_create_new_workflow_task
            || completion.has_unhandled_events
            || completion.cancelled_unstarted_activity;
        let inline = wanted && request.return_new_workflow_task && self.execution.is_running();
        if wanted && self.execution.is_running() {
            let heartbeat_of = heartbeating.then_some(task.original_scheduled_time);
            self.schedule_workflow_task(Scheduling { inline, heartbeat_of, ..Scheduling::default() });
        }
        let eager_activities = completion.eager_activities;
        let reset_history_event_id = if traceless { self.execution.state.previous_started_event_id } else { 0 };
        Ok(Outcome { refusal: None, inline, eager_activities, reset_history_event_id })
    }

    /// Fails the task because its completion cannot be applied.
    fn refuse(&mut self, refusal: &Refusal, task: &WorkflowTask, identity: String) -> Result<(), Error> {
        let unhandled = refusal.cause == enums::WorkflowTaskFailedCause::UnhandledCommand;
        if task.is_transient() && !unhandled {
            // A task that keeps failing is left to its timeout, so that it is not retried at once forever.
            return Err(Error::invalid_argument(refusal.message()));
        }
        self.stays_in_memory = false;
        self.state().updates.give_up_sent();
        self.fail_workflow_task(history::WorkflowTaskFailedEventAttributes {
            cause: refusal.cause.into(),
            failure: Some(server_failure(refusal.message())),
            identity,
            ..Default::default()
        });
        self.state().close_attempted = unhandled;
        if refusal.ends_workflow {
            self.terminate(refusal.message(), None, HISTORY_SERVICE.to_owned(), Vec::new());
        }
        self.ensure_workflow_task();
        Ok(())
    }

    /// Applies the commands, then the messages that they did not refer to: rejections of updates need no command.
    fn carry_out(
        &mut self,
        commands: Vec<command::Command>,
        completion: &mut Completion,
        renewed: bool,
    ) -> Result<(), Refusal> {
        commands.into_iter().try_for_each(|command| commands::apply(self, completion, command))?;
        for message in std::mem::take(&mut completion.messages) {
            if self.execution.is_running() || messages::is_rejection(&message) {
                messages::apply(self, completion, &message, Extras::default())?;
            }
        }
        // The task may be answered later if it is renewed; it need not be answered if the run has closed.
        if self.execution.is_running() && !renewed {
            self.state().updates.reject_unprocessed();
        }
        Ok(())
    }
}

/// Refuses a versioning behaviour from an unversioned worker.
#[expect(deprecated, reason = "workers may still name their deployment in the older field")]
fn check_behavior(request: &service::RespondWorkflowTaskCompletedRequest) -> Result<(), Error> {
    let says_so = request.versioning_behavior() != enums::VersioningBehavior::Unspecified;
    let versioned = request.deployment.is_some() || request.deployment_options.as_ref().is_some_and(is_versioned);
    if says_so && !versioned {
        let text = "versioning behavior cannot be specified without deployment options being set with versioned mode";
        return Err(Error::invalid_argument(text));
    }
    Ok(())
}

fn is_versioned(options: &deployment::WorkerDeploymentOptions) -> bool {
    options.worker_versioning_mode() == enums::WorkerVersioningMode::Versioned
}

/// Returns true if the worker requests another task because its local activities take longer.
fn is_heartbeat(request: &service::RespondWorkflowTaskCompletedRequest) -> bool {
    request.force_create_new_workflow_task && request.commands.is_empty() && request.messages.is_empty()
}

fn sticky(request: &service::RespondWorkflowTaskCompletedRequest) -> Option<Sticky> {
    let attributes = request.sticky_attributes.as_ref()?;
    let task_queue = attributes.worker_task_queue.as_ref().map(|queue| queue.name.clone())?;
    let timeout = time::stored(attributes.schedule_to_start_timeout.as_ref());
    Some(Sticky { task_queue, schedule_to_start_timeout: timeout.unwrap_or(STICKY_TIMEOUT) })
        .filter(|sticky| !sticky.task_queue.is_empty())
}

#[expect(deprecated, reason = "SDKs still send these fields and the real server still copies them")]
fn completed_attributes(
    request: &service::RespondWorkflowTaskCompletedRequest,
) -> history::WorkflowTaskCompletedEventAttributes {
    let options = request.deployment_options.as_ref();
    let deployment = options.and_then(deployment_version);
    history::WorkflowTaskCompletedEventAttributes {
        identity: request.identity.clone(),
        binary_checksum: request.binary_checksum.clone(),
        worker_version: request.worker_version_stamp.clone(),
        sdk_metadata: request.sdk_metadata.clone(),
        metering_metadata: request.metering_metadata,
        versioning_behavior: request.versioning_behavior,
        worker_deployment_name: options.map(|options| options.deployment_name.clone()).unwrap_or_default(),
        deployment_version: deployment,
        ..Default::default()
    }
}

/// Returns the version of a versioned worker. This server only records it: it sends tasks to workers of any version.
fn deployment_version(options: &deployment::WorkerDeploymentOptions) -> Option<deployment::WorkerDeploymentVersion> {
    is_versioned(options).then(|| deployment::WorkerDeploymentVersion {
        build_id: options.build_id.clone(),
        deployment_name: options.deployment_name.clone(),
    })
}

type QueryResults = std::collections::HashMap<String, crate::engine::api::query::WorkflowQueryResult>;

fn split_queries(
    mut request: service::RespondWorkflowTaskCompletedRequest,
) -> (service::RespondWorkflowTaskCompletedRequest, QueryResults) {
    let results = std::mem::take(&mut request.query_results);
    (request, results)
}
