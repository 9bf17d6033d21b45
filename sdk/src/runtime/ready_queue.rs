//! The queue of routines to poll, in the order in which they were woken, and the detection of foreign wake-ups.
//!
//! Only the run itself may wake its routines: its jobs and its own code. Then the queue's order follows from the
//! history, and a replay polls the same routines in the same order. A wake-up from anywhere else (a tokio timer,
//! another thread's channel) comes at a moment that no replay can repeat: a routine would run at another point of the
//! history, and the commands could differ. So every wake-up is checked: the thread that executes a run's code carries
//! the run's number, and a wake-up on a thread without it is foreign.
//!
//! A foreign wake-up that comes while the run has a task fails that task. Between tasks there is none to fail, and if
//! the code waits for nothing else there may never be one. So the wake-up is logged at once, and fails the next task.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Identifies a routine for as long as it lives. Its index is reused later with another generation, so that old wakers
/// of the index have no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoutineId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl RoutineId {
    /// Placeholder in the queue for a branch that was spawned and has no slot yet.
    pub(crate) const SPAWNED: Self = Self { index: u32::MAX, generation: u32::MAX };

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }
}

/// The routines to poll, first in, first out.
#[derive(Debug)]
pub(crate) struct ReadyQueue {
    run: u64,
    name: Arc<RunName>,
    queue: Mutex<VecDeque<RoutineId>>,
    foreign: AtomicBool,
    /// True if the foreign wake-up was logged.
    told: AtomicBool,
}

/// Ids of a run, and a flag that is set while its code is executed, on whichever thread.
#[derive(Debug, Default)]
pub(crate) struct RunName {
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    in_turn: AtomicBool,
}

impl RunName {
    pub(crate) fn new(workflow_id: String, run_id: String) -> Self {
        Self { workflow_id, run_id, in_turn: AtomicBool::new(false) }
    }
}

/// Guard that makes the run's wake-ups on this thread its own while it lives.
pub(crate) struct WakeGuard {
    outer: u64,
    ready: Arc<ReadyQueue>,
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
    /// Number of the run whose code this thread executes; 0 if none.
    static RUNNING: Cell<u64> = const { Cell::new(0) };
}

impl ReadyQueue {
    pub(crate) fn new(name: RunName) -> Arc<Self> {
        // Unique in the process. It only distinguishes runs and never reaches a workflow.
        static RUNS: AtomicU64 = AtomicU64::new(1);
        Self::of_run(RUNS.fetch_add(1, Ordering::Relaxed), Arc::new(name))
    }

    /// Returns an empty queue of the same run. Wakers of this queue have no effect any more.
    pub(crate) fn renewed(&self) -> Arc<Self> {
        // Their wake-ups are not to be logged either.
        self.told.store(true, Ordering::Release);
        Self::of_run(self.run, Arc::clone(&self.name))
    }

    fn of_run(run: u64, name: Arc<RunName>) -> Arc<Self> {
        let (foreign, told) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { run, name, queue: Mutex::default(), foreign, told })
    }

    pub(crate) fn name(&self) -> &RunName {
        &self.name
    }

    /// Returns a waker that queues a branch that was just spawned.
    pub(crate) fn spawn_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(SpawnWaker { ready: self.clone() }))
    }

    /// Marks this thread as the one that executes the run, for as long as the guard lives.
    pub(crate) fn enter(self: &Arc<Self>) -> WakeGuard {
        self.name.in_turn.store(true, Ordering::Release);
        WakeGuard { outer: RUNNING.replace(self.run), ready: Arc::clone(self) }
    }

    pub(crate) fn push(&self, id: RoutineId) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(id);
    }

    pub(crate) fn pop(&self) -> Option<RoutineId> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Takes out the queue's content, so that routines that are woken from now on come first.
    pub(crate) fn take(&self) -> VecDeque<RoutineId> {
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts content that was taken out back in front of the queue.
    pub(crate) fn put_back(&self, mut aside: VecDeque<RoutineId>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        aside.append(&mut queue);
        *queue = aside;
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns true if something outside the workflow woke a routine and nobody has reported it yet.
    pub(crate) fn is_woken_from_elsewhere(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }

    /// Returns true if something else woke a routine since this was last asked.
    pub(crate) fn take_foreign(&self) -> bool {
        let taken = self.foreign.load(Ordering::Relaxed) && self.foreign.swap(false, Ordering::AcqRel);
        if taken {
            self.told.store(false, Ordering::Release);
        }
        taken
    }

    /// Logs a foreign wake-up that no task has noticed. Returns true if it did, which happens once.
    fn tell_of_foreign(&self) -> bool {
        let is_news = !self.name.in_turn.load(Ordering::Acquire)
            && self.foreign.load(Ordering::Acquire)
            && !self.told.swap(true, Ordering::AcqRel);
        if is_news {
            let RunName { workflow_id, run_id, .. } = &*self.name;
            tracing::error!(
                workflow_id,
                run_id,
                "[TMPRL1100] Nondeterminism: another thread or a timer of the process woke the workflow's code between \
                 two workflow tasks. A replay cannot repeat that, so the next workflow task fails; if the code waits \
                 for nothing else, there is no next task, and the workflow hangs. Wait for other threads in an \
                 activity"
            );
        }
        is_news
    }
}

impl Drop for WakeGuard {
    fn drop(&mut self) {
        RUNNING.set(self.outer);
        self.ready.name.in_turn.store(false, Ordering::Release);
        // A wake-up may have come after the run checked for one.
        self.ready.tell_of_foreign();
    }
}

/// A waker for one routine. It remembers whether the routine is in the queue, and so queues it only once.
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

    /// Called before the routine is polled, so that a wake-up during the poll queues it again.
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
        self.ready.tell_of_foreign();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: RoutineId = RoutineId { index: 0, generation: 0 };
    const SECOND: RoutineId = RoutineId { index: 1, generation: 0 };

    #[test]
    fn routines_stand_in_the_queue_once_and_in_the_order_of_their_wake_ups() {
        let ready = ReadyQueue::new(RunName::default());
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
        let (ready, other) = (ReadyQueue::new(RunName::default()), ReadyQueue::new(RunName::default()));
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
        let ready = ReadyQueue::new(RunName::default());
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

    #[test]
    fn a_wake_up_between_tasks_is_told_at_once_and_fails_the_next_task() {
        let ready = ReadyQueue::new(RunName::default());
        let waker = WakerOf::new(FIRST, &ready);
        drop(ready.enter());
        waker.waker().wake_by_ref();
        assert!(ready.told.load(Ordering::Acquire));
        assert!(!ready.tell_of_foreign(), "once");
        let _running = ready.enter();
        assert_eq!(ready.pop(), Some(FIRST));
        assert!(ready.take_foreign());
    }

    #[test]
    fn a_wake_up_during_a_task_is_for_the_task_to_tell() {
        let ready = ReadyQueue::new(RunName::default());
        let waker = WakerOf::new(FIRST, &ready);
        let running = ready.enter();
        {
            let other = ReadyQueue::new(RunName::default());
            let _other = other.enter();
            waker.waker().wake_by_ref();
        }
        assert!(!ready.told.load(Ordering::Acquire));
        assert!(ready.take_foreign());
        drop(running);
        assert!(!ready.told.load(Ordering::Acquire));
    }
}
