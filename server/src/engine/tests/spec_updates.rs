//! The part of the notation for updates and resets (see [`super::spec`]).

use std::fmt::Write as _;

use abide_protos::Any;
use abide_protos::prost::Name;

use super::super::api::service::execute_multi_operation_request::{Operation, operation};
use super::super::api::{command, common, enums, failure, protocol, service, update};
use super::super::errors::Error;
use super::super::waiters::{Step, WaiterId};
use super::print;
use super::spec::{Arguments, Spec, execution};
use crate::engine::updates::UpdateAt;
use crate::engine::updates::{Lifecycle, Progress};

/// A client that waits for an update.
#[derive(Debug)]
pub(super) struct Asking {
    label: String,
    waiter: WaiterId,
    at: UpdateAt,
}

impl Spec {
    pub(super) fn update(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = update_request(arguments);
        let label = format!("update {}", arguments.0[0]);
        let (at, step) = self.engine.at(self.now).update_workflow_execution(request)?;
        self.asked_for_update(label, at, step);
        Ok(())
    }

    pub(super) fn poll_update(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = service::PollWorkflowExecutionUpdateRequest {
            namespace: "default".to_owned(),
            update_ref: Some(update::UpdateRef {
                workflow_execution: Some(execution("")),
                update_id: arguments.0[0].to_owned(),
            }),
            wait_policy: arguments.value("wait").map(wait_policy),
            ..Default::default()
        };
        let label = format!("poll-update {}", arguments.0[0]);
        let (at, step) = self.engine.at(self.now).poll_workflow_execution_update(&request)?;
        self.asked_for_update(label, at, step);
        Ok(())
    }

    pub(super) fn update_with_start(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let start = operation::Operation::StartWorkflow(self.start_request(arguments));
        let update = operation::Operation::UpdateWorkflow(update_request(arguments));
        let operations = [start, update].map(|operation| Operation { operation: Some(operation) });
        let request = service::ExecuteMultiOperationRequest {
            namespace: "default".to_owned(),
            operations: operations.into(),
            ..Default::default()
        };
        let (started, step) = self.engine.at(self.now).execute_multi_operation(request)?;
        let label = format!("update-with-start {}", arguments.0[0]);
        self.asked_for_update(label, started.at, step);
        Ok(())
    }

    pub(super) fn reset(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        use enums::ResetReapplyExcludeType as Exclude;
        let excluded =
            arguments.value("exclude").map(|kind| if kind == "signals" { Exclude::Signal } else { Exclude::Update });
        let run_id = if arguments.has("first") { self.first_run.clone() } else { String::new() };
        let request = service::ResetWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(common::WorkflowExecution { run_id, ..arguments.execution() }),
            reason: "because".to_owned(),
            request_id: "reset".to_owned(),
            workflow_task_finish_event_id: arguments.0[0].parse().expect("reset takes an event id"),
            reset_reapply_exclude_types: excluded.map(i32::from).into_iter().collect(),
            ..Default::default()
        };
        self.engine.at(self.now).reset_workflow_execution(request).map(drop)
    }

    fn asked_for_update(&mut self, label: String, at: UpdateAt, step: Step<Progress>) {
        match step {
            Step::Done(progress) => self.tell(&label, Ok(progress)),
            Step::Wait(waiter) => self.updates.push(Asking { label, waiter, at }),
        }
    }

    /// Lets the clients that wait for updates check for their answers.
    pub(super) fn look_at_updates(&mut self, woken: &[WaiterId]) {
        for asking in std::mem::take(&mut self.updates) {
            if !woken.contains(&asking.waiter) {
                self.updates.push(asking);
                continue;
            }
            match self.engine.resume_update(asking.waiter) {
                Ok(Step::Wait(_)) => self.updates.push(asking),
                Ok(Step::Done(progress)) => self.tell(&asking.label, Ok(progress)),
                Err(error) => self.tell(&asking.label, Err(error)),
            }
        }
    }

    /// Lets the clients' waits time out.
    pub(super) fn give_up_updates(&mut self) {
        for asking in std::mem::take(&mut self.updates) {
            self.engine.withdraw(asking.waiter);
            let progress = self.engine.update_progress(&asking.at);
            self.tell(&asking.label, progress);
        }
    }

    fn tell(&mut self, label: &str, progress: Result<Progress, Error>) {
        let text = match progress {
            Ok(Progress { stage, outcome: None, .. }) => format!("{stage:?}"),
            Ok(Progress { stage, outcome: Some(outcome), .. }) => format!("{stage:?}, {}", print::outcome(&outcome)),
            Err(error) => format!("{:?} {}", error.code, error.message),
        };
        let _ = writeln!(self.out, "{label}: {text}");
    }

    /// Records the updates of a task.
    pub(super) fn received_updates(&mut self, messages: &[protocol::Message]) -> String {
        let mut text = String::new();
        for message in messages {
            let Some(protocol::message::SequencingId::EventId(after)) = message.sequencing_id else { continue };
            self.sequencing.insert(message.protocol_instance_id.clone(), after);
            let _ = write!(text, ", update {} after {after}", message.protocol_instance_id);
        }
        text
    }

    /// Returns the worker's answer to an update: a message, and the command that sets its position.
    pub(super) fn update_answer(&self, text: &str) -> Option<(protocol::Message, Option<command::Command>)> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let id = words.get(1).copied().unwrap_or_default();
        let arguments = Arguments(words.get(2..).unwrap_or_default());
        let after = arguments.value("at").map(|at| at.parse().expect("at takes an event id"));
        let after = after.or_else(|| self.sequencing.get(id).copied()).unwrap_or_default();
        let request_id = format!("{id}/request");
        let body = match words.first().copied()? {
            "accept" => any(&update::Acceptance {
                accepted_request_message_id: request_id,
                accepted_request_sequencing_event_id: after,
                accepted_request: None,
            }),
            "reject" => any(&update::Rejection {
                rejected_request_message_id: request_id,
                rejected_request_sequencing_event_id: after,
                failure: Some(failure::Failure { message: "rejected".to_owned(), ..Default::default() }),
                ..Default::default()
            }),
            "update-completed" => any(&update::Response {
                meta: Some(update::Meta { update_id: id.to_owned(), ..Default::default() }),
                outcome: Some(update::Outcome {
                    value: Some(update::outcome::Value::Success(print::text_payloads(arguments.0[0]))),
                }),
            }),
            _ => return None,
        };
        let message_id = format!("{id}/{}", words[0]);
        let message = protocol::Message {
            id: message_id.clone(),
            protocol_instance_id: id.to_owned(),
            body: Some(body),
            ..Default::default()
        };
        let attributes = command::ProtocolMessageCommandAttributes { message_id };
        let command = command::Command {
            command_type: enums::CommandType::ProtocolMessage.into(),
            attributes: Some(command::command::Attributes::ProtocolMessageCommandAttributes(attributes)),
            ..Default::default()
        };
        Some((message, (words[0] != "reject").then_some(command)))
    }
}

fn update_request(arguments: &Arguments<'_>) -> service::UpdateWorkflowExecutionRequest {
    service::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution("")),
        wait_policy: arguments.value("wait").map(wait_policy),
        request: Some(update::Request {
            meta: Some(update::Meta { update_id: arguments.0[0].to_owned(), identity: "client".to_owned() }),
            input: Some(update::Input { name: "change".to_owned(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn wait_policy(stage: &str) -> update::WaitPolicy {
    let stage = match stage {
        "admitted" => Lifecycle::Admitted,
        "accepted" => Lifecycle::Accepted,
        _ => Lifecycle::Completed,
    };
    update::WaitPolicy { lifecycle_stage: stage.into() }
}

fn any<M: abide_protos::prost::Message + Name>(message: &M) -> Any {
    Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}
