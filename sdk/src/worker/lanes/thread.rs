//! The thread of a lane: owns the lane's cached runs and works on one task after another.
//!
//! It uses no clock, no server and no tokio: a message comes in, a verdict goes out.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::LanesState;
use super::cache::RunCache;
use super::mailbox::{Lane, LaneMessage, Ticket, Verdict};
use crate::bounded_text::message as bounded;
use crate::replay::{HistoryPage, Input, Output, WorkflowTask};
use crate::runtime::panic_message;
use crate::worker::task_failure::task_failure;

/// A run as a lane sees it: [`LocalRun`](crate::worker::local_activities::LocalRun), or a simpler type in tests.
pub(crate) trait Run: Sized + 'static {
    /// Shared input from which all runs are made.
    type Factory: Send + Sync + 'static;

    fn new(factory: &Self::Factory, ticket: &Ticket) -> Self;
    fn handle(&mut self, input: Input) -> Output;
    fn last_processed_started_event_id(&self) -> i64;
    fn take_back_task(&mut self, dropped: i64, last_started_event_id: i64) -> bool;
}

pub(crate) struct LaneThread<R: Run> {
    shared: Arc<LanesState<R>>,
    lane: Arc<Lane>,
    index: usize,
    epoch: u64,
    idle: RunCache<Box<R>>,
    /// Runs that wait for a page of their history; never evicted.
    waiting_for_history: HashMap<String, Box<R>>,
    /// Runs whose task waits for local activities; never evicted.
    open: HashMap<String, Box<R>>,
    /// Runs with local activities between two workflow tasks; not evicted while the next task may come with the answer.
    heartbeating: HashMap<String, Box<R>>,
    /// True if the current run comes from `heartbeating`. It then returns there after a query, instead of becoming
    /// idle.
    is_between_tasks: bool,
}

impl<R: Run> LaneThread<R> {
    pub(crate) fn new(shared: Arc<LanesState<R>>, index: usize, epoch: u64) -> Self {
        let lane = Arc::clone(&shared.lanes[index]);
        let (waiting_for_history, open, heartbeating) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (idle, is_between_tasks) = (RunCache::new(), false);
        Self { shared, lane, index, epoch, idle, waiting_for_history, open, heartbeating, is_between_tasks }
    }

    /// Works until the lane is closed or this thread is abandoned.
    pub(crate) fn run(mut self) {
        while let Some(message) = self.lane.next(self.epoch) {
            if self.take(message).is_break() {
                break;
            }
        }
        let (shared, index, epoch) = (Arc::clone(&self.shared), self.index, self.epoch);
        // The runs are dropped first. Their destructors may be the code that is stuck; if the thread counted as ended
        // before, the run would be tried again while its old code still runs.
        drop_quietly("(unknown)", self);
        shared.thread_ended(index, epoch);
    }

    fn take(&mut self, message: LaneMessage) -> ControlFlow<()> {
        match message {
            LaneMessage::Task(ticket, task) => self.task(ticket, task),
            LaneMessage::Page(ticket, page) => self.page(ticket, page),
            LaneMessage::NoPage { run_id } => {
                let given_up = self.waiting_for_history.remove(&run_id);
                self.count_eviction(given_up.is_some());
                self.drop_run(&run_id, given_up)?;
                self.lane.unpark();
                ControlFlow::Continue(())
            }
            LaneMessage::LocalActivityResolved(ticket, resolution) => {
                self.reopen(ticket, Input::LocalActivityResolved(resolution))
            }
            LaneMessage::HeartbeatDue(ticket) => self.reopen(ticket, Input::HeartbeatDue),
            LaneMessage::NoTaskAlong { run_id } => {
                if let Some(run) = self.heartbeating.remove(&run_id) {
                    let not_kept = self.keep(&run_id, run);
                    self.drop_run(&run_id, not_kept)?;
                    self.trim()?;
                }
                ControlFlow::Continue(())
            }
            LaneMessage::Evict { run_id } => {
                let evicted = self.heartbeating.remove(&run_id).or_else(|| self.idle.take(&run_id));
                self.shared.cached_changed(self.index, self.idle.len());
                self.count_eviction(evicted.is_some());
                self.drop_run(&run_id, evicted)
            }
            LaneMessage::TakeBackTask { run_id, dropped, last_started_event_id } => {
                if let Some(run) = self.heartbeating.get_mut(&run_id) {
                    run.take_back_task(dropped, last_started_event_id);
                } else if let Some(mut run) = self.idle.take(&run_id) {
                    // Has no effect on a run that was rebuilt since, from a history without that task.
                    run.take_back_task(dropped, last_started_event_id);
                    self.idle.put(&run_id, run);
                }
                ControlFlow::Continue(())
            }
            LaneMessage::Shed => self.trim(),
        }
    }

    fn task(&mut self, mut ticket: Box<Ticket>, task: Box<WorkflowTask>) -> ControlFlow<()> {
        let is_open = self.open.contains_key(&ticket.run_id);
        if self.waiting_for_history.contains_key(&ticket.run_id) || (is_open && ticket.is_query) {
            self.lane.park(LaneMessage::Task(ticket, task));
            return ControlFlow::Continue(());
        }
        if let Some(given_up) = self.open.remove(&ticket.run_id) {
            // The server sends another task only after it has timed the open one out. Queries that waited for that task
            // follow this one.
            self.count_eviction(true);
            ticket = self.drop_for(ticket, given_up)?;
            self.lane.unpark();
        }
        let heartbeating = self.heartbeating.remove(&ticket.run_id);
        let was_heartbeating = heartbeating.is_some();
        self.is_between_tasks = was_heartbeating;
        let cached = heartbeating.or_else(|| self.idle.take(&ticket.run_id));
        self.shared.cached_changed(self.index, self.idle.len());
        match cached {
            Some(run) if continues(&*run, &task, was_heartbeating) => {
                self.shared.count_cache_use(true);
                self.work(run, ticket, Input::WorkflowTask(task))
            }
            stale => {
                if let Some(stale) = stale {
                    self.count_eviction(true);
                    ticket = self.drop_for(ticket, stale)?;
                }
                if begins_at_the_beginning(&task) {
                    let run = Box::new(R::new(&self.shared.factory, &ticket));
                    return self.work(run, ticket, Input::WorkflowTask(task));
                }
                self.shared.count_cache_use(false);
                (self.shared.sink)(ticket, Verdict::CacheMiss(task));
                ControlFlow::Continue(())
            }
        }
    }

    fn page(&mut self, ticket: Box<Ticket>, page: HistoryPage) -> ControlFlow<()> {
        let Some(run) = self.waiting_for_history.remove(&ticket.run_id) else {
            (self.shared.sink)(ticket, Verdict::Lost);
            return ControlFlow::Continue(());
        };
        let flow = self.work(run, ticket, Input::HistoryPage(page));
        // Tasks whose run waits for another page are parked again.
        self.lane.unpark();
        flow
    }

    /// Continues a task that waited for local activities.
    fn reopen(&mut self, ticket: Box<Ticket>, input: Input) -> ControlFlow<()> {
        let Some(run) = self.open.remove(&ticket.run_id) else {
            (self.shared.sink)(ticket, Verdict::Lost);
            return ControlFlow::Continue(());
        };
        let flow = self.work(run, ticket, input);
        // A query that arrived in the meantime is parked again if the task is still open.
        self.lane.unpark();
        flow
    }

    /// Runs workflow code and passes its verdict on.
    fn work(&mut self, mut run: Box<R>, ticket: Box<Ticket>, input: Input) -> ControlFlow<()> {
        let is_between_tasks = std::mem::take(&mut self.is_between_tasks);
        self.lane.begin(ticket);
        let output = catch_unwind(AssertUnwindSafe(|| run.handle(input)));
        let Some(ticket) = self.lane.end(self.epoch) else {
            drop_quietly("(unknown)", run);
            return ControlFlow::Break(());
        };
        let closes = matches!(&output, Ok(Output::Complete(completion)) if completion.closes_workflow);
        let (verdict, not_kept) = match output {
            // The run is useless either way: if the server accepts the completion, it is closed; if not, it must be
            // rebuilt.
            Ok(Output::Complete(completion)) if completion.closes_workflow => {
                (Verdict::Complete(completion), Some(run))
            }
            Ok(Output::Complete(completion)) => {
                let goes_on = completion.force_create_new_workflow_task;
                (Verdict::Complete(completion), self.keep_or_hold(&ticket.run_id, run, goes_on))
            }
            Ok(Output::AnswerQuery(answer)) => {
                (Verdict::Answer(answer), self.keep_or_hold(&ticket.run_id, run, is_between_tasks))
            }
            Ok(Output::RunLocalActivities { start, cancel }) => {
                self.open.insert(ticket.run_id.clone(), run);
                (Verdict::LocalActivities { start, cancel }, None)
            }
            Ok(Output::NeedHistory { next_page_token }) => {
                self.waiting_for_history.insert(ticket.run_id.clone(), run);
                (Verdict::NeedHistory { next_page_token }, None)
            }
            Ok(Output::Fail(failure)) => (Verdict::Fail(failure), Some(run)),
            Ok(Output::Idle) => {
                let text = format!(
                    "the server's history of the run ends before the WorkflowTaskStarted event of this task: expected \
                     event {}",
                    ticket.started_event_id
                );
                (Verdict::Fail(task_failure(&text)), Some(run))
            }
            Err(panic) => {
                let text = format!("the workflow task panicked: {}", bounded(panic_message(&*panic)));
                (Verdict::Fail(task_failure(&text)), Some(run))
            }
        };
        let run_id = if not_kept.is_some() { ticket.run_id.clone() } else { String::new() };
        self.count_eviction(not_kept.is_some() && !closes);
        // The answer goes first, because dropping a run may block.
        (self.shared.sink)(ticket, verdict);
        self.drop_run(&run_id, not_kept)?;
        self.trim()
    }

    /// Keeps a run for its next task. One that continues by itself (`goes_on`) is kept out of reach of eviction.
    fn keep_or_hold(&mut self, run_id: &str, run: Box<R>, goes_on: bool) -> Option<Box<R>> {
        if !goes_on {
            return self.keep(run_id, run);
        }
        self.heartbeating.insert(run_id.to_string(), run)
    }

    /// Keeps a run for its next task. Returns the run that there is no room for.
    fn keep(&mut self, run_id: &str, run: Box<R>) -> Option<Box<R>> {
        if self.shared.capacity == 0 {
            return Some(run);
        }
        let replaced = self.idle.put(run_id, run);
        self.shared.cached_changed(self.index, self.idle.len());
        replaced
    }

    /// Evicts runs while the lanes together hold too many and this lane is above its share.
    fn trim(&mut self) -> ControlFlow<()> {
        while self.shared.should_evict(self.index) {
            let Some((run_id, run)) = self.idle.evict() else { break };
            self.shared.cached_changed(self.index, self.idle.len());
            self.count_eviction(true);
            self.drop_run(&run_id, Some(run))?;
        }
        ControlFlow::Continue(())
    }

    /// Counts an eviction, if there is one: a run that is dropped although its workflow is open.
    fn count_eviction(&self, is_evicted: bool) {
        if is_evicted {
            self.shared.count_eviction();
        }
    }

    /// Drops a run under the watchdog. Breaks if it took too long and this thread was replaced.
    fn drop_run(&self, run_id: &str, run: Option<Box<R>>) -> ControlFlow<()> {
        let Some(run) = run else { return ControlFlow::Continue(()) };
        self.lane.begin_dropping(run_id);
        drop_quietly(run_id, run);
        if self.lane.end_dropping(self.epoch) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Drops a run before its next task continues. If that takes too long, the task fails and this breaks.
    fn drop_for(&self, ticket: Box<Ticket>, run: Box<R>) -> ControlFlow<(), Box<Ticket>> {
        let run_id = ticket.run_id.clone();
        self.lane.begin(ticket);
        drop_quietly(&run_id, run);
        self.lane.end(self.epoch).map_or(ControlFlow::Break(()), ControlFlow::Continue)
    }
}

/// Returns true if a cached run has seen exactly the events before the task.
fn continues<R: Run>(run: &R, task: &WorkflowTask, was_heartbeating: bool) -> bool {
    match task.history.events.first() {
        // A task with the whole history means that the server does not rely on the cache: the run may have seen events
        // that were never stored. An exception is a run whose task was just completed with a request for a new one:
        // without a sticky queue, the server sends the whole history every time.
        Some(first) if first.event_id == 1 && !was_heartbeating => false,
        Some(_) => run.last_processed_started_event_id() == task.previous_started_event_id,
        // Only a query comes without events. It reads the state as it is.
        None => task.query.is_some(),
    }
}

fn begins_at_the_beginning(task: &WorkflowTask) -> bool {
    task.history.events.first().is_some_and(|first| first.event_id == 1)
}

/// Drops a value of a workflow, catching panics: a destructor must not end the lane.
fn drop_quietly<T>(run_id: &str, dropped: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(dropped))) {
        let message = panic_message(&*panic);
        tracing::error!(
            run_id,
            "a destructor (`Drop`) of the workflow's state panicked, and the worker goes on: {message}"
        );
    }
}
