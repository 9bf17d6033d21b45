//! Patches: changing a workflow's code while runs of the old code are under way.

use std::panic::Location;

use super::context::WorkflowContext;

impl WorkflowContext {
    /// Returns true if this run takes the new path of a change (Temporal's `patched`).
    ///
    /// A run that has not passed this place yet takes the new path, and a marker records this in its history. A run
    /// that passed it before the change keeps the old path. All calls with one `id` give one answer.
    ///
    /// A change has three steps. Branch on `patched`. When no run of the old path is left, replace the call by
    /// [`deprecate_patch`](Self::deprecate_patch) and keep only the new path. When no run that called `patched` is
    /// left, remove the call.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # #[activity] async fn check_fraud(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// #[workflow]
    /// async fn pay(ctx: &WorkflowContext, cents: u64) -> Result<(), WorkflowError> {
    ///     if ctx.patched("check-fraud-first") {
    ///         ctx.activity(check_fraud, cents).start_to_close_timeout(mins(1)).await?;
    ///     }
    ///     ctx.activity(charge, cents).start_to_close_timeout(mins(1)).await?;
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn patched(&self, id: &str) -> bool {
        self.patch(id, false)
    }

    /// Declares that every run still under way has the new path of a change (Temporal's `deprecate_patch`).
    ///
    /// It has no effect on the code. Runs recorded with it can be replayed without the call, so the next release can
    /// drop it.
    #[track_caller]
    pub fn deprecate_patch(&self, id: &str) {
        self.patch(id, true);
    }

    #[track_caller]
    fn patch(&self, id: &str, deprecated: bool) -> bool {
        self.shared.must_not_be_read_only("a patch");
        self.shared.operation_state.borrow_mut().machines.patch(id, deprecated, Location::caller())
    }
}
