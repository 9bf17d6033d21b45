//! Inputs and outputs of a run: plain values, so that the same inputs always give the same outputs.

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::time::{Duration, SystemTime};

use abide_protos::Timestamp;
use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::common::v1::{Header, Payload};
use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::protocol::v1::Message;
use abide_protos::temporal::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;

use super::nondeterminism::Nondeterminism;
use crate::debug_only::debug_only;
use crate::history::History;
use crate::retry_policy::RetryPolicy;

/// Input of a run.
#[derive(Debug)]
pub enum Input {
    /// A workflow task (or a query task) from the server.
    WorkflowTask(Box<WorkflowTask>),
    /// More history, in answer to [`Output::NeedHistory`].
    HistoryPage(HistoryPage),
    /// A local activity has ended, in answer to [`Output::RunLocalActivities`].
    LocalActivityResolved(Box<LocalActivityResolution>),
    /// Most of the time that the server waits for the task is over: complete it as it is, and request another one.
    HeartbeatDue,
}

/// The place in the history up to which a workflow task goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// The WorkflowTaskStarted event with this id: the commands of the code that runs there are new.
    Started(i64),
    /// The end of the history, which is only replayed or queried: nothing is new.
    #[default]
    End,
}

/// One workflow task as polled, already split from its transport.
#[derive(Default)]
pub struct WorkflowTask {
    /// Id of the last event that a worker received before this task; 0 for the first task.
    pub previous_started_event_id: i64,
    /// The place in the history up to which the task goes.
    pub until: Until,
    /// Attempt of this task, from 1.
    pub attempt: i32,
    /// Events after those that a cached run has seen, or all from event 1.
    pub history: HistoryPage,
    /// Protocol messages (updates) to process.
    pub messages: Vec<Message>,
    /// Queries to answer inside this task's completion, sorted by id.
    pub queries: Vec<(String, WorkflowQuery)>,
    /// A query that is the whole task. It is answered with [`Output::AnswerQuery`], never with a completion.
    pub query: Option<WorkflowQuery>,
    /// Time at which the task was handed out. Local activities record it.
    pub wall_time: Option<Timestamp>,
}

/// A local activity to run.
#[derive(Clone)]
pub struct LocalActivityTask {
    /// Number in the run.
    pub seq: u32,
    /// Id within the workflow.
    pub activity_id: String,
    /// Name of the activity type.
    pub activity_type: String,
    /// Arguments.
    pub input: Vec<Payload>,
    /// Headers, if there are any.
    pub header: Option<Header>,
    /// Attempt to begin with, from 1.
    pub attempt: u32,
    /// Time at which the first attempt was scheduled, which may be before a timer.
    pub original_schedule_time: Option<Timestamp>,
    /// Limit of all attempts together.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Limit of the time that it waits for a free slot.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Limit of one attempt.
    pub start_to_close_timeout: Option<Duration>,
    /// Policy by which it is retried.
    pub retry_policy: RetryPolicy,
    /// Longest interval between attempts that is not left to a timer of the workflow.
    pub local_retry_threshold: Duration,
}

/// End of a local activity.
#[derive(Clone, Debug)]
pub struct LocalActivityResolution {
    /// [Number](LocalActivityTask::seq) of the local activity.
    pub seq: u32,
    /// Outcome.
    pub result: LocalActivityResult,
    /// Last attempt; 0 if there was none.
    pub attempt: u32,
    /// Duration of the last attempt.
    pub run_time: Duration,
    /// Time of the end.
    pub wall_time: Option<Timestamp>,
}

/// Outcome of a local activity.
#[derive(Clone)]
pub enum LocalActivityResult {
    /// It completed with this result.
    Completed(Payload),
    /// It failed, timed out or was cancelled, as the failure tells.
    Failed(Box<FailureProto>),
    /// It failed, and its next attempt is due when a timer of the workflow has fired.
    BackOff {
        /// Failure of the last attempt.
        failure: Box<FailureProto>,
        /// Time until the next attempt.
        delay: Duration,
    },
}

/// Consecutive events of a history.
#[derive(Default)]
pub struct HistoryPage {
    /// Events, in order.
    pub events: Vec<HistoryEvent>,
    /// Token of the next page; empty if there is none.
    pub next_page_token: Vec<u8>,
}

impl From<History> for HistoryPage {
    /// A whole history as one page.
    fn from(history: History) -> Self {
        Self { events: history.into_events(), next_page_token: Vec::new() }
    }
}

/// Output of a run.
///
/// The enum is exhaustive on purpose: a caller must handle every output, and the compiler tells it about a new one.
pub enum Output {
    /// The task is complete: report it to the server.
    Complete(Box<WorkflowTaskCompletion>),
    /// The task failed: report it to the server (first attempts only), then drop the run.
    Fail(Box<WorkflowTaskFailure>),
    /// The answer to [`WorkflowTask::query`].
    AnswerQuery(Box<WorkflowQueryResult>),
    /// The page at `next_page_token` is needed. An empty token requests the history from event 1.
    NeedHistory {
        /// Token from [`HistoryPage::next_page_token`], which the run does not interpret.
        next_page_token: Vec<u8>,
    },
    /// The task stays open until local activities have ended: run these, and come back with each outcome
    /// ([`Input::LocalActivityResolved`]), and when most of the task's time is over ([`Input::HeartbeatDue`]).
    RunLocalActivities {
        /// Local activities to begin.
        start: Vec<LocalActivityTask>,
        /// Numbers of local activities to cancel. Their outcomes must still be reported.
        cancel: Vec<u32>,
    },
    /// Nothing to report: a replay has come to the end of its history.
    Idle,
}

/// A statement of the workflow; `None` if there is none or it is not known.
pub type Statement = Option<&'static Location<'static>>;

/// A completed workflow task, for the server.
#[derive(Default)]
pub struct WorkflowTaskCompletion {
    /// Commands, in the order in which the history will hold their events.
    pub commands: Vec<Command>,
    /// Statement of each command, for reports. Empty if none is known.
    pub statements: Vec<Statement>,
    /// Protocol messages (update acceptances, rejections, responses).
    pub messages: Vec<Message>,
    /// Answers to [`WorkflowTask::queries`], by id.
    pub query_results: HashMap<String, WorkflowQueryResult>,
    /// SDK flags, name and version that the history does not hold yet.
    pub sdk_metadata: WorkflowTaskCompletedMetadata,
    /// True if one of the commands closes the workflow. The run can be dropped once the server has accepted it.
    pub closes_workflow: bool,
    /// Requests a new task at once (heartbeat of a task with running local activities).
    pub force_create_new_workflow_task: bool,
    /// Numbers of local activities to cancel. Nothing waits for them any more.
    pub cancel_local_activities: Vec<u32>,
    /// Start time of the run, if it is known. The server is not told of it.
    pub start_time: Option<SystemTime>,
    /// Number of attempts of local activities that were not their first; filled in by the caller that ran them.
    pub nonfirst_local_activity_attempts: u32,
}

/// A failed workflow task, for the server.
pub struct WorkflowTaskFailure {
    /// Cause that the server records.
    pub cause: WorkflowTaskFailedCause,
    /// Failure that the server records.
    pub failure: FailureProto,
    /// Difference between code and history, if that is the cause.
    pub nondeterminism: Option<Box<Nondeterminism>>,
}

// Temporal's messages hold the payloads of a run, so these say only what kind of message there is, or how many.

debug_only!(impl[] WorkflowTask, |this| {
    previous_started_event_id: this.previous_started_event_id,
    until: this.until,
    attempt: this.attempt,
    history: this.history,
    messages: this.messages.len(),
    queries: this.queries.iter().map(|(_, query)| &query.query_type).collect::<Vec<_>>(),
    query: this.query.as_ref().map(|query| &query.query_type),
});

debug_only!(impl[] HistoryPage, |this| {
    events: this.events.len(),
    has_next_page: !this.next_page_token.is_empty(),
});

debug_only!(impl[] LocalActivityTask, |this| {
    seq: this.seq,
    activity_id: this.activity_id,
    activity_type: this.activity_type,
    attempt: this.attempt,
    schedule_to_close_timeout: this.schedule_to_close_timeout,
    schedule_to_start_timeout: this.schedule_to_start_timeout,
    start_to_close_timeout: this.start_to_close_timeout,
    retry_policy: this.retry_policy,
});

impl fmt::Debug for LocalActivityResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed(_) => f.write_str("Completed(..)"),
            Self::Failed(failure) => f.debug_tuple("Failed").field(&failure.message).finish(),
            Self::BackOff { failure, delay } => {
                f.debug_struct("BackOff").field("failure", &failure.message).field("delay", delay).finish()
            }
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(completion) => f.debug_tuple("Complete").field(completion).finish(),
            Self::Fail(failure) => f.debug_tuple("Fail").field(failure).finish(),
            Self::AnswerQuery(answer) => f.debug_tuple("AnswerQuery").field(&answer.result_type()).finish(),
            Self::NeedHistory { .. } => f.debug_struct("NeedHistory").finish_non_exhaustive(),
            Self::RunLocalActivities { start, cancel } => {
                f.debug_struct("RunLocalActivities").field("start", start).field("cancel", cancel).finish()
            }
            Self::Idle => f.write_str("Idle"),
        }
    }
}

debug_only!(impl[] WorkflowTaskCompletion, |this| {
    commands: this.commands.iter().map(Command::command_type).collect::<Vec<_>>(),
    messages: this.messages.len(),
    query_results: this.query_results.len(),
    closes_workflow: this.closes_workflow,
    force_create_new_workflow_task: this.force_create_new_workflow_task,
    cancel_local_activities: this.cancel_local_activities,
});

debug_only!(impl[] WorkflowTaskFailure, |this| {
    cause: this.cause,
    message: this.failure.message,
    nondeterminism: this.nondeterminism,
});
