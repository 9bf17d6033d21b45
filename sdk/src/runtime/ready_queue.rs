//! Which routines are to be polled, in the order in which they were woken; and who woke them.
//!
//! A workflow's routines may only be woken by the run itself: by its jobs and by its own code. A wake-up from
//! anywhere else (a tokio timer, another thread's channel) cannot be repeated on replay, so it is noticed here.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Names a routine of a run for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoutineId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl RoutineId {
    /// Stands in the queue for a branch that was spawned and has no slot yet.
    pub(crate) const SPAWNED: Self = Self { index: u32::MAX, generation: u32::MAX };

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }
}

/// The routines to be polled.
#[derive(Debug)]
pub(crate) struct ReadyQueue {
    run: u64,
    queue: Mutex<VecDeque<RoutineId>>,
    foreign: AtomicBool,
}

/// While this lives, the run's wake-ups on this thread are its own.
pub(crate) struct Running {
    outer: u64,
}

struct RoutineWaker {
    id: RoutineId,
    queued: AtomicBool,
    ready: Arc<ReadyQueue>,
}

struct SpawnWaker {
    ready: Arc<ReadyQueue>,
}

thread_local! {
    /// The run whose code this thread executes; 0 if none.
    static RUNNING: Cell<u64> = const { Cell::new(0) };
}

impl ReadyQueue {
    pub(crate) fn new() -> Arc<Self> {
        // A process-wide number: it only tells runs apart and never reaches a workflow.
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { run, queue: Mutex::default(), foreign: AtomicBool::new(false) })
    }

    /// An empty queue of the same run; wakers of this one reach nobody any more.
    pub(crate) fn renewed(&self) -> Arc<Self> {
        Arc::new(Self { run: self.run, queue: Mutex::default(), foreign: AtomicBool::new(false) })
    }

    /// A waker that queues the branch that was spawned last.
    pub(crate) fn spawn_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(SpawnWaker { ready: self.clone() }))
    }

    /// Says that this thread executes the run from now on.
    pub(crate) fn enter(&self) -> Running {
        Running { outer: RUNNING.replace(self.run) }
    }

    pub(crate) fn push(&self, id: RoutineId) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(id);
    }

    pub(crate) fn pop(&self) -> Option<RoutineId> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Whether somebody else woke a routine since this was last asked.
    pub(crate) fn take_foreign(&self) -> bool {
        self.foreign.load(Ordering::Relaxed) && self.foreign.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(self.outer);
    }
}

/// A waker for one routine, with the mark that says whether the routine stands in the queue.
#[derive(Clone)]
pub(crate) struct WakerOf {
    inner: Arc<RoutineWaker>,
    waker: Waker,
}

impl WakerOf {
    pub(crate) fn new(id: RoutineId, ready: &Arc<ReadyQueue>) -> Self {
        let inner = Arc::new(RoutineWaker { id, queued: AtomicBool::new(false), ready: ready.clone() });
        Self { waker: Waker::from(inner.clone()), inner }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Called before the routine is polled: from now on a wake-up queues it again.
    pub(crate) fn taken_from_queue(&self) {
        self.inner.queued.store(false, Ordering::Release);
    }
}

impl Wake for SpawnWaker {
    fn wake(self: Arc<Self>) {
        self.ready.push(RoutineId::SPAWNED);
    }
}

impl Wake for RoutineWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if RUNNING.get() != self.ready.run {
            self.ready.foreign.store(true, Ordering::Release);
        }
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: RoutineId = RoutineId { index: 0, generation: 0 };
    const SECOND: RoutineId = RoutineId { index: 1, generation: 0 };

    #[test]
    fn routines_stand_in_the_queue_once_and_in_the_order_of_their_wake_ups() {
        let ready = ReadyQueue::new();
        let _running = ready.enter();
        let (first, second) = (WakerOf::new(FIRST, &ready), WakerOf::new(SECOND, &ready));
        second.waker().wake_by_ref();
        first.waker().wake_by_ref();
        second.waker().wake_by_ref();
        assert_eq!((ready.pop(), ready.pop(), ready.pop()), (Some(SECOND), Some(FIRST), None));
        second.taken_from_queue();
        second.waker().wake_by_ref();
        assert_eq!(ready.pop(), Some(SECOND));
        assert!(!ready.take_foreign());
    }

    #[test]
    fn a_wake_up_from_outside_the_run_is_noticed_once() {
        let (ready, other) = (ReadyQueue::new(), ReadyQueue::new());
        let waker = WakerOf::new(FIRST, &ready);
        {
            let _running = ready.enter();
            // Another run on the same thread, within this one's turn.
            let _other = other.enter();
            waker.waker().wake_by_ref();
        }
        assert!(ready.take_foreign());
        assert!(!ready.take_foreign());
        assert_eq!(ready.pop(), Some(FIRST));
    }

    #[test]
    fn a_renewed_queue_is_the_same_run_and_knows_no_old_wakers() {
        let ready = ReadyQueue::new();
        let _running = ready.enter();
        let old = WakerOf::new(FIRST, &ready);
        let renewed = ready.renewed();
        let new = WakerOf::new(FIRST, &renewed);
        old.waker().wake_by_ref();
        assert_eq!(renewed.pop(), None);
        new.waker().wake_by_ref();
        assert!(!renewed.take_foreign());
        assert_eq!(renewed.pop(), Some(FIRST));
    }
}
