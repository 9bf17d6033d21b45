//! The message for a test that would wait forever: what is awaited, what every open run waits for, and what to do.
//!
//! Extends `Engine`.

use abide_protos::fields::std_duration_text;

use super::Engine;
use super::activities::{Activity, LeftOpen};
use super::busy::{Hold, UnderWay, Waiting, activity_queue};
use super::deadlines::Deadline;
use super::task_queues::{QueueKey, QueueKind};
use super::told::Told;
use super::waiters::{Waiter, WaiterId};
use super::workflow::Execution;

/// Maximum runs in the message.
const RUNS_TOLD: usize = 10;

/// Number of failed attempts after which an activity without an end is assumed to fail forever.
const HOPELESS: i32 = 1000;

/// A run whose code is waiting.
#[derive(Debug)]
pub struct WaitingRun {
    /// The run's workflow id.
    pub workflow_id: String,
    /// The run's own id.
    pub run_id: String,
    /// The name of the run in messages of tests.
    pub name: String,
}

impl Engine {
    /// Returns what a caller waits for.
    pub(crate) fn awaited_by(&self, id: WaiterId) -> Option<String> {
        let (execution, what) = match self.waiters.get(id)? {
            Waiter::Poll(_) => return None,
            Waiter::History { execution, close_only: true, .. } => (*execution, "the end".to_owned()),
            Waiter::History { execution, .. } => (*execution, "the next event".to_owned()),
            Waiter::Query(_) => return Some("the answer to a query".to_owned()),
            Waiter::Update(waiting) => {
                let (execution, id) = (waiting.at.execution, &waiting.at.update_id);
                let handler = self.execution(execution).state.updates.handler_of(id).unwrap_or_default();
                (execution, format!("the outcome of update `{handler}` (id {id})"))
            }
        };
        Some(format!("{what} of {}", name_of(self.execution(execution))))
    }

    /// Returns true if a caller waits for a run that another one follows.
    pub(crate) fn awaits_followed_run(&self, id: WaiterId) -> bool {
        let Some(Waiter::History { execution, .. }) = self.waiters.get(id) else { return false };
        let execution = self.execution(*execution);
        let key = (execution.namespace.id.clone(), execution.workflow_id.clone());
        let current = self.current.get(&key).map(|current| self.execution(*current));
        current.is_some_and(|current| current.id != execution.id && current.is_running())
    }

    /// Returns what every open run waits for, one line each.
    pub(crate) fn open_runs(&self) -> Told {
        let mut text = Told::default();
        for id in self.open.iter().take(RUNS_TOLD) {
            let execution = self.execution(*id);
            for line in self.awaited_by_run(execution) {
                text.push(format!("\n  - {} ", name_of(execution)));
                text.append(line);
            }
        }
        let more = self.open.len().saturating_sub(RUNS_TOLD);
        if more > 0 {
            text.push(format!("\n  - and {more} more runs are open"));
        }
        text
    }

    /// Returns the open runs of a namespace whose code is waiting and can be queried for its position: a worker has run
    /// it and is not running it now.
    pub(crate) fn waiting_runs(&self, namespace: &str) -> Vec<WaitingRun> {
        let runs = self.open.iter().map(|id| self.execution(*id)).filter(|run| run.namespace.name == namespace);
        let runs = runs.filter(|run| run.state.previous_started_event_id > 0 && !run.state.task_is_started());
        let runs = runs.take(RUNS_TOLD).map(|run| WaitingRun {
            workflow_id: run.workflow_id.clone(),
            run_id: run.run_id.clone(),
            name: name_of(run),
        });
        runs.collect()
    }

    /// Returns an activity that is retried forever: it has failed very often, and nothing else is due.
    pub(crate) fn hopeless_activity(&self) -> Option<Told> {
        if self.deadlines.of_server_clock().any(|deadline| !matches!(deadline, Deadline::ActivityRetry(..))) {
            return None;
        }
        let runs = self.open.iter().map(|id| self.execution(*id));
        let mut activities = runs.flat_map(|run| run.state.activities.values().map(move |activity| (run, activity)));
        let (execution, activity) = activities.find(|(_, activity)| activity.attempt > HOPELESS)?;
        let mut told = Told::from(format!(
            "{} of {} has failed {} times, and nothing limits its retries: \"",
            activity_name(execution, activity),
            name_of(execution),
            activity.attempt - 1
        ));
        told.push_message(activity.last_failure.as_deref());
        told.push(
            "\". Let it (or its mock) succeed or fail with a non-retryable failure, or limit its retries with \
             `.schedule_to_close_timeout(..)` or a retry policy with `maximum_attempts(..)`",
        );
        Some(told)
    }

    /// Records that a worker is about to poll that queue, or no longer is.
    pub(crate) fn promise_worker(&mut self, namespace: &str, queue: &str, kind: QueueKind, promised: bool) {
        if let Ok(namespace) = self.namespaces.get(namespace) {
            let key = QueueKey { namespace_id: namespace.id.clone(), name: queue.to_owned(), kind };
            self.queues.promise(&key, promised);
        }
    }

    fn awaited_by_run(&self, execution: &Execution) -> Vec<Told> {
        let state = &execution.state;
        let mut lines: Vec<Told> = Vec::new();
        if let Some(task) = &state.task {
            let queue = self.queue_of_task(execution, task);
            let line = match task.started_time {
                Some(_) => {
                    "waits for its workflow task, which a worker has started but not completed: the workflow's code or \
                     a local activity does not end"
                        .to_owned()
                }
                None if self.queues.has_poller(&queue) => {
                    "continues: its next workflow task is on its way to a worker".to_owned()
                }
                None => {
                    let why =
                        self.untaken_line("its workflow task", &queue, "start the workflow on another task queue");
                    format!("waits for a worker: {why}")
                }
            };
            lines.push(line.into());
        }
        lines.extend(state.activities.values().map(|activity| self.activity_line(execution, activity)));
        for child in state.children.values() {
            let kind = child.workflow_type.as_ref().map_or("", |kind| &kind.name);
            lines.push(format!("waits for its child `{}` ({kind})", child.workflow_id).into());
        }
        for one in self.nexus_of(execution).filter(|one| matches!(one, UnderWay::NexusOperation { .. })) {
            lines.push(format!("waits: {one}").into());
        }
        if let Some(timer) = state.timers.values().map(|timer| timer.expires).min() {
            let left = std_duration_text(timer.since(self.now.time));
            lines.push(format!("waits for a timer that fires in {left}").into());
        }
        if lines.is_empty() {
            lines.push(
                "waits, but not for a timer, an activity or a child: it waits for a signal or an update that nobody \
                 sends, for a condition that stays false, or for something outside Temporal such as a channel (await \
                 that in an activity). Send the message in the test (`env.at(..)` sends it at a virtual time), or \
                 limit the wait with `.timeout(..)`"
                    .into(),
            );
        }
        lines
    }

    fn activity_line(&self, execution: &Execution, activity: &Activity) -> Told {
        let name = activity_name(execution, activity);
        let one = UnderWay::Activity(execution, activity);
        if activity.is_backing_off() {
            let failures = activity.attempt - 1;
            let mut line = Told::from(format!("waits for {name}, which has failed {failures} times: \""));
            line.push_message(activity.last_failure.as_deref());
            line.push("\"");
            return line;
        }
        let line = if activity.started.as_ref().is_some_and(|started| started.left_open != LeftOpen::No) {
            format!(
                "waits for {name}: attempt {} returned `ActivityError::will_complete_async()`, and nobody has \
                 completed the activity. Complete it through the client with \
                 `env.client().async_activity(task_token).complete(&result)` or `.async_activity_by_id(\"{}\", \"\", \
                 \"{}\")`, also in `env.at(..)`, or let its timeout pass with `env.sleep(..)` or `env.advance(..)`",
                activity.attempt, execution.workflow_id, activity.activity_id
            )
        } else if activity.started.is_some() {
            let beats = if activity.last_heartbeat_time.is_some() { ", sends heartbeats" } else { "" };
            format!(
                "waits for {name}: attempt {} is running{beats} and does not end. Let its code end, or move the clock to \
                 its timeout with `env.advance(..)`. If the code sleeps, let it use `env.sleep(..)`, or start the test \
                 with a paused clock (`#[tokio::test(start_paused = true)]`). If it blocks its thread \
                 (`std::thread::sleep`, a lock), run it in `tokio::task::spawn_blocking`",
                activity.attempt
            )
        } else if self.hold_of(&one, &Waiting::default()) <= Hold::Untaken {
            let what_to_do = "schedule the activity on another task queue, or register the activity or a mock with the \
                              worker of this one";
            format!("waits for {name}: {}", self.untaken_line("it", &activity_queue(execution, activity), what_to_do))
        } else {
            format!("waits for {name}")
        };
        line.into()
    }

    /// Returns the line for a task that waits for a worker.
    fn untaken_line(&self, what: &str, queue: &QueueKey, what_to_do: &str) -> String {
        let of = match queue.kind {
            QueueKind::Workflow => "workflow tasks",
            QueueKind::Activity => "activities",
            QueueKind::Nexus => "Nexus requests",
            QueueKind::WorkerCommands => "commands",
        };
        if self.queues.has_poller(queue) {
            return format!("{what} waits on the task queue `{}`", queue.name);
        }
        let same = |key: &&QueueKey| key.namespace_id == queue.namespace_id && !self.is_sticky(key);
        let polled: Vec<String> =
            self.queues.polled(queue.kind).filter(same).map(|key| format!("`{}`", key.name)).collect();
        let polled = if polled.is_empty() { "no task queue".to_owned() } else { polled.join(", ") };
        format!(
            "{what} waits on the task queue `{}`, which no worker polls for {of}; workers poll {polled} for {of}. Run \
             a worker on `{}`, or {what_to_do}",
            queue.name, queue.name
        )
    }

    fn is_sticky(&self, key: &QueueKey) -> bool {
        let mut pollers = self.queues.pollers(key);
        pollers.any(|id| matches!(self.waiters.get(id), Some(Waiter::Poll(waiting)) if waiting.poll.sticky))
    }
}

pub(crate) fn name_of(execution: &Execution) -> String {
    format!("workflow `{}` ({})", execution.workflow_id, execution.state.workflow_type().name)
}

pub(crate) fn activity_name(execution: &Execution, activity: &Activity) -> String {
    let attributes = execution.activity_attributes(activity.scheduled_event_id);
    let kind = attributes.and_then(|attributes| attributes.activity_type.as_ref()).map_or("", |kind| &kind.name);
    format!("activity `{kind}` (id {})", activity.activity_id)
}
