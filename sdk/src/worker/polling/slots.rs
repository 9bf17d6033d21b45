//! Slots: limit the number of concurrent tasks of one kind.
//!
//! A slot is taken before a poll starts and freed when the task it brought is answered, so a worker never polls more
//! tasks than it can work on. Their number is fixed, or a supplier decides.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::poller::sleep;
use crate::worker::metrics::SlotMetrics;
use crate::worker::tuner::{SlotKind, SlotRequest, SlotSupplier, SlotTask};
use crate::worker::worker_heartbeat::Ended;

/// Pause after a supplier has panicked.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// The slots for one kind of task. Waiters for a fixed number are served in order, so no poller starves another.
#[derive(Debug)]
pub(crate) struct Slots {
    source: Source,
    /// Number of ended and of failed tasks; both wrap around.
    ended: AtomicI32,
    failed: AtomicI32,
    usage: Arc<Usage>,
}

#[derive(Debug)]
enum Source {
    Fixed { free: Arc<Semaphore>, total: u32 },
    Supplied(Arc<Supply>),
}

/// Slots that a supplier gives.
struct Supply {
    supplier: Arc<dyn SlotSupplier>,
    kind: SlotKind,
    held: AtomicUsize,
    released: Notify,
}

/// The number of slots that have a task. Outlives the slots, because a task may.
#[derive(Debug)]
struct Usage {
    /// `None` if a supplier decides.
    total: Option<f64>,
    used: AtomicUsize,
    metrics: SlotMetrics,
}

/// The right to work on one task; freed when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
    supplied: Option<Supplied>,
    usage: Option<Arc<Usage>>,
    has_task: bool,
}

/// A slot that a supplier has given.
#[derive(Debug)]
struct Supplied {
    supply: Arc<Supply>,
    task: Option<SlotTask>,
}

#[cfg(test)]
impl Slot {
    pub(crate) fn for_test() -> Self {
        Self { _permit: None, supplied: None, usage: None, has_task: false }
    }
}

impl Slot {
    /// Records that the slot has a task from now on. Until then it is free, although a poll may hold it. Only a supplier
    /// is told the name of its type.
    pub(crate) fn begin_task(&mut self, name: impl FnOnce() -> String) {
        if self.has_task {
            return;
        }
        if let Some(usage) = self.usage.as_ref() {
            self.has_task = true;
            usage.change(1.0);
        }
        if let Some(supplied) = &mut self.supplied {
            supplied.begin(name());
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

impl Supply {
    fn request(&self) -> SlotRequest {
        SlotRequest::new(self.kind, self.held.load(Ordering::Relaxed))
    }

    /// Waits until the supplier gives a slot.
    async fn take(self: &Arc<Self>) -> Supplied {
        loop {
            let request = self.request();
            if AssertUnwindSafe(self.supplier.reserve(&request)).catch_unwind().await.is_ok() {
                return self.taken();
            }
            tracing::error!(
                kind = ?self.kind,
                "the slot supplier panicked in `reserve`, so nothing is polled with it for {AFTER_PANIC:?}: correct it"
            );
            sleep(AFTER_PANIC).await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Supplied> {
        let request = self.request();
        self.guarded("try_reserve", || self.supplier.try_reserve(&request)).filter(|given| *given)?;
        Some(self.taken())
    }

    fn taken(self: &Arc<Self>) -> Supplied {
        self.held.fetch_add(1, Ordering::Relaxed);
        Supplied { supply: Arc::clone(self), task: None }
    }

    /// Calls the supplier. A panic is logged.
    fn guarded<T>(&self, method: &str, call: impl FnOnce() -> T) -> Option<T> {
        let called = std::panic::catch_unwind(AssertUnwindSafe(call));
        if called.is_err() {
            tracing::error!(kind = ?self.kind, "the slot supplier panicked in `{method}`: correct it");
        }
        called.ok()
    }
}

impl std::fmt::Debug for Supply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supply").field("kind", &self.kind).field("held", &self.held).finish_non_exhaustive()
    }
}

impl Supplied {
    fn begin(&mut self, name: String) {
        let task = SlotTask::new(self.supply.kind, name);
        self.supply.guarded("began", || self.supply.supplier.began(&task));
        self.task = Some(task);
    }
}

impl Drop for Supplied {
    fn drop(&mut self) {
        self.supply.guarded("release", || self.supply.supplier.release(self.task.as_ref()));
        self.supply.held.fetch_sub(1, Ordering::Release);
        self.supply.released.notify_waiters();
    }
}

impl Usage {
    fn new(total: Option<u32>, metrics: SlotMetrics) -> Arc<Self> {
        let total = total.map(f64::from);
        if let Some(total) = total {
            metrics.available().add(total);
        }
        Arc::new(Self { total, used: AtomicUsize::new(0), metrics })
    }

    fn change(&self, by: f64) {
        if by > 0.0 {
            self.used.fetch_add(1, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(1, Ordering::Relaxed);
        }
        self.metrics.used.add(by);
        if self.total.is_some() {
            self.metrics.available().add(-by);
        }
    }
}

/// The worker has ended, and with it its last task.
impl Drop for Usage {
    fn drop(&mut self) {
        if let Some(total) = self.total {
            self.metrics.available().add(-total);
        }
    }
}

impl Slots {
    /// Creates a fixed number of slots.
    pub(crate) fn new(total: usize, metrics: SlotMetrics) -> Self {
        let permits = total.min(Semaphore::MAX_PERMITS);
        // Nobody has more slots than a `u32` can count, which is what the semaphore counts with.
        let total = u32::try_from(permits).unwrap_or(u32::MAX);
        let source = Source::Fixed { free: Arc::new(Semaphore::new(permits)), total };
        Self { source, ended: AtomicI32::new(0), failed: AtomicI32::new(0), usage: Usage::new(Some(total), metrics) }
    }

    /// Creates slots that a supplier gives.
    pub(crate) fn supplied(supplier: Arc<dyn SlotSupplier>, kind: SlotKind, metrics: SlotMetrics) -> Self {
        let (held, released) = Default::default();
        let supply = Arc::new(Supply { supplier, kind, held, released });
        supply.guarded("worker_started", || supply.supplier.worker_started(kind, &metrics.meter()));
        let usage = Usage::new(None, metrics);
        Self { source: Source::Supplied(supply), ended: AtomicI32::new(0), failed: AtomicI32::new(0), usage }
    }

    /// Waits for a free slot.
    pub(crate) async fn take(&self) -> Slot {
        match &self.source {
            // The semaphore is never closed. If it were, working without a limit would be better than not at all.
            Source::Fixed { free, .. } => self.slot(Arc::clone(free).acquire_owned().await.ok(), None),
            Source::Supplied(supply) => self.slot(None, Some(supply.take().await)),
        }
    }

    /// Returns a slot if one is free now and nothing waits for it.
    pub(crate) fn try_take(&self) -> Option<Slot> {
        Some(match &self.source {
            Source::Fixed { free, .. } => self.slot(Some(Arc::clone(free).try_acquire_owned().ok()?), None),
            Source::Supplied(supply) => self.slot(None, Some(supply.try_take()?)),
        })
    }

    fn slot(&self, permit: Option<OwnedSemaphorePermit>, supplied: Option<Supplied>) -> Slot {
        Slot { _permit: permit, supplied, usage: Some(Arc::clone(&self.usage)), has_task: false }
    }

    /// Waits until all slots are free.
    pub(crate) async fn all_free(&self) {
        match &self.source {
            Source::Fixed { free, total } => drop(free.acquire_many(*total).await),
            Source::Supplied(supply) => loop {
                let released = supply.released.notified();
                if supply.held.load(Ordering::Acquire) == 0 {
                    return;
                }
                released.await;
            },
        }
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

    /// Returns the number of slots without a task; `None` if a supplier does not know.
    pub(crate) fn available(&self) -> Option<usize> {
        match &self.source {
            Source::Fixed { total, .. } => Some((*total as usize).saturating_sub(self.used())),
            Source::Supplied(supply) => supply.guarded("available", || supply.supplier.available()).flatten(),
        }
    }

    /// Returns the name of what decides about the slots.
    pub(crate) fn supplier_kind(&self) -> String {
        match &self.source {
            Source::Fixed { .. } => "Fixed".to_string(),
            Source::Supplied(supply) => {
                supply.guarded("kind", || supply.supplier.kind().to_string()).unwrap_or_default()
            }
        }
    }

    /// Returns the number of slots that have a task.
    pub(crate) fn used(&self) -> usize {
        self.usage.used.load(Ordering::Relaxed)
    }

    /// Returns the number of slots held by tasks and polls.
    pub(crate) fn taken(&self) -> usize {
        match &self.source {
            Source::Fixed { free, total } => (*total as usize).saturating_sub(free.available_permits()),
            Source::Supplied(supply) => supply.held.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use async_trait::async_trait;

    use super::*;
    use crate::metrics::Meter;
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
        works.begin_task(|| "charge".into());
        works.begin_task(|| "charge".into());
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

    /// Gives two slots, and keeps what it was told.
    #[derive(Default)]
    struct Two {
        given: AtomicUsize,
        told: Mutex<Vec<String>>,
    }

    impl Two {
        fn tell(&self, what: String) {
            self.told.lock().unwrap().push(what);
        }
    }

    #[async_trait]
    impl SlotSupplier for Two {
        async fn reserve(&self, request: &SlotRequest) {
            while !self.try_reserve(request) {
                sleep(Duration::from_millis(10)).await;
            }
        }

        fn try_reserve(&self, request: &SlotRequest) -> bool {
            let is_free = request.held < 2;
            self.given.fetch_add(usize::from(is_free), Ordering::Relaxed);
            is_free
        }

        fn began(&self, task: &SlotTask) {
            self.tell(format!("began {}", task.name));
        }

        fn release(&self, task: Option<&SlotTask>) {
            self.tell(format!("released {:?}", task.map(|task| &task.name)));
        }

        fn worker_started(&self, kind: SlotKind, meter: &Meter) {
            self.tell(format!("started {kind:?}"));
            meter.gauge("licences", "", "").set(2.0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_supplier_gives_slots_and_hears_of_their_tasks() {
        let (metrics, two) = (WorkerMetrics::for_test(), Arc::new(Two::default()));
        let slots = Slots::supplied(Arc::clone(&two) as _, SlotKind::Activity, metrics.slots("ActivityWorker"));
        let mut works = slots.take().await;
        works.begin_task(|| "charge".into());
        let polls = slots.try_take();
        assert!(polls.is_some() && slots.try_take().is_none());
        let mut idle = pin!(slots.all_free());
        assert!(is_pending(idle.as_mut()));
        assert_eq!((slots.used(), slots.taken(), slots.available()), (1, 2, None));
        drop((works, polls));
        idle.await;
        assert_eq!(two.given.load(Ordering::Relaxed), 2);
        let told = two.told.lock().unwrap();
        assert_eq!(*told, ["started Activity", "began charge", "released Some(\"charge\")", "released None"]);
        let total = |name: &str| metrics.metrics().total(name, &[("worker_type", "ActivityWorker")]);
        assert_eq!(total("licences"), 2.0);
        let names: Vec<_> = metrics.metrics().snapshot().into_iter().map(|metric| metric.name).collect();
        assert!(!names.iter().any(|name| name.contains("available")), "nobody knows it: {names:?}");
        assert_eq!(slots.supplier_kind(), "Custom");
    }

    /// Panics in each method.
    struct Broken;

    #[async_trait]
    impl SlotSupplier for Broken {
        async fn reserve(&self, _: &SlotRequest) {
            panic!("reserve")
        }

        fn try_reserve(&self, _: &SlotRequest) -> bool {
            panic!("try_reserve")
        }

        fn release(&self, _: Option<&SlotTask>) {
            panic!("release")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_supplier_that_panics_gives_no_slot_and_ends_nothing() {
        let slots = Slots::supplied(Arc::new(Broken), SlotKind::Activity, SlotMetrics::default());
        assert!(slots.try_take().is_none());
        assert!(
            tokio::time::timeout(Duration::from_secs(10), slots.take()).await.is_err(),
            "it asks again each second"
        );
        drop(match &slots.source {
            Source::Supplied(supply) => supply.taken(),
            Source::Fixed { .. } => unreachable!("a supplier was given"),
        });
        assert_eq!(slots.taken(), 0);
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
