//! What a committed transaction makes other runs do: start a child, deliver a signal, tell a parent. Done in the order in
//! which it was caused (but children are started last), one after another, when the transaction that caused it is over.
//!
//! Extends `Engine`.

use std::collections::VecDeque;

use super::Engine;
use super::children::Child;
use super::workflow::ExecutionId;

/// One thing to be done elsewhere; event ids are those of the run that causes it.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Start the child of a StartChildWorkflowExecutionInitiated event.
    StartChild(i64),
    /// Deliver the signal of a SignalExternalWorkflowExecutionInitiated event.
    SignalExternal(i64),
    /// Deliver the request of a RequestCancelExternalWorkflowExecutionInitiated event.
    CancelExternal(i64),
    /// Tell the parent how the run ended, unless another one follows it.
    TellParent,
    /// Apply the parent close policies of the children of a run that has closed.
    CloseChildren(Vec<Child>),
}

/// The errands that wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    waiting: VecDeque<(ExecutionId, Errand)>,
    /// Signals (the second id sends) that a run cannot take while it is closing.
    held: Vec<(ExecutionId, ExecutionId, Errand)>,
    /// One is under way, or all are held back.
    busy: bool,
}

impl Errands {
    pub(crate) fn add(&mut self, id: ExecutionId, errand: Errand) {
        self.waiting.push_back((id, errand));
    }

    /// Keeps an errand until `target` is no longer closing.
    pub(crate) fn hold_until_closed(&mut self, target: ExecutionId, id: ExecutionId, errand: Errand) {
        self.held.push((target, id, errand));
    }

    /// What was kept for `target` is tried again.
    pub(crate) fn release_held(&mut self, target: ExecutionId) {
        if self.held.iter().any(|(held, ..)| *held == target) {
            let (free, held) = std::mem::take(&mut self.held).into_iter().partition(|(held, ..)| *held == target);
            self.held = held;
            let free: Vec<_> = free;
            self.waiting.extend(free.into_iter().map(|(_, id, errand)| (id, errand)));
        }
    }
}

impl Engine {
    /// Does what waits, and what that causes in turn.
    pub(crate) fn run_errands(&mut self) {
        if self.errands.busy {
            return;
        }
        self.errands.busy = true;
        while let Some((id, errand)) = self.errands.waiting.pop_front() {
            match errand {
                Errand::StartChild(initiated) => self.start_child(id, initiated),
                Errand::SignalExternal(initiated) => self.signal_external(id, initiated),
                Errand::CancelExternal(initiated) => self.cancel_external(id, initiated),
                Errand::TellParent => self.tell_parent(id),
                Errand::CloseChildren(children) => self.close_children(id, &children),
            }
        }
        self.errands.busy = false;
    }

    /// Holds errands back while a request takes several transactions, so that nothing comes between them.
    pub(crate) fn hold_errands(&mut self) {
        self.errands.busy = true;
    }

    /// Messages go before the starts of children: on a real server they are sent at the same time, and a message to a child
    /// that the same answer starts finds nobody more often than not.
    pub(crate) fn release_errands(&mut self) {
        self.errands.busy = false;
        let starts = |(_, errand): &(ExecutionId, Errand)| matches!(errand, Errand::StartChild(_));
        self.errands.waiting.make_contiguous().sort_by_key(starts);
        self.run_errands();
    }
}
