//! A hand-written worker: polls workflow tasks of one queue and answers updates with protocol messages, without the
//! core.

use abide_protos::prost::{Message as _, Name};
use abide_protos::temporal::api::command::v1 as command;
use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::failure::v1 as failure;
use abide_protos::temporal::api::protocol::v1 as protocol;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::update::v1 as update;
use abide_protos::temporal::api::workflowservice::v1 as service;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use abide_protos::{Any, temporal};
use temporal::api::common::v1::{Payload, Payloads};
use tonic::transport::Channel;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Works until dropped.
pub(crate) async fn work(address: &str, queue: String) -> Outcome {
    let channel = Channel::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = WorkflowServiceClient::new(channel);
    let mut accepted = Vec::new();
    loop {
        let mut request = tonic::Request::new(service::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(TaskQueue { name: queue.clone(), ..Default::default() }),
            identity: "worker by hand".to_owned(),
            ..Default::default()
        });
        request.set_timeout(abide::secs(70));
        let task = client.poll_workflow_task_queue(request).await?.into_inner();
        if !task.task_token.is_empty() {
            client.respond_workflow_task_completed(answer(task, &mut accepted)?).await?;
        }
    }
}

/// `accepted`: ids and numbers of the updates to complete after the signal.
fn answer(
    task: service::PollWorkflowTaskQueueResponse,
    accepted: &mut Vec<(String, Payloads)>,
) -> Result<service::RespondWorkflowTaskCompletedRequest, Box<dyn std::error::Error>> {
    let mut answers = Answers::default();
    let events = task.history.unwrap_or_default().events;
    let new = events.iter().filter(|event| event.event_id > task.previous_started_event_id);
    if new.into_iter().any(|event| event.event_type() == enums::EventType::WorkflowExecutionSignaled) {
        for (id, number) in accepted.drain(..) {
            answers.complete(&id, update::outcome::Value::Success(number));
        }
    }
    for message in task.messages {
        let request = update::Request::decode(message.body.clone().unwrap_or_default().value.as_slice())?;
        let input = request.input.unwrap_or_default();
        let args = input.args.unwrap_or_default();
        let number: i64 = String::from_utf8(args.payloads[0].data.clone())?.parse()?;
        let id = message.protocol_instance_id.clone();
        match (input.name.as_str(), number) {
            ("double", ..0) => answers.reject(&message, "negative"),
            ("double", 13) => {
                answers.accept(&message);
                answers.complete(&id, update::outcome::Value::Failure(failed("unlucky")));
            }
            ("double", number) => {
                answers.accept(&message);
                answers.complete(&id, update::outcome::Value::Success(json(number * 2)));
            }
            ("later", _) => {
                answers.accept(&message);
                accepted.push((id, args));
            }
            ("close", _) => {
                answers.accept(&message);
                answers.commands.push(complete_workflow());
            }
            (other, _) => return Err(format!("the worker does not know the update {other}").into()),
        }
    }
    Ok(service::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        commands: answers.commands,
        messages: answers.messages,
        ..Default::default()
    })
}

#[derive(Default)]
struct Answers {
    commands: Vec<command::Command>,
    messages: Vec<protocol::Message>,
}

impl Answers {
    fn accept(&mut self, request: &protocol::Message) {
        let Some(protocol::message::SequencingId::EventId(event_id)) = request.sequencing_id else { return };
        let acceptance = update::Acceptance {
            accepted_request_message_id: request.id.clone(),
            accepted_request_sequencing_event_id: event_id,
            accepted_request: None,
        };
        self.push(&request.protocol_instance_id, "accept", &acceptance, true);
    }

    fn complete(&mut self, id: &str, value: update::outcome::Value) {
        let meta = Some(update::Meta { update_id: id.to_owned(), ..Default::default() });
        let response = update::Response { meta, outcome: Some(update::Outcome { value: Some(value) }) };
        self.push(id, "complete", &response, true);
    }

    fn reject(&mut self, request: &protocol::Message, message: &str) {
        let rejection = update::Rejection {
            rejected_request_message_id: request.id.clone(),
            failure: Some(failed(message)),
            ..Default::default()
        };
        self.push(&request.protocol_instance_id, "reject", &rejection, false);
    }

    fn push<M: abide_protos::prost::Message + Name>(&mut self, id: &str, what: &str, body: &M, has_command: bool) {
        let message_id = format!("{id}/{what}");
        let type_url = format!("type.googleapis.com/{}", M::full_name());
        self.messages.push(protocol::Message {
            id: message_id.clone(),
            protocol_instance_id: id.to_owned(),
            body: Some(Any { type_url, value: body.encode_to_vec() }),
            ..Default::default()
        });
        if has_command {
            let attributes = command::ProtocolMessageCommandAttributes { message_id };
            self.commands.push(command::Command {
                command_type: enums::CommandType::ProtocolMessage.into(),
                attributes: Some(command::command::Attributes::ProtocolMessageCommandAttributes(attributes)),
                ..Default::default()
            });
        }
    }
}

fn complete_workflow() -> command::Command {
    let attributes = command::CompleteWorkflowExecutionCommandAttributes::default();
    command::Command {
        command_type: enums::CommandType::CompleteWorkflowExecution.into(),
        attributes: Some(command::command::Attributes::CompleteWorkflowExecutionCommandAttributes(attributes)),
        ..Default::default()
    }
}

fn failed(message: &str) -> failure::Failure {
    let info = failure::ApplicationFailureInfo { r#type: "Refused".to_owned(), ..Default::default() };
    failure::Failure {
        message: message.to_owned(),
        failure_info: Some(failure::failure::FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    }
}

fn json(number: i64) -> Payloads {
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: number.to_string().into_bytes(),
        ..Default::default()
    };
    Payloads { payloads: vec![payload] }
}
