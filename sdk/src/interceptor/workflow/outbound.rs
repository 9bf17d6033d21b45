//! The inputs of interceptors before a workflow's commands.

use std::collections::BTreeMap;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{Memo, SearchAttributes};

use crate::converter::{RawArguments, RawPayload};
use crate::debug_only::debug_only;
use crate::header::Headers;
use crate::interceptor::rest::Rest;
use crate::memo_and_attributes::memo_and_attributes;
use crate::retry_policy::RetryPolicy;
use crate::versioning::{ContinueAsNewVersioningBehavior, VersioningIntent};
use crate::workflow::{ActivityOptions, ChildWorkflowOptions, LocalActivityOptions, NexusOperationCancellationType};

/// An activity that is about to be scheduled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleActivityInput {
    /// The activity type's name.
    pub activity_type: String,
    /// The activity's id within the workflow; `None` for the next number.
    pub activity_id: Option<String>,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers.
    pub headers: Headers,
    /// The options, with the activity's defaults: `input.options.priority = Some(..)` changes one.
    pub options: ActivityOptions,
    /// A short text about the call, for people; `None` without one.
    pub summary: Option<String>,
}

/// A local activity that is about to begin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleLocalActivityInput {
    /// The activity type's name.
    pub activity_type: String,
    /// The activity's id within the workflow; `None` for the next number.
    pub activity_id: Option<String>,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers.
    pub headers: Headers,
    /// The options, with the activity's defaults.
    pub options: LocalActivityOptions,
    /// A short text about the call, for people; `None` without one.
    pub summary: Option<String>,
}

/// A child workflow that is about to be started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartChildWorkflowInput {
    /// The workflow type's name.
    pub workflow_type: String,
    /// The child's workflow id, chosen or generated.
    pub workflow_id: String,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers.
    pub headers: Headers,
    /// The options.
    pub options: ChildWorkflowOptions,
    /// One line about the child, for people; `None` without one.
    pub static_summary: Option<String>,
    /// A text about the child, for people; `None` without one.
    pub static_details: Option<String>,
    pub(crate) memo: Rest<Option<Memo>>,
    pub(crate) search_attributes: Rest<Option<SearchAttributes>>,
}

impl StartChildWorkflowInput {
    memo_and_attributes!(self => self.memo.0, self.search_attributes.0);
}

/// A signal that is about to be sent to another workflow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignalExternalWorkflowInput {
    /// The signal's name.
    pub name: String,
    /// Workflow id of the recipient.
    pub workflow_id: String,
    /// Run id of the recipient; `None` for its latest run.
    pub run_id: Option<String>,
    /// Namespace of the recipient; `None` for the sender's own.
    pub namespace: Option<String>,
    /// True if the recipient must be a child of the sender. A change has no effect.
    pub is_child: bool,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers.
    pub headers: Headers,
}

/// A request to cancel that is about to be sent to another workflow.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CancelExternalWorkflowInput {
    /// Workflow id of the recipient.
    pub workflow_id: String,
    /// Run id of the recipient; `None` for its latest run.
    pub run_id: Option<String>,
    /// Namespace of the recipient; `None` for the sender's own.
    pub namespace: Option<String>,
    /// The reason; may be empty.
    pub reason: String,
}

/// A Nexus operation that is about to be called. The `Debug` form shows the names of its headers, but no value.
#[derive(Clone)]
#[non_exhaustive]
pub struct StartNexusOperationInput {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Name of the service.
    pub service: String,
    /// Name of the operation.
    pub operation: String,
    /// The operation's input.
    pub input: RawPayload,
    /// The headers of the request to the handler. The history stores them as plain text; names are in lower case.
    pub nexus_headers: BTreeMap<String, String>,
    /// Limit from the call to the end of the operation; `None` for the workflow's own.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Limit from the call to the start of the operation; `None` is no limit.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Limit from the start of the operation to its end; `None` is no limit.
    pub start_to_close_timeout: Option<Duration>,
    /// Effect of cancelling the operation.
    pub cancellation_type: NexusOperationCancellationType,
    /// A short text about the call, for people; `None` without one.
    pub summary: Option<String>,
}

debug_only!(impl[] StartNexusOperationInput, |this| {
    endpoint: this.endpoint,
    service: this.service,
    operation: this.operation,
    input: this.input,
    nexus_headers: this.nexus_headers.keys().collect::<Vec<_>>(),
    schedule_to_close_timeout: this.schedule_to_close_timeout,
    schedule_to_start_timeout: this.schedule_to_start_timeout,
    start_to_close_timeout: this.start_to_close_timeout,
    cancellation_type: this.cancellation_type,
    summary: this.summary,
});

/// A timer that is about to be started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartTimerInput {
    /// Time until the timer fires.
    pub duration: Duration,
    /// A short text about the timer, for people; `None` without one.
    pub summary: Option<String>,
}

/// The next run, which is about to replace this one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ContinueAsNewInput {
    /// The workflow type's name.
    pub workflow_type: String,
    /// The task queue.
    pub task_queue: String,
    /// The arguments.
    pub arguments: RawArguments,
    /// The headers. Those of this run are not kept, so an interceptor that propagates them sets them here.
    pub headers: Headers,
    /// Limit of the next run; `None` is this run's limit.
    pub run_timeout: Option<Duration>,
    /// Limit of one workflow task; `None` is this run's limit.
    pub task_timeout: Option<Duration>,
    /// Delay of the first workflow task; `None` is no delay.
    pub start_delay: Option<Duration>,
    /// Retries of the next run; `None` is no retries.
    pub retry_policy: Option<RetryPolicy>,
    /// Version of the program on which the next run begins; `None` leaves it to the server.
    pub initial_versioning_behavior: Option<ContinueAsNewVersioningBehavior>,
    /// Choice between workers of this run's build and others.
    pub versioning_intent: VersioningIntent,
    pub(crate) memo: Rest<Option<Memo>>,
    pub(crate) search_attributes: Rest<Option<SearchAttributes>>,
}

impl ContinueAsNewInput {
    memo_and_attributes!(self => self.memo.0, self.search_attributes.0);
}
