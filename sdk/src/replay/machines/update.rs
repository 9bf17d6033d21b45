//! An update: from its acceptance to its outcome.
//!
//! ```text
//! AcceptCommandCreated --UpdateAccepted--> Accepted
//! AcceptCommandCreated --Complete--> BothCommandsCreated
//! BothCommandsCreated --UpdateAccepted--> CompleteCommandCreated
//! Accepted --Complete--> CompleteCommandCreated
//! CompleteCommandCreated --UpdateCompleted--> Completed
//! ```
//!
//! Answers to an update travel as protocol messages beside the commands. An acceptance and a response each have a
//! `ProtocolMessage` command, which names the message and gives its event a place among the others. A rejection leaves
//! no event and has no command, so a rejected update has no machine. On replay the request is read from the event that accepted it, which the look-ahead
//! finds, or from the UpdateAdmitted event that a reset leaves. Nothing is sent then, and nothing is validated again.

use std::panic::Location;

use abide_protos::Any;
use abide_protos::prost::{Message as _, Name};
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{Command, ProtocolMessageCommandAttributes};
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::{
    WorkflowExecutionUpdateAcceptedEventAttributes, WorkflowExecutionUpdateAdmittedEventAttributes,
    WorkflowExecutionUpdateCompletedEventAttributes,
};
use abide_protos::temporal::api::protocol::v1::Message;
use abide_protos::temporal::api::protocol::v1::message::SequencingId;
use abide_protos::temporal::api::update::v1::{Acceptance, Meta, Outcome, Rejection, Request, Response, outcome};

use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::UpdateRequest;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

listed! {
    /// State of an update.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        AcceptCommandCreated,
        BothCommandsCreated,
        Accepted,
        CompleteCommandCreated,
        Completed,
    }
}

listed! {
    /// An event, or the end of its handler.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Complete,
        UpdateAccepted,
        UpdateCompleted,
    }
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::AcceptCommandCreated, I::UpdateAccepted) => S::Accepted,
        (S::AcceptCommandCreated, I::Complete) => S::BothCommandsCreated,
        (S::BothCommandsCreated, I::UpdateAccepted) => S::CompleteCommandCreated,
        (S::Accepted, I::Complete) => S::CompleteCommandCreated,
        (S::CompleteCommandCreated, I::UpdateCompleted) => S::Completed,
        _ => return None,
    })
}

/// An accepted update of a run.
#[derive(Debug)]
pub(crate) struct UpdateMachine {
    state: State,
    id: String,
    name: String,
    /// Identity of the caller, which the response repeats.
    identity: String,
    message_id: String,
    /// Place of its handler.
    location: Option<&'static Location<'static>>,
}

impl UpdateMachine {
    /// Describes the code's last answer, which the history should confirm next.
    pub(crate) fn said(&self) -> String {
        let what = match self.state {
            State::CompleteCommandCreated => "completed",
            _ => "accepted",
        };
        format!("{what} {}", described(&self.id, &self.name))
    }
}

/// State shared by a run's updates.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    /// Messages for the completion of this workflow task.
    outgoing: Vec<Message>,
    /// Requests that the history holds as UpdateAdmitted events of this workflow task.
    admitted: Vec<UpdateRequest>,
}

impl StateMachines {
    /// Adds the requests that came with the live workflow task, and those that the history admitted.
    pub(crate) fn request_updates(&mut self, messages: Vec<Message>) -> Result<(), FollowError> {
        let admitted = std::mem::take(&mut self.updates.admitted);
        let known = |message: &Message| admitted.iter().any(|one| one.update_id == message.protocol_instance_id);
        // A server may also send a request that the history holds.
        let messages: Vec<Message> = messages.into_iter().filter(|message| !known(message)).collect();
        for message in messages {
            let request = requested(message).map_err(FollowError::Malformed)?;
            self.jobs.add_update(request);
        }
        for request in admitted {
            self.jobs.add_update(request);
        }
        Ok(())
    }

    /// Drops admitted requests that the code did not accept when it first ran: it rejected them, which leaves no trace.
    pub(crate) fn forget_rejected_updates(&mut self) {
        self.updates.admitted.clear();
    }

    /// Accepts an update, before its handler runs.
    pub(crate) fn accept_update(
        &mut self,
        request: UpdateRequest,
        location: Option<&'static Location<'static>>,
    ) -> Key {
        self.local_activities_accepting_update();
        let UpdateRequest { message_id, update_id, sequencing_event_id, request, .. } = request;
        let machine = UpdateMachine {
            state: State::AcceptCommandCreated,
            id: update_id,
            name: request.input.as_ref().map(|input| input.name.clone()).unwrap_or_default(),
            identity: request.meta.as_ref().map(|meta| meta.identity.clone()).unwrap_or_default(),
            message_id,
            location,
        };
        let acceptance = (!self.replaying).then(|| {
            any(&Acceptance {
                accepted_request_message_id: machine.message_id.clone(),
                accepted_request_sequencing_event_id: sequencing_event_id,
                accepted_request: Some(request),
            })
        });
        let (id, message_id) = (machine.id.clone(), format!("{}/accept", machine.message_id));
        let key = self.insert(Machine::Update(Box::new(machine)));
        self.say(key, id, message_id, acceptance);
        key
    }

    /// Rejects an update, because its validator refused it or no handler fits. On replay this is nondeterminism, since
    /// the history has accepted the update.
    pub(crate) fn reject_update(
        &mut self,
        request: UpdateRequest,
        failure: FailureProto,
        location: Option<&'static Location<'static>>,
    ) -> Result<(), FollowError> {
        if let Some(event_id) = request.accepted_event_id {
            let recorded = described(&request.update_id, request.name());
            let kind = NondeterminismKind::UnexpectedEvent;
            let error = Nondeterminism::new(kind, event_id, "WorkflowExecutionUpdateAccepted", recorded);
            return Err(error.produced(format!("rejected the update: {}", failure.message), location).into());
        }
        let UpdateRequest { message_id, update_id, sequencing_event_id, request, .. } = request;
        let rejection = any(&Rejection {
            rejected_request_message_id: message_id.clone(),
            rejected_request_sequencing_event_id: sequencing_event_id,
            rejected_request: Some(request),
            failure: Some(failure),
        });
        self.updates.outgoing.push(message(format!("{message_id}/reject"), update_id, rejection));
        Ok(())
    }

    /// Completes an update whose handler has ended.
    pub(crate) fn complete_update(&mut self, key: Key, outcome: outcome::Value) {
        let replaying = self.replaying;
        let update = self.update(key);
        let Some(next) = step(update.state, Input::Complete) else { return };
        update.state = next;
        let (id, message_id) = (update.id.clone(), format!("{}/complete", update.message_id));
        let response = (!replaying).then(|| {
            let meta = Meta { update_id: id.clone(), identity: update.identity.clone() };
            any(&Response { meta: Some(meta), outcome: Some(Outcome { value: Some(outcome) }) })
        });
        self.say(key, id, message_id, response);
    }

    /// Takes the messages of this workflow task: all rejections, and the messages that its commands name.
    pub(crate) fn take_messages(&mut self, commands: &[Command]) -> Vec<Message> {
        let mut messages = std::mem::take(&mut self.updates.outgoing);
        let is_named = |message: &Message| {
            commands.iter().any(|command| match &command.attributes {
                Some(Attributes::ProtocolMessageCommandAttributes(named)) => named.message_id == message.id,
                _ => false,
            })
        };
        messages.retain(|message| message.id.ends_with("/reject") || is_named(message));
        messages
    }

    pub(crate) fn update_admitted(&mut self, id: i64, event: &mut WorkflowExecutionUpdateAdmittedEventAttributes) {
        let request = event.request.take().unwrap_or_default();
        let update_id = request.meta.as_ref().map(|meta| meta.update_id.clone()).unwrap_or_default();
        let message_id = format!("{update_id}/request");
        let (sequencing_event_id, accepted_event_id) = (id, None);
        let request = UpdateRequest { message_id, update_id, sequencing_event_id, request, accepted_event_id };
        self.updates.admitted.push(request);
    }

    /// Repeats the request of an update that the current task's code accepted when it first ran.
    pub(crate) fn update_accepted_ahead(
        &mut self,
        id: i64,
        event: &mut WorkflowExecutionUpdateAcceptedEventAttributes,
    ) {
        let update_id = &event.protocol_instance_id;
        let runs = |machine: &Machine| matches!(machine, Machine::Update(update) if update.id == *update_id);
        if self.jobs.has_update(update_id) || self.machines.iter().any(|(_, machine)| runs(machine)) {
            // It was accepted before, so its event will find no command.
            return;
        }
        let admitted = &mut self.updates.admitted;
        let found = admitted.iter().position(|request| request.update_id == event.protocol_instance_id);
        let mut request = match (found, event.accepted_request.take()) {
            (Some(found), _) => admitted.remove(found),
            (None, request) => UpdateRequest {
                message_id: event.accepted_request_message_id.clone(),
                update_id: event.protocol_instance_id.clone(),
                sequencing_event_id: event.accepted_request_sequencing_event_id,
                request: request.unwrap_or_default(),
                accepted_event_id: None,
            },
        };
        request.accepted_event_id = Some(id);
        self.jobs.add_update(request);
    }

    pub(crate) fn update_accepted(
        &mut self,
        id: i64,
        event: &WorkflowExecutionUpdateAcceptedEventAttributes,
    ) -> Result<(), FollowError> {
        let request = event.accepted_request.as_ref().and_then(|request| request.input.as_ref());
        let recorded = || described(&event.protocol_instance_id, request.map_or("", |input| &input.name));
        let name = "WorkflowExecutionUpdateAccepted";
        self.update_event(id, name, &event.protocol_instance_id, Input::UpdateAccepted, recorded)
    }

    pub(crate) fn update_completed(
        &mut self,
        id: i64,
        event: &WorkflowExecutionUpdateCompletedEventAttributes,
    ) -> Result<(), FollowError> {
        let update_id = event.meta.as_ref().map_or("", |meta| &meta.update_id);
        let name = "WorkflowExecutionUpdateCompleted";
        self.update_event(id, name, update_id, Input::UpdateCompleted, || described(update_id, ""))
    }

    fn update_event(
        &mut self,
        id: i64,
        event_type: &'static str,
        update_id: &str,
        input: Input,
        recorded: impl Fn() -> String,
    ) -> Result<(), FollowError> {
        let command = self.confirm(id, event_type, CommandType::ProtocolMessage, &recorded)?;
        let update = self.update(command.machine);
        let next = if update.id == update_id { step(update.state, input) } else { None };
        let Some(next) = next else { return Err(self.differs(id, event_type, &command, recorded())) };
        update.state = next;
        if next == State::Completed {
            self.free(command.machine);
        }
        Ok(())
    }

    /// Issues the command that gives a message its place, and, unless this is a replay, the message itself.
    fn say(&mut self, key: Key, update_id: String, message_id: String, body: Option<Any>) {
        let command = body.map(|body| {
            let attributes = ProtocolMessageCommandAttributes { message_id: message_id.clone() };
            self.updates.outgoing.push(message(message_id, update_id, body));
            CommandBody { attributes: Attributes::ProtocolMessageCommandAttributes(attributes), user_metadata: None }
        });
        // The handler's place must not count as the latest statement of the code.
        let (last_statement, location) = (self.last_statement, self.update(key).location);
        self.issue(CommandType::ProtocolMessage, key, location, command);
        self.last_statement = last_statement;
    }

    fn update(&mut self, key: Key) -> &mut UpdateMachine {
        match self.machine(key) {
            Some(Machine::Update(update)) => update,
            _ => unreachable!("only updates are filed under the keys of updates"),
        }
    }
}

/// Reads a protocol message that requests an update.
fn requested(message: Message) -> Result<UpdateRequest, String> {
    let body = message.body.unwrap_or_default();
    let expected = type_url::<Request>();
    if body.type_url != expected {
        return Err(format!(
            "protocol message `{}` is a `{}`; expected a `{expected}`, the only kind this version of Abide knows",
            message.id, body.type_url
        ));
    }
    let request = Request::decode(body.value.as_slice())
        .map_err(|error| format!("protocol message `{}` cannot be read: {error}", message.id))?;
    let sequencing_event_id = match message.sequencing_id {
        Some(SequencingId::EventId(id)) => id,
        Some(SequencingId::CommandIndex(_)) => i64::MAX,
        None => 0,
    };
    Ok(UpdateRequest {
        message_id: message.id,
        update_id: message.protocol_instance_id,
        sequencing_event_id,
        request,
        accepted_event_id: None,
    })
}

fn message(id: String, update_id: String, body: Any) -> Message {
    Message { id, protocol_instance_id: update_id, body: Some(body), sequencing_id: None }
}

fn any<M: Name>(body: &M) -> Any {
    Any { type_url: type_url::<M>(), value: body.encode_to_vec() }
}

fn type_url<M: Name>() -> String {
    format!("type.googleapis.com/{}", M::full_name())
}

fn described(id: &str, name: &str) -> String {
    if name.is_empty() { format!("update={id}") } else { format!("update={id} name={name}") }
}
