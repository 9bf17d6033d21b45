//! Effects of a committed transaction on other runs: start a child, deliver a signal, notify a parent. They are
//! executed after the transaction, one after another, in the order in which they were caused; only the starts of
//! children come last.
//!
//! Extends `Engine`.

use std::collections::VecDeque;

use super::Engine;
use super::children::Child;
use super::workflow::ExecutionId;

/// An effect on another run; event ids are those of the run that causes it.
#[derive(Debug)]
pub(crate) enum Errand {
    /// Start the child of a StartChildWorkflowExecutionInitiated event.
    StartChild(i64),
    /// Deliver the signal of a SignalExternalWorkflowExecutionInitiated event.
    SignalExternal(i64),
    /// Deliver the request of a RequestCancelExternalWorkflowExecutionInitiated event.
    CancelExternal(i64),
    /// Notify the parent of the run's end, unless another run follows.
    TellParent,
    /// Apply the parent close policies of a closed run's children.
    CloseChildren(Vec<Child>),
}

/// The queue of errands.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    waiting: VecDeque<(ExecutionId, Errand)>,
    /// Signals to a run (the second id is the sender) that cannot be delivered while it is closing.
    held: Vec<(ExecutionId, ExecutionId, Errand)>,
    /// True while an errand is executed or all are held back.
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

    /// Retries the errands kept for `target`.
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
    /// Executes the queued errands, and those that they cause.
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

    /// Holds errands back while a request takes several transactions, so that nothing happens between these.
    pub(crate) fn hold_errands(&mut self) {
        self.errands.busy = true;
    }

    /// Releases the errands: messages before the starts of children. A real server sends both at the same time, and a
    /// message to a child started by the same answer usually finds no such workflow.
    pub(crate) fn release_errands(&mut self) {
        self.errands.busy = false;
        let starts = |(_, errand): &(ExecutionId, Errand)| matches!(errand, Errand::StartChild(_));
        self.errands.waiting.make_contiguous().sort_by_key(starts);
        self.run_errands();
    }
}
