//! A fixed number of slots that several task queues share.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{SlotRequest, SlotSupplier, SlotTask};

/// A fixed number of slots. Those who wait are served in order, so that no queue starves another.
pub(in crate::worker) struct SharedSlots(Semaphore);

impl SharedSlots {
    pub(in crate::worker) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self(Semaphore::new(slots.min(Semaphore::MAX_PERMITS))))
    }
}

#[async_trait]
impl SlotSupplier for SharedSlots {
    async fn reserve(&self, _: &SlotRequest) {
        // It is never closed. If it were, working without a limit would be better than not at all.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }

    fn try_reserve(&self, _: &SlotRequest) -> bool {
        self.0.try_acquire().map(|permit| permit.forget()).is_ok()
    }

    fn release(&self, _: Option<&SlotTask>) {
        self.0.add_permits(1);
    }

    fn available(&self) -> Option<usize> {
        Some(self.0.available_permits())
    }

    fn kind(&self) -> &str {
        "Fixed"
    }
}
