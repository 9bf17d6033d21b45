//! The action of a schedule: it starts a workflow.

use std::time::Duration;

use abide_protos::temporal::api::common::v1::{Memo, Payload, Payloads, WorkflowType};
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::schedule::v1 as proto;
use abide_protos::temporal::api::sdk::v1::UserMetadata;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use serde::Serialize;

use super::Kept;
use crate::converter::{PayloadError, PayloadReader, PayloadWriter, RawArguments, from_payload, to_payload};
use crate::definition::{Arguments, PayloadValue, Workflow, WorkflowDefinition};
use crate::duration::{from_proto, to_proto};
use crate::header::Headers;
use crate::search_attributes::{SearchAttributeKey, SearchAttributeUpdate, SearchAttributeValue, apply};
use crate::{Priority, RetryPolicy, VersioningOverride};

/// The action of a schedule (Temporal's `ScheduleAction`): each time, it starts this workflow.
///
/// A value that cannot be serialized is reported when the schedule is created or updated.
///
/// ```
/// use abide::client::ScheduleAction;
/// use abide::prelude::*;
///
/// # #[workflow] async fn report(ctx: &WorkflowContext, region: String) -> Result<(), WorkflowError> { Ok(()) }
/// let action = ScheduleAction::start_workflow(report, "EU".into())
///     .id("report-eu")
///     .task_queue("reports")
///     .run_timeout(hours(1))
///     .static_summary("Report of the day");
/// assert_eq!(action.arguments_of(report)?, "EU");
/// # Ok::<(), abide::converter::PayloadError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "an action does nothing until a schedule has it"]
pub struct ScheduleAction {
    /// Name of the workflow type. Empty if the server has sent an action of a kind that this version does not know.
    pub workflow_type: String,
    /// Id of the workflow, which the time follows. Empty for the id of the schedule.
    pub workflow_id: String,
    /// Task queue that the workflow's workers poll.
    pub task_queue: String,
    /// The workflow's arguments.
    pub arguments: RawArguments,
    /// Headers, which the workflow's [info](crate::workflow::WorkflowInfo::header) shows.
    pub headers: Headers,
    /// Limit of the workflow with all its runs; `None` is no limit.
    pub execution_timeout: Option<Duration>,
    /// Limit of one run; `None` is the execution timeout.
    pub run_timeout: Option<Duration>,
    /// Limit of one workflow task; `None` leaves it to the server.
    pub task_timeout: Option<Duration>,
    /// Retries of the workflow; `None` is no retries.
    pub retry_policy: Option<RetryPolicy>,
    /// Priority and fairness of the workflow's tasks; `None` leaves them to the server.
    pub priority: Option<Priority>,
    kept: Kept<Box<NewWorkflowExecutionInfo>>,
    unwritable: Option<PayloadError>,
}

impl ScheduleAction {
    /// Creates the start of a workflow. The task queue is the only required option.
    pub fn start_workflow<Kind, W: Workflow<Kind>>(workflow: W, args: <W::Definition as Arguments>::Args) -> Self {
        let mut action = Self::from_info(NewWorkflowExecutionInfo::default());
        let definition = workflow.definition();
        action.workflow_type = definition.name().into_owned();
        action.write_arguments(&definition, &args);
        action
    }

    /// Sets the workflow id, which the time of the action follows. Default: the id of the schedule.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.workflow_id = id.into();
        self
    }

    /// Sets the task queue that the workflow's workers poll. Required.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.task_queue = name.into();
        self
    }

    /// Limits the time of the workflow with all its runs. Default: no limit.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.execution_timeout = Some(timeout);
        self
    }

    /// Limits the time of one run. Default: the execution timeout.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.run_timeout = Some(timeout);
        self
    }

    /// Limits the time of one workflow task before another worker gets it. Default: 10 s.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.task_timeout = Some(timeout);
        self
    }

    /// Starts the workflow again when it fails or times out. Default: no retries.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = Some(policy);
        self
    }

    /// Sets the priority and fairness of the workflow's tasks. Default: the server's.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets the worker deployment version that runs the workflow. Default: decided by worker versioning.
    pub fn versioning_override(mut self, versioning: VersioningOverride) -> Self {
        self.kept.0.versioning_override = Some(versioning.to_proto());
        self
    }

    /// Adds a header, or replaces the one with that name.
    pub fn header<T: Serialize + 'static>(mut self, name: impl Into<String>, value: &T) -> Self {
        if let Err(error) = self.headers.set(name, value) {
            self.unwritable = Some(error);
        }
        self
    }

    /// Adds a memo value of the workflow, or replaces the one with that key.
    pub fn memo<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        if let Some(payload) = self.written(value, &format!("memo `{key}`")) {
            self.kept.0.memo.get_or_insert_with(Memo::default).fields.insert(key, payload);
        }
        self
    }

    /// Sets or removes search attributes of the workflow. The others stay.
    pub fn search_attributes(mut self, values: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let values: Vec<SearchAttributeUpdate> = values.into_iter().collect();
        apply(&values, self.kept.0.search_attributes.get_or_insert_default());
        self
    }

    /// Sets a one-line summary of the workflow in Markdown, which the web UI shows in lists. Default: none.
    pub fn static_summary(mut self, summary: impl Into<String>) -> Self {
        let summary = self.written(&summary.into(), "the static summary");
        self.kept.0.user_metadata.get_or_insert_with(UserMetadata::default).summary = summary;
        self
    }

    /// Sets details of the workflow in Markdown, which the web UI shows. Default: none.
    pub fn static_details(mut self, details: impl Into<String>) -> Self {
        let details = self.written(&details.into(), "the static details");
        self.kept.0.user_metadata.get_or_insert_with(UserMetadata::default).details = details;
        self
    }

    /// Returns the arguments as those of this workflow.
    ///
    /// # Errors
    /// Returns an error if an argument does not fit. The error does not contain the value.
    pub fn arguments_of<Kind, W: Workflow<Kind>>(
        &self,
        workflow: W,
    ) -> Result<<W::Definition as Arguments>::Args, PayloadError> {
        let payloads = self.arguments.clone().into_proto();
        let read = W::Definition::read_args(&mut PayloadReader::of(payloads.as_ref()));
        read.map_err(|error| error.of(format_args!("workflow `{}`", workflow.definition().name())))
    }

    /// Replaces the arguments by those of this workflow. The type of the workflow stays.
    pub fn set_arguments_of<Kind, W: Workflow<Kind>>(&mut self, workflow: W, args: <W::Definition as Arguments>::Args) {
        self.write_arguments(&workflow.definition(), &args);
    }

    /// Returns a memo value; `None` if the key is missing.
    ///
    /// # Errors
    /// Returns an error if the value is not a `T`. The error does not contain the value.
    pub fn memo_value<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        let value = self.kept.0.memo.as_ref().and_then(|memo| memo.fields.get(key));
        value.map(from_payload).transpose().map_err(|error| error.of(format_args!("memo `{key}`")))
    }

    /// Returns a search attribute; `None` if it is not set, or has another type.
    pub fn search_attribute<T: SearchAttributeValue>(&self, key: &SearchAttributeKey<T>) -> Option<T> {
        key.read(self.kept.0.search_attributes.as_ref()?)
    }

    /// Returns the static summary; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if it is no text.
    pub fn summary(&self) -> Result<Option<String>, PayloadError> {
        let summary = self.kept.0.user_metadata.as_ref().and_then(|texts| texts.summary.as_ref());
        summary.map(from_payload).transpose()
    }

    /// Returns the static details; `None` if there are none.
    ///
    /// # Errors
    /// Returns an error if they are no text.
    pub fn details(&self) -> Result<Option<String>, PayloadError> {
        let details = self.kept.0.user_metadata.as_ref().and_then(|texts| texts.details.as_ref());
        details.map(from_payload).transpose()
    }

    fn written<T: Serialize + 'static>(&mut self, value: &T, what: &str) -> Option<Payload> {
        to_payload(value).map_err(|error| self.unwritable = Some(error.of(what))).ok()
    }

    fn write_arguments<W: WorkflowDefinition>(&mut self, workflow: &W, args: &W::Args) {
        let mut writer = PayloadWriter::new();
        match W::write_args(args, &mut writer) {
            Ok(()) => self.arguments = RawArguments::from_proto(writer.finish()),
            Err(error) => self.unwritable = Some(error.of(format_args!("workflow `{}`", workflow.name()))),
        }
    }

    pub(super) fn from_proto(action: Option<proto::ScheduleAction>) -> Self {
        let info = match action.and_then(|action| action.action) {
            Some(proto::schedule_action::Action::StartWorkflow(info)) => info,
            None => NewWorkflowExecutionInfo::default(),
        };
        Self::from_info(info)
    }

    fn from_info(mut info: NewWorkflowExecutionInfo) -> Self {
        Self {
            workflow_type: info.workflow_type.take().unwrap_or_default().name,
            workflow_id: std::mem::take(&mut info.workflow_id),
            task_queue: info.task_queue.as_mut().map(|queue| std::mem::take(&mut queue.name)).unwrap_or_default(),
            arguments: RawArguments::from_proto(info.input.take()),
            headers: Headers::from_proto(info.header.take()),
            execution_timeout: info.workflow_execution_timeout.take().as_ref().map(from_proto),
            run_timeout: info.workflow_run_timeout.take().as_ref().map(from_proto),
            task_timeout: info.workflow_task_timeout.take().as_ref().map(from_proto),
            retry_policy: RetryPolicy::from_proto(info.retry_policy.take().as_ref()),
            priority: info.priority.take().as_ref().map(Priority::from_proto),
            kept: Kept(Box::new(info)),
            unwritable: None,
        }
    }

    /// Returns `None` for an action of a kind that this version does not know, which the server then refuses.
    pub(super) fn to_proto(&self) -> Result<Option<proto::ScheduleAction>, PayloadError> {
        if let Some(error) = &self.unwritable {
            return Err(error.clone());
        }
        if self.workflow_type.is_empty() {
            return Ok(None);
        }
        let kept = (*self.kept.0).clone();
        let normal = || TaskQueue { kind: TaskQueueKind::Normal as i32, ..TaskQueue::default() };
        let task_queue = TaskQueue { name: self.task_queue.clone(), ..kept.task_queue.clone().unwrap_or_else(normal) };
        let arguments: Option<Payloads> = self.arguments.clone().into_proto();
        let info = NewWorkflowExecutionInfo {
            workflow_type: Some(WorkflowType { name: self.workflow_type.clone() }),
            workflow_id: self.workflow_id.clone(),
            task_queue: Some(task_queue),
            input: arguments,
            header: self.headers.to_proto(),
            workflow_execution_timeout: self.execution_timeout.map(to_proto),
            workflow_run_timeout: self.run_timeout.map(to_proto),
            workflow_task_timeout: self.task_timeout.map(to_proto),
            retry_policy: self.retry_policy.as_ref().map(RetryPolicy::to_proto),
            priority: self.priority.as_ref().map(Priority::to_proto),
            ..kept
        };
        Ok(Some(proto::ScheduleAction { action: Some(proto::schedule_action::Action::StartWorkflow(info)) }))
    }
}
