//! A request to cancel the workflow, and the outcomes and starts that come with it in one workflow task. SDKs differ in
//! what a routine gets that waits for one of them in the cancelled scope.

use super::order::{CancellationTie, RunOrder, StartWait};
use super::workflow_run::WorkflowRun;
use crate::replay::jobs::{Job, Outcome};
use crate::replay::slab::Key;
use crate::workflow::operation::{AwaitedKind, Operation};

impl WorkflowRun {
    /// Replaces the outcomes that a request to cancel the workflow, in the same task, turns into cancellations.
    pub(super) fn settle(&self, mut jobs: Vec<Job>, order: RunOrder) -> Vec<Job> {
        let Some(at) = jobs.iter().position(|job| matches!(job, Job::CancelWorkflow { .. })) else { return jobs };
        let (from, is_hit): (_, fn(&Operation) -> bool) = match order.cancellation {
            CancellationTie::OutcomeStays => return jobs,
            CancellationTie::TimerBehindIsCancelled => (at, |_| false),
            CancellationTie::TimerIsCancelled => (0, |_| false),
            CancellationTie::TimerAndActivityAreCancelled => (0, |it| it.kind == AwaitedKind::Activity),
            CancellationTie::WaitIsCancelled => (0, |_| true),
        };
        let ends_starts = order.starts != StartWait::Lasts;
        let core = self.shared().operation_state.borrow();
        let awaited = |operation| core.operations.get(operation).filter(|it| self.is_awaited_in_root(it));
        for job in &mut jobs[from..] {
            let Job::Resolve { operation, outcome } = job else { continue };
            let Some(operation) = awaited(*operation) else { continue };
            match outcome {
                Outcome::Fired => *outcome = Outcome::Cancelled,
                Outcome::Completed(_) | Outcome::Failed(_)
                    if is_hit(operation) || (ends_starts && waits_for_start(operation)) =>
                {
                    *outcome = Outcome::cancelled();
                }
                Outcome::Completed(_)
                | Outcome::Failed(_)
                | Outcome::Started(_)
                | Outcome::NexusStarted(_)
                | Outcome::Delivered
                | Outcome::BackOff(_)
                | Outcome::Cancelled => {}
            }
        }
        if ends_starts {
            // The operation for the end tells the routine that its wait is over.
            jobs.retain(|job| match job {
                Job::Resolve { operation, outcome: Outcome::Started(_) | Outcome::NexusStarted(_) } => {
                    awaited(*operation).is_none()
                }
                Job::Resolve { .. } | Job::CancelWorkflow { .. } => true,
            });
        }
        jobs
    }

    /// Cancels the scope of the main routine.
    pub(super) fn cancel_workflow(&self, reason: &str, starts: StartWait) {
        let shared = self.shared();
        let (ended, left_alone): (Vec<Key>, fn(AwaitedKind) -> bool) = match starts {
            StartWait::Lasts => (Vec::new(), |_| false),
            StartWait::IsCancelled => (self.waits_for_starts(), |_| false),
            StartWait::IsCancelledAlone => (self.waits_for_starts(), |kind| kind == AwaitedKind::JustStarted),
        };
        for key in &ended {
            shared.operation_state.borrow_mut().abandon_machine(*key, left_alone);
        }
        shared.cancel_scope(&shared.root_scope, reason);
        for key in ended {
            let mut core = shared.operation_state.borrow_mut();
            core.abandon_machine(key, |_| true);
            core.resolve_operation(key, Outcome::cancelled());
        }
    }

    /// Returns the operations of children and Nexus operations whose start a routine waits for, in the order in which
    /// they began.
    fn waits_for_starts(&self) -> Vec<Key> {
        let core = self.shared().operation_state.borrow();
        let waits = |operation: &Operation| waits_for_start(operation) && self.is_awaited_in_root(operation);
        let found = core.operations.iter().filter(|(_, operation)| waits(operation));
        let mut found: Vec<(u64, Key)> = found.map(|(key, operation)| (operation.number, key)).collect();
        found.sort_unstable_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, key)| key).collect()
    }

    fn is_awaited_in_root(&self, operation: &Operation) -> bool {
        operation.is_awaited() && operation.scope.is_in(&self.shared().root_scope)
    }
}

fn waits_for_start(operation: &Operation) -> bool {
    match operation.kind {
        AwaitedKind::Unstarted | AwaitedKind::JustStarted => true,
        AwaitedKind::Activity | AwaitedKind::Started | AwaitedKind::Other => false,
    }
}
