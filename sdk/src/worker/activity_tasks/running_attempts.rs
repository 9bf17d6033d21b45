//! The activity attempts that a worker runs, by the task token that a server's command names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::activity::{ActivityCancelReason, ActivityCancellation};

/// The running attempts.
#[derive(Debug, Default)]
pub(crate) struct RunningAttempts {
    by_token: Mutex<HashMap<Arc<[u8]>, ActivityCancellation>>,
}

/// A registration of an attempt, which can be cancelled by its token until this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    attempts: Arc<RunningAttempts>,
    task_token: Arc<[u8]>,
}

impl RunningAttempts {
    pub(crate) fn add(self: &Arc<Self>, task_token: &[u8], cancellation: &ActivityCancellation) -> Registration {
        let task_token: Arc<[u8]> = task_token.into();
        self.lock().insert(Arc::clone(&task_token), cancellation.clone());
        Registration { attempts: Arc::clone(self), task_token }
    }

    /// Cancels an attempt, as the answer to a heartbeat would. Returns `false` if it is not registered.
    pub(crate) fn cancel(&self, task_token: &[u8]) -> bool {
        let cancellation = self.lock().get(task_token).cloned();
        // Cancelled outside the lock, because this wakes the waiting code.
        cancellation.map(|cancellation| cancellation.cancel(ActivityCancelReason::Cancelled)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<[u8]>, ActivityCancellation>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.attempts.lock().remove(&self.task_token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b060_an_attempt_is_known_by_its_token_as_long_as_it_is_in_hand() {
        let (attempts, cancellation) = (Arc::new(RunningAttempts::default()), ActivityCancellation::new());
        let in_hand = attempts.add(b"bake", &cancellation);
        assert!(!attempts.cancel(b"brew") && cancellation.reason().is_none());
        assert!(attempts.cancel(b"bake"));
        assert_eq!(cancellation.reason(), Some(ActivityCancelReason::Cancelled));
        drop(in_hand);
        assert!(!attempts.cancel(b"bake") && attempts.lock().is_empty());
    }
}
