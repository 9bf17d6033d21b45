//! Determines if something is running that time must not skip over. Computed from the state each time, never counted.
//!
//! Three things do not stop the clock although they are open: work that only waits for an outcome of this server (known
//! only to the shell, [`Waiting`]), tasks on a queue that no worker polls, and activities that are left open for somebody
//! who acts at a later time.
//!
//! Extends `Engine`.

use std::collections::BTreeSet;
use std::fmt;

use super::Engine;
use super::activities::{Activity, LeftOpen};
use super::deadlines::Deadline;
use super::nexus::NexusOperation;
use super::stuck::{activity_name, name_of};
use super::task_queues::{QueueKey, QueueKind};
use super::workflow::Execution;
use super::workflow_tasks::WorkflowTask;
use super::workflow_tasks::workflow_queue;

/// Running work that currently waits for an outcome of this server.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Activities, by run id, activity id and attempt number.
    pub(crate) activities: BTreeSet<(String, String, i32)>,
    /// Activities that wait only for a cancellation request.
    pub(crate) for_cancellation: BTreeSet<(String, String, i32)>,
    /// Runs whose started workflow task waits for such local activities.
    pub(crate) workflow_tasks: BTreeSet<String>,
    pub(crate) left_open: LeftOpenWait,
}

/// Expected source of the completion of activities whose code has left them open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LeftOpenWait {
    /// Somebody outside this server, for whom time stands still.
    #[default]
    Somebody,
    /// A point in time, at which the test completes them. They do not stop the clock, unless somebody is about to report.
    Time,
    /// Nothing: they do not stop the clock.
    Nothing,
}

/// The state of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hold {
    /// Nothing is running, so the clock may skip.
    Free,
    /// There are only tasks that a worker may soon take.
    Untaken,
    /// Something is running.
    UnderWay,
}

/// Something that is running.
pub(crate) enum UnderWay<'a> {
    WorkflowTask(&'a Execution, &'a WorkflowTask),
    Activity(&'a Execution, &'a Activity),
    NexusOperation { execution: &'a Execution, event_id: i64, operation: &'a NexusOperation, what: &'static str },
    Query(&'a Execution),
}

impl Engine {
    /// Returns what is running, one line each.
    pub(crate) fn busy(&self) -> Vec<String> {
        self.under_way().map(|one| one.to_string()).collect()
    }

    /// Returns true if a run of this server has closed.
    pub(crate) fn has_closed(&self, run_id: &str) -> bool {
        self.by_run_id.get(run_id).is_some_and(|id| !self.open.contains(id))
    }

    /// Returns whether time may skip now.
    pub(crate) fn hold(&self, waiting: &Waiting) -> Hold {
        let mut hold = Hold::Free;
        for one in self.under_way() {
            hold = hold.max(self.hold_of(&one, waiting));
            if hold == Hold::UnderWay {
                break;
            }
        }
        hold
    }

    pub(crate) fn hold_of(&self, one: &UnderWay<'_>, waiting: &Waiting) -> Hold {
        match one {
            UnderWay::WorkflowTask(execution, task) if task.started_time.is_some() => {
                held_unless(waiting.workflow_tasks.contains(&execution.run_id))
            }
            UnderWay::WorkflowTask(execution, task) => self.untaken(&self.queue_of_task(execution, task)),
            UnderWay::Activity(execution, activity) if activity.started.is_some() => {
                let attempt = (execution.run_id.clone(), activity.activity_id.clone(), activity.attempt);
                // An attempt that heartbeats also works elsewhere, and one that is being cancelled continues.
                let undisturbed = activity.cancel_requested.is_none() && activity.last_heartbeat_time.is_none();
                let is_idle = undisturbed && waiting.for_cancellation.contains(&attempt);
                let waits = is_idle || waiting.activities.contains(&attempt);
                held_unless(waits || is_left_to_time(activity, waiting.left_open))
            }
            UnderWay::Activity(execution, activity) => self.untaken(&activity_queue(execution, activity)),
            UnderWay::NexusOperation { operation, .. } => {
                let queue = self.handler_queue(operation);
                let requested = operation.start.is_outstanding();
                held_unless(requested && queue.is_some_and(|queue| self.queues.is_deserted(&queue)))
            }
            UnderWay::Query(execution) => held_unless(execution.state.first_task_backoff.is_some()),
        }
    }

    /// Returns true if a query is open of a run that has not begun: time passes until then.
    pub(crate) fn is_query_early(&self) -> bool {
        self.under_way().any(|one| match one {
            UnderWay::Query(execution) => execution.state.first_task_backoff.is_some(),
            UnderWay::WorkflowTask(..) | UnderWay::Activity(..) | UnderWay::NexusOperation { .. } => false,
        })
    }

    /// Marks the queues of untaken tasks without a known worker: these tasks no longer stop the clock until a worker
    /// polls.
    pub(crate) fn desert_unpolled_queues(&mut self) {
        let untaken: Vec<QueueKey> = self.under_way().filter_map(|one| self.queue_of_untaken(&one)).collect();
        for queue in untaken {
            self.queues.desert(&queue);
        }
    }

    /// Marks the activities that are left open as such that nobody is about to complete.
    pub(crate) fn leave_activities_to_time(&mut self) {
        for id in &self.open {
            let activities = self.executions[id.0].state.activities.values_mut();
            for started in activities.filter_map(|activity| activity.started.as_mut()) {
                if started.left_open == LeftOpen::Just {
                    started.left_open = LeftOpen::Quiet;
                }
            }
        }
    }

    /// Returns what is running and stops the clock, one name each.
    pub(crate) fn holders(&self, waiting: &Waiting) -> Vec<String> {
        let holders = self.under_way().filter(|one| self.hold_of(one, waiting) == Hold::UnderWay);
        let names = holders.map(|one| match one {
            UnderWay::Activity(execution, activity) => {
                format!("{} of {}", activity_name(execution, activity), name_of(execution))
            }
            UnderWay::WorkflowTask(execution, _) => format!("the workflow task of {}", name_of(execution)),
            UnderWay::Query(execution) => format!("a query of {}", name_of(execution)),
            UnderWay::NexusOperation { .. } => one.to_string(),
        });
        names.collect()
    }

    /// Returns the name of what a workflow waits for that comes with time: a timer, a delayed start, the next attempt of
    /// an activity.
    pub(crate) fn next_step(&self) -> Option<String> {
        let (what, run) = self.deadlines.of_server_clock().find_map(|deadline| match deadline {
            Deadline::Timer(id) => Some(("a timer of", *id)),
            Deadline::FirstWorkflowTask(id) => Some(("the start of", *id)),
            Deadline::ActivityRetry(id, _) => Some(("the next attempt of an activity of", *id)),
            Deadline::WorkflowTimeout(_)
            | Deadline::ActivityTimeout(..)
            | Deadline::NexusOperation(..)
            | Deadline::WorkflowTaskStartToClose(_)
            | Deadline::WorkflowTaskScheduleToStart(_)
            | Deadline::StickyQuery(_) => None,
        })?;
        Some(format!("{what} {}", name_of(self.execution(run))))
    }

    /// Returns true if workers appear to run workflow code: they have workflow tasks or queries. `in_local_activity` is
    /// true for a run whose task only runs local activities.
    pub(crate) fn lanes_work(&self, in_local_activity: impl Fn(&str) -> bool) -> bool {
        self.under_way().any(|one| match one {
            UnderWay::WorkflowTask(execution, task) => {
                task.started_time.is_some() && !in_local_activity(&execution.run_id)
            }
            UnderWay::Query(execution) => {
                let state = &execution.state;
                if state.first_task_backoff.is_some() {
                    return false;
                }
                let sticky = state.sticky.as_ref().map(|sticky| sticky.task_queue.as_str());
                let mut queues = sticky.into_iter().chain([state.task_queue()]);
                queues.any(|name| self.queues.is_known(&workflow_queue(execution, name)))
            }
            UnderWay::Activity(..) | UnderWay::NexusOperation { .. } => false,
        })
    }

    pub(crate) fn under_way(&self) -> impl Iterator<Item = UnderWay<'_>> {
        let open = self.open.iter().map(|id| self.execution(*id));
        let of_runs = open.flat_map(|execution| {
            let task = execution.state.task.iter().map(move |task| UnderWay::WorkflowTask(execution, task));
            let activities = execution.state.activities.values().filter(|activity| !activity.is_backing_off());
            let activities = activities.map(move |activity| UnderWay::Activity(execution, activity));
            task.chain(activities).chain(self.nexus_of(execution))
        });
        of_runs.chain(self.queries.unanswered().map(|id| UnderWay::Query(self.execution(id))))
    }

    /// Returns the Nexus operations that stop the clock: those whose handler has a request, and those that continue
    /// outside this server.
    pub(crate) fn nexus_of<'a>(&'a self, execution: &'a Execution) -> impl Iterator<Item = UnderWay<'a>> {
        execution.state.nexus_operations.iter().filter_map(move |(id, operation)| {
            let cancels = operation.cancel.as_ref().is_some_and(|cancel| cancel.request.is_outstanding());
            let elsewhere = || !self.is_backed_by_open_workflow(&execution.run_id, *id);
            let what = if operation.start.is_outstanding() {
                "has no answer from its handler yet"
            } else if cancels {
                "has an open cancellation request"
            } else if operation.started_time.is_some() && elsewhere() {
                "runs outside this server"
            } else {
                return None;
            };
            Some(UnderWay::NexusOperation { execution, event_id: *id, operation, what })
        })
    }

    fn untaken(&self, queue: &QueueKey) -> Hold {
        if self.queues.is_deserted(queue) { Hold::Free } else { Hold::Untaken }
    }

    /// Returns the queue on which it waits for a worker, if it does.
    fn queue_of_untaken(&self, one: &UnderWay<'_>) -> Option<QueueKey> {
        match one {
            UnderWay::WorkflowTask(execution, task) => {
                task.started_time.is_none().then(|| self.queue_of_task(execution, task))
            }
            UnderWay::Activity(execution, activity) => {
                activity.started.is_none().then(|| activity_queue(execution, activity))
            }
            UnderWay::NexusOperation { operation, .. } => {
                operation.start.is_outstanding().then(|| self.handler_queue(operation)).flatten()
            }
            UnderWay::Query(_) => None,
        }
    }

    /// Returns the queue of the workers behind a Nexus operation's endpoint.
    pub(crate) fn handler_queue(&self, operation: &NexusOperation) -> Option<QueueKey> {
        let (namespace, queue) = self.endpoints.target(&operation.endpoint_id)?;
        let namespace_id = self.namespaces.get(namespace).ok()?.id.clone();
        Some(QueueKey { namespace_id, name: queue.to_owned(), kind: QueueKind::Nexus })
    }
}

impl fmt::Display for UnderWay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkflowTask(execution, task) => {
                let stage = if task.started_time.is_some() { "started" } else { "scheduled" };
                let (workflow_id, queue) = (&execution.workflow_id, &task.task_queue.name);
                write!(f, "a workflow task of workflow {workflow_id} is {stage} on task queue {queue}")
            }
            Self::Activity(execution, activity) => {
                let stage = if activity.started.is_some() { "started" } else { "scheduled" };
                let (id, workflow_id, queue) = (&activity.activity_id, &execution.workflow_id, &activity.task_queue);
                write!(f, "activity {id} of workflow {workflow_id} is {stage} on task queue {queue}")
            }
            Self::NexusOperation { execution, event_id, what, .. } => {
                write!(f, "the Nexus operation of event {event_id} of workflow {} {what}", execution.workflow_id)
            }
            Self::Query(execution) => write!(f, "a query of workflow {} has no answer yet", execution.workflow_id),
        }
    }
}

/// Returns true if an activity is left open and nobody is expected to complete it before time passes.
fn is_left_to_time(activity: &Activity, wait: LeftOpenWait) -> bool {
    match activity.started.as_ref().map(|started| started.left_open) {
        None | Some(LeftOpen::No) => false,
        Some(LeftOpen::Just) => wait == LeftOpenWait::Nothing,
        Some(LeftOpen::Quiet) => wait != LeftOpenWait::Somebody,
    }
}

fn held_unless(waits: bool) -> Hold {
    if waits { Hold::Free } else { Hold::UnderWay }
}

pub(crate) fn activity_queue(execution: &Execution, activity: &Activity) -> QueueKey {
    let namespace_id = execution.namespace.id.clone();
    QueueKey { namespace_id, name: activity.task_queue.clone(), kind: QueueKind::Activity }
}
