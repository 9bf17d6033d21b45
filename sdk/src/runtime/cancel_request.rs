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
        let (just_started, ended) = match starts {
            StartWait::Lasts => (Vec::new(), Vec::new()),
            StartWait::IsCancelled => (Vec::new(), self.awaited_in_root(waits_for_start)),
            StartWait::IsCancelledAlone => {
                let just_started = self.awaited_in_root(|operation| operation.kind == AwaitedKind::JustStarted);
                (just_started, self.awaited_in_root(waits_for_start))
            }
        };
        for key in just_started {
            shared.operation_state.borrow_mut().abandon_machine(key);
        }
        shared.cancel_scope(&shared.root_scope, reason);
        for key in ended {
            let mut core = shared.operation_state.borrow_mut();
            core.abandon_machine(key);
            core.resolve_operation(key, Outcome::cancelled());
        }
    }

    /// Returns the operations that `such` accepts and that a routine in the main routine's scope waits for.
    fn awaited_in_root(&self, such: impl Fn(&Operation) -> bool) -> Vec<Key> {
        let core = self.shared().operation_state.borrow();
        core.operations_that(|operation| such(operation) && self.is_awaited_in_root(operation))
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
