//! Slots: limit the number of concurrent tasks of one kind.
//!
//! A slot is taken before a poll starts and freed when the task it brought is answered, so a worker never polls more
//! tasks than it can work on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::worker::metrics::SlotMetrics;
use crate::worker::worker_heartbeat::Ended;

/// The slots for one kind of task. Waiters are served in order, so no poller starves another.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    total: u32,
    /// Number of ended and of failed tasks; both wrap around.
    ended: AtomicI32,
    failed: AtomicI32,
    usage: Arc<Usage>,
}

/// The number of slots that have a task. Outlives the slots, because a task may.
#[derive(Debug)]
struct Usage {
    total: f64,
    used: AtomicUsize,
    metrics: SlotMetrics,
}

/// The right to work on one task; freed when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
    usage: Option<Arc<Usage>>,
    has_task: bool,
}

#[cfg(test)]
impl Slot {
    pub(crate) fn for_test() -> Self {
        Self { _permit: None, usage: None, has_task: false }
    }
}

impl Slot {
    /// Records that the slot has a task from now on. Until then it is free, although a poll may hold it.
    pub(crate) fn begin_task(&mut self) {
        if let Some(usage) = self.usage.as_ref().filter(|_| !self.has_task) {
            self.has_task = true;
            usage.change(1.0);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(usage) = self.usage.as_ref().filter(|_| self.has_task) {
            usage.change(-1.0);
        }
    }
}

impl Usage {
    fn new(total: u32, metrics: SlotMetrics) -> Arc<Self> {
        let total = f64::from(total);
        metrics.available.add(total);
        Arc::new(Self { total, used: AtomicUsize::new(0), metrics })
    }

    fn change(&self, by: f64) {
        if by > 0.0 {
            self.used.fetch_add(1, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(1, Ordering::Relaxed);
        }
        self.metrics.used.add(by);
        self.metrics.available.add(-by);
    }
}

/// The worker has ended, and with it its last task.
impl Drop for Usage {
    fn drop(&mut self) {
        self.metrics.available.add(-self.total);
    }
}

impl Slots {
    pub(crate) fn new(total: u32, metrics: SlotMetrics) -> Self {
        // On 32-bit targets, a semaphore has fewer permits than a `u32` can count.
        let permits = usize::try_from(total).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let total = u32::try_from(permits).unwrap_or(u32::MAX);
        let (free, usage) = (Arc::new(Semaphore::new(permits)), Usage::new(total, metrics));
        Self { free, total, ended: AtomicI32::new(0), failed: AtomicI32::new(0), usage }
    }

    /// Waits for a free slot.
    pub(crate) async fn take(&self) -> Slot {
        // The semaphore is never closed. If it were, working without a limit would be better than not at all.
        self.slot(Arc::clone(&self.free).acquire_owned().await.ok())
    }

    /// Returns a slot if one is free now and nothing waits for it.
    pub(crate) fn try_take(&self) -> Option<Slot> {
        Some(self.slot(Some(Arc::clone(&self.free).try_acquire_owned().ok()?)))
    }

    fn slot(&self, permit: Option<OwnedSemaphorePermit>) -> Slot {
        Slot { _permit: permit, usage: Some(Arc::clone(&self.usage)), has_task: false }
    }

    /// Waits until all slots are free.
    pub(crate) async fn all_free(&self) {
        drop(self.free.acquire_many(self.total).await);
    }

    /// Counts a task that has ended.
    pub(crate) fn count(&self, failed: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(i32::from(failed), Ordering::Relaxed);
    }

    /// Returns the counts of ended tasks.
    pub(crate) fn ended(&self) -> Ended {
        Ended { all: self.ended.load(Ordering::Relaxed), failed: self.failed.load(Ordering::Relaxed) }
    }

    pub(crate) fn total(&self) -> usize {
        self.total as usize
    }

    /// Returns the number of slots that have a task.
    pub(crate) fn used(&self) -> usize {
        self.usage.used.load(Ordering::Relaxed)
    }

    /// Returns the number of slots held by tasks and polls.
    pub(crate) fn taken(&self) -> usize {
        (self.total as usize).saturating_sub(self.free.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::worker::metrics::WorkerMetrics;

    fn is_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }

    #[tokio::test]
    async fn no_more_slots_are_given_than_there_are() {
        let slots = Slots::new(2, SlotMetrics::default());
        let first = slots.take().await;
        let _second = slots.take().await;
        let mut third = pin!(slots.take());
        assert!(is_pending(third.as_mut()));
        assert_eq!(slots.taken(), 2);
        drop(first);
        let _third = third.await;
        assert_eq!(slots.taken(), 2);
    }

    #[tokio::test]
    async fn b062_a_slot_is_reserved_only_while_one_is_free() {
        let slots = Slots::new(1, SlotMetrics::default());
        let reserved = slots.try_take();
        assert!(reserved.is_some() && slots.try_take().is_none());
        drop(reserved);
        assert_eq!(slots.taken(), 0, "what is not used is given back");
    }

    #[tokio::test]
    async fn all_are_free_once_the_last_task_is_answered() {
        let slots = Slots::new(2, SlotMetrics::default());
        let last = slots.take().await;
        let mut idle = pin!(slots.all_free());
        assert!(is_pending(idle.as_mut()));
        drop(last);
        idle.await;
    }

    #[tokio::test]
    async fn a_slot_is_used_while_it_has_a_task_and_gauges_end_with_their_worker() {
        let metrics = WorkerMetrics::for_test();
        let value = |name: &str| metrics.metrics().total(&format!("temporal_worker_task_slots_{name}"), &[]) as i32;
        let slots = Slots::new(3, metrics.slots("ActivityWorker"));
        let (polls, mut works) = (slots.take().await, slots.take().await);
        works.begin_task();
        works.begin_task();
        assert_eq!((slots.used(), value("used"), value("available")), (1, 1, 2));
        // Another worker of the same task queue.
        let others = Slots::new(10, metrics.slots("ActivityWorker"));
        assert_eq!((others.used(), value("used"), value("available")), (0, 1, 12));
        drop(polls);
        drop((slots, others));
        assert_eq!((value("used"), value("available")), (1, 2), "the task outlives its worker");
        drop(works);
        assert_eq!((value("used"), value("available")), (0, 0));
    }

    #[tokio::test]
    async fn a_slot_goes_to_the_one_who_waited_longest() {
        let slots = Slots::new(1, SlotMetrics::default());
        let held = slots.take().await;
        let (mut first, mut second) = (pin!(slots.take()), pin!(slots.take()));
        assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
        drop(held);
        assert!(is_pending(second.as_mut()));
        let _first = first.await;
    }
}
