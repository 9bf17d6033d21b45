//! What goes into a run and what comes out: plain values, so that the same inputs always give the same outputs.

use std::collections::HashMap;
use std::panic::Location;
use std::time::Duration;

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
use crate::retry_policy::RetryPolicy;

/// What a run is told.
#[derive(Debug)]
pub enum Input {
    /// A workflow task (or a query task) from the server.
    WorkflowTask(Box<WorkflowTask>),
    /// More history, in answer to [`Output::NeedHistory`].
    HistoryPage(HistoryPage),
    /// A local activity has ended, in answer to [`Output::RunLocalActivities`].
    LocalActivityResolved(Box<LocalActivityResolution>),
    /// Most of the time that the server waits for the task is over: complete what there is, and ask for another one.
    HeartbeatDue,
}

/// One workflow task as polled, already split from its transport.
#[derive(Debug, Default)]
pub struct WorkflowTask {
    /// Id of the last event a worker was told of before this task; 0 for the first task.
    pub previous_started_event_id: i64,
    /// Id of this task's WorkflowTaskStarted event; `i64::MAX` when a whole history is replayed and nothing is new.
    pub started_event_id: i64,
    /// Attempt of this task, from 1.
    pub attempt: i32,
    /// Events after those already seen by a cached run, or all from event 1.
    pub history: HistoryPage,
    /// Protocol messages (updates) to process.
    pub messages: Vec<Message>,
    /// Queries to answer inside this task's completion, sorted by id.
    pub queries: Vec<(String, WorkflowQuery)>,
    /// A query that is the whole task: answered with [`Output::AnswerQuery`], never with a completion.
    pub query: Option<WorkflowQuery>,
    /// The time when it was handed out: local activities record it.
    pub wall_time: Option<Timestamp>,
}

/// A local activity that is to be run.
#[derive(Clone, Debug)]
pub struct LocalActivityTask {
    /// Its number in the run.
    pub seq: u32,
    /// Its id within the workflow.
    pub activity_id: String,
    /// The activity type's name.
    pub activity_type: String,
    /// Its arguments.
    pub input: Vec<Payload>,
    /// Its headers, if it has any.
    pub header: Option<Header>,
    /// The attempt to begin with, from 1.
    pub attempt: u32,
    /// When the first attempt was scheduled, which may have been a timer ago.
    pub original_schedule_time: Option<Timestamp>,
    /// Limit of all attempts together.
    pub schedule_to_close_timeout: Option<Duration>,
    /// How long it may wait for a free slot.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Limit of one attempt.
    pub start_to_close_timeout: Option<Duration>,
    /// When it is tried again.
    pub retry_policy: RetryPolicy,
    /// Longer intervals between attempts are for a timer of the workflow's.
    pub local_retry_threshold: Duration,
}

/// How a local activity ended.
#[derive(Clone, Debug)]
pub struct LocalActivityResolution {
    /// Its [number](LocalActivityTask::seq).
    pub seq: u32,
    /// What it came to.
    pub result: LocalActivityResult,
    /// The last attempt; 0 if none was made.
    pub attempt: u32,
    /// How long the last attempt took.
    pub run_time: Duration,
    /// The time when it ended.
    pub wall_time: Option<Timestamp>,
}

/// What a local activity came to.
#[derive(Clone, Debug)]
pub enum LocalActivityResult {
    /// It completed with this result.
    Completed(Payload),
    /// It failed, timed out or was cancelled: the failure says which.
    Failed(Box<FailureProto>),
    /// It failed, and its next attempt is due when a timer of the workflow's has fired.
    BackOff {
        /// The last attempt's failure.
        failure: Box<FailureProto>,
        /// Time until the next attempt.
        delay: Duration,
    },
}

/// Some consecutive events of a history.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// The events, in order.
    pub events: Vec<HistoryEvent>,
    /// Where the next page begins; empty if there is none.
    pub next_page_token: Vec<u8>,
}

/// What a run answers.
#[derive(Debug)]
pub enum Output {
    /// The task is done: tell the server.
    Complete(Box<WorkflowTaskCompletion>),
    /// The task failed: tell the server (first attempts only), then drop the run.
    Fail(Box<WorkflowTaskFailure>),
    /// The answer to [`WorkflowTask::query`].
    AnswerQuery(Box<WorkflowQueryResult>),
    /// The page that begins at `next_page_token` is needed; an empty token asks for the history from event 1.
    NeedHistory {
        /// Opaque to a run: what [`HistoryPage::next_page_token`] said.
        next_page_token: Vec<u8>,
    },
    /// The task stays open until local activities have ended: run these, come back with each outcome
    /// ([`Input::LocalActivityResolved`]) and when most of the task's time is over ([`Input::HeartbeatDue`]).
    RunLocalActivities {
        /// To be begun.
        start: Vec<LocalActivityTask>,
        /// To be cancelled, by number; what becomes of them is still to be told.
        cancel: Vec<u32>,
    },
    /// Nothing to tell: a replay has come to the end of its history.
    Idle,
}

/// A statement of the workflow, where there is one.
pub type Statement = Option<&'static Location<'static>>;

/// What a completed workflow task tells the server.
#[derive(Debug, Default)]
pub struct WorkflowTaskCompletion {
    /// In the order in which their events will stand in the history.
    pub commands: Vec<Command>,
    /// The statement of each command, for reports. Empty if none is known.
    pub statements: Vec<Statement>,
    /// Protocol messages (update acceptances, rejections, responses).
    pub messages: Vec<Message>,
    /// Answers to [`WorkflowTask::queries`], by id.
    pub query_results: HashMap<String, WorkflowQueryResult>,
    /// SDK flags, name and version that the history does not hold yet.
    pub sdk_metadata: WorkflowTaskCompletedMetadata,
    /// Whether one of the commands closes the workflow; the run can be dropped once the server has accepted it.
    pub closes_workflow: bool,
    /// Asks for a new task at once (heartbeat of a task with running local activities).
    pub force_create_new_workflow_task: bool,
    /// Local activities to be cancelled, by number; nobody waits for them any more.
    pub cancel_local_activities: Vec<u32>,
    /// How many attempts of local activities were not their first; filled in by who ran them.
    pub nonfirst_local_activity_attempts: u32,
}

/// Why a workflow task failed.
#[derive(Debug)]
pub struct WorkflowTaskFailure {
    /// The cause the server records.
    pub cause: WorkflowTaskFailedCause,
    /// The failure the server records.
    pub failure: FailureProto,
    /// Where code and history part, if that is the cause.
    pub nondeterminism: Option<Box<Nondeterminism>>,
}
