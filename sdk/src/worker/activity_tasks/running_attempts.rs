//! The attempts of activities that a worker runs, by task token: a command of the server names the one it is for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::activity::{ActivityCancelReason, ActivityCancellation};

/// The attempts in hand.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    by_token: Mutex<HashMap<Arc<[u8]>, ActivityCancellation>>,
}

/// An attempt that can be told to stop by its token until this is dropped.
#[derive(Debug)]
pub(crate) struct InHand {
    attempts: Arc<Attempts>,
    task_token: Arc<[u8]>,
}

impl Attempts {
    pub(crate) fn add(self: &Arc<Self>, task_token: &[u8], cancellation: &ActivityCancellation) -> InHand {
        let task_token: Arc<[u8]> = task_token.into();
        self.lock().insert(Arc::clone(&task_token), cancellation.clone());
        InHand { attempts: Arc::clone(self), task_token }
    }

    /// Tells an attempt to stop, as the answer to a heartbeat would. `false` if it is not in hand.
    pub(crate) fn cancel(&self, task_token: &[u8]) -> bool {
        let cancellation = self.lock().get(task_token).cloned();
        // Whoever waits for it is woken without the lock.
        cancellation.map(|cancellation| cancellation.cancel(ActivityCancelReason::Cancelled)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<[u8]>, ActivityCancellation>> {
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.attempts.lock().remove(&self.task_token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b060_an_attempt_is_known_by_its_token_as_long_as_it_is_in_hand() {
        let (attempts, cancellation) = (Arc::new(Attempts::default()), ActivityCancellation::new());
        let in_hand = attempts.add(b"bake", &cancellation);
        assert!(!attempts.cancel(b"brew") && cancellation.reason().is_none());
        assert!(attempts.cancel(b"bake"));
        assert_eq!(cancellation.reason(), Some(ActivityCancelReason::Cancelled));
        drop(in_hand);
        assert!(!attempts.cancel(b"bake") && attempts.lock().is_empty());
    }
}
