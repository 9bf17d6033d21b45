//! Slots: limit the number of concurrent tasks of one kind.
//!
//! A slot is taken before a poll starts and freed when the task it brought is answered, so a worker never polls more
//! tasks than it can work on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::worker::worker_heartbeat::Ended;

/// The slots for one kind of task. Waiters are served in order, so no poller starves another.
#[derive(Debug)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    total: u32,
    /// Number of ended and of failed tasks; both wrap around.
    ended: AtomicI32,
    failed: AtomicI32,
}

/// The right to work on one task; freed when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

#[cfg(test)]
impl Slot {
    pub(crate) fn for_test() -> Self {
        Self { _permit: None }
    }
}

impl Slots {
    pub(crate) fn new(total: u32) -> Self {
        // On 32-bit targets, a semaphore has fewer permits than a `u32` can count.
        let permits = usize::try_from(total).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let total = u32::try_from(permits).unwrap_or(u32::MAX);
        Self { free: Arc::new(Semaphore::new(permits)), total, ended: AtomicI32::new(0), failed: AtomicI32::new(0) }
    }

    /// Waits for a free slot.
    pub(crate) async fn take(&self) -> Slot {
        // The semaphore is never closed. If it were, working without a limit would be better than not at all.
        Slot { _permit: Arc::clone(&self.free).acquire_owned().await.ok() }
    }

    /// Returns a slot if one is free now and nothing waits for it.
    pub(crate) fn try_take(&self) -> Option<Slot> {
        Some(Slot { _permit: Some(Arc::clone(&self.free).try_acquire_owned().ok()?) })
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

    fn is_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }

    #[tokio::test]
    async fn no_more_slots_are_given_than_there_are() {
        let slots = Slots::new(2);
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
        let slots = Slots::new(1);
        let reserved = slots.try_take();
        assert!(reserved.is_some() && slots.try_take().is_none());
        drop(reserved);
        assert_eq!(slots.taken(), 0, "what is not used is given back");
    }

    #[tokio::test]
    async fn all_are_free_once_the_last_task_is_answered() {
        let slots = Slots::new(2);
        let last = slots.take().await;
        let mut idle = pin!(slots.all_free());
        assert!(is_pending(idle.as_mut()));
        drop(last);
        idle.await;
    }

    #[tokio::test]
    async fn a_slot_goes_to_the_one_who_waited_longest() {
        let slots = Slots::new(1);
        let held = slots.take().await;
        let (mut first, mut second) = (pin!(slots.take()), pin!(slots.take()));
        assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
        drop(held);
        assert!(is_pending(second.as_mut()));
        let _first = first.await;
    }
}
