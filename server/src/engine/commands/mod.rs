//! The commands of a completed workflow task, one file per kind: each one is validated, changes the state and writes
//! events.

mod cancel_timer;
mod cancel_workflow_execution;
mod complete_workflow_execution;
mod continue_as_new_workflow_execution;
mod fail_workflow_execution;
mod modify_workflow_properties;
mod protocol_message;
mod record_marker;
mod request_cancel_activity_task;
mod request_cancel_external_workflow_execution;
mod request_cancel_nexus_operation;
mod schedule_activity_task;
mod schedule_nexus_operation;
mod signal_external_workflow_execution;
mod start_child_workflow_execution;
mod start_timer;
mod upsert_workflow_search_attributes;

use std::collections::BTreeSet;

use super::api::command::command::Attributes;
use super::api::enums::WorkflowTaskFailedCause;
use super::api::{command, common, enums::CommandType, protocol};
use super::errors::Error;
use super::history::Extras;
use super::namespace::{NamespaceId, Namespaces};
use super::transaction::Transaction;

/// The shared data of a completion's commands.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Id of the workflow task's completed event.
    pub(crate) completed_event_id: i64,
    pub(crate) identity: String,
    pub(crate) eager_activities_allowed: bool,
    /// True if events arrived while the task was started.
    pub(crate) has_unhandled_events: bool,
    /// True if an activity was cancelled before any worker took it: the workflow must be notified.
    pub(crate) cancelled_unstarted_activity: bool,
    /// Activities (by scheduled event id) that the worker gets with the response.
    pub(crate) eager_activities: Vec<i64>,
    /// Workflow ids of the children that this completion starts.
    pub(crate) children: BTreeSet<String>,
    /// The worker's answers to updates that are not processed yet.
    pub(crate) messages: Vec<protocol::Message>,
}

/// The reason to refuse a completion; its workflow task fails.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) cause: WorkflowTaskFailedCause,
    pub(crate) text: Option<String>,
    /// True if no later attempt can succeed, so that the workflow is terminated.
    pub(crate) ends_workflow: bool,
}

impl Refusal {
    pub(crate) fn new(cause: WorkflowTaskFailedCause, text: impl Into<String>) -> Self {
        Self { cause, text: Some(text.into()), ends_workflow: false }
    }

    pub(crate) fn unhandled_command() -> Self {
        Self { cause: WorkflowTaskFailedCause::UnhandledCommand, text: None, ends_workflow: false }
    }

    /// Returns true if the worker may repeat its answer after it has seen the new events.
    pub(crate) fn is_passing(error: &Error) -> bool {
        error.message == Self::unhandled_command().message()
    }

    pub(crate) fn message(&self) -> String {
        let cause = camel_case(self.cause.as_str_name().trim_start_matches("WORKFLOW_TASK_FAILED_CAUSE_"));
        match &self.text {
            Some(text) => format!("{cause}: {text}"),
            None => cause,
        }
    }
}

/// Applies one command.
pub(crate) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    command: command::Command,
) -> Result<(), Refusal> {
    let extras = Extras::of_command(&command);
    match command.attributes {
        Some(Attributes::ScheduleActivityTaskCommandAttributes(a)) => {
            schedule_activity_task::apply(transaction, completion, a, extras)
        }
        Some(Attributes::RequestCancelActivityTaskCommandAttributes(a)) => {
            request_cancel_activity_task::apply(transaction, completion, &a, extras)
        }
        Some(Attributes::StartTimerCommandAttributes(a)) => start_timer::apply(transaction, completion, a, extras),
        Some(Attributes::CancelTimerCommandAttributes(a)) => cancel_timer::apply(transaction, completion, a, extras),
        Some(Attributes::RecordMarkerCommandAttributes(a)) => record_marker::apply(transaction, completion, a, extras),
        Some(Attributes::CompleteWorkflowExecutionCommandAttributes(a)) => {
            complete_workflow_execution::apply(transaction, completion, a, extras)
        }
        Some(Attributes::FailWorkflowExecutionCommandAttributes(a)) => {
            fail_workflow_execution::apply(transaction, completion, a, extras)
        }
        Some(Attributes::CancelWorkflowExecutionCommandAttributes(a)) => {
            cancel_workflow_execution::apply(transaction, completion, a, extras)
        }
        Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(a)) => {
            continue_as_new_workflow_execution::apply(transaction, completion, a, extras)
        }
        Some(Attributes::StartChildWorkflowExecutionCommandAttributes(a)) => {
            start_child_workflow_execution::apply(transaction, completion, a, extras)
        }
        Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(a)) => {
            signal_external_workflow_execution::apply(transaction, completion, a, extras)
        }
        Some(Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(a)) => {
            request_cancel_external_workflow_execution::apply(transaction, completion, a, extras)
        }
        Some(Attributes::UpsertWorkflowSearchAttributesCommandAttributes(a)) => {
            upsert_workflow_search_attributes::apply(transaction, completion, a, extras)
        }
        Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(a)) => {
            modify_workflow_properties::apply(transaction, completion, a, extras)
        }
        Some(Attributes::ScheduleNexusOperationCommandAttributes(a)) => {
            schedule_nexus_operation::apply(transaction, completion, a, extras)
        }
        Some(Attributes::RequestCancelNexusOperationCommandAttributes(a)) => {
            request_cancel_nexus_operation::apply(transaction, completion, &a, extras)
        }
        Some(Attributes::ProtocolMessageCommandAttributes(a)) => {
            protocol_message::apply(transaction, completion, &a, extras)
        }
        None => Err(without_attributes(command.command_type())),
    }
}

/// Refuses invalid sequences of commands, before anything is written.
pub(crate) fn check_sequence(commands: &[command::Command]) -> Result<(), Error> {
    for command in commands {
        if matches!(command.command_type(), CommandType::Unspecified) {
            return Err(Error::invalid_argument(format!("unknown command type: {}", name_of(command.command_type()))));
        }
    }
    let Some((last, others)) = commands.split_last() else { return Ok(()) };
    let Some(close) = others.iter().find(|command| closes_workflow(command.command_type())) else { return Ok(()) };
    let names: Vec<String> = others.iter().chain([last]).map(|command| name_of(command.command_type())).collect();
    let close = name_of(close.command_type());
    Err(Error::invalid_argument(format!(
        "invalid command sequence: [{}], command {close} must be the last command.",
        names.join(", ")
    )))
}

/// Refuses commands with a namespace that does not exist, before anything is written.
#[expect(deprecated, reason = "workers still send the namespace")]
pub(crate) fn check_namespaces(commands: &[command::Command], namespaces: &Namespaces) -> Result<(), Error> {
    for command in commands {
        let name = match &command.attributes {
            Some(Attributes::StartChildWorkflowExecutionCommandAttributes(a)) => &a.namespace,
            Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(a)) => &a.namespace,
            Some(Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(a)) => &a.namespace,
            _ => continue,
        };
        if !name.is_empty() {
            namespaces.get(name)?;
        }
    }
    Ok(())
}

/// Refuses search attributes that are not registered in the namespace or whose values have a wrong type; `told`
/// converts the problem of a value to the command's message.
fn check_search_attributes(
    transaction: &Transaction<'_>,
    namespace: &str,
    attributes: Option<&common::SearchAttributes>,
    told: impl Fn(&str) -> String,
) -> Result<(), Refusal> {
    let bad = |text: String| Refusal::new(WorkflowTaskFailedCause::BadSearchAttributes, text);
    let known = transaction.namespaces.search_attributes(namespace).map_err(|error| bad(error.message))?;
    known.check_names(namespace, attributes).map_err(|error| bad(error.message))?;
    known.check_values(attributes).map_err(|error| bad(told(&error.message)))
}

/// Returns the namespace that a command refers to: the workflow's own, unless another one is set.
fn target_namespace(transaction: &Transaction<'_>, name: &str) -> Result<NamespaceId, &'static str> {
    let own = &transaction.execution.namespace;
    if name.is_empty() || name == own.name {
        return Ok(own.clone());
    }
    if !transaction.cross_namespace_commands {
        return Err("cross namespace commands are not allowed");
    }
    transaction.namespaces.get(name).map_err(|_| "the namespace no longer exists")
}

fn closes_workflow(kind: CommandType) -> bool {
    matches!(
        kind,
        CommandType::CompleteWorkflowExecution
            | CommandType::FailWorkflowExecution
            | CommandType::CancelWorkflowExecution
            | CommandType::ContinueAsNewWorkflowExecution
    )
}

fn without_attributes(kind: CommandType) -> Refusal {
    let cause = match kind {
        CommandType::ScheduleActivityTask => WorkflowTaskFailedCause::BadScheduleActivityAttributes,
        CommandType::RequestCancelActivityTask => WorkflowTaskFailedCause::BadRequestCancelActivityAttributes,
        CommandType::StartTimer => WorkflowTaskFailedCause::BadStartTimerAttributes,
        CommandType::CancelTimer => WorkflowTaskFailedCause::BadCancelTimerAttributes,
        CommandType::RecordMarker => WorkflowTaskFailedCause::BadRecordMarkerAttributes,
        CommandType::CompleteWorkflowExecution => WorkflowTaskFailedCause::BadCompleteWorkflowExecutionAttributes,
        CommandType::FailWorkflowExecution => WorkflowTaskFailedCause::BadFailWorkflowExecutionAttributes,
        CommandType::CancelWorkflowExecution => WorkflowTaskFailedCause::BadCancelWorkflowExecutionAttributes,
        CommandType::ContinueAsNewWorkflowExecution => WorkflowTaskFailedCause::BadContinueAsNewAttributes,
        CommandType::StartChildWorkflowExecution => WorkflowTaskFailedCause::BadStartChildExecutionAttributes,
        CommandType::SignalExternalWorkflowExecution => WorkflowTaskFailedCause::BadSignalWorkflowExecutionAttributes,
        CommandType::RequestCancelExternalWorkflowExecution => {
            WorkflowTaskFailedCause::BadRequestCancelExternalWorkflowExecutionAttributes
        }
        CommandType::UpsertWorkflowSearchAttributes => WorkflowTaskFailedCause::BadSearchAttributes,
        CommandType::ModifyWorkflowProperties => WorkflowTaskFailedCause::BadModifyWorkflowPropertiesAttributes,
        CommandType::ScheduleNexusOperation => WorkflowTaskFailedCause::BadScheduleNexusOperationAttributes,
        CommandType::RequestCancelNexusOperation => WorkflowTaskFailedCause::BadRequestCancelNexusOperationAttributes,
        CommandType::ProtocolMessage => WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage,
        _ => return unsupported(kind.into()),
    };
    let name = name_of(kind);
    Refusal::new(cause, format!("{name}CommandAttributes is not set on {name}Command."))
}

/// Refuses a command that this server does not support.
fn unsupported(command_type: i32) -> Refusal {
    let name = CommandType::try_from(command_type).map_or_else(|_| command_type.to_string(), name_of);
    let text = format!("Abide's embedded server does not support the command {name} yet");
    Refusal::new(WorkflowTaskFailedCause::Unspecified, text)
}

fn name_of(kind: CommandType) -> String {
    camel_case(kind.as_str_name().trim_start_matches("COMMAND_TYPE_"))
}

/// Converts `UNHANDLED_COMMAND` to `UnhandledCommand`.
fn camel_case(name: &str) -> String {
    let capitalized = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    });
    capitalized.collect()
}
