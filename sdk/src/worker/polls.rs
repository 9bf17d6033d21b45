//! What a worker's own heartbeat tells of its pollers: how many polls are open, and when one was answered last.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use abide_protos::temporal::api::worker::v1::WorkerPollerInfo;
use tokio::sync::Notify;

use crate::duration::time_to_proto;

/// What is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollKind {
    Workflow,
    StickyWorkflow,
    Activity,
}

/// The polls of one worker.
#[derive(Debug, Default)]
pub(super) struct Polls {
    workflow: OfKind,
    sticky_workflow: OfKind,
    activity: OfKind,
    begun: Notify,
}

#[derive(Debug, Default)]
struct OfKind {
    open: AtomicI32,
    last_answer: Mutex<Option<SystemTime>>,
}

/// A poll that is open until this is dropped.
pub(super) struct OpenPoll<'a>(&'a OfKind);

impl Polls {
    pub(super) fn begin(&self, kind: PollKind) -> OpenPoll<'_> {
        let of_kind = self.of_kind(kind);
        of_kind.open.fetch_add(1, Ordering::Relaxed);
        self.begun.notify_one();
        OpenPoll(of_kind)
    }

    /// Waits until a first poll has begun. For one waiter.
    pub(super) async fn begun(&self) {
        self.begun.notified().await;
    }

    pub(super) fn open(&self, kind: PollKind) -> i32 {
        self.of_kind(kind).open.load(Ordering::Relaxed)
    }

    pub(super) fn info(&self, kind: PollKind, is_autoscaling: bool) -> WorkerPollerInfo {
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
        }
    }
}

impl OpenPoll<'_> {
    /// The server has answered it.
    #[expect(clippy::disallowed_methods, reason = "the server is told the time of this machine")]
    pub(super) fn answered(self) {
        *self.0.last_answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
    }
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
