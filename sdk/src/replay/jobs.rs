//! What the events of one workflow task have for the author's code, in the order in which it gets them.
//!
//! All events of a task drive the machines first; then the code gets its jobs by rank: the start, the random seed,
//! signals in the order of their arrival (also one that stands after a timer's firing), then everything else in
//! history order. That order is Core's: histories depend on it.

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::{
    WorkflowExecutionSignaledEventAttributes, WorkflowExecutionStartedEventAttributes,
};

use super::slab::Key;

/// The jobs of one workflow task, by rank.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) start: Option<Box<WorkflowExecutionStartedEventAttributes>>,
    pub(crate) random_seed: Option<u64>,
    pub(crate) messages: Vec<Signal>,
    pub(crate) others: Vec<Job>,
}

/// A signal as it arrived.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) event_id: i64,
    pub(crate) name: String,
    pub(crate) input: Option<Payloads>,
}

impl Signal {
    /// Takes what the handler gets out of the event.
    pub(crate) fn of(event_id: i64, event: &mut WorkflowExecutionSignaledEventAttributes) -> Self {
        Self { event_id, name: std::mem::take(&mut event.signal_name), input: event.input.take() }
    }
}

/// A job of the last rank.
#[derive(Debug)]
pub(crate) enum Job {
    /// An operation has an outcome for the one who waits for it.
    Resolve { operation: Key, outcome: Outcome },
    /// Cancellation of the workflow was requested.
    CancelWorkflow { reason: String },
}

/// What an operation came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A timer fired.
    Fired,
    /// An activity completed, with its result.
    Completed(Option<Payload>),
    /// An activity failed, timed out or was cancelled.
    Failed(Box<FailureProto>),
    /// The operation was cancelled before it came to anything.
    Cancelled,
}
