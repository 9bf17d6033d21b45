//! The host of an attempt, as its context sees it: it takes the attempt's heartbeats.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use abide_protos::temporal::api::common::v1::Payload;

use super::client::AttemptClient;
use super::heartbeat::{HeartbeatTarget, Heartbeats};
use crate::activity::{ActivityFuture, ActivityOutbound, BlockingCode};
use crate::metrics::Metrics;
use crate::worker::context::WorkerContext;
use crate::worker::polling::Slot;

/// The host of an attempt.
pub(crate) struct AttemptHost<T> {
    pub(crate) heartbeats: Arc<Heartbeats<T>>,
    pub(crate) activity_type: String,
    pub(crate) has_heartbeat_timeout: bool,
    pub(crate) told: Arc<Told>,
    /// True once the log says that a heartbeat came after the attempt's end.
    pub(crate) told_of_late_heartbeat: AtomicBool,
    pub(crate) shared: Arc<WorkerContext>,
    /// The attempt's slot. Not kept by this host, because code may keep its context for ever.
    pub(crate) slot: Weak<Slot>,
    pub(crate) client: AttemptClient,
}

/// Number of activity types that are told of: a dynamic activity may run any number of types.
const MOST_TOLD: usize = 100;

/// The activity types of a worker for which the log says that their automatic heartbeats have no timeout.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<BTreeSet<String>>);

impl<T: HeartbeatTarget> ActivityOutbound for AttemptHost<T> {
    fn heartbeat(&self, details: Vec<Payload>) {
        if !self.heartbeats.has_ended() {
            self.heartbeats.record(details);
        } else if !self.told_of_late_heartbeat.swap(true, Ordering::Relaxed) {
            let activity_type = &self.activity_type;
            tracing::warn!(
                activity_type,
                "activity `{activity_type}` has recorded a heartbeat after its attempt had ended, so it is not sent. Let \
                 the activity await the tasks that it spawns before it returns"
            );
        }
    }

    fn begin_auto_heartbeat(&self) {
        if self.has_heartbeat_timeout {
            self.heartbeats.begin_automatic();
        } else {
            self.told.tell_once(&self.activity_type);
        }
    }

    fn run_blocking(&self, code: BlockingCode) -> ActivityFuture<Payload> {
        self.shared.blocking_threads.run(self.slot.upgrade(), code)
    }

    fn client(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self.client.get())
    }

    fn metrics(&self) -> Option<&Metrics> {
        Some(self.shared.metrics.metrics())
    }
}

impl Told {
    fn tell_once(&self, activity_type: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_TOLD && told.insert(activity_type.to_owned()) {
            tracing::warn!(
                activity_type,
                "activity `{activity_type}` has `auto_heartbeat`, but this call of it has no heartbeat timeout, so no \
                 heartbeats are sent. Set `heartbeat_timeout` on the call, or as a default: \
                 `#[activity(auto_heartbeat, heartbeat_timeout = secs(30))]`"
            );
        }
    }
}
