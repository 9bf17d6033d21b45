//! A lane's mailbox: what is sent to its thread, and the task the thread has in hand.
//!
//! The mailbox outlives its thread. When workflow code does not return, the watchdog takes the task out of the mailbox
//! and counts the epoch up: a new thread takes over what is queued, and the old one, should it ever return, sees that
//! it is not wanted any more.

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

/// Whose task it is and how to answer it: stays with the task until it is answered.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) task_token: Vec<u8>,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) workflow_type: String,
    /// From 1.
    pub(crate) attempt: i32,
    /// When it came.
    pub(crate) received: tokio::time::Instant,
    /// When the server gives the task up.
    pub(crate) deadline: tokio::time::Instant,
    /// When a task that waits for local activities is completed and asked for again.
    pub(crate) heartbeat_at: tokio::time::Instant,
    pub(crate) clock: TaskClock,
    /// True if the whole task is a query.
    pub(crate) is_query: bool,
    /// Id of the task's WorkflowTaskStarted event.
    pub(crate) started_event_id: i64,
    /// The polled events, kept while the history is fetched from its beginning: the server does not store the last
    /// ones of a repeated or speculative task.
    pub(crate) polled_events: Vec<HistoryEvent>,
    /// Id of the last event that was fetched.
    pub(crate) fetched_up_to: i64,
    /// Given back when the task is answered.
    pub(crate) slot: Slot,
}

/// What is sent to a lane.
#[derive(Debug)]
pub(crate) enum Message {
    /// A task for a run of this lane.
    Task(Box<Ticket>, Box<WorkflowTask>),
    /// The history that a run asked for.
    Page(Box<Ticket>, HistoryPage),
    /// The history that a run asked for cannot be had: forget the run.
    NoPage { run_id: String },
    /// A local activity has ended that a run waits for.
    LocalActivityResolved(Box<Ticket>, Box<LocalActivityResolution>),
    /// A task that waits for local activities has to be completed and asked for again.
    HeartbeatDue(Box<Ticket>),
    /// The next task of a run with local activities will come by a poll.
    NoTaskAlong { run_id: String },
    /// Forget an idle run: the server did not take its answer.
    Evict { run_id: String },
    /// The server has forgotten the task that was started at event `dropped`: the one that was started at
    /// `last_started_event_id` is the last of an idle run again.
    TakeBackTask { run_id: String, dropped: i64, last_started_event_id: i64 },
    /// Forget one idle run: the lanes together have too many.
    Shed,
}

/// What a lane says about a task.
#[derive(Debug)]
pub(crate) enum Verdict {
    Complete(Box<WorkflowTaskCompletion>),
    Fail(Box<WorkflowTaskFailure>),
    Answer(Box<WorkflowQueryResult>),
    /// The run goes on when it gets this page.
    NeedHistory {
        next_page_token: Vec<u8>,
    },
    /// The task stays open: run these and tell what they come to.
    LocalActivities {
        start: Vec<LocalActivityTask>,
        cancel: Vec<u32>,
    },
    /// The run is not cached here and the task brings only the end of its history: send it again with the whole.
    CacheMiss(Box<WorkflowTask>),
    /// The run was lost while its history was fetched.
    Lost,
}

/// What a lane's thread does with code of a workflow, which may block it.
#[derive(Debug)]
pub(crate) enum Busy {
    /// Works on a task.
    Task(Box<Ticket>),
    /// Drops a run: destructors are code of the workflow as well.
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
    messages: VecDeque<Message>,
    /// Tasks for runs that wait for a page.
    parked: Vec<Message>,
    in_hand: Option<InHand>,
    /// Counts the threads this lane has had.
    epoch: u64,
    thread_waits: bool,
    closed: bool,
}

#[derive(Debug)]
struct InHand {
    busy: Busy,
    /// When the watchdog looked last, or when it began.
    seen: Instant,
    /// For how long it has had a thread, as far as the watchdog can tell.
    spent: Duration,
}

impl InHand {
    #[expect(clippy::disallowed_methods, reason = "the deadlock watchdog measures real time")]
    fn begin(busy: Busy) -> Self {
        Self { busy, seen: Instant::now(), spent: Duration::ZERO }
    }
}

impl Lane {
    pub(crate) fn send(&self, message: Message) {
        let mut state = self.lock();
        state.messages.push_back(message);
        self.wake(&state);
    }

    /// Ends the lane: its thread finishes what it has in hand, what is queued is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.messages.clear();
        state.parked.clear();
        self.wake(&state);
    }

    /// The next message for the thread of that epoch; `None` when the thread has to end.
    pub(crate) fn next(&self, epoch: u64) -> Option<Message> {
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

    /// Notes that workflow code begins to work on a task.
    pub(crate) fn begin(&self, ticket: Box<Ticket>) {
        self.lock().in_hand = Some(InHand::begin(Busy::Task(ticket)));
    }

    /// Notes that it has returned. `None` if it took too long: the task is answered, the thread has to end.
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

    /// Notes that a run is dropped now.
    pub(crate) fn begin_dropping(&self, run_id: &str) {
        self.lock().in_hand = Some(InHand::begin(Busy::Dropping { run_id: run_id.to_string() }));
    }

    /// Notes that it is dropped. `false` if that took too long: the thread has to end.
    pub(crate) fn end_dropping(&self, epoch: u64) -> bool {
        let mut state = self.lock();
        let is_current = state.epoch == epoch;
        if is_current {
            state.in_hand = None;
        }
        is_current
    }

    /// Keeps a task until [`unpark`](Self::unpark): its run waits for a page.
    pub(crate) fn park(&self, message: Message) {
        self.lock().parked.push(message);
    }

    /// Queues the parked tasks, in front of all others.
    pub(crate) fn unpark(&self) {
        self.lock().unpark();
    }

    /// Takes away what the thread has in hand if code of the workflow has not returned for so long. The thread is abandoned then; the lane
    /// needs a new one, of the epoch that is given back.
    ///
    /// To be asked at least once in each `tick`. What lies between two questions counts as no more than that: if it took
    /// longer, the process was stopped or the machine suspended, or had no time for the watchdog and so none for the code.
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

    fn wake(&self, state: &State) {
        // A thread that does not wait looks at the queue before it does.
        if state.thread_waits {
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
