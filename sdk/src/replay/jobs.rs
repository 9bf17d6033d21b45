//! What the events of one workflow task have for the author's code, in the order in which it gets them.
//!
//! All events of a task drive the machines first; then the code gets its jobs by rank: the start, the random seed,
//! signals and updates in the order of their arrival (also one that stands after a timer's firing), then everything
//! else in history order, then what local activities came to. That order is Core's: histories depend on it.

use std::time::Duration;

use abide_protos::Timestamp;
use abide_protos::temporal::api::common::v1::{Header, Payload, Payloads, WorkflowExecution};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::history::v1::WorkflowExecutionStartedEventAttributes;
use abide_protos::temporal::api::update::v1::Request;

use super::slab::Key;

/// The jobs of one workflow task, by rank.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) start: Option<Box<WorkflowExecutionStartedEventAttributes>>,
    pub(crate) random_seed: Option<u64>,
    pub(crate) messages: Vec<Message>,
    pub(crate) others: Vec<Job>,
    pub(crate) local_activities: Vec<LocalJob>,
}

impl Jobs {
    pub(crate) fn is_empty(&self) -> bool {
        self.start.is_none()
            && self.random_seed.is_none()
            && self.messages.is_empty()
            && self.others.is_empty()
            && self.local_activities.is_empty()
    }

    /// Whether there is nothing but updates that nobody has accepted yet.
    pub(crate) fn are_only_requests(&self) -> bool {
        let is_request =
            |message: &Message| matches!(message, Message::Update(update) if update.accepted_event_id.is_none());
        self.start.is_none()
            && self.random_seed.is_none()
            && self.others.is_empty()
            && self.local_activities.is_empty()
            && !self.messages.is_empty()
            && self.messages.iter().all(is_request)
    }
}

/// Something that was sent to the workflow and that a handler takes.
#[derive(Debug)]
pub(crate) enum Message {
    Signal(Signal),
    Update(Box<UpdateRequest>),
}

/// A signal as it arrived.
#[derive(Debug)]
pub(crate) struct Signal {
    pub(crate) event_id: i64,
    pub(crate) name: String,
    pub(crate) input: Option<Payloads>,
    pub(crate) header: Option<Box<Header>>,
}

/// An update as it was requested.
#[derive(Debug)]
pub(crate) struct UpdateRequest {
    /// Id of the protocol message that asked for it.
    pub(crate) message_id: String,
    pub(crate) update_id: String,
    /// The last event that came before it.
    pub(crate) sequencing_event_id: i64,
    pub(crate) request: Request,
    /// On replay: the event that says it was accepted, so nobody is asked again.
    pub(crate) accepted_event_id: Option<i64>,
}

impl UpdateRequest {
    /// The update's name on the wire.
    pub(crate) fn name(&self) -> &str {
        self.request.input.as_ref().map_or("", |input| &input.name)
    }

    /// Its headers, if it has any.
    pub(crate) fn header(&self) -> Option<&Header> {
        let header = self.request.input.as_ref().and_then(|input| input.header.as_ref());
        header.filter(|header| !header.fields.is_empty())
    }
}

impl Jobs {
    /// Whether an update of that id is among the messages.
    pub(crate) fn has_update(&self, id: &str) -> bool {
        self.messages.iter().any(|message| matches!(message, Message::Update(update) if update.update_id == id))
    }

    /// Files an update among the messages: behind all that arrived before it.
    pub(crate) fn add_update(&mut self, request: UpdateRequest) {
        let arrived = |message: &Message| match message {
            Message::Signal(signal) => signal.event_id,
            Message::Update(update) => update.sequencing_event_id,
        };
        let at = self.messages.partition_point(|message| arrived(message) <= request.sequencing_event_id);
        self.messages.insert(at, Message::Update(Box::new(request)));
    }
}

/// A local activity has an outcome, whether or not somebody waits for it.
#[derive(Debug)]
pub(crate) struct LocalJob {
    pub(crate) operation: Option<Key>,
    pub(crate) outcome: Outcome,
}

/// A job of the last rank but one.
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
    /// A child workflow was started: its id and the id of its first run.
    Started(Box<WorkflowExecution>),
    /// A Nexus operation was started and goes on; its token.
    NexusStarted(String),
    /// Another workflow got a signal, or a request to cancel.
    Delivered,
    /// An activity, a child workflow or a Nexus operation completed, with its result.
    Completed(Option<Payload>),
    /// An activity or a child workflow did not complete; a signal or a request to cancel did not arrive.
    Failed(Box<FailureProto>),
    /// A local activity failed, and its next attempt is too far away to wait for within the workflow task.
    BackOff(Box<BackOff>),
    /// The operation was cancelled before it came to anything.
    Cancelled,
}

impl Outcome {
    /// A cancellation that no event tells of, for whoever waits for something else than a timer.
    pub(crate) fn cancelled() -> Self {
        Self::Failed(Box::new(FailureProto {
            message: "Cancelled".to_string(),
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
            ..Default::default()
        }))
    }
}

/// How a local activity goes on after a timer.
#[derive(Debug)]
pub(crate) struct BackOff {
    pub(crate) delay: Duration,
    pub(crate) next_attempt: u32,
    pub(crate) original_schedule_time: Option<Timestamp>,
}
