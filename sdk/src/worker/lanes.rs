//! All lanes of a worker: which run lives where, how many runs are cached, and what happens when one is stuck.
//!
//! A run belongs to the lane that its run id hashes to. The cache's limit holds for all lanes together: a lane may
//! hold more than its share while others hold less; when the total is too high, a lane above its share evicts.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::lane::{Lane, Message, Ticket, Verdict};
use super::lane_thread::{LaneThread, Run, task_failure};

/// Where verdicts go. Called on lanes: must not block.
pub(super) type Sink = Box<dyn Fn(Box<Ticket>, Verdict) + Send + Sync>;

/// The lanes of one worker. Dropping it ends their threads.
pub(super) struct Lanes<R: Run> {
    shared: Arc<Shared<R>>,
}

/// What the lanes' threads have in common.
pub(super) struct Shared<R: Run> {
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) factory: R::Factory,
    pub(super) sink: Sink,
    /// How many idle runs all lanes together may keep; 0 to keep none.
    pub(super) capacity: usize,
    cached: Vec<AtomicUsize>,
    abandoned: Mutex<Vec<Abandoned>>,
    abandoned_count: AtomicUsize,
}

/// A thread whose workflow code has not returned, and the run it works on.
struct Abandoned {
    lane: usize,
    epoch: u64,
    run_id: String,
}

impl<R: Run> Lanes<R> {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system does not give a thread.
    pub(super) fn start(count: usize, capacity: usize, factory: R::Factory, sink: Sink) -> io::Result<Self> {
        let count = count.max(1);
        let lanes = Self {
            shared: Arc::new(Shared {
                lanes: (0..count).map(|_| Arc::default()).collect(),
                factory,
                sink,
                capacity,
                cached: (0..count).map(|_| AtomicUsize::new(0)).collect(),
                abandoned: Mutex::default(),
                abandoned_count: AtomicUsize::new(0),
            }),
        };
        for index in 0..count {
            lanes.start_thread(index, 0)?;
        }
        Ok(lanes)
    }

    /// Sends a message to the lane of that run.
    pub(super) fn send(&self, run_id: &str, message: Message) {
        self.lane_of(run_id).send(message);
    }

    /// Sends a task to its run; the task of a run that is stuck fails at once.
    pub(super) fn send_task(&self, ticket: Box<Ticket>, task: Box<crate::replay::WorkflowTask>) {
        if self.abandoned() > 0 && self.shared.is_stuck(&ticket.run_id) {
            let text = format!("{} The thread it blocks has still not come back.", deadlock_text(&ticket, None));
            return (self.shared.sink)(ticket, Verdict::Fail(task_failure(&text)));
        }
        let lane = Arc::clone(self.lane_of(&ticket.run_id));
        lane.send(Message::Task(ticket, task));
    }

    /// How many threads are stuck in workflow code now.
    pub(super) fn abandoned(&self) -> usize {
        self.shared.abandoned_count.load(Ordering::Relaxed)
    }

    /// How many idle runs all lanes together keep.
    pub(super) fn cached(&self) -> usize {
        self.shared.cached_total()
    }

    /// Fails the tasks whose code has not returned within the limit, and replaces their lanes' threads.
    ///
    /// # Errors
    /// When the system does not give a thread.
    pub(super) fn replace_stuck(&self, now: Instant, limit: Duration) -> io::Result<()> {
        for (index, lane) in self.shared.lanes.iter().enumerate() {
            let Some((ticket, epoch)) = lane.abandon_if_stuck(now, limit) else { continue };
            self.shared.abandon(Abandoned { lane: index, epoch: epoch - 1, run_id: ticket.run_id.clone() });
            self.start_thread(index, epoch)?;
            let text = deadlock_text(&ticket, Some(limit));
            (self.shared.sink)(ticket, Verdict::Fail(task_failure(&text)));
        }
        Ok(())
    }

    fn start_thread(&self, index: usize, epoch: u64) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        // Detached: a thread that is stuck in workflow code cannot be waited for.
        thread::Builder::new()
            .name(format!("abide-lane-{index}"))
            .spawn(move || LaneThread::new(shared, index, epoch).run())
            .map(drop)
    }

    fn lane_of(&self, run_id: &str) -> &Arc<Lane> {
        let lanes = &self.shared.lanes;
        // FNV-1a: run ids are random already, and the same lane has to be found every time.
        let hash = run_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        &lanes[(hash % lanes.len() as u64) as usize]
    }
}

impl<R: Run> Drop for Lanes<R> {
    fn drop(&mut self) {
        self.shared.lanes.iter().for_each(|lane| lane.close());
    }
}

impl<R: Run> Shared<R> {
    /// A lane tells how many idle runs it has now.
    pub(super) fn cached_changed(&self, lane: usize, count: usize) {
        self.cached[lane].store(count, Ordering::Relaxed);
    }

    /// Whether that lane should evict a run. If others are more to blame, one of them is told instead.
    pub(super) fn should_evict(&self, lane: usize) -> bool {
        if self.cached_total() <= self.capacity {
            return false;
        }
        let share = self.capacity / self.lanes.len();
        let above = |other: &usize| self.cached[*other].load(Ordering::Relaxed) > share;
        if above(&lane) {
            return true;
        }
        // The total is above the sum of all shares, so some lane is above its own.
        if let Some(other) = (0..self.lanes.len()).filter(above).max_by_key(|other| self.cached[*other].load(Ordering::Relaxed)) {
            self.lanes[other].send(Message::Shed);
        }
        false
    }

    /// A thread has ended: if it was abandoned, its run may be tried again.
    pub(super) fn thread_ended(&self, lane: usize, epoch: u64) {
        let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        abandoned.retain(|thread| (thread.lane, thread.epoch) != (lane, epoch));
        self.abandoned_count.store(abandoned.len(), Ordering::Relaxed);
    }

    fn abandon(&self, thread: Abandoned) {
        // The new thread begins with an empty cache.
        self.cached_changed(thread.lane, 0);
        let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        abandoned.push(thread);
        self.abandoned_count.store(abandoned.len(), Ordering::Relaxed);
    }

    fn is_stuck(&self, run_id: &str) -> bool {
        let abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        abandoned.iter().any(|thread| thread.run_id == run_id)
    }

    /// Lanes are few; runs are never walked.
    fn cached_total(&self) -> usize {
        self.cached.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

fn deadlock_text(ticket: &Ticket, limit: Option<Duration>) -> String {
    let limit = limit.map(|limit| format!(" within {limit:?}")).unwrap_or_default();
    format!(
        "[TMPRL1101] Potential deadlock: the code of workflow `{}` (id `{}`, run id `{}`) did not yield{limit}. \
         Workflow code must not block or compute for long: do that in an activity, and wait only for what the context offers. \
         `WorkerBuilder::debug_mode` turns this check off while you step through code.",
        ticket.workflow_type, ticket.workflow_id, ticket.run_id,
    )
}
