//! A lane's thread: owns its cached runs and works on one task after the other.
//!
//! It knows no clock, no server and no tokio: a message comes in, a verdict goes out.

use std::any::Any;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;

use super::Shared;
use super::cache::RunCache;
use super::mailbox::{Lane, Message, Ticket, Verdict};
use crate::bounded_text::message as bounded;
use crate::failure::{ApplicationFailure, application_failure};
use crate::replay::{HistoryPage, Input, Output, WorkflowTask, WorkflowTaskFailure};

/// A run as a lane sees it. [`LocalRun`](crate::worker::local_activities::LocalRun) in earnest, something smaller in tests.
pub(crate) trait Run: Sized + 'static {
    /// What all runs are made from.
    type Factory: Send + Sync + 'static;

    fn new(factory: &Self::Factory, ticket: &Ticket) -> Self;
    fn handle(&mut self, input: Input) -> Output;
    fn last_processed_started_event_id(&self) -> i64;
    fn take_back_task(&mut self, dropped: i64, last_started_event_id: i64) -> bool;
}

pub(crate) struct LaneThread<R: Run> {
    shared: Arc<Shared<R>>,
    lane: Arc<Lane>,
    index: usize,
    epoch: u64,
    idle: RunCache<Box<R>>,
    /// Runs that wait for a page of their history: never evicted.
    waiting_for_history: HashMap<String, Box<R>>,
    /// Runs whose task waits for local activities: never evicted.
    open: HashMap<String, Box<R>>,
    /// Runs with local activities between one task and the next: not evicted while the next one may come along.
    heartbeating: HashMap<String, Box<R>>,
    /// True if the run that is worked on now is one of those: a query does not make it idle.
    is_between_tasks: bool,
}

impl<R: Run> LaneThread<R> {
    pub(crate) fn new(shared: Arc<Shared<R>>, index: usize, epoch: u64) -> Self {
        let lane = Arc::clone(&shared.lanes[index]);
        let (waiting_for_history, open, heartbeating) = (HashMap::new(), HashMap::new(), HashMap::new());
        let (idle, is_between_tasks) = (RunCache::new(), false);
        Self { shared, lane, index, epoch, idle, waiting_for_history, open, heartbeating, is_between_tasks }
    }

    /// Works until the lane is closed, or until this thread was abandoned.
    pub(crate) fn run(mut self) {
        while let Some(message) = self.lane.next(self.epoch) {
            if self.take(message).is_break() {
                break;
            }
        }
        let (shared, index, epoch) = (Arc::clone(&self.shared), self.index, self.epoch);
        // Runs are dropped before the thread counts as gone: their code may be what is stuck.
        drop_quietly(self);
        shared.thread_ended(index, epoch);
    }

    fn take(&mut self, message: Message) -> ControlFlow<()> {
        match message {
            Message::Task(ticket, task) => self.task(ticket, task),
            Message::Page(ticket, page) => self.page(ticket, page),
            Message::NoPage { run_id } => {
                let given_up = self.waiting_for_history.remove(&run_id);
                self.drop_run(&run_id, given_up)?;
                self.lane.unpark();
                ControlFlow::Continue(())
            }
            Message::LocalActivityResolved(ticket, resolution) => {
                self.reopen(ticket, Input::LocalActivityResolved(resolution))
            }
            Message::HeartbeatDue(ticket) => self.reopen(ticket, Input::HeartbeatDue),
            Message::NoTaskAlong { run_id } => {
                if let Some(run) = self.heartbeating.remove(&run_id) {
                    let not_kept = self.keep(&run_id, run);
                    self.drop_run(&run_id, not_kept)?;
                    self.trim()?;
                }
                ControlFlow::Continue(())
            }
            Message::Evict { run_id } => {
                let evicted = self.heartbeating.remove(&run_id).or_else(|| self.idle.take(&run_id));
                self.shared.cached_changed(self.index, self.idle.len());
                self.drop_run(&run_id, evicted)
            }
            Message::TakeBackTask { run_id, dropped, last_started_event_id } => {
                if let Some(run) = self.heartbeating.get_mut(&run_id) {
                    run.take_back_task(dropped, last_started_event_id);
                } else if let Some(mut run) = self.idle.take(&run_id) {
                    // A run that has gone on since was rebuilt from a history without that task.
                    run.take_back_task(dropped, last_started_event_id);
                    self.idle.put(&run_id, run);
                }
                ControlFlow::Continue(())
            }
            Message::Shed => self.trim(),
        }
    }

    fn task(&mut self, mut ticket: Box<Ticket>, task: Box<WorkflowTask>) -> ControlFlow<()> {
        let is_open = self.open.contains_key(&ticket.run_id);
        if self.waiting_for_history.contains_key(&ticket.run_id) || (is_open && ticket.is_query) {
            self.lane.park(Message::Task(ticket, task));
            return ControlFlow::Continue(());
        }
        if let Some(given_up) = self.open.remove(&ticket.run_id) {
            // The server has given an open task up if it sends another one. Queries that waited for it come after it.
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
        // Those whose run waits for the next page are parked again.
        self.lane.unpark();
        flow
    }

    /// Goes on with a task that waited for local activities.
    fn reopen(&mut self, ticket: Box<Ticket>, input: Input) -> ControlFlow<()> {
        let Some(run) = self.open.remove(&ticket.run_id) else {
            (self.shared.sink)(ticket, Verdict::Lost);
            return ControlFlow::Continue(());
        };
        let flow = self.work(run, ticket, input);
        // A query that came meanwhile is parked again if the task is still open.
        self.lane.unpark();
        flow
    }

    /// Lets workflow code run, and passes its verdict on.
    fn work(&mut self, mut run: Box<R>, ticket: Box<Ticket>, input: Input) -> ControlFlow<()> {
        let is_between_tasks = std::mem::take(&mut self.is_between_tasks);
        self.lane.begin(ticket);
        let output = catch_unwind(AssertUnwindSafe(|| run.handle(input)));
        let Some(ticket) = self.lane.end(self.epoch) else {
            drop_quietly(run);
            return ControlFlow::Break(());
        };
        let (verdict, not_kept) = match output {
            // Accepted, the run is over; refused, it has to be rebuilt: it is of no use either way.
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
                let text = "the history ends before the workflow task it was sent for";
                (Verdict::Fail(task_failure(text)), Some(run))
            }
            Err(panic) => {
                let text = format!("the workflow task panicked: {}", bounded(panic_message(&*panic)));
                (Verdict::Fail(task_failure(&text)), Some(run))
            }
        };
        let run_id = if not_kept.is_some() { ticket.run_id.clone() } else { String::new() };
        // First the answer: what follows may block.
        (self.shared.sink)(ticket, verdict);
        self.drop_run(&run_id, not_kept)?;
        self.trim()
    }

    /// Keeps a run for its next task, out of reach of eviction if it goes on by itself.
    fn keep_or_hold(&mut self, run_id: &str, run: Box<R>, goes_on: bool) -> Option<Box<R>> {
        if !goes_on {
            return self.keep(run_id, run);
        }
        self.heartbeating.insert(run_id.to_string(), run)
    }

    /// Keeps a run for its next task; gives back what there is no place for.
    fn keep(&mut self, run_id: &str, run: Box<R>) -> Option<Box<R>> {
        if self.shared.capacity == 0 {
            return Some(run);
        }
        let replaced = self.idle.put(run_id, run);
        self.shared.cached_changed(self.index, self.idle.len());
        replaced
    }

    /// Evicts while the lanes together hold too many runs, as long as that is this lane's part.
    fn trim(&mut self) -> ControlFlow<()> {
        while self.shared.should_evict(self.index) {
            let Some((run_id, run)) = self.idle.evict() else { break };
            self.shared.cached_changed(self.index, self.idle.len());
            self.drop_run(&run_id, Some(run))?;
        }
        ControlFlow::Continue(())
    }

    /// Drops a run while the watchdog looks. Breaks if it took too long and this thread was replaced.
    fn drop_run(&self, run_id: &str, run: Option<Box<R>>) -> ControlFlow<()> {
        let Some(run) = run else { return ControlFlow::Continue(()) };
        self.lane.begin_dropping(run_id);
        drop_quietly(run);
        if self.lane.end_dropping(self.epoch) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Drops a run before the task goes on that has come for it: the task fails if that takes too long.
    fn drop_for(&self, ticket: Box<Ticket>, run: Box<R>) -> ControlFlow<(), Box<Ticket>> {
        self.lane.begin(ticket);
        drop_quietly(run);
        self.lane.end(self.epoch).map_or(ControlFlow::Break(()), ControlFlow::Continue)
    }
}

/// Returns true if a cached run has seen exactly what lies before the task.
fn continues<R: Run>(run: &R, task: &WorkflowTask, was_heartbeating: bool) -> bool {
    match task.history.events.first() {
        // The whole history came along: the run may have seen things that the server never stored. One whose task was
        // just completed and asked for again has not; a worker without a cache gets the whole history every time.
        Some(first) if first.event_id == 1 && !was_heartbeating => false,
        Some(_) => run.last_processed_started_event_id() == task.previous_started_event_id,
        // Only a query comes without events, and it asks for the state as it is.
        None => task.query.is_some(),
    }
}

fn begins_at_the_beginning(task: &WorkflowTask) -> bool {
    task.history.events.first().is_some_and(|first| first.event_id == 1)
}

/// A failed task for what is neither a workflow's failure nor nondeterminism.
pub(crate) fn task_failure(message: &str) -> Box<WorkflowTaskFailure> {
    Box::new(WorkflowTaskFailure {
        cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
        failure: application_failure(&ApplicationFailure::new(message), None),
        nondeterminism: None,
    })
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

/// Drops something of a workflow's; a panic in its destructor must not end the lane.
fn drop_quietly<T>(dropped: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(dropped))) {
        tracing::error!("dropping a workflow's state panicked: {}", panic_message(&*panic));
    }
}
