//! Commands to workers: which attempts are cancelled, and how long a command is kept.

use std::fmt::Write as _;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::nexusservices::workerservice::v1::ExecuteCommandsRequest;
use abide_protos::temporal::api::worker::v1::worker_command;
use expect_test::expect;

use super::super::api::{enums, nexus, service, taskqueue};
use super::super::errors::Error;
use super::super::token::TaskToken;
use super::super::waiters::Step;
use super::spec::{Spec, check};

/// The queue for commands to workers that accept them.
pub(super) const CONTROL_QUEUE: &str = "control";

impl Spec {
    pub(super) fn about_commands(&mut self, what: &str) -> Result<(), Error> {
        if what == "obeyed" {
            let request = service::RespondNexusTaskCompletedRequest {
                task_token: self.nexus.token.clone(),
                ..Default::default()
            };
            return self.engine.at(self.now).respond_nexus_task_completed(request).map(drop);
        }
        let queue = taskqueue::TaskQueue {
            name: CONTROL_QUEUE.to_owned(),
            kind: enums::TaskQueueKind::WorkerCommands.into(),
            ..Default::default()
        };
        let request = service::PollNexusTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue),
            ..Default::default()
        };
        match self.engine.at(self.now).poll_nexus_task_queue(request)? {
            Step::Wait(waiter) => {
                self.engine.withdraw(waiter);
                let _ = writeln!(self.out, "command: nothing");
            }
            Step::Done(response) => {
                self.nexus.token = response.task_token;
                let text = commands(response.request.unwrap_or_default());
                let _ = writeln!(self.out, "command: {text}");
            }
        }
        Ok(())
    }
}

fn commands(request: nexus::Request) -> String {
    let Some(nexus::request::Variant::StartOperation(start)) = request.variant else { panic!("not an operation") };
    let asked = ExecuteCommandsRequest::decode(&*start.payload.unwrap_or_default().data).expect("it is one");
    let text = |command: worker_command::Type| match command {
        worker_command::Type::CancelActivity(cancel) => {
            let token = TaskToken::decode_token(&cancel.task_token).expect("a token of this server");
            format!("cancel activity {}, attempt {}", token.activity_id, token.attempt)
        }
    };
    let texts: Vec<String> = asked.commands.into_iter().filter_map(|command| command.r#type).map(text).collect();
    format!("{} {}", start.operation, texts.join(", "))
}

#[test]
fn b060_only_a_running_attempt_of_a_worker_that_takes_commands_is_told_to_stop() {
    check(
        "
            start
            poll
            respond: activity 1; activity 2; activity 3; activity 4 retry=3
            take commanded
            take
            signal go
            poll
            respond: cancel-activity 5; cancel-activity 6; cancel-activity 7
            command
            obeyed
            obeyed
            command
            cancelled 1
            take commanded
            failed 4
            poll
            respond: cancel-activity 8
            command
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: activity 2, attempt 1
            poll: task, attempt 1, events 1-11
            command: ExecuteCommands cancel activity 1, attempt 1
            obeyed: NotFound Nexus task not found or already expired
            command: nothing
            take: activity 4, attempt 1
            poll: task, attempt 1, events 1-20
            command: nothing
        "#]],
    );
}

#[test]
fn b060_the_attempts_of_a_closed_workflow_are_told_to_stop() {
    check(
        "
            start
            poll
            respond commanded: activity 1 eager; activity 2
            take commanded
            terminate
            command
            command
            command
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            eager activity 1
            take: activity 2, attempt 1
            command: ExecuteCommands cancel activity 1, attempt 1
            command: ExecuteCommands cancel activity 2, attempt 1
            command: nothing
        "#]],
    );
}

#[test]
fn b060_a_command_that_nobody_takes_is_forgotten() {
    check(
        "
            start
            poll
            respond: activity 1
            take commanded
            signal go
            poll
            respond: cancel-activity 5
            wait 31s
            command
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            poll: task, attempt 1, events 1-8
            command: nothing
        "#]],
    );
}
