//! Poll counters for the worker's own heartbeat and its metrics: the number of open polls and the time of the last answer.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::worker::v1::WorkerPollerInfo;
use tokio::sync::Notify;

use super::poller::sleep;
use crate::duration::time_to_proto;
use crate::metrics::Gauge;
use crate::worker::metrics::PollMetrics;

/// The kind of task that is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollKind {
    Workflow,
    StickyWorkflow,
    Activity,
    Nexus,
}

/// The polls of one worker.
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Polls {
    workflow: OfKind,
    sticky_workflow: OfKind,
    activity: OfKind,
    nexus: OfKind,
    begun: Notify,
    metrics: PollMetrics,
}

#[derive(Debug, Default)]
struct OfKind {
    open: AtomicI32,
    ended: Notify,
    /// Number of tasks that polls have brought.
    tasks: AtomicU64,
    last_answer: Mutex<Option<SystemTime>>,
}

/// An open poll; closed when dropped.
pub(crate) struct OpenPoll<'a> {
    of_kind: &'a OfKind,
    gauge: &'a Gauge,
}

impl Polls {
    pub(crate) fn new(metrics: PollMetrics) -> Self {
        let (workflow, sticky_workflow, activity, nexus, begun) = Default::default();
        Self { workflow, sticky_workflow, activity, nexus, begun, metrics }
    }

    pub(crate) fn begin(&self, kind: PollKind) -> OpenPoll<'_> {
        let of_kind = self.of_kind(kind);
        of_kind.open.fetch_add(1, Ordering::Relaxed);
        self.begun.notify_one();
        let gauge = self.metrics.open(kind);
        gauge.add(1.0);
        OpenPoll { of_kind, gauge }
    }

    /// Waits until the first poll has started. For a single waiter.
    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// Counts a task that a poll has brought.
    pub(crate) fn brought_task(&self, kind: PollKind) {
        self.of_kind(kind).tasks.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until polls of that kind have brought nothing for this long, or none is open. For a single waiter per
    /// kind.
    pub(crate) async fn quiet(&self, kind: PollKind, for_so_long: Duration) {
        let tasks = || self.of_kind(kind).tasks.load(Ordering::Relaxed);
        let bring_nothing = async {
            let mut before = None;
            while before.replace(tasks()) != Some(tasks()) {
                sleep(for_so_long).await;
            }
        };
        tokio::select! {
            () = self.none_open(kind) => {}
            () = bring_nothing => {}
        }
    }

    /// Waits until no poll of that kind is open. For a single waiter.
    pub(crate) async fn none_open(&self, kind: PollKind) {
        while self.open(kind) > 0 {
            self.of_kind(kind).ended.notified().await;
        }
    }

    pub(crate) fn open(&self, kind: PollKind) -> i32 {
        self.of_kind(kind).open.load(Ordering::Relaxed)
    }

    pub(crate) fn info(&self, kind: PollKind, is_autoscaling: bool) -> WorkerPollerInfo {
        let last_answer = *self.of_kind(kind).last_answer.lock().unwrap_or_else(PoisonError::into_inner);
        WorkerPollerInfo {
            current_pollers: self.open(kind),
            last_successful_poll_time: last_answer.map(time_to_proto),
            is_autoscaling,
        }
    }

    fn of_kind(&self, kind: PollKind) -> &OfKind {
        match kind {
            PollKind::Workflow => &self.workflow,
            PollKind::StickyWorkflow => &self.sticky_workflow,
            PollKind::Activity => &self.activity,
            PollKind::Nexus => &self.nexus,
        }
    }
}

impl OpenPoll<'_> {
    /// Records that the server has answered.
    #[expect(clippy::disallowed_methods, reason = "the server is told the time of this machine")]
    pub(crate) fn answered(self) {
        *self.of_kind.last_answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        self.gauge.add(-1.0);
        self.of_kind.open.fetch_sub(1, Ordering::Relaxed);
        self.of_kind.ended.notify_one();
    }
}
