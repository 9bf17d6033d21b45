//! The lanes of a worker: they map runs to threads, bound the number of cached runs, and replace stuck threads.
//!
//! A run belongs to the lane that its run id hashes to. The cache limit applies to all lanes together: one lane may
//! hold more than its share while others hold less. If the total is too high, a lane above its share evicts.

mod cache;
mod mailbox;
mod thread;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::mailbox::{Busy, Lane};
pub(super) use self::mailbox::{LaneMessage, Ticket, Verdict};
use self::thread::LaneThread;
pub(super) use self::thread::Run;
use crate::duration;
use crate::replay::WorkflowTask;
use crate::worker::metrics::CacheMetrics;
use crate::worker::task_failure::task_failure;

/// Receives verdicts. Called on lanes, so it must not block.
pub(super) type Sink = Box<dyn Fn(Box<Ticket>, Verdict) + Send + Sync>;

/// The lanes of one worker. Dropping it ends their threads.
pub(super) struct Lanes<R: Run> {
    shared: Arc<LanesState<R>>,
}

/// State that the lanes' threads share.
pub(super) struct LanesState<R: Run> {
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) factory: R::Factory,
    pub(super) sink: Sink,
    /// Maximum idle runs of all lanes together; 0 keeps none.
    pub(super) capacity: usize,
    cached: Vec<AtomicUsize>,
    cache_metrics: CacheMetrics,
    abandoned: Mutex<Vec<Abandoned>>,
    abandoned_count: AtomicUsize,
    /// Lanes whose thread could not be started yet, with the epoch it needs.
    without_thread: Mutex<Vec<(usize, u64)>>,
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
    /// Returns an error if a thread cannot be started.
    pub(super) fn start(
        count: usize,
        capacity: usize,
        factory: R::Factory,
        sink: Sink,
        cache_metrics: CacheMetrics,
    ) -> io::Result<Self> {
        let count = count.max(1);
        let lanes = Self {
            shared: Arc::new(LanesState {
                lanes: (0..count).map(|_| Arc::default()).collect(),
                factory,
                sink,
                capacity,
                cached: (0..count).map(|_| AtomicUsize::new(0)).collect(),
                cache_metrics,
                abandoned: Mutex::default(),
                abandoned_count: AtomicUsize::new(0),
                without_thread: Mutex::default(),
            }),
        };
        for index in 0..count {
            lanes.start_thread(index, 0)?;
        }
        Ok(lanes)
    }

    /// Sends a message to the lane of that run.
    pub(super) fn send(&self, run_id: &str, message: LaneMessage) {
        self.lane_of(run_id).send(message);
    }

    /// Sends a task to its run. If the run is stuck, the task fails at once.
    pub(super) fn send_task(&self, ticket: Box<Ticket>, task: Box<WorkflowTask>) {
        if self.abandoned() > 0 && self.shared.is_stuck(&ticket.run_id) {
            let text = format!("{} Its thread is still blocked.", deadlock_text(&ticket, None));
            return (self.shared.sink)(ticket, Verdict::Fail(task_failure(&text)));
        }
        let lane = Arc::clone(self.lane_of(&ticket.run_id));
        lane.send(LaneMessage::Task(ticket, task));
    }

    /// Returns the number of cached idle runs.
    pub(super) fn cached(&self) -> usize {
        self.shared.cached_total()
    }

    /// Returns the number of tasks that found their run in the cache, and of those that should have but did not.
    pub(super) fn cache_hits_and_misses(&self) -> (usize, usize) {
        (self.shared.cache_metrics.hits.own(), self.shared.cache_metrics.misses.own())
    }

    /// Returns the number of threads that are stuck in workflow code.
    pub(super) fn abandoned(&self) -> usize {
        self.shared.abandoned_count.load(Ordering::Relaxed)
    }

    /// Fails the tasks whose code has not returned within the limit, and replaces their lanes' threads.
    ///
    /// # Errors
    /// Returns an error if a thread cannot be started; the next call tries again.
    pub(super) fn replace_stuck(&self, now: Instant, tick: Duration, limit: Duration) -> io::Result<()> {
        let mut without_thread = self.shared.without_thread.lock().unwrap_or_else(PoisonError::into_inner);
        for index in 0..self.shared.lanes.len() {
            let Some((busy, epoch)) = self.shared.abandon_if_stuck(index, now, tick, limit) else { continue };
            without_thread.push((index, epoch));
            match busy {
                Busy::Task(ticket) => {
                    let text = deadlock_text(&ticket, Some(limit));
                    (self.shared.sink)(ticket, Verdict::Fail(task_failure(&text)));
                }
                Busy::Dropping { run_id } => tracing::error!(
                    run_id,
                    "[TMPRL1101] Potential deadlock: a destructor (`Drop`) of the workflow's state did not return \
                     within {}. Its thread was replaced. Destructors in workflows must not block",
                    duration::text(limit)
                ),
            }
        }
        while let Some(&(index, epoch)) = without_thread.last() {
            self.start_thread(index, epoch)?;
            without_thread.pop();
        }
        Ok(())
    }

    fn start_thread(&self, index: usize, epoch: u64) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        // Detached: joining a thread that is stuck in workflow code would block.
        std::thread::Builder::new()
            .name(format!("abide-lane-{index}"))
            .spawn(move || LaneThread::new(shared, index, epoch).run())
            .map(drop)
    }

    fn lane_of(&self, run_id: &str) -> &Arc<Lane> {
        let lanes = &self.shared.lanes;
        // FNV-1a is enough, because run ids are random already. The result must be the same every time.
        let hash = run_id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        &lanes[(hash % lanes.len() as u64) as usize]
    }
}

impl<R: Run> Drop for Lanes<R> {
    fn drop(&mut self) {
        self.shared.lanes.iter().for_each(|lane| lane.close());
    }
}

/// The worker has ended, and its runs are gone.
impl<R: Run> Drop for LanesState<R> {
    fn drop(&mut self) {
        self.cache_metrics.size.add(-(self.cached_total() as f64));
    }
}

impl<R: Run> LanesState<R> {
    /// Updates a lane's number of idle runs.
    pub(super) fn cached_changed(&self, lane: usize, count: usize) {
        let before = self.cached[lane].swap(count, Ordering::Relaxed);
        if before != count {
            self.cache_metrics.size.add(count as f64 - before as f64);
        }
    }

    /// Counts a task for a run that had an earlier task.
    pub(super) fn count_cache_use(&self, was_cached: bool) {
        let counter = if was_cached { &self.cache_metrics.hits } else { &self.cache_metrics.misses };
        counter.count();
    }

    /// Counts an open run that is dropped from memory while the worker runs.
    pub(super) fn count_eviction(&self) {
        self.cache_metrics.evictions.add(1);
    }

    /// Returns true if that lane should evict a run. If another lane is further above its share, that lane is told
    /// instead.
    pub(super) fn should_evict(&self, lane: usize) -> bool {
        if self.cached_total() <= self.capacity {
            return false;
        }
        let share = self.capacity / self.lanes.len();
        let above = |other: &usize| self.cached[*other].load(Ordering::Relaxed) > share;
        if above(&lane) {
            return true;
        }
        // The total is above the sum of all shares, so at least one lane is above its own.
        if let Some(other) =
            (0..self.lanes.len()).filter(above).max_by_key(|other| self.cached[*other].load(Ordering::Relaxed))
        {
            self.lanes[other].send(LaneMessage::Shed);
        }
        false
    }

    /// Handles the end of a thread: if it was abandoned, its run may be tried again.
    pub(super) fn thread_ended(&self, lane: usize, epoch: u64) {
        let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        abandoned.retain(|thread| (thread.lane, thread.epoch) != (lane, epoch));
        self.abandoned_count.store(abandoned.len(), Ordering::Relaxed);
    }

    /// Abandons a lane's thread if it is stuck. Returns what it works on and the epoch of the replacement thread.
    fn abandon_if_stuck(&self, lane: usize, now: Instant, tick: Duration, limit: Duration) -> Option<(Busy, u64)> {
        // Locked before the check: the thread may return at this very moment and look for its entry. If the entry came
        // later, it would never be removed.
        let mut abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        let (busy, epoch) = self.lanes[lane].abandon_if_stuck(now, tick, limit)?;
        // The new thread starts with an empty cache.
        self.cached_changed(lane, 0);
        abandoned.push(Abandoned { lane, epoch: epoch - 1, run_id: busy.run_id().to_string() });
        self.abandoned_count.store(abandoned.len(), Ordering::Relaxed);
        Some((busy, epoch))
    }

    fn is_stuck(&self, run_id: &str) -> bool {
        let abandoned = self.abandoned.lock().unwrap_or_else(PoisonError::into_inner);
        abandoned.iter().any(|thread| thread.run_id == run_id)
    }

    /// Sums over the lanes, which are few, never over the runs.
    fn cached_total(&self) -> usize {
        self.cached.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

fn deadlock_text(ticket: &Ticket, limit: Option<Duration>) -> String {
    let limit = limit.map(|limit| format!(" within {}", duration::text(limit))).unwrap_or_default();
    format!(
        "[TMPRL1101] Potential deadlock: the code of workflow `{}` (id `{}`, run id `{}`) did not yield{limit}. \
         Workflow code must not block or compute for long: do that in an activity, and wait only for what the context \
         offers. `WorkerBuilder::debug_mode` turns off this check while you step through code.",
        ticket.workflow_type, ticket.workflow_id, ticket.run_id,
    )
}

#[cfg(test)]
mod tests;
