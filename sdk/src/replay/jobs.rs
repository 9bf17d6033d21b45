//! Jobs: the effects of a workflow task's events on the author's code, in the order in which it gets them.
//!
//! All events of a task drive the machines first. Then the code gets its jobs by rank: the start, the random seed,
//! signals and updates in the order of their arrival (even after the firing of a timer), everything else in history
//! order, and last the outcomes of local activities. Histories depend on this order, which is Core's.

use std::time::Duration;

use abide_protos::Timestamp;
use abide_protos::temporal::api::common::v1::{Header, Payload, Payloads, WorkflowExecution};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::WorkflowExecutionStartedEventAttributes;
use abide_protos::temporal::api::update::v1::Request;

use super::slab::Key;
use crate::failure::{CANCELLED, cancelled_failure};

/// The jobs of one workflow task, by rank.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) start: Option<Box<WorkflowExecutionStartedEventAttributes>>,
    pub(crate) random_seed: Option<u64>,
    pub(crate) messages: Vec<HandlerMessage>,
    pub(crate) others: Vec<Job>,
    pub(crate) local_activities: Vec<LocalJob>,
    /// Children and Nexus operations that have started, by the operation that waits for their end. Not a job of its own.
    pub(crate) started: Vec<Key>,
}

impl Jobs {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.start.is_some())
            + usize::from(self.random_seed.is_some())
            + self.messages.len()
            + self.others.len()
            + self.local_activities.len()
    }

    /// Returns true if there are only updates that were not accepted yet.
    pub(crate) fn are_only_requests(&self) -> bool {
        let is_request = |message: &HandlerMessage| matches!(message, HandlerMessage::Update(update) if update.accepted_event_id.is_none());
        self.start.is_none()
            && self.random_seed.is_none()
            && self.others.is_empty()
            && self.local_activities.is_empty()
            && !self.messages.is_empty()
            && self.messages.iter().all(is_request)
    }
}

/// A message to the workflow, for one of its handlers.
#[derive(Debug)]
pub(crate) enum HandlerMessage {
    Signal(Signal),
    Update(Box<UpdateRequest>),
}

impl HandlerMessage {
    /// Place among the messages: that of a signal is its event; an update comes after the event that its request names.
    pub(crate) fn arrival(&self) -> (i64, u8) {
        match self {
            Self::Signal(signal) => (signal.event_id, 0),
            Self::Update(update) => (update.sequencing_event_id, 1),
        }
    }
}

/// A signal that has arrived.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) event_id: i64,
    pub(crate) name: String,
    pub(crate) input: Option<Payloads>,
    pub(crate) header: Option<Box<Header>>,
}

/// An update that was requested.
#[derive(Debug)]
pub(crate) struct UpdateRequest {
    /// Id of the protocol message that requested it.
    pub(crate) message_id: String,
    pub(crate) update_id: String,
    /// Last event before the request.
    pub(crate) sequencing_event_id: i64,
    pub(crate) request: Request,
    /// On replay, the event that accepted it, so it is not validated again.
    pub(crate) accepted_event_id: Option<i64>,
}

impl UpdateRequest {
    /// Name on the wire.
    pub(crate) fn name(&self) -> &str {
        self.request.input.as_ref().map_or("", |input| &input.name)
    }

    /// Headers, if there are any.
    pub(crate) fn header(&self) -> Option<&Header> {
        let header = self.request.input.as_ref().and_then(|input| input.header.as_ref());
        header.filter(|header| !header.fields.is_empty())
    }
}

impl Jobs {
    /// Returns true if the messages contain an update with this id.
    pub(crate) fn has_update(&self, id: &str) -> bool {
        self.messages.iter().any(|message| matches!(message, HandlerMessage::Update(update) if update.update_id == id))
    }

    /// Adds an update after all messages that arrived before it.
    pub(crate) fn add_update(&mut self, request: UpdateRequest) {
        let arrived = |message: &HandlerMessage| match message {
            HandlerMessage::Signal(signal) => signal.event_id,
            HandlerMessage::Update(update) => update.sequencing_event_id,
        };
        let at = self.messages.partition_point(|message| arrived(message) <= request.sequencing_event_id);
        self.messages.insert(at, HandlerMessage::Update(Box::new(request)));
    }
}

/// The outcome of a local activity, with the operation that waits for it, if there is one.
#[derive(Debug)]
pub(crate) struct LocalJob {
    pub(crate) operation: Option<Key>,
    pub(crate) outcome: Outcome,
}

/// A job of the last rank but one.
#[derive(Debug)]
pub(crate) enum Job {
    /// An operation has an outcome.
    Resolve { operation: Key, outcome: Outcome },
    /// Cancellation of the workflow was requested.
    CancelWorkflow { reason: String },
}

/// Outcome of an operation.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A timer fired.
    Fired,
    /// A child workflow was started, with this id and first run.
    Started(Box<WorkflowExecution>),
    /// A Nexus operation was started and goes on, with this token.
    NexusStarted(String),
    /// Another workflow received a signal or a request to cancel.
    Delivered,
    /// An activity, a child workflow or a Nexus operation completed with this result.
    Completed(Option<Payload>),
    /// An activity or a child workflow did not complete; a signal or a request to cancel did not arrive.
    Failed(Box<FailureProto>),
    /// A local activity failed, and its next attempt is too late to wait for it within the workflow task.
    BackOff(Box<BackOff>),
    /// The operation was cancelled before it had an outcome.
    Cancelled,
}

impl Outcome {
    /// Returns a cancellation without an event, for an operation other than a timer.
    pub(crate) fn cancelled() -> Self {
        Self::Failed(Box::new(cancelled_failure(CANCELLED, None)))
    }
}

/// The next attempt of a local activity, after a timer.
#[derive(Debug)]
pub(crate) struct BackOff {
    pub(crate) delay: Duration,
    pub(crate) next_attempt: u32,
    pub(crate) original_schedule_time: Option<Timestamp>,
}
