//! Futures that wait for the same thing, in the order in which they began to wait.

use std::collections::BTreeMap;
use std::task::Waker;

/// The wakers of waiting futures. Each future keeps its id, so that it stands in the list once and can leave it.
#[derive(Debug, Default)]
pub(super) struct WaitList {
    waiting: BTreeMap<u64, Waker>,
    next_id: u64,
}

impl WaitList {
    /// Adds a future to the list, or gives the one with this id its new waker.
    pub(super) fn wait(&mut self, id: &mut Option<u64>, waker: &Waker) {
        if let Some(known) = id.and_then(|id| self.waiting.get_mut(&id)) {
            known.clone_from(waker);
            return;
        }
        self.next_id += 1;
        *id = Some(self.next_id);
        self.waiting.insert(self.next_id, waker.clone());
    }

    /// Takes a future off the list, if it is there.
    pub(super) fn leave(&mut self, id: &mut Option<u64>) {
        if let Some(id) = id.take() {
            self.waiting.remove(&id);
        }
    }

    /// Wakes all and takes them off the list.
    pub(super) fn wake_all(&mut self) {
        std::mem::take(&mut self.waiting).into_values().for_each(Waker::wake);
    }
}
