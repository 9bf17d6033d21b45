//! QueryWorkflow. A query is attached to a pending workflow task; if there is none, it becomes a task of its own, which
//! leaves no events.
//!
//! ```text
//!   buffered ──task started──► attached ──answered──► done
//!      ▲  └──no task pending──► dispatched ──answered──► done
//!      └──task over, no answer──┘ (from attached)
//! ```
//!
//! Extends `Engine`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::execution::{Execution, ExecutionId, check_execution};
use crate::engine::Engine;
use crate::engine::api::enums::{QueryRejectCondition, QueryResultType, WorkflowExecutionStatus};
use crate::engine::api::{common, query, service};
use crate::engine::deadlines::{Deadline, DeadlineClock, Key};
use crate::engine::errors::Error;
use crate::engine::limits;
use crate::engine::task_queues::{QueueKey, Task};
use crate::engine::token::TaskToken;
use crate::engine::waiters::{Step, Waiter, WaiterId};
use crate::engine::workflow_tasks::workflow_queue;

/// Attempt number from which on a workflow task counts as failing, so that queries are refused.
const BROKEN_TASK_ATTEMPT: i32 = 3;

/// The id of a query, as in task tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueryId(pub(crate) u64);

/// All queries with a waiting caller.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    next: u64,
    open: BTreeMap<QueryId, Query>,
    /// True while answers are read from a completion: queries stay unchanged.
    held: bool,
}

#[derive(Debug)]
struct Query {
    execution: ExecutionId,
    query: query::WorkflowQuery,
    stage: Stage,
    waiter: Option<WaiterId>,
    answer: Option<Result<service::QueryWorkflowResponse, Error>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for a workflow task to start.
    Buffered,
    /// Attached to the started workflow task.
    Attached,
    /// A task of its own, in a queue or on a worker.
    Dispatched { sticky: Option<Key> },
}

impl Queries {
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Returns true if a caller still waits for the answer.
    pub(crate) fn is_open(&self, id: QueryId) -> bool {
        self.open.get(&id).is_some_and(|query| query.answer.is_none())
    }

    /// Attaches the waiting queries of a run to the workflow task that was just started.
    pub(crate) fn attach(&mut self, ids: &[QueryId]) -> HashMap<String, query::WorkflowQuery> {
        let mut attached = HashMap::new();
        for id in ids {
            if let Some(query) = self.open.get_mut(id) {
                query.stage = Stage::Attached;
                attached.insert(key_of(*id), query.query.clone());
            }
        }
        attached
    }

    /// Returns the runs with unanswered queries.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = ExecutionId> {
        self.open.values().filter(|query| query.answer.is_none()).map(|query| query.execution)
    }
}

/// Returns the key of a query in a workflow task's map.
fn key_of(id: QueryId) -> String {
    id.0.to_string()
}

impl Engine {
    pub(crate) fn query_workflow(
        &mut self,
        request: service::QueryWorkflowRequest,
        patience: Duration,
    ) -> Result<Step<service::QueryWorkflowResponse>, Error> {
        check_execution(request.execution.as_ref())?;
        let reject = request.query_reject_condition();
        let query = request.query.ok_or_else(|| Error::invalid_argument("WorkflowQuery is not set on request."))?;
        if query.query_type.is_empty() {
            return Err(Error::invalid_argument("QueryType is not set on request."));
        }
        limits::check_blob(query.query_args.as_ref())?;
        let id = self.find(&request.namespace, request.execution.as_ref())?;
        let execution = self.execution(id);
        if let Some(rejected) = rejected(execution, reject) {
            return Ok(Step::Done(rejected));
        }
        if !execution.is_running() && execution.state.previous_started_event_id == 0 {
            return Err(Error::not_ready("Workflow execution closed before WorkflowTaskStarted event"));
        }
        if execution.state.task.as_ref().is_some_and(|task| task.attempt >= BROKEN_TASK_ATTEMPT) {
            return Err(Error::not_ready("Unable to query workflow due to Workflow Task in failed state."));
        }
        if execution.state.first_task_backoff.is_some_and(|key| key.at > self.now.time.plus(patience)) {
            return Err(Error::not_ready("Workflow task is not scheduled yet."));
        }
        self.queries.next += 1;
        let query_id = QueryId(self.queries.next);
        let waiter = self.waiters.park(Waiter::Query(query_id));
        let pending = Query { execution: id, query, stage: Stage::Buffered, waiter: Some(waiter), answer: None };
        self.queries.open.insert(query_id, pending);
        self.executions[id.0].queries.push(query_id);
        self.advance_queries(id);
        Ok(Step::Wait(waiter))
    }

    /// Resumes the caller of a query.
    pub(crate) fn resume_query(&mut self, waiter: WaiterId) -> Result<Step<service::QueryWorkflowResponse>, Error> {
        let Some(Waiter::Query(id)) = self.waiters.get_mut(waiter) else {
            return Err(Error::not_found("query task not found, or already expired"));
        };
        let id = *id;
        let answer = self.queries.open.get_mut(&id).and_then(|query| query.answer.take());
        match answer {
            Some(answer) => {
                self.withdraw(waiter);
                answer.map(Step::Done)
            }
            None => Ok(Step::Wait(waiter)),
        }
    }

    /// Handles a worker's answer to a query that was a task of its own.
    pub(crate) fn respond_query_task_completed(
        &mut self,
        request: service::RespondQueryTaskCompletedRequest,
    ) -> Result<service::RespondQueryTaskCompletedResponse, Error> {
        let token = TaskToken::decode_token(&request.task_token)?;
        let id = QueryId(token.query);
        if !self.queries.is_open(id) {
            return Err(Error::not_found("query task not found, or already expired"));
        }
        let answer = if request.completed_type() == QueryResultType::Answered {
            Ok(answered(request.query_result))
        } else {
            Err(Error::query_failed(request.error_message, request.failure))
        };
        self.answer_query(id, answer);
        Ok(service::RespondQueryTaskCompletedResponse::default())
    }

    /// Processes the answers in a completed workflow task.
    pub(crate) fn answer_attached_queries(
        &mut self,
        id: ExecutionId,
        mut results: HashMap<String, query::WorkflowQueryResult>,
    ) {
        for query in self.execution(id).queries.clone() {
            let Some(result) = results.remove(&key_of(query)) else { continue };
            let answer = if result.result_type() == QueryResultType::Answered {
                Ok(answered(result.answer))
            } else {
                Err(Error::query_failed(result.error_message, result.failure))
            };
            self.answer_query(query, answer);
        }
        self.advance_queries(id);
    }

    /// Dispatches queries that no workflow task will include.
    pub(crate) fn advance_queries(&mut self, id: ExecutionId) {
        let execution = &self.executions[id.0];
        if execution.queries.is_empty() || execution.state.task_is_started() || self.queries.held {
            return;
        }
        let alone = execution.state.task.is_none() || !execution.is_running();
        let never_ran = execution.state.previous_started_event_id == 0;
        for query in execution.queries.clone() {
            if let Some(pending) = self.queries.open.get_mut(&query) {
                pending.stage = if pending.stage == Stage::Attached { Stage::Buffered } else { pending.stage };
            }
            if alone && never_ran && !self.execution(id).is_running() {
                let text = "Workflow execution closed before WorkflowTaskStarted event";
                self.answer_query(query, Err(Error::not_ready(text)));
            } else if alone && !never_ran {
                self.dispatch_query(query);
            }
        }
    }

    /// Makes a query a task of its own, for the worker that caches the run if there is one.
    fn dispatch_query(&mut self, id: QueryId) {
        let Some(execution) = self.queries.open.get(&id).map(|query| query.execution) else { return };
        let sticky = self.live_sticky_queue(execution);
        if sticky.is_none() && self.execution(execution).state.sticky.is_some() {
            // Its worker is gone, so the next workflow task need not wait for it either.
            self.transact(execution, |transaction| transaction.state().sticky = None);
        }
        let Some(query) = self.queries.open.get(&id) else { return };
        let execution = &self.executions[query.execution.0];
        let normal = workflow_queue(execution, execution.state.task_queue());
        let (queue, key) = match sticky {
            Some((queue, timeout)) => {
                self.sequence += 1;
                let at = self.now.wall.plus(timeout);
                let key = Key { clock: DeadlineClock::Wall, at, sequence: self.sequence };
                self.deadlines.set(key, Deadline::StickyQuery(id), None);
                (queue, Some(key))
            }
            None => (normal, None),
        };
        self.executions[query.execution.0].queries.retain(|buffered| *buffered != id);
        if let Some(query) = self.queries.open.get_mut(&id) {
            query.stage = Stage::Dispatched { sticky: key };
        }
        self.add_task(&queue, 0, Task::Query(id));
    }

    /// Returns the sticky queue of a run, if its worker is alive.
    fn live_sticky_queue(&self, execution: ExecutionId) -> Option<(QueueKey, Duration)> {
        let execution = self.execution(execution);
        let sticky = execution.state.sticky.as_ref()?;
        let key = workflow_queue(execution, &sticky.task_queue);
        self.queues.is_alive(&key, self.now.wall).then_some((key, sticky.schedule_to_start_timeout))
    }

    /// Makes a query available to any worker, after the worker of the sticky queue did not take it.
    pub(crate) fn redirect_query(&mut self, id: QueryId) {
        if !self.queries.is_open(id) {
            return;
        }
        let Some(query) = self.queries.open.get_mut(&id) else { return };
        query.stage = Stage::Dispatched { sticky: None };
        let execution = query.execution;
        self.transact(execution, |transaction| transaction.state().sticky = None);
        let key = workflow_queue(self.execution(execution), self.execution(execution).state.task_queue());
        self.add_task(&key, 0, Task::Query(id));
    }

    /// Returns a query for a worker: with the whole history unless the worker has the run cached.
    pub(crate) fn hand_out_query(
        &mut self,
        id: QueryId,
        cached: bool,
    ) -> Option<service::PollWorkflowTaskQueueResponse> {
        let query = self.queries.open.get_mut(&id)?;
        if let Stage::Dispatched { sticky: Some(key) } = query.stage {
            self.deadlines.remove(key);
        }
        let execution = &self.executions[query.execution.0];
        let token = TaskToken { query: id.0, ..TaskToken::default() };
        let (history, next_page_token) = execution.history_for_query(cached);
        Some(service::PollWorkflowTaskQueueResponse {
            task_token: token.encode_token(),
            attempt: 1,
            history: Some(history),
            next_page_token,
            query: Some(query.query.clone()),
            ..execution.task_response()
        })
    }

    fn answer_query(&mut self, id: QueryId, answer: Result<service::QueryWorkflowResponse, Error>) {
        let Some(query) = self.queries.open.get_mut(&id) else { return };
        query.answer = Some(answer);
        if let Some(waiter) = query.waiter {
            self.waiters.wake(waiter);
        }
        let execution = query.execution;
        self.executions[execution.0].queries.retain(|buffered| *buffered != id);
    }

    /// Drops a query without a waiting caller.
    pub(crate) fn drop_query(&mut self, id: QueryId) {
        let Some(query) = self.queries.open.remove(&id) else { return };
        if let Stage::Dispatched { sticky: Some(key) } = query.stage {
            self.deadlines.remove(key);
        }
        self.executions[query.execution.0].queries.retain(|buffered| *buffered != id);
    }
}

fn answered(result: Option<common::Payloads>) -> service::QueryWorkflowResponse {
    service::QueryWorkflowResponse { query_result: result, ..Default::default() }
}

fn rejected(execution: &Execution, condition: QueryRejectCondition) -> Option<service::QueryWorkflowResponse> {
    let status = execution.state.status;
    let rejects = match condition {
        QueryRejectCondition::NotOpen => !execution.is_running(),
        QueryRejectCondition::NotCompletedCleanly => {
            !execution.is_running() && status != WorkflowExecutionStatus::Completed
        }
        QueryRejectCondition::Unspecified | QueryRejectCondition::None => false,
    };
    rejects.then(|| service::QueryWorkflowResponse {
        query_rejected: Some(query::QueryRejected { status: status.into() }),
        ..Default::default()
    })
}
