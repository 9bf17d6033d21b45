//! Patches: changing a workflow's code while runs of the old code are under way.

use std::panic::{Location, panic_any};
use std::sync::Arc;

use super::context::WorkflowContext;
use super::info::WorkflowInfo;
use crate::replay::machines::change_marker;
use crate::replay::{Nondeterminism, NondeterminismKind};

/// Version that [`WorkflowContext::version`] returns to a run that passed the call before the call was there (Go's and
/// Java's `DefaultVersion`).
pub const DEFAULT_VERSION: i32 = change_marker::DEFAULT_VERSION;

/// Decides whether a run takes the new path of a patch, when live code asks for it first.
pub(crate) type PatchActivation = Arc<dyn Fn(&WorkflowInfo, &str) -> bool + Send + Sync>;

impl WorkflowContext {
    /// Returns true if this run takes the new path of a change (Temporal's `patched`).
    ///
    /// A run that has not passed this place yet takes the new path, and a marker records this in its history. A run
    /// that passed it before the change keeps the old path. All calls with one `id` give one answer. A worker may decide
    /// that runs do not take the new path yet: `WorkerBuilder::patch_activation`.
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

    /// Returns this run's version of a change (`GetVersion` of the Go SDK, `Workflow.getVersion` of Java).
    ///
    /// A run that has not passed this place yet gets `max`, and a marker records this in its history. A run that passed
    /// it earlier keeps the version that it got then, or [`DEFAULT_VERSION`] (-1) if the call was not there. All calls
    /// with one `id` give one answer. Use it instead of [`patched`](Self::patched) for code that changes again and
    /// again at the same place:
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # #[activity] async fn charge_card(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # #[activity] async fn charge_account(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// use abide::workflow::DEFAULT_VERSION;
    ///
    /// #[workflow]
    /// async fn pay(ctx: &WorkflowContext, cents: u64) -> Result<(), WorkflowError> {
    ///     match ctx.version("payment", DEFAULT_VERSION, 2) {
    ///         DEFAULT_VERSION => ctx.activity(charge, cents).start_to_close_timeout(mins(1)).await?,
    ///         1 => ctx.activity(charge_card, cents).start_to_close_timeout(mins(1)).await?,
    ///         _ => ctx.activity(charge_account, cents).start_to_close_timeout(mins(1)).await?,
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// When no run of an old version is left (`TemporalChangeVersion = 'payment-1'` finds those of version 1), raise
    /// `min` and remove the old branch. The call may be removed together with the last old branch, because a replay
    /// skips the markers of versions that nothing asks for. A marker of `patched` with the same `id` counts as version
    /// 1, so a patch can grow into versions.
    ///
    /// If the run has a version that is not between `min` and `max`, the workflow task fails as nondeterministic, and
    /// the run waits for code that supports its version.
    ///
    /// # Panics
    /// Panics, and so fails the workflow task, if `min` is greater than `max`.
    #[track_caller]
    pub fn version(&self, id: &str, min: i32, max: i32) -> i32 {
        self.shared.must_not_be_read_only("a version");
        assert!(
            min <= max,
            "version(\"{id}\", {min}, {max}): `min` is greater than `max`; pass the oldest version first"
        );
        let location = Location::caller();
        let version = self.shared.operation_state.borrow_mut().machines.version(id, max, location);
        if !(min..=max).contains(&version) {
            panic_any(unsupported(id, version, min, max, location));
        }
        version
    }

    #[track_caller]
    fn patch(&self, id: &str, deprecated: bool) -> bool {
        self.shared.must_not_be_read_only("a patch");
        if let Some(activates) = self.shared.patch_activation.as_ref().filter(|_| !deprecated)
            && self.shared.operation_state.borrow().machines.chooses(id)
            && !activates(self.info(), id)
        {
            self.shared.operation_state.borrow_mut().machines.keep_old_path(id);
            return false;
        }
        self.shared.operation_state.borrow_mut().machines.patch(id, deprecated, Location::caller())
    }
}

fn unsupported(id: &str, version: i32, min: i32, max: i32, location: &'static Location<'static>) -> Nondeterminism {
    let recorded = match version {
        DEFAULT_VERSION => format!("the run has version -1 of `{id}`: it passed this place before the call was there"),
        version => format!("the run has version {version} of `{id}`"),
    };
    let next_step = match (version < min, version) {
        (true, DEFAULT_VERSION) => format!(
            "restore the code from before the change and pass `DEFAULT_VERSION` as `min`, until no run without a version \
             of `{id}` is left."
        ),
        (true, _) => format!(
            "restore the code of version {version} and pass {version} as `min`, until the query `TemporalChangeVersion \
             = '{id}-{version}'` finds no open run."
        ),
        (false, _) => {
            format!("deploy the code that recorded version {version}: this code knows no version above {max}.")
        }
    };
    let supported =
        if min == max { format!("only version {max}") } else { format!("the versions from {min} to {max}") };
    Nondeterminism::new(NondeterminismKind::UnsupportedVersion, 0, "(this workflow task)", recorded)
        .produced(format!("supports {supported}"), Some(location))
        .with_next_step(next_step)
}
