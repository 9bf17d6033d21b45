//! The mailbox of a lane: the messages for its thread, and the task that the thread works on.
//!
//! The mailbox outlives its thread. When workflow code does not return, the watchdog takes the task out of the mailbox
//! and increments the epoch. A new thread then takes over the queued messages; if the old thread ever returns, it sees
//! the newer epoch and ends.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::query::v1::WorkflowQueryResult;

use crate::replay::{
    HistoryPage, LocalActivityResolution, LocalActivityTask, WorkflowTask, WorkflowTaskCompletion, WorkflowTaskFailure,
};
use crate::worker::local_activities::TaskClock;
use crate::worker::polling::Slot;

/// The identity of a workflow task and what answering it takes. Stays with the task until it is answered.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) task_token: Vec<u8>,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    /// Starts at 1.
    pub(crate) attempt: i32,
    /// Time of arrival.
    pub(crate) received: tokio::time::Instant,
    /// Time at which the server times the task out.
    pub(crate) deadline: tokio::time::Instant,
    /// Time at which a task that waits for local activities is completed and a new one requested.
    pub(crate) heartbeat_at: tokio::time::Instant,
    pub(crate) clock: TaskClock,
    /// True if the whole task is a query.
    pub(crate) is_query: bool,
    /// Id of the task's WorkflowTaskStarted event.
    pub(crate) started_event_id: i64,
    /// The polled events, kept while the history is fetched from its beginning: the server does not store the last
    /// events of a repeated or speculative task.
    pub(crate) polled_events: Vec<HistoryEvent>,
    /// Id of the last fetched event.
    pub(crate) fetched_up_to: i64,
    /// Freed when the task is answered.
    pub(crate) slot: Slot,
}

/// A message to a lane.
#[derive(Debug)]
pub(crate) enum LaneMessage {
    /// A task for a run of this lane.
    Task(Box<Ticket>, Box<WorkflowTask>),
    /// The history that a run requested.
    Page(Box<Ticket>, HistoryPage),
    /// The history that a run requested cannot be fetched: forget the run.
    NoPage { run_id: String },
    /// A local activity of a waiting task has ended.
    LocalActivityResolved(Box<Ticket>, Box<LocalActivityResolution>),
    /// A task that waits for local activities must be completed and a new one requested.
    HeartbeatDue(Box<Ticket>),
    /// The next task of a run with local activities comes by a poll, not with the answer.
    NoTaskAlong { run_id: String },
    /// Forget an idle run: the server did not accept its answer.
    Evict { run_id: String },
    /// The server has dropped the task that was started at event `dropped`: the last task of an idle run is again the
    /// one that was started at `last_started_event_id`.
    TakeBackTask { run_id: String, dropped: i64, last_started_event_id: i64 },
    /// Evict one idle run: the lanes together hold too many.
    Shed,
}

/// A lane's result for a task.
#[derive(Debug)]
pub(crate) enum Verdict {
    Complete(Box<WorkflowTaskCompletion>),
    Fail(Box<WorkflowTaskFailure>),
    Answer(Box<WorkflowQueryResult>),
    /// The run continues when it gets this page.
    NeedHistory {
        next_page_token: Vec<u8>,
    },
    /// The task stays open: run these local activities and report their results.
    LocalActivities {
        start: Vec<LocalActivityTask>,
        cancel: Vec<u32>,
    },
    /// The run is not cached here and the task has only the end of its history: send it again with the whole history.
    CacheMiss(Box<WorkflowTask>),
    /// The run was lost while its history was fetched.
    Lost,
}

/// The workflow code that a lane's thread runs, which may block it.
#[derive(Debug)]
pub(crate) enum Busy {
    /// Works on a task.
    Task(Box<Ticket>),
    /// Drops a run: destructors are workflow code too.
    Dropping { run_id: String },
}

impl Busy {
    pub(crate) fn run_id(&self) -> &str {
        match self {
            Self::Task(ticket) => &ticket.run_id,
            Self::Dropping { run_id } => run_id,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<LaneMessage>,
    /// Tasks for runs that wait for a page.
    parked: Vec<LaneMessage>,
    in_hand: Option<InHand>,
    /// Number of threads this lane has had.
    epoch: u64,
    thread_waits: bool,
    closed: bool,
}

#[derive(Debug)]
struct InHand {
    busy: Busy,
    /// Time of the watchdog's last check, or of the beginning.
    seen: Instant,
    /// Running time so far, as far as the watchdog can tell.
    spent: Duration,
}

impl InHand {
    #[expect(clippy::disallowed_methods, reason = "the deadlock watchdog measures real time")]
    fn begin(busy: Busy) -> Self {
        Self { busy, seen: Instant::now(), spent: Duration::ZERO }
    }
}

impl Lane {
    pub(crate) fn send(&self, message: LaneMessage) {
        let mut state = self.lock();
        state.messages.push_back(message);
        self.wake(state);
    }

    /// Ends the lane: its thread finishes its current task, queued messages are dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.messages.clear();
        state.parked.clear();
        self.wake(state);
    }

    /// Returns the next message for the thread of that epoch; `None` when the thread must end.
    pub(crate) fn next(&self, epoch: u64) -> Option<LaneMessage> {
        let mut state = self.lock();
        loop {
            if state.closed || state.epoch != epoch {
                return None;
            }
            if let Some(message) = state.messages.pop_front() {
                return Some(message);
            }
            state.thread_waits = true;
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.thread_waits = false;
        }
    }

    /// Records that workflow code starts to work on a task.
    pub(crate) fn begin(&self, ticket: Box<Ticket>) {
        self.lock().in_hand = Some(InHand::begin(Busy::Task(ticket)));
    }

    /// Records that it has returned. `None` if it took too long: the task is already answered and the thread must end.
    pub(crate) fn end(&self, epoch: u64) -> Option<Box<Ticket>> {
        let mut state = self.lock();
        if state.epoch != epoch {
            return None;
        }
        match state.in_hand.take() {
            Some(InHand { busy: Busy::Task(ticket), .. }) => Some(ticket),
            Some(InHand { busy: Busy::Dropping { .. }, .. }) | None => None,
        }
    }

    /// Records that a run is being dropped.
    pub(crate) fn begin_dropping(&self, run_id: &str) {
        self.lock().in_hand = Some(InHand::begin(Busy::Dropping { run_id: run_id.to_string() }));
    }

    /// Records that it was dropped. `false` if that took too long: the thread must end.
    pub(crate) fn end_dropping(&self, epoch: u64) -> bool {
        let mut state = self.lock();
        let is_current = state.epoch == epoch;
        if is_current {
            state.in_hand = None;
        }
        is_current
    }

    /// Keeps a task until [`unpark`](Self::unpark), because its run waits for a page.
    pub(crate) fn park(&self, message: LaneMessage) {
        self.lock().parked.push(message);
    }

    /// Queues the parked tasks in front of all others.
    pub(crate) fn unpark(&self) {
        self.lock().unpark();
    }

    /// Takes away the thread's current task if its workflow code has run for longer than `limit`. The thread is then
    /// abandoned; the lane needs a new one, with the returned epoch.
    ///
    /// Must be called at least once per `tick`. The time between two calls counts as at most one tick: if it was
    /// longer, the process was stopped, the machine was suspended, or the watchdog got no CPU time, and neither did the
    /// code.
    pub(crate) fn abandon_if_stuck(&self, now: Instant, tick: Duration, limit: Duration) -> Option<(Busy, u64)> {
        let mut state = self.lock();
        let in_hand = state.in_hand.as_mut()?;
        in_hand.spent += now.saturating_duration_since(in_hand.seen).min(tick);
        in_hand.seen = now;
        if in_hand.spent < limit {
            return None;
        }
        let busy = state.in_hand.take()?.busy;
        state.epoch += 1;
        state.unpark();
        Some((busy, state.epoch))
    }

    /// Wakes the thread if it waits: a thread that does not wait looks at the queue before it does.
    ///
    /// The lock is released first. Otherwise the thread, once awake, would wait again for the lock, which costs two more
    /// context switches for each task. And it is woken once: it is on its way when the next message comes.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let thread_waits = std::mem::take(&mut state.thread_waits);
        drop(state);
        if thread_waits {
            self.ready.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unpark(&mut self) {
        while let Some(message) = self.parked.pop() {
            self.messages.push_front(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(500);
    const LIMIT: Duration = Duration::from_secs(2);

    fn dropping() -> (Lane, Instant) {
        let lane = Lane::default();
        lane.begin_dropping("run");
        let began = lane.lock().in_hand.as_ref().unwrap().seen;
        (lane, began)
    }

    #[test]
    fn code_that_does_not_return_is_given_up_when_the_limit_is_spent() {
        let (lane, began) = dropping();
        let stuck = |ticks| lane.abandon_if_stuck(began + TICK * ticks, TICK, LIMIT);
        assert!((1..4).all(|tick| stuck(tick).is_none()));
        assert_eq!(stuck(4).unwrap().0.run_id(), "run");
        assert!(stuck(5).is_none(), "once");
    }

    #[test]
    fn time_in_which_the_process_stood_still_does_not_count() {
        let (lane, began) = dropping();
        let hour = Duration::from_secs(3600);
        for stopped in 1..4 {
            assert!(lane.abandon_if_stuck(began + hour * stopped, TICK, LIMIT).is_none(), "{stopped}");
        }
        assert!(lane.abandon_if_stuck(began + hour * 3 + TICK, TICK, LIMIT).is_some(), "it has run for the limit now");
    }
}
