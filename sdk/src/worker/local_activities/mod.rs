//! Local activities, between the runs that request them and the tokio runtime that runs them.
//!
//! While a workflow task waits for local activities, its ticket is kept here. Results go to the task's lane one by one,
//! each with the ticket; so does the notice that most of the task's time is over. The ticket is either here or with the
//! lane, so a heartbeat and a result never compete.
//!
//! Local activities belong to one instance of a run ([`Lease`]). A run that was evicted and rebuilt requests them
//! again, and the results of the old ones are dropped.

mod attempt_loop;
mod run;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

pub(super) use self::attempt_loop::TaskClock;
use self::attempt_loop::{AttemptLoop, Owner};
pub(super) use self::run::{LocalRun, RunFactory};
use super::activity_tasks::Rate;
use super::context::WorkerContext;
use super::lanes::{LaneMessage, Ticket};
use super::polling::Slots;
use super::tuner::SlotKind;
use crate::activity::{ActivityCancelReason, ActivityCancellation, ActivityRegistry};
use crate::replay::{LocalActivityResolution, LocalActivityResult, LocalActivityTask};

/// Sends a message to the lane of a run.
type Post = Box<dyn Fn(&str, LaneMessage) + Send + Sync>;

/// All local activities of a worker.
pub(super) struct LocalActivityWorker {
    pub(super) shared: Arc<WorkerContext>,
    pub(super) registry: ActivityRegistry,
    pub(super) slots: Slots,
    rate: Rate,
    runtime: Handle,
    post: OnceLock<Post>,
    runs: Mutex<HashMap<String, RunActivities>>,
    instances: AtomicU64,
    /// True once no more are started and the running ones were cancelled.
    stopping: AtomicBool,
}

/// The local activities of one run.
#[derive(Default)]
struct RunActivities {
    instance: u64,
    /// The task that waits for them, unless its lane has it.
    ticket: Option<Box<Ticket>>,
    running: BTreeMap<u32, Running>,
    ended: VecDeque<LocalActivityResolution>,
    /// Heartbeat timer of the current task.
    alarm: Option<(Instant, AbortHandle)>,
    nonfirst_attempts: u32,
}

struct Running {
    cancellation: ActivityCancellation,
    task: AbortHandle,
}

/// The claim of one instance of a run on its local activities. Cancels them when dropped.
pub(super) struct Lease {
    host: Arc<LocalActivityWorker>,
    run_id: String,
    instance: u64,
}

impl LocalActivityWorker {
    /// Must be called within a tokio runtime.
    pub(super) fn new(shared: Arc<WorkerContext>, registry: ActivityRegistry) -> Arc<Self> {
        let slots = shared.slots(SlotKind::LocalActivity);
        let rate = Rate::new(shared.options.max_local_activities_per_second);
        Arc::new(Self {
            shared,
            registry,
            slots,
            rate,
            runtime: Handle::current(),
            post: OnceLock::new(),
            runs: Mutex::default(),
            instances: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    /// Sets the way to the lanes. Called once, before any task is accepted.
    pub(super) fn connect(&self, post: impl Fn(&str, LaneMessage) + Send + Sync + 'static) {
        let _ = self.post.set(Box::new(post));
    }

    /// Creates a claim for a new instance of that run, and cancels the local activities of an older instance.
    pub(super) fn lease(this: &Arc<Self>, run_id: &str) -> Lease {
        let instance = this.instances.fetch_add(1, Ordering::Relaxed) + 1;
        let of_run = RunActivities { instance, ..RunActivities::default() };
        let replaced = this.lock().insert(run_id.to_string(), of_run);
        replaced.into_iter().for_each(RunActivities::cancel);
        Lease { host: Arc::clone(this), run_id: run_id.to_string(), instance }
    }

    /// Takes a waiting task: starts and cancels local activities, and keeps the ticket until there is a result. Called
    /// on lanes.
    pub(super) fn wait(self: &Arc<Self>, ticket: Box<Ticket>, start: Vec<LocalActivityTask>, cancel: &[u32]) {
        // Deadlines use tokio's clock, which a test may have paused. Outside the runtime, a different clock would be
        // read.
        let _on_its_clock = self.runtime.enter();
        let run_id = ticket.run_id.clone();
        let mut runs = self.lock();
        // Without a claim the run was lost. Its ticket is dropped with it, and the server sends the task again.
        let Some(of_run) = runs.get_mut(&run_id) else { return };
        if !self.stopping.load(Ordering::Acquire) {
            for task in start {
                self.begin(of_run, &ticket, task);
            }
        }
        of_run.cancel_these(cancel);
        self.set_alarm(of_run, &ticket);
        of_run.ticket = Some(ticket);
        drop(runs);
        self.tell(&run_id);
    }

    fn begin(self: &Arc<Self>, of_run: &mut RunActivities, ticket: &Ticket, task: LocalActivityTask) {
        let cancellation = ActivityCancellation::new();
        let (seq, instance) = (task.seq, of_run.instance);
        let owner = Owner {
            instance,
            run_id: ticket.run_id.clone(),
            workflow_id: ticket.workflow_id.clone(),
            workflow_type: ticket.workflow_type.clone(),
        };
        let attempts = AttemptLoop::new(Arc::clone(self), owner, task, cancellation.clone(), ticket.clock);
        let (this, run_id) = (Arc::clone(self), ticket.run_id.clone());
        let task = self.runtime.spawn(async move {
            if let Some(resolution) = attempts.run().await {
                this.ended(&run_id, instance, resolution);
            }
        });
        of_run.running.insert(seq, Running { cancellation, task: task.abort_handle() });
    }

    fn set_alarm(self: &Arc<Self>, of_run: &mut RunActivities, ticket: &Ticket) {
        let at = ticket.heartbeat_at;
        if of_run.alarm.as_ref().is_some_and(|(set_for, _)| *set_for == at) {
            return;
        }
        let (this, run_id) = (Arc::clone(self), ticket.run_id.clone());
        let alarm = self.runtime.spawn(async move {
            sleep_until(at).await;
            this.tell(&run_id);
        });
        if let Some((_, old)) = of_run.alarm.replace((at, alarm.abort_handle())) {
            old.abort();
        }
    }

    /// Handles the end of a local activity. While the worker stops, only successes count: others are retried elsewhere.
    fn ended(&self, run_id: &str, instance: u64, resolution: LocalActivityResolution) {
        let mut runs = self.lock();
        let Some(of_run) = runs.get_mut(run_id).filter(|of_run| of_run.instance == instance) else { return };
        if of_run.running.remove(&resolution.seq).is_none() {
            return;
        }
        let counts = matches!(resolution.result, LocalActivityResult::Completed(_));
        if counts || !self.stopping.load(Ordering::Acquire) {
            of_run.ended.push_back(resolution);
        }
        drop(runs);
        self.tell(run_id);
    }

    /// Sends the next result or heartbeat to the lane, if the ticket is here.
    fn tell(&self, run_id: &str) {
        let stopping = self.stopping.load(Ordering::Acquire);
        let mut runs = self.lock();
        let Some(of_run) = runs.get_mut(run_id) else { return };
        let Some(ticket) = of_run.ticket.take() else { return };
        let message = if let Some(resolution) = of_run.ended.pop_front() {
            LaneMessage::LocalActivityResolved(ticket, Box::new(resolution))
        } else if Instant::now() >= ticket.heartbeat_at || (stopping && of_run.running.is_empty()) {
            LaneMessage::HeartbeatDue(ticket)
        } else {
            of_run.ticket = Some(ticket);
            return;
        };
        drop(runs);
        if let Some(post) = self.post.get() {
            post(run_id, message);
        }
    }

    /// Counts an attempt other than the first of its local activity, because the server meters these.
    pub(super) fn count_nonfirst_attempt(&self, owner: &Owner) {
        if let Some(of_run) = self.lock().get_mut(&owner.run_id).filter(|of_run| of_run.instance == owner.instance) {
            of_run.nonfirst_attempts += 1;
        }
    }

    /// Starts no more local activities and cancels the running ones. Tasks that waited for them are completed with the
    /// results so far.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for running in self.lock().values().flat_map(|of_run| of_run.running.values()) {
            running.cancellation.cancel(ActivityCancelReason::WorkerShutdown);
        }
        self.tell_all();
    }

    /// Drops the running local activities.
    pub(super) fn abort(&self) {
        for running in self.lock().values_mut().flat_map(|of_run| std::mem::take(&mut of_run.running)) {
            running.1.task.abort();
        }
        self.tell_all();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn tell_all(&self) {
        let run_ids: Vec<String> = self.lock().keys().cloned().collect();
        run_ids.iter().for_each(|run_id| self.tell(run_id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, RunActivities>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunActivities {
    fn cancel_these(&self, seqs: &[u32]) {
        for running in seqs.iter().filter_map(|seq| self.running.get(seq)) {
            running.cancellation.cancel(ActivityCancelReason::Cancelled);
        }
    }

    /// Cancels all of them: no run waits for them any more.
    fn cancel(self) {
        if let Some((_, alarm)) = &self.alarm {
            alarm.abort();
        }
        for running in self.running.values() {
            running.cancellation.cancel(ActivityCancelReason::NotFound);
        }
    }
}

impl Lease {
    /// Cancels local activities by sequence number.
    pub(super) fn cancel(&self, seqs: &[u32]) {
        if let Some(of_run) = self.host.lock().get(&self.run_id).filter(|of_run| of_run.instance == self.instance) {
            of_run.cancel_these(seqs);
        }
    }

    /// Returns the number of non-first attempts since the last call.
    pub(super) fn take_nonfirst_attempts(&self) -> u32 {
        let mut runs = self.host.lock();
        let of_run = runs.get_mut(&self.run_id).filter(|of_run| of_run.instance == self.instance);
        of_run.map(|of_run| std::mem::take(&mut of_run.nonfirst_attempts)).unwrap_or_default()
    }

    /// Gives up the claim; abandoned local activities continue.
    pub(super) fn end(self) {
        if let Some(of_run) = self.take()
            && let Some((_, alarm)) = of_run.alarm
        {
            alarm.abort();
        }
    }

    /// Removes and returns the state, if it belongs to this instance.
    fn take(&self) -> Option<RunActivities> {
        let mut runs = self.host.lock();
        let is_this = runs.get(&self.run_id).is_some_and(|of_run| of_run.instance == self.instance);
        if is_this { runs.remove(&self.run_id) } else { None }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // After `end` there is nothing left to cancel.
        self.take().into_iter().for_each(RunActivities::cancel);
    }
}
