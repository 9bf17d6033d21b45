//! The handlers that were set while the workflow runs, as the runtime finds them, and the messages that wait for one.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::Location;
use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payload;

use crate::converter::PayloadReader;
use crate::failure::WorkflowError;
use crate::replay::jobs::HandlerMessage;
use crate::workflow::context::WorkflowContext;
use crate::workflow::implementation::{HandlerInfo, HandlerKind, SignalDispatch, UnfinishedPolicy, UpdateDispatch};

pub(crate) type SignalCode = Rc<dyn Fn(WorkflowContext, &str, &mut PayloadReader<'_>) -> SignalDispatch>;
pub(crate) type QueryCode =
    Rc<dyn Fn(&WorkflowContext, &str, &mut PayloadReader<'_>) -> Result<Payload, WorkflowError>>;
pub(crate) type UpdateCode = Rc<dyn Fn(WorkflowContext, &str, &mut PayloadReader<'_>, Validation) -> UpdateDispatch>;

/// The handlers that were set while the workflow runs, and the messages that wait for one.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) set: Vec<SetHandler>,
    /// The handlers of the workflow's struct.
    pub(crate) of_struct: &'static [HandlerInfo],
    /// Number of handlers that were set so far.
    pub(crate) sets: u64,
    /// Messages without a handler, in the order of their arrival.
    pub(crate) kept: Vec<HandlerMessage>,
    /// Messages that were kept, and whose handler is set now, in the order of their arrival.
    due: VecDeque<HandlerMessage>,
    /// True while an update without a handler waits for one: as long as the code that its task wakes is running.
    pub(crate) updates_wait: bool,
    /// Event of the last signal that the log has a warning about.
    pub(crate) warned_up_to: i64,
}

/// A handler that was set while the workflow runs.
pub(crate) struct SetHandler {
    pub(crate) number: u64,
    /// Name on the wire; empty for the dynamic handler.
    pub(crate) name: Cow<'static, str>,
    pub(crate) code: HandlerCode,
    pub(crate) description: String,
    pub(crate) unfinished_policy: UnfinishedPolicy,
    pub(crate) location: &'static Location<'static>,
}

/// An author's closure, on payloads.
pub(crate) enum HandlerCode {
    Signal(SignalCode),
    Query(QueryCode),
    Update(UpdateCode),
}

/// The validation of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    Runs,
    /// The update was accepted when the task first ran.
    IsOver,
}

impl HandlerCode {
    pub(crate) fn kind(&self) -> HandlerKind {
        match self {
            Self::Signal(_) => HandlerKind::Signal,
            Self::Query(_) => HandlerKind::Query,
            Self::Update(_) => HandlerKind::Update,
        }
    }
}

impl HandlerKind {
    /// Name of the kind of message, for texts.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Query => "query",
            Self::Update => "update",
        }
    }
}

impl Handlers {
    /// Returns the handler of that kind and name; the empty name is that of the dynamic handler.
    pub(crate) fn find(&self, kind: HandlerKind, name: &str) -> Option<&SetHandler> {
        self.set.iter().find(|handler| handler.code.kind() == kind && handler.name == name)
    }

    pub(crate) fn signal(&self, name: &str) -> Option<SignalCode> {
        match &self.find(HandlerKind::Signal, name)?.code {
            HandlerCode::Signal(code) => Some(Rc::clone(code)),
            HandlerCode::Query(_) | HandlerCode::Update(_) => None,
        }
    }

    pub(crate) fn query(&self, name: &str) -> Option<QueryCode> {
        match &self.find(HandlerKind::Query, name)?.code {
            HandlerCode::Query(code) => Some(Rc::clone(code)),
            HandlerCode::Signal(_) | HandlerCode::Update(_) => None,
        }
    }

    pub(crate) fn update(&self, name: &str) -> Option<UpdateCode> {
        match &self.find(HandlerKind::Update, name)?.code {
            HandlerCode::Update(code) => Some(Rc::clone(code)),
            HandlerCode::Signal(_) | HandlerCode::Query(_) => None,
        }
    }

    /// Adds a handler. Messages that waited for it are due. Returns the handler that it replaces.
    pub(crate) fn insert(&mut self, handler: SetHandler) -> Option<SetHandler> {
        let kind = handler.code.kind();
        let is_for = |message: &mut HandlerMessage| {
            kind_of(message) == kind && (handler.name.is_empty() || name_of(message) == handler.name)
        };
        self.due.extend(self.kept.extract_if(.., is_for));
        self.due.make_contiguous().sort_by_key(HandlerMessage::arrival);
        match self.set.iter_mut().find(|other| other.code.kind() == kind && other.name == handler.name) {
            Some(other) => Some(std::mem::replace(other, handler)),
            None => {
                self.set.push(handler);
                None
            }
        }
    }

    /// Removes a handler.
    pub(crate) fn remove(&mut self, number: u64) -> Option<SetHandler> {
        let at = self.set.iter().position(|handler| handler.number == number)?;
        Some(self.set.remove(at))
    }

    /// Keeps a message for a handler that comes later.
    pub(crate) fn keep(&mut self, message: HandlerMessage) {
        self.kept.push(message);
    }

    /// Returns the next message that was kept and has its handler now.
    pub(crate) fn next_due(&mut self) -> Option<HandlerMessage> {
        self.due.pop_front()
    }

    /// Returns the updates that still have no handler.
    pub(crate) fn take_updates(&mut self) -> Vec<HandlerMessage> {
        self.kept.extract_if(.., |message| kind_of(message) == HandlerKind::Update).collect()
    }
}

fn kind_of(message: &HandlerMessage) -> HandlerKind {
    match message {
        HandlerMessage::Signal(_) => HandlerKind::Signal,
        HandlerMessage::Update(_) => HandlerKind::Update,
    }
}

fn name_of(message: &HandlerMessage) -> &str {
    match message {
        HandlerMessage::Signal(signal) => &signal.name,
        HandlerMessage::Update(request) => request.name(),
    }
}
