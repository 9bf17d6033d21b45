//! What goes into a run and what comes out: plain values, so that the same inputs always give the same outputs.

use std::collections::HashMap;

use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::protocol::v1::Message;
use abide_protos::temporal::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;

use super::nondeterminism::Nondeterminism;

/// What a run is told.
#[derive(Debug)]
pub enum Input {
    /// A workflow task (or a query task) from the server.
    WorkflowTask(Box<WorkflowTask>),
    /// More history, in answer to [`Output::NeedHistory`].
    HistoryPage(HistoryPage),
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
    /// Nothing to tell: a replay has come to the end of its history.
    Idle,
}

/// What a completed workflow task tells the server.
#[derive(Debug, Default)]
pub struct WorkflowTaskCompletion {
    /// In the order in which their events will stand in the history.
    pub commands: Vec<Command>,
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
