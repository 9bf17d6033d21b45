//! One run of a workflow: its history and the server's state of it (Temporal's "mutable state").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::query::QueryId;
use super::timer::Timer;
use crate::engine::activities::Activity;
use crate::engine::api::{HistoryEvent, common, enums, history, sdk, taskqueue, workflow};
use crate::engine::children::Child;
use crate::engine::deadlines::Key;
use crate::engine::errors::Error;
use crate::engine::namespace::NamespaceId;
use crate::engine::nexus::NexusOperation;
use crate::engine::time::{self, Time};
use crate::engine::updates::Updates;
use crate::engine::waiters::WaiterId;
use crate::engine::workflow_tasks::CompletionPages;
use crate::engine::workflow_tasks::TaskProblems;
use crate::engine::workflow_tasks::WorkflowTask;

/// The engine's own handle to a run; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExecutionId(pub(crate) usize);

/// One run.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) id: ExecutionId,
    pub(crate) namespace: NamespaceId,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) history: History,
    pub(crate) state: State,
    /// Queries that wait for the next workflow task, or are attached to the started one.
    pub(crate) queries: Vec<QueryId>,
    /// Callers that wait for an update.
    pub(crate) update_waiters: Vec<WaiterId>,
    /// The received pages of the started workflow task's completion.
    pub(crate) completion_pages: Option<Box<CompletionPages>>,
    /// The run that a reset of this one has created.
    pub(crate) reset_run_id: String,
    /// Number of events copied from another run by a reset.
    pub(crate) copied_events: i64,
    /// Incremented by every committed transaction.
    pub(crate) transitions: i64,
}

/// The events of a run; the event with id n is at index n - 1.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) events: Vec<Arc<HistoryEvent>>,
    pub(crate) size_bytes: i64,
}

/// The state that a transaction may change besides the history. Cloned before commands are tried, so that a failed
/// completion leaves no trace.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) status: enums::WorkflowExecutionStatus,
    pub(crate) start_time: Time,
    pub(crate) close_time: Option<Time>,
    pub(crate) start: Arc<history::WorkflowExecutionStartedEventAttributes>,
    pub(crate) start_request_id: String,
    pub(crate) user_metadata: Option<sdk::UserMetadata>,

    pub(crate) run_expiration: Option<Time>,
    pub(crate) execution_expiration: Option<Time>,
    pub(crate) timeout: Option<Key>,
    pub(crate) first_task_backoff: Option<Key>,

    /// Events that happened while a workflow task is started: they get their ids when it is over.
    pub(crate) buffer: Vec<HistoryEvent>,
    pub(crate) task: Option<WorkflowTask>,
    /// Attempt number of the next workflow task.
    pub(crate) task_attempt: i32,
    pub(crate) task_problems: TaskProblems,
    /// Id of the started event of the last completed workflow task; 0 before the first.
    pub(crate) previous_started_event_id: i64,
    pub(crate) sticky: Option<Sticky>,

    /// Pending activities by scheduled event id.
    pub(crate) activities: BTreeMap<i64, Activity>,
    /// Pending timers by timer id.
    pub(crate) timers: BTreeMap<String, Timer>,
    /// Children that have not ended, by initiated event id.
    pub(crate) children: BTreeMap<i64, Child>,
    /// Pending Nexus operations by scheduled event id.
    pub(crate) nexus_operations: BTreeMap<i64, NexusOperation>,

    /// Pending work at the time when the run closed. Descriptions still show it.
    pub(crate) left: Left,

    /// The first answers of each build of the worker, including earlier runs, oldest first.
    pub(crate) reset_points: Vec<workflow::ResetPointInfo>,

    pub(crate) updates: Updates,
    /// True if the worker has tried to close the run but new events had arrived. Stays true until its next task is
    /// over.
    pub(crate) close_attempted: bool,

    pub(crate) cancel_requested: bool,
    pub(crate) signal_count: u32,
    /// Requests that were already processed: signals by their request id.
    pub(crate) request_ids: BTreeSet<String>,

    /// Receivers of the chain's result: from the start, and attached since.
    pub(crate) callbacks: Arc<Vec<common::Callback>>,

    pub(crate) memo: BTreeMap<String, common::Payload>,
    pub(crate) search_attributes: BTreeMap<String, common::Payload>,
}

/// Pending work of a closed run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    pub(crate) activities: Vec<Activity>,
    pub(crate) children: Vec<Child>,
    /// The workflow task that was scheduled and not started.
    pub(crate) task: Option<WorkflowTask>,
}

/// The sticky queue of the worker that caches this run.
#[derive(Clone, Debug)]
pub(crate) struct Sticky {
    pub(crate) task_queue: String,
    pub(crate) schedule_to_start_timeout: Duration,
}

impl Execution {
    pub(crate) fn is_running(&self) -> bool {
        self.state.is_running()
    }

    pub(crate) fn next_event_id(&self) -> i64 {
        self.history.next_event_id()
    }

    pub(crate) fn execution(&self) -> common::WorkflowExecution {
        common::WorkflowExecution { workflow_id: self.workflow_id.clone(), run_id: self.run_id.clone() }
    }

    /// Returns the first run of the chain that this run belongs to.
    pub(crate) fn first_run_id(&self) -> &str {
        &self.state.start.first_execution_run_id
    }
}

impl State {
    /// Returns the earliest time of the run's first workflow task: its start, or the end of its initial backoff.
    pub(crate) fn execution_time(&self) -> Time {
        self.start_time.plus(time::stored(self.start.first_workflow_task_backoff.as_ref()).unwrap_or_default())
    }

    /// Restarts the timeouts of the run, for a reset.
    pub(crate) fn begin_again(&mut self, now: Time) {
        let timeout = |timeout: Option<&abide_protos::Duration>| time::stored(timeout).map(|timeout| now.plus(timeout));
        self.execution_expiration = timeout(self.start.workflow_execution_timeout.as_ref());
        let run = timeout(self.start.workflow_run_timeout.as_ref());
        self.run_expiration = match (run, self.execution_expiration) {
            (Some(run), Some(execution)) => Some(run.min(execution)),
            (run, _) => run,
        };
    }

    pub(crate) fn is_running(&self) -> bool {
        self.status == enums::WorkflowExecutionStatus::Running
    }

    /// Returns true if a workflow task was handed to a worker and is not answered yet.
    pub(crate) fn task_is_started(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.started_time.is_some())
    }

    /// Returns true if the worker has tried in vain to close the run and now has the next task: no events are added
    /// that could make it fail again.
    pub(crate) fn is_closing(&self) -> bool {
        self.close_attempted && self.task_is_started()
    }

    pub(crate) fn workflow_type(&self) -> common::WorkflowType {
        self.start.workflow_type.clone().unwrap_or_default()
    }

    pub(crate) fn task_queue(&self) -> &str {
        self.start.task_queue.as_ref().map_or("", |queue| &queue.name)
    }

    /// Returns an activity's priority; unset values are inherited from its workflow.
    pub(crate) fn priority_of(&self, own: Option<&common::Priority>) -> common::Priority {
        let inherited = self.start.priority.clone().unwrap_or_default();
        let Some(own) = own else { return inherited };
        common::Priority {
            priority_key: if own.priority_key == 0 { inherited.priority_key } else { own.priority_key },
            fairness_key: Some(own.fairness_key.clone())
                .filter(|key| !key.is_empty())
                .unwrap_or(inherited.fairness_key),
            fairness_weight: if own.fairness_weight == 0.0 { inherited.fairness_weight } else { own.fairness_weight },
        }
    }

    pub(crate) fn normal_task_queue(&self) -> taskqueue::TaskQueue {
        normal_queue(self.task_queue())
    }

    /// Returns the queue of the next workflow task: the sticky one if a worker caches this run.
    pub(crate) fn current_task_queue(&self) -> taskqueue::TaskQueue {
        match &self.sticky {
            None => self.normal_task_queue(),
            Some(sticky) => taskqueue::TaskQueue {
                name: sticky.task_queue.clone(),
                kind: enums::TaskQueueKind::Sticky.into(),
                normal_name: self.task_queue().to_owned(),
            },
        }
    }
}

impl History {
    pub(crate) fn next_event_id(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap_or(i64::MAX) + 1
    }

    pub(crate) fn get(&self, event_id: i64) -> Option<&Arc<HistoryEvent>> {
        self.events.get(usize::try_from(event_id.checked_sub(1)?).ok()?)
    }

    /// Removes the events from `next_event_id` on, because the transaction that wrote them failed.
    pub(crate) fn truncate(&mut self, next_event_id: i64, size_bytes: i64) {
        self.events.truncate(usize::try_from(next_event_id - 1).unwrap_or(0));
        self.size_bytes = size_bytes;
    }
}

/// Returns the execution of a request if its ids are valid.
pub(crate) fn check_execution(
    execution: Option<&common::WorkflowExecution>,
) -> Result<&common::WorkflowExecution, Error> {
    let Some(execution) = execution else {
        return Err(Error::invalid_argument("Execution is not set on request."));
    };
    if execution.workflow_id.is_empty() {
        return Err(Error::invalid_argument("WorkflowId is not set on request."));
    }
    if !execution.run_id.is_empty() && uuid::Uuid::parse_str(&execution.run_id).is_err() {
        return Err(Error::invalid_argument("Invalid RunId."));
    }
    Ok(execution)
}

/// Returns a task queue by its user-visible name.
pub(crate) fn normal_queue(name: &str) -> taskqueue::TaskQueue {
    taskqueue::TaskQueue {
        name: name.to_owned(),
        kind: enums::TaskQueueKind::Normal.into(),
        normal_name: String::new(),
    }
}
