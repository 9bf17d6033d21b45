//! Patches: changing a workflow's code while runs of the old code are under way.

use std::panic::Location;

use super::context::WorkflowContext;

impl WorkflowContext {
    /// Whether this run takes the new path of a change (Temporal's `patched`).
    ///
    /// A run that has not passed this place yet takes the new path, and a marker in its history says so from then on;
    /// a run that passed it before the change goes on with the old path. All calls with one `id` give one answer.
    ///
    /// The life of a change: ask `patched`; when no run of the old path is left, say
    /// [`deprecate_patch`](Self::deprecate_patch) in its place and keep the new path only; when no run that asked
    /// `patched` is left, take the call away.
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

    /// Says that every run still under way has the new path of a change (Temporal's `deprecate_patch`).
    ///
    /// It decides nothing. Runs recorded with it replay where the call is gone, so the next release can drop it.
    #[track_caller]
    pub fn deprecate_patch(&self, id: &str) {
        self.patch(id, true);
    }

    #[track_caller]
    fn patch(&self, id: &str, deprecated: bool) -> bool {
        self.shared.must_not_be_read_only("a patch");
        self.shared.core.borrow_mut().machines.patch(id, deprecated, Location::caller())
    }
}
