//! Task queues: tasks wait for workers, workers wait for tasks, whoever came first is served first.
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

/// A sticky queue without a poller for so long (on the machine's clock) belongs to a worker that is gone.
const STICKY_LIVENESS: Duration = Duration::from_secs(10);

const DEFAULT_PRIORITY: i32 = 3;

/// What a queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum QueueKind {
    Workflow,
    Activity,
    Nexus,
    WorkerCommands,
}

/// The name of a queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub(crate) namespace_id: String,
    pub(crate) name: String,
    pub(crate) kind: QueueKind,
}

/// Work for a worker; it names the state it belongs to and is void when that state has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Workflow { execution: ExecutionId, scheduled_event_id: i64, attempt: i32 },
    Activity { execution: ExecutionId, scheduled_event_id: i64, attempt: i32 },
    Nexus { execution: ExecutionId, scheduled_event_id: i64, purpose: Purpose, attempt: i32 },
    Query(QueryId),
    Command(CommandId),
}

/// Who polls.
#[derive(Clone, Debug)]
pub(crate) struct Poll {
    pub(crate) identity: String,
    pub(crate) worker_instance_key: String,
    pub(crate) sticky: bool,
    /// The build of the worker, unless it belongs to a deployment.
    pub(crate) version: Option<common::WorkerVersionStamp>,
    /// Where the worker takes commands, if it takes some.
    pub(crate) control_task_queue: String,
    pub(crate) about: About,
}

/// The words of a worker about itself, for those who ask about its queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) capabilities: Option<common::WorkerVersionCapabilities>,
    pub(crate) deployment_options: Option<deployment::WorkerDeploymentOptions>,
    /// The maximum number of tasks per second; `None` if the worker does not say.
    pub(crate) rate: Option<f64>,
}

/// A worker that was seen at a queue, at its last poll there.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Time,
    pub(crate) about: About,
}

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct TaskQueues {
    queues: BTreeMap<QueueKey, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// By priority, then by arrival.
    backlog: BTreeMap<(i32, u64), Task>,
    pollers: VecDeque<WaiterId>,
    /// When a worker was last seen, on the machine's clock.
    last_poll: Option<Time>,
    identities: BTreeMap<String, Seen>,
    /// So many workers are about to poll it.
    promised: u32,
    /// Tasks waited and nobody polled: they hold the clock no more.
    deserted: bool,
}

impl TaskQueues {
    pub(crate) fn note_poll(&mut self, key: &QueueKey, poll: &Poll, wall: Time) {
        let queue = self.queues.entry(key.clone()).or_default();
        queue.last_poll = Some(wall);
        queue.deserted = false;
        queue.identities.insert(poll.identity.clone(), Seen { at: wall, about: poll.about.clone() });
    }

    /// A worker is about to poll this queue, or is not any more.
    pub(crate) fn promise(&mut self, key: &QueueKey, promised: bool) {
        let queue = self.queues.entry(key.clone()).or_default();
        queue.promised = if promised { queue.promised + 1 } else { queue.promised.saturating_sub(1) };
        queue.deserted &= queue.promised == 0;
    }

    /// Takes a queue for one without workers, unless one has polled it or was promised.
    pub(crate) fn desert(&mut self, key: &QueueKey) {
        if let Some(queue) = self.queues.get_mut(key) {
            queue.deserted = queue.promised == 0 && queue.last_poll.is_none() && queue.pollers.is_empty();
        }
    }

    /// A worker has polled it and has not said goodbye.
    pub(crate) fn is_known(&self, key: &QueueKey) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.last_poll.is_some())
    }

    pub(crate) fn is_deserted(&self, key: &QueueKey) -> bool {
        self.queues.get(key).is_some_and(|queue| queue.deserted)
    }

    /// The names of the queues of a kind that a worker polls.
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

    /// The worker behind a sticky queue said goodbye.
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

    /// The workers seen at a queue by their identities, and how many tasks wait.
    pub(crate) fn describe(&self, key: &QueueKey) -> (Vec<(String, Seen)>, usize) {
        let Some(queue) = self.queues.get(key) else { return (Vec::new(), 0) };
        let pollers = queue.identities.iter().map(|(identity, seen)| (identity.clone(), seen.clone())).collect();
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

    /// A task that was offered to a worker that has gone: first in line again.
    pub(crate) fn offer_again(&mut self, key: &QueueKey, task: Task) {
        // Of several workers that go away each gives its task back: none may take another one's place.
        self.sequence += 1;
        self.queues.push(key, i32::MIN, self.sequence, task);
        self.match_queue(key);
    }

    /// The first task of a queue that is still wanted.
    pub(crate) fn next_task(&mut self, key: &QueueKey) -> Option<Task> {
        loop {
            let task = self.queues.pop_task(key)?;
            if self.is_wanted(&task) {
                return Some(task);
            }
        }
    }

    /// Whether the state that a task belongs to still is as it was.
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
