//! Task queues: tasks wait for workers, workers wait for tasks, in the order of their arrival.
//!
//! Extends `Engine`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::activities::CommandId;
use crate::engine::api::{common, deployment};
use crate::engine::nexus::Purpose;
use crate::engine::time::Time;
use crate::engine::waiters::{Waiter, WaiterId};
use crate::engine::workflow::ExecutionId;
use crate::engine::workflow::QueryId;

/// Time without a poll (on the machine's clock) after which the worker of a sticky queue counts as gone.
const STICKY_LIVENESS: Duration = Duration::from_secs(10);

/// Time after its last poll (on the machine's clock) for which a worker is shown, as on a real server.
const SHOWN: Duration = Duration::from_secs(5 * 60);

/// Time after its last poll (on the machine's clock) for which an empty queue is kept.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// Number of queues up to which none is removed.
const FEW_QUEUES: usize = 64;

const DEFAULT_PRIORITY: i32 = 3;

/// The kind of tasks in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QueueKind {
    Workflow,
    Activity,
    Nexus,
    WorkerCommands,
}

/// The key of a queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) namespace_id: String,
    pub(crate) name: String,
    pub(crate) kind: QueueKind,
}

/// A task for a worker. It refers to the state it belongs to, and is void when that state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Workflow { execution: ExecutionId, scheduled_event_id: i64, attempt: i32 },
    Activity { execution: ExecutionId, scheduled_event_id: i64, attempt: i32 },
    Nexus { execution: ExecutionId, scheduled_event_id: i64, purpose: Purpose, attempt: i32 },
    Query(QueryId),
    Command(CommandId),
}

/// The worker of a poll.
#[derive(Clone, Debug)]
pub(crate) struct Poll {
    pub(crate) identity: String,
    pub(crate) worker_instance_key: String,
    pub(crate) sticky: bool,
    /// The worker's build, unless it belongs to a deployment.
    pub(crate) version: Option<common::WorkerVersionStamp>,
    /// The task queue for commands to the worker, if it accepts them.
    pub(crate) control_task_queue: String,
    pub(crate) about: About,
}

/// A worker's own data, as shown when its queue is described.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) capabilities: Option<common::WorkerVersionCapabilities>,
    pub(crate) deployment_options: Option<deployment::WorkerDeploymentOptions>,
    /// Maximum tasks per second; `None` if the worker sets none.
    pub(crate) rate: Option<f64>,
}

/// A worker at its last poll of a queue.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Time,
    pub(crate) about: About,
}

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct TaskQueues {
    queues: BTreeMap<QueueKey, Queue>,
    /// Number of queues that the last removal of unused ones left.
    left: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// By priority, then by arrival.
    backlog: BTreeMap<(i32, u64), Task>,
    pollers: VecDeque<WaiterId>,
    /// Time of the last poll, on the machine's clock.
    last_poll: Option<Time>,
    identities: BTreeMap<String, Seen>,
    /// Number of workers that are about to poll it.
    promised: u32,
    /// True if tasks waited without a poll: they no longer stop the clock.
    deserted: bool,
}

impl TaskQueues {
    pub(crate) fn note_poll(&mut self, key: &QueueKey, poll: &Poll, wall: Time) {
        self.remove_unused(wall);
        let queue = self.queues.entry(key.clone()).or_default();
        queue.last_poll = Some(wall);
        queue.deserted = false;
        queue.identities.retain(|_, seen| wall.since(seen.at) < SHOWN);
        queue.identities.insert(poll.identity.clone(), Seen { at: wall, about: poll.about.clone() });
    }

    /// Removes queues that nobody uses: each worker process has sticky queues of its own, which nobody polls after it.
    /// Looks only when their number has doubled, so that a poll costs little.
    fn remove_unused(&mut self, wall: Time) {
        if self.queues.len() < FEW_QUEUES.max(2 * self.left) {
            return;
        }
        self.queues.retain(|_, queue| {
            let is_recent = queue.last_poll.is_some_and(|polled| wall.since(polled) < KEPT);
            is_recent || queue.deserted || queue.promised > 0 || !queue.backlog.is_empty() || !queue.pollers.is_empty()
        });
        self.left = self.queues.len();
    }

    /// Records that a worker is about to poll this queue, or no longer is.
    pub(crate) fn promise(&mut self, key: &QueueKey, promised: bool) {
        let queue = self.queues.entry(key.clone()).or_default();
        queue.promised = if promised { queue.promised + 1 } else { queue.promised.saturating_sub(1) };
        queue.deserted &= queue.promised == 0;
    }

    /// Marks a queue as having no workers, unless one has polled it or was promised.
    pub(crate) fn desert(&mut self, key: &QueueKey) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.deserted = queue.promised == 0 && queue.last_poll.is_none() && queue.pollers.is_empty();
        }
    }

    /// Returns true if a worker has polled it and has not shut down.
    pub(crate) fn is_known(&self, key: &QueueKey) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.last_poll.is_some())
    }

    pub(crate) fn is_deserted(&self, key: &QueueKey) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.deserted)
    }

    /// Returns the queues of a kind that a worker polls.
    pub(crate) fn polled(&self, kind: QueueKind) -> impl Iterator<Item = &QueueKey> {
        let polled = self.queues.iter().filter(|(_, queue)| queue.promised > 0 || !queue.pollers.is_empty());
        polled.map(|(key, _)| key).filter(move |key| key.kind == kind)
    }

    pub(crate) fn wait(&mut self, key: &QueueKey, id: WaiterId) {
        self.queues.entry(key.clone()).or_default().pollers.push_back(id);
    }

    pub(crate) fn forget_poller(&mut self, key: &QueueKey, id: WaiterId) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.pollers.retain(|poller| *poller != id);
        }
    }

    /// Records that the worker of a sticky queue has shut down.
    pub(crate) fn forget_worker(&mut self, key: &QueueKey) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.last_poll = None;
        }
    }

    pub(crate) fn is_alive(&self, key: &QueueKey, wall: Time) -> bool {
        self.queues.get(key).is_some_and(|queue| {
            let seen = queue.last_poll.is_some_and(|seen| wall.since(seen) < STICKY_LIVENESS);
            seen || (queue.last_poll.is_some() && !queue.pollers.is_empty())
        })
    }

    /// Returns the workers seen lately at a queue by identity, and the number of waiting tasks.
    pub(crate) fn describe(&self, key: &QueueKey, wall: Time) -> (Vec<(String, Seen)>, usize) {
        let Some(queue) = self.queues.get(key) else { return (Vec::new(), 0) };
        let shown = queue.identities.iter().filter(|(_, seen)| wall.since(seen.at) < SHOWN);
        let pollers = shown.map(|(identity, seen)| (identity.clone(), seen.clone())).collect();
        (pollers, queue.backlog.len())
    }

    fn push(&mut self, key: &QueueKey, priority: i32, sequence: u64, task: Task) {
        let priority = if priority == 0 { DEFAULT_PRIORITY } else { priority };
        self.queues.entry(key.clone()).or_default().backlog.insert((priority, sequence), task);
    }

    fn pop_task(&mut self, key: &QueueKey) -> Option<Task> {
        Some(self.queues.get_mut(key)?.backlog.pop_first()?.1)
    }

    fn pop_poller(&mut self, key: &QueueKey) -> Option<WaiterId> {
        self.queues.get_mut(key)?.pollers.pop_front()
    }

    pub(crate) fn pollers(&self, key: &QueueKey) -> impl Iterator<Item = WaiterId> {
        self.queues.get(key).into_iter().flat_map(|queue| queue.pollers.iter().copied())
    }

    pub(crate) fn has_poller(&self, key: &QueueKey) -> bool {
        self.queues.get(key).is_some_and(|queue| !queue.pollers.is_empty())
    }
}

impl Engine {
    pub(crate) fn add_task(&mut self, key: &QueueKey, priority: i32, task: Task) {
        self.sequence += 1;
        self.queues.push(key, priority, self.sequence, task);
        self.match_queue(key);
    }

    /// Puts a task whose worker has gone back at the front of its queue.
    pub(crate) fn offer_again(&mut self, key: &QueueKey, task: Task) {
        // Several workers may return tasks at the same time, so each task gets its own position.
        self.sequence += 1;
        self.queues.push(key, i32::MIN, self.sequence, task);
        self.match_queue(key);
    }

    /// Returns the first task of a queue that is still valid.
    pub(crate) fn next_task(&mut self, key: &QueueKey) -> Option<Task> {
        loop {
            let task = self.queues.pop_task(key)?;
            if self.is_wanted(&task) {
                return Some(task);
            }
        }
    }

    /// Returns true if the state that a task belongs to is unchanged.
    pub(crate) fn is_wanted(&self, task: &Task) -> bool {
        match task {
            Task::Workflow { execution, scheduled_event_id, attempt } => {
                self.execution(*execution).state.task.as_ref().is_some_and(|task| {
                    let same = task.scheduled_event_id == *scheduled_event_id && task.attempt == *attempt;
                    same && task.started_time.is_none()
                })
            }
            Task::Activity { execution, scheduled_event_id, attempt } => {
                self.execution(*execution).state.activities.get(scheduled_event_id).is_some_and(|activity| {
                    activity.attempt == *attempt && activity.started.is_none() && !activity.is_backing_off()
                })
            }
            Task::Nexus { execution, scheduled_event_id, purpose, attempt } => {
                let operation = self.execution(*execution).state.nexus_operations.get(scheduled_event_id);
                let request = operation.and_then(|operation| operation.request(*purpose));
                request.is_some_and(|request| request.attempt == *attempt && request.is_outstanding())
            }
            Task::Query(query) => self.queries.is_open(*query),
            Task::Command(command) => self.commands.is_open(*command, self.now.wall),
        }
    }

    fn match_queue(&mut self, key: &QueueKey) {
        while self.queues.has_poller(key) {
            let Some(task) = self.next_task(key) else { return };
            let Some(poller) = self.queues.pop_poller(key) else { return };
            if let Some(Waiter::Poll(waiting)) = self.waiters.get_mut(poller) {
                waiting.offer = Some(task);
                self.waiters.wake(poller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::waiters::Waiters;

    fn at(minute: u64) -> Time {
        Time::default().plus(Duration::from_secs(60 * minute))
    }

    fn key(name: &str) -> QueueKey {
        QueueKey { namespace_id: "n".into(), name: name.into(), kind: QueueKind::Workflow }
    }

    fn poll(identity: &str) -> Poll {
        Poll {
            identity: identity.into(),
            worker_instance_key: String::new(),
            sticky: false,
            version: None,
            control_task_queue: String::new(),
            about: About::default(),
        }
    }

    fn shown(queues: &TaskQueues, name: &str, wall: Time) -> Vec<String> {
        queues.describe(&key(name), wall).0.into_iter().map(|(identity, _)| identity).collect()
    }

    #[test]
    fn a_worker_is_shown_for_five_minutes_after_its_last_poll() {
        let mut queues = TaskQueues::default();
        queues.note_poll(&key("orders"), &poll("old"), at(0));
        queues.note_poll(&key("orders"), &poll("new"), at(4));
        assert_eq!(shown(&queues, "orders", at(4)), ["new", "old"]);
        assert_eq!(shown(&queues, "orders", at(6)), ["new"]);
        queues.note_poll(&key("orders"), &poll("new"), at(6));
        assert_eq!(queues.queues[&key("orders")].identities.len(), 1, "what is not shown is not kept");
    }

    #[test]
    fn the_queues_of_workers_that_have_gone_do_not_add_up() {
        let mut queues = TaskQueues::default();
        let mut most = 0;
        for minute in 0..10_000 {
            let wall = at(minute);
            queues.note_poll(&key("orders"), &poll("w"), wall);
            queues.note_poll(&key(&format!("sticky-{minute}")), &poll("w"), wall);
            most = most.max(queues.queues.len());
        }
        assert!(most < 200, "{most} queues");
        assert!(queues.is_known(&key("orders")));
        assert!(queues.is_known(&key("sticky-9999")));
    }

    #[test]
    fn a_queue_that_holds_a_task_or_a_worker_is_kept() {
        let mut queues = TaskQueues::default();
        queues.push(&key("full"), 0, 1, Task::Query(QueryId(1)));
        queues.wait(&key("polled"), Waiters::default().park(Waiter::Query(QueryId(1))));
        queues.promise(&key("promised"), true);
        for minute in 0..1_000 {
            queues.note_poll(&key(&format!("sticky-{minute}")), &poll("w"), at(minute));
        }
        assert!(queues.has_poller(&key("polled")));
        assert!(queues.pop_task(&key("full")).is_some());
        assert_eq!(queues.queues[&key("promised")].promised, 1);
    }
}
