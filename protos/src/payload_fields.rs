//! Access to every payload and every failure in a message, for codecs and failure converters.
//!
//! The access code is generated from the API's descriptors (`build/payload_fields.rs`), so that no field is forgotten.
//! Written by hand are only the leaf messages, and the exceptions:
//!
//! - search attributes, because the server reads them;
//! - Core's own data in its markers for patches and local activities, which every SDK writes unencoded. Arguments and
//!   results in these markers are the user's;
//! - messages that the server's own Nexus operations take and return as payloads, because the server reads them. The
//!   payloads within them are the user's.

use prost::Message as _;

use crate::Any;
use crate::payload_owners::Owner;
use crate::temporal::api::common::v1::{Header, Payload, Payloads};
use crate::temporal::api::failure::v1::Failure;
use crate::temporal::api::protocol::v1::Message as ProtocolMessage;
use crate::temporal::api::update::v1::{Acceptance, Rejection, Request, Response};
use crate::temporal::api::workflowservice::v1::SignalWithStartWorkflowExecutionRequest as SignalWithStart;

/// The entries of Core's markers that contain user data.
const OF_THE_USER: [&str; 2] = ["result", "input"];

/// Where the server's own Nexus operations are defined, as the type of a message begins.
const OF_THE_SERVER: &[u8] = b"temporal.api.workflowservice.v1.SignalWithStartWorkflowExecution";

/// A message that can contain payloads and failures.
pub trait PayloadFields {
    /// Adds the fields of this message.
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>);

    /// Returns the owner of its payloads, and of those of its answer; `None` if the message does not name it.
    fn owner(&self) -> Option<Owner> {
        None
    }
}

/// The fields of a failure besides itself: the generated half of its [`PayloadFields`].
pub(crate) trait FailureFields {
    fn inner_fields<'a>(&'a mut self, to: &mut Fields<'a>);
}

/// The fields found in messages.
#[derive(Debug)]
pub struct Fields<'a> {
    wanted: Wanted,
    /// The payloads.
    pub payloads: Vec<&'a mut Payload>,
    /// For each payload, the index of its owner in `owners`.
    pub payload_owners: Vec<usize>,
    /// The owners of payloads, each once.
    pub owners: Vec<Owner>,
    /// The owner of the message that is visited now.
    owner: usize,
    /// The failures that are not causes of other failures.
    pub failures: Vec<&'a mut Failure>,
    /// The bodies of protocol messages, which may contain more fields: see [`Body`].
    pub bodies: Vec<&'a mut Any>,
    /// The inputs of the server's own Nexus operations, which contain more fields: see [`Body::open_input`].
    pub inputs: Vec<&'a mut Payload>,
    /// The owner of the bodies.
    pub body_owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Payloads { headers: bool },
    Failures,
}

impl<'a> Fields<'a> {
    /// Collects payloads; those of headers only if `headers` is set.
    pub fn payloads(headers: bool) -> Self {
        Self::payloads_of(Owner::Unknown, headers)
    }

    /// Like [`payloads`](Self::payloads), in a message that belongs to this owner unless it names another one.
    pub fn payloads_of(owner: Owner, headers: bool) -> Self {
        Self {
            wanted: Wanted::Payloads { headers },
            payloads: Vec::new(),
            payload_owners: Vec::new(),
            owners: vec![owner],
            owner: 0,
            failures: Vec::new(),
            bodies: Vec::new(),
            inputs: Vec::new(),
            body_owner: Owner::Unknown,
        }
    }

    /// Collects failures. Each one includes its causes, so these are not collected separately.
    pub fn failures() -> Self {
        Self { wanted: Wanted::Failures, ..Self::payloads(false) }
    }

    /// Enters a message that may name its owner. Returns the owner to leave it with.
    pub(crate) fn enter(&mut self, owner: impl FnOnce(&Owner) -> Option<Owner>) -> usize {
        let before = self.owner;
        if self.wanted != Wanted::Failures
            && let Some(owner) = owner(&self.owners[before])
        {
            self.owner = self.owners.iter().position(|known| *known == owner).unwrap_or_else(|| {
                self.owners.push(owner);
                self.owners.len() - 1
            });
        }
        before
    }

    pub(crate) fn leave(&mut self, before: usize) {
        self.owner = before;
    }

    pub(crate) fn marker_details(
        &mut self,
        marker: &str,
        details: impl Iterator<Item = (&'a String, &'a mut Payloads)>,
    ) {
        let is_cores = marker.starts_with("core_");
        let details = details.filter(|(key, _)| !is_cores || OF_THE_USER.contains(&key.as_str()));
        details.for_each(|(_, payloads)| payloads.payload_fields(self));
    }
}

impl PayloadFields for Payload {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        match to.wanted {
            Wanted::Failures => {}
            Wanted::Payloads { .. } if is_of_the_server(self) => to.inputs.push(self),
            Wanted::Payloads { .. } => {
                to.payload_owners.push(to.owner);
                to.payloads.push(self);
            }
        }
    }
}

fn is_of_the_server(payload: &Payload) -> bool {
    let is = |key: &str, check: &dyn Fn(&[u8]) -> bool| payload.metadata.get(key).is_some_and(|value| check(value));
    is("encoding", &|value| value == b"binary/protobuf") && is("messageType", &|value| value.starts_with(OF_THE_SERVER))
}

impl PayloadFields for Header {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        if to.wanted == (Wanted::Payloads { headers: true }) {
            self.fields.values_mut().for_each(|payload| payload.payload_fields(to));
        }
    }
}

impl PayloadFields for Failure {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        match to.wanted {
            Wanted::Failures => to.failures.push(self),
            Wanted::Payloads { .. } => self.inner_fields(to),
        }
    }
}

impl PayloadFields for ProtocolMessage {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        to.body_owner = to.owners[to.owner].clone();
        to.bodies.extend(&mut self.body);
    }
}

impl<T: PayloadFields> PayloadFields for [T] {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        self.iter_mut().for_each(|one| one.payload_fields(to));
    }
}

/// A decoded body of a protocol message: the messages of updates.
#[derive(Clone, Debug)]
pub enum Body {
    /// A worker has accepted an update.
    Acceptance(Box<Acceptance>),
    /// A worker has rejected an update.
    Rejection(Box<Rejection>),
    /// A request for an update.
    Request(Box<Request>),
    /// An update has completed.
    Response(Box<Response>),
    /// The input of a signal-with-start from a workflow.
    SignalWithStart(Box<SignalWithStart>),
}

impl Body {
    /// Decodes a body; `None` if it is none of these, or cannot be decoded.
    pub fn open(any: &Any) -> Option<Self> {
        fn read<T: prost::Message + Default>(any: &Any) -> Option<Box<T>> {
            T::decode(any.value.as_slice()).ok().map(Box::new)
        }
        match any.type_url.rsplit('/').next()? {
            "temporal.api.update.v1.Acceptance" => read(any).map(Self::Acceptance),
            "temporal.api.update.v1.Rejection" => read(any).map(Self::Rejection),
            "temporal.api.update.v1.Request" => read(any).map(Self::Request),
            "temporal.api.update.v1.Response" => read(any).map(Self::Response),
            _ => None,
        }
    }

    /// Decodes the input of one of the server's Nexus operations; `None` for an answer, which has no fields, and for what
    /// cannot be decoded.
    pub fn open_input(payload: &Payload) -> Option<Self> {
        let is_request = payload.metadata.get("messageType")?.ends_with(b"Request");
        let input = is_request.then(|| SignalWithStart::decode(payload.data.as_slice()).ok())?;
        input.map(Box::new).map(Self::SignalWithStart)
    }

    /// Encodes it back into the input that it was decoded from.
    pub fn close_input(&self, payload: &mut Payload) {
        payload.data = self.encoded();
    }

    /// Encodes it back into the message that it was decoded from.
    pub fn close(&self, any: &mut Any) {
        any.value = self.encoded();
    }

    fn encoded(&self) -> Vec<u8> {
        match self {
            Self::Acceptance(body) => body.encode_to_vec(),
            Self::Rejection(body) => body.encode_to_vec(),
            Self::Request(body) => body.encode_to_vec(),
            Self::Response(body) => body.encode_to_vec(),
            Self::SignalWithStart(body) => body.encode_to_vec(),
        }
    }
}

impl PayloadFields for Body {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        match self {
            Self::Acceptance(body) => body.payload_fields(to),
            Self::Rejection(body) => body.payload_fields(to),
            Self::Request(body) => body.payload_fields(to),
            Self::Response(body) => body.payload_fields(to),
            Self::SignalWithStart(body) => body.payload_fields(to),
        }
    }
}

#[allow(
    deprecated,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated: every message, old fields and all"
)]
mod generated {
    use super::PayloadFields as _;
    include!(concat!(env!("OUT_DIR"), "/payload_fields.rs"));
}

#[cfg(test)]
mod tests;
