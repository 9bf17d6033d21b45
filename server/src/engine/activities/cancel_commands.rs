//! Commands to workers: an attempt is cancelled if its cancellation was requested or its workflow has closed.
//!
//! They are Nexus tasks on a queue that the worker named when it took the attempt, one command per task (the real
//! server combines those of one workflow task). They leave no events. A command that is not taken within half a minute
//! is dropped; one that was taken is not sent again.
//!
//! Extends `Engine` and `Transaction`.

use std::collections::BTreeMap;
use std::time::Duration;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::nexusservices::workerservice::v1::ExecuteCommandsRequest;
use abide_protos::temporal::api::worker::v1::{CancelActivityCommand, WorkerCommand, worker_command};

use crate::engine::Engine;
use crate::engine::api::{common, nexus, service};
use crate::engine::errors::Error;
use crate::engine::task_queues::{QueueKey, QueueKind, Task};
use crate::engine::time::Time;
use crate::engine::token::NexusTaskToken;
use crate::engine::transaction::{Effect, Transaction};
use crate::engine::workflow::ExecutionId;

const SERVICE: &str = "temporal.api.nexusservices.workerservice.v1.WorkerService";
const OPERATION: &str = "ExecuteCommands";
/// Time to keep a command: three attempts of 10 s each, on the machine's clock.
const PATIENCE: Duration = Duration::from_secs(30);

/// The id of a command, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommandId(u64);

/// The unanswered commands.
#[derive(Debug, Default)]
pub(crate) struct WorkerCommands {
    last: u64,
    open: BTreeMap<CommandId, Command>,
}

#[derive(Debug)]
struct Command {
    /// Token of the attempt to cancel.
    task_token: Vec<u8>,
    until: Time,
}

impl WorkerCommands {
    pub(crate) fn is_open(&self, id: CommandId, wall: Time) -> bool {
        self.open.get(&id).is_some_and(|command| wall < command.until)
    }
}

impl Engine {
    /// Adds a command to a worker's queue.
    pub(crate) fn command_to_cancel(&mut self, execution: ExecutionId, control_task_queue: String, token: Vec<u8>) {
        let wall = self.now.wall;
        self.commands.open.retain(|_, command| wall < command.until);
        self.commands.last += 1;
        let id = CommandId(self.commands.last);
        self.commands.open.insert(id, Command { task_token: token, until: wall.plus(PATIENCE) });
        let namespace_id = self.execution(execution).namespace.id.clone();
        let queue = QueueKey { namespace_id, name: control_task_queue, kind: QueueKind::WorkerCommands };
        self.add_task(&queue, 0, Task::Command(id));
    }

    pub(crate) fn hand_out_command(&self, id: CommandId) -> Option<service::PollNexusTaskQueueResponse> {
        let cancel = CancelActivityCommand { task_token: self.commands.open.get(&id)?.task_token.clone() };
        let command = WorkerCommand { r#type: Some(worker_command::Type::CancelActivity(cancel)) };
        let payload = common::Payload {
            metadata: [("encoding".to_owned(), b"binary/protobuf".to_vec())].into(),
            data: ExecuteCommandsRequest { commands: vec![command] }.encode_to_vec(),
            ..Default::default()
        };
        let start = nexus::StartOperationRequest {
            service: SERVICE.to_owned(),
            operation: OPERATION.to_owned(),
            payload: Some(payload),
            ..Default::default()
        };
        let variant = Some(nexus::request::Variant::StartOperation(start));
        let request = nexus::Request { variant, ..Default::default() };
        let task_token = NexusTaskToken { command: id.0, ..Default::default() }.encode_token();
        Some(service::PollNexusTaskQueueResponse { task_token, request: Some(request), ..Default::default() })
    }

    /// Handles a worker's answer; whatever it says, the command is not sent again.
    pub(crate) fn command_answered(&mut self, command: u64) -> Result<(), Error> {
        let command = self.commands.open.remove(&CommandId(command));
        command.map(drop).ok_or_else(|| Error::not_found("Nexus task not found or already expired"))
    }
}

impl Transaction<'_> {
    /// Sends the worker of an attempt a command to cancel it, if the worker accepts commands.
    pub(crate) fn tell_worker_to_stop(&mut self, scheduled_event_id: i64) {
        let activity = self.execution.state.activities.get(&scheduled_event_id);
        let Some(started) = activity.and_then(|activity| activity.started.as_ref()) else { return };
        if started.control_task_queue.is_empty() {
            return;
        }
        let queue = started.control_task_queue.clone();
        let token = self.execution.activity_token(scheduled_event_id);
        self.effects.extend(token.map(|token| Effect::TellWorkerToStop(queue, token)));
    }
}
