//! What a committed transaction makes other runs do: start a child, deliver a signal, tell a parent. Done in the order in
//! which it was caused, one after another, when the transaction that caused it is over.

use std::collections::VecDeque;

use super::Engine;
use super::child::Child;
use super::execution::ExecutionId;

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
    /// One is under way, or all are held back.
    busy: bool,
}

impl Errands {
    pub(crate) fn add(&mut self, id: ExecutionId, errand: Errand) {
        self.waiting.push_back((id, errand));
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

    pub(crate) fn release_errands(&mut self) {
        self.errands.busy = false;
        self.run_errands();
    }
}
