//! The dispatch of a workflow task to a worker: its queue, and its content.
//!
//! Extends `Engine`.

use std::collections::HashMap;

use super::life::WorkflowTask;
use crate::engine::Engine;
use crate::engine::api::{HistoryEvent, history, protocol, query, service};
use crate::engine::busy::activity_queue;
use crate::engine::history::PAGE_SIZE;
use crate::engine::history::event_type;
use crate::engine::task_queues::{Poll, QueueKey, QueueKind, Task};
use crate::engine::token::{PageToken, TaskToken};
use crate::engine::workflow::{Execution, ExecutionId};

impl Engine {
    /// Adds the scheduled task to a queue: the sticky queue while its worker is alive, otherwise the normal one.
    pub(crate) fn dispatch_workflow_task(&mut self, id: ExecutionId) {
        let execution = self.execution(id);
        let Some(task) = &execution.state.task else { return };
        let priority = execution.state.start.priority.as_ref().map_or(0, |priority| priority.priority_key);
        let offer =
            Task::Workflow { execution: id, scheduled_event_id: task.scheduled_event_id, attempt: task.attempt };
        let key = self.queue_of_task(execution, task);
        self.add_task(&key, priority, offer);
    }

    /// Returns the queue of a scheduled task: the sticky one while its worker is alive.
    pub(crate) fn queue_of_task(&self, execution: &Execution, task: &WorkflowTask) -> QueueKey {
        let key = workflow_queue(execution, &task.task_queue.name);
        if task.is_sticky() && !self.queues.is_alive(&key, self.now.wall) {
            return workflow_queue(execution, execution.state.task_queue());
        }
        key
    }

    /// Adds an activity's current attempt to its queue.
    pub(crate) fn dispatch_activity(&mut self, id: ExecutionId, scheduled_event_id: i64) {
        let execution = self.execution(id);
        let Some(activity) = execution.state.activities.get(&scheduled_event_id) else { return };
        let (priority, attempt) = (activity.priority, activity.attempt);
        let key = activity_queue(execution, activity);
        self.add_task(&key, priority, Task::Activity { execution: id, scheduled_event_id, attempt });
    }

    /// Starts the task for the worker that polled; `None` if it is not a workflow task or no longer valid.
    pub(crate) fn hand_out_workflow_task(
        &mut self,
        task: &Task,
        poll: &Poll,
    ) -> Option<service::PollWorkflowTaskQueueResponse> {
        match *task {
            Task::Workflow { execution, .. } => {
                let request_id = self.ids.v4();
                let (identity, version) = (poll.identity.clone(), poll.version.clone());
                self.transact(execution, |transaction| {
                    transaction.leave_sticky_queue(poll.sticky);
                    transaction.start_workflow_task(request_id, identity, version);
                });
                self.started_workflow_task(execution, poll.sticky)
            }
            Task::Query(query) => self.hand_out_query(query, poll.sticky),
            Task::Activity { .. } | Task::Nexus { .. } | Task::Command(_) => None,
        }
    }

    /// Returns the started task for its worker; one that has the run cached gets only the new events.
    pub(crate) fn started_workflow_task(
        &mut self,
        id: ExecutionId,
        cached: bool,
    ) -> Option<service::PollWorkflowTaskQueueResponse> {
        let queries = self.attach_queries(id);
        let messages = self.executions[id.0].send_updates();
        let execution = self.execution(id);
        let task = execution.state.task.as_ref()?;
        let token = TaskToken {
            namespace_id: execution.namespace.id.clone(),
            workflow_id: execution.workflow_id.clone(),
            run_id: execution.run_id.clone(),
            scheduled_event_id: task.scheduled_event_id,
            started_event_id: task.started_event_id,
            attempt: task.attempt,
            started_time: task.started_time?.nanos(),
            ..TaskToken::default()
        };
        let first = if cached { execution.state.previous_started_event_id + 1 } else { 1 };
        let (history, next_page_token) = execution.history_for_task(first);
        Some(service::PollWorkflowTaskQueueResponse {
            task_token: token.encode_token(),
            started_event_id: task.started_event_id,
            attempt: task.attempt,
            history: Some(history),
            next_page_token,
            scheduled_time: Some(task.scheduled_time.proto()),
            started_time: task.started_time.map(crate::engine::time::Time::proto),
            queries,
            messages,
            ..execution.task_response()
        })
    }

    fn attach_queries(&mut self, id: ExecutionId) -> HashMap<String, query::WorkflowQuery> {
        self.queries.attach(&self.executions[id.0].queries)
    }
}

impl Execution {
    /// Returns the updates for the started task.
    fn send_updates(&mut self) -> Vec<protocol::Message> {
        let started = self.state.task.as_ref().map_or(0, |task| task.started_event_id);
        self.state.updates.send(started - 1)
    }

    /// Returns the fields that workflow tasks and query tasks share.
    pub(crate) fn task_response(&self) -> service::PollWorkflowTaskQueueResponse {
        service::PollWorkflowTaskQueueResponse {
            workflow_execution: Some(self.execution()),
            workflow_type: Some(self.state.workflow_type()),
            previous_started_event_id: self.state.previous_started_event_id,
            workflow_execution_task_queue: Some(self.state.normal_task_queue()),
            ..Default::default()
        }
    }

    /// Returns the first page of the history from event `first` on for the started task, and the token of the next
    /// page.
    fn history_for_task(&self, first: i64) -> (history::History, Vec<u8>) {
        let end = self.next_event_id();
        let last = (first + PAGE_SIZE).min(end);
        let mut events = self.events(first, last);
        let virtual_events = self.virtual_events();
        let virtual_scheduled_event_id = virtual_events.first().map_or(0, |event| event.event_id);
        if last < end {
            let run_id = self.run_id.clone();
            let token = PageToken { run_id, next_event_id: last, end_event_id: end, virtual_scheduled_event_id };
            return (history::History { events }, token.encode_token());
        }
        events.extend(virtual_events);
        (history::History { events }, Vec::new())
    }

    /// Returns the history for a query outside a workflow task: none for a worker that has the run cached.
    pub(crate) fn history_for_query(&self, cached: bool) -> (history::History, Vec<u8>) {
        if cached {
            return (history::History::default(), Vec::new());
        }
        let end = self.next_event_id();
        let last = (1 + PAGE_SIZE).min(end);
        let run_id = self.run_id.clone();
        let token = PageToken { run_id, next_event_id: last, end_event_id: end, virtual_scheduled_event_id: 0 };
        let token = if last < end { token.encode_token() } else { Vec::new() };
        (history::History { events: self.events(1, last) }, token)
    }

    /// Returns the events with ids from `first` to before `end`.
    pub(crate) fn events(&self, first: i64, end: i64) -> Vec<HistoryEvent> {
        (first..end).filter_map(|event_id| self.history.get(event_id)).map(|event| (**event).clone()).collect()
    }

    /// Returns the scheduled and started events that a transient or speculative workflow task has only for its readers.
    pub(crate) fn virtual_events(&self) -> Vec<HistoryEvent> {
        let Some(task) = self.state.task.as_ref().filter(|task| task.is_virtual()) else { return Vec::new() };
        if task.scheduled_event_id != self.next_event_id() {
            return Vec::new();
        }
        let mut events = vec![virtual_event(task, task.scheduled_event_id, task.scheduled_attributes().into())];
        if task.started_time.is_some() {
            events.push(virtual_event(task, task.started_event_id, task.started_attributes().into()));
        }
        events
    }
}

fn virtual_event(task: &WorkflowTask, event_id: i64, attributes: crate::engine::api::Attributes) -> HistoryEvent {
    let started = event_id == task.started_event_id;
    let time = task.started_time.filter(|_| started).unwrap_or(task.scheduled_time);
    HistoryEvent {
        event_id,
        event_time: Some(time.proto()),
        event_type: event_type(&attributes).into(),
        attributes: Some(attributes),
        ..Default::default()
    }
}

pub(crate) fn workflow_queue(execution: &Execution, name: &str) -> QueueKey {
    QueueKey { namespace_id: execution.namespace.id.clone(), name: name.to_owned(), kind: QueueKind::Workflow }
}
