//! Updates on the tiny server: they come with a task, and are accepted, rejected or sent again.

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;
use abide_protos::temporal::api::history::v1::{
    WorkflowExecutionUpdateAcceptedEventAttributes, WorkflowExecutionUpdateCompletedEventAttributes,
};
use abide_protos::temporal::api::protocol::v1::Message;
use abide_protos::temporal::api::update::v1::{Acceptance, Input, Meta, Request, Response};

use super::program::Step;
use super::server::{Server, payloads};
use crate::replay::WorkflowTaskCompletion;
use crate::replay::text::update_request;

/// A server's state of updates.
#[derive(Default)]
pub(super) struct Updates {
    /// Programs of updates that were not sent yet.
    to_come: Vec<Vec<Step>>,
    /// Sent and not answered.
    requested: Vec<Request>,
    asked: usize,
}

impl Updates {
    pub(super) fn of(to_come: Vec<Vec<Step>>) -> Self {
        Self { to_come, ..Self::default() }
    }
}

impl Server {
    /// Sends an update: it comes with the next task.
    pub(super) fn ask_for_update(&mut self) -> bool {
        let Some(program) = self.updates.to_come.pop() else { return false };
        self.updates.asked += 1;
        let meta = Meta { update_id: format!("u{}", self.updates.asked), identity: "caller".into() };
        let input = Input { name: "change".into(), args: Some(payloads(&program)), header: None };
        let request = Request { meta: Some(meta), input: Some(input), ..Default::default() };
        self.updates.requested.push(request);
        true
    }

    /// Returns the requests that come with the task that has just been started.
    pub(super) fn update_requests(&self) -> Vec<Message> {
        let message = |request: &Request| {
            let id = request.meta.as_ref().map_or("", |meta| &meta.update_id);
            update_request(&format!("{id}/request"), id, self.last_id() - 1, request)
        };
        self.updates.requested.iter().map(message).collect()
    }

    /// Called when the worker has answered each of them.
    pub(super) fn updates_answered(&mut self) {
        self.updates.requested.clear();
    }

    /// Undoes a task that brought only rejections: the server forgets it.
    pub(super) fn forget_if_traceless(&mut self, completion: &WorkflowTaskCompletion) -> bool {
        let rejects = completion.messages.iter().all(|message| message.id.ends_with("/reject"));
        let traceless = self.is_speculative
            && !self.updates.requested.is_empty()
            && completion.commands.is_empty()
            && !completion.force_create_new_workflow_task
            && rejects;
        if !traceless {
            return false;
        }
        self.seen.push("a task taken back");
        self.updates_answered();
        let dropped = self.last_id();
        self.drop_last_task();
        let last_started = self.last_started_event_id();
        assert!(self.cached.take_back_task(dropped, last_started), "{}", self.history());
        true
    }

    /// Writes the event of a protocol message that a command names.
    pub(super) fn protocol_message(&mut self, message_id: &str, messages: &[Message]) {
        let message = messages.iter().find(|message| message.id == message_id);
        let message = message.unwrap_or_else(|| panic!("no message {message_id}: {messages:?}"));
        let body = message.body.as_ref().expect("a protocol message has a body");
        if message.id.ends_with("/accept") {
            let acceptance = Acceptance::decode(body.value.as_slice()).expect("it says it is an acceptance");
            let accepted = WorkflowExecutionUpdateAcceptedEventAttributes {
                protocol_instance_id: message.protocol_instance_id.clone(),
                accepted_request_message_id: acceptance.accepted_request_message_id,
                accepted_request_sequencing_event_id: acceptance.accepted_request_sequencing_event_id,
                accepted_request: acceptance.accepted_request,
            };
            let accepted = A::WorkflowExecutionUpdateAcceptedEventAttributes(accepted);
            self.write(EventType::WorkflowExecutionUpdateAccepted, accepted);
        } else {
            let response = Response::decode(body.value.as_slice()).expect("what else is named is a response");
            let completed = WorkflowExecutionUpdateCompletedEventAttributes {
                meta: response.meta,
                outcome: response.outcome,
                accepted_event_id: 0,
            };
            let completed = A::WorkflowExecutionUpdateCompletedEventAttributes(completed);
            self.write(EventType::WorkflowExecutionUpdateCompleted, completed);
        }
    }
}
