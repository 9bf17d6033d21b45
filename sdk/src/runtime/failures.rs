//! Workflow task failures: their reasons, and the failure that the server is told.

use std::panic::Location;
use std::time::SystemTime;

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{Command, FailWorkflowExecutionCommandAttributes};
use abide_protos::temporal::api::enums::v1::{CommandType, WorkflowTaskFailedCause};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;

use super::panics::Panic;
use super::registry::WorkflowRegistry;
use crate::bounded_text::{cut_message, name as short};
use crate::converter::PayloadError;
use crate::direct_call::DirectCall;
use crate::failure::SOURCE;
use crate::replay::state_machines::FollowError;
use crate::replay::{Nondeterminism, NondeterminismKind, Output, WorkflowTaskCompletion, WorkflowTaskFailure};

/// Reason for which a workflow task fails.
#[derive(Debug)]
pub(crate) enum TaskError {
    /// The code does not match the history.
    Nondeterminism(Box<Nondeterminism>),
    /// The history is inconsistent, or this version does not understand it.
    Malformed(String),
    /// The code, or its input, must be corrected.
    WorkerFailure(String),
    /// The worker does not have the workflow.
    UnknownWorkflow(String),
    /// The code panicked.
    Panic(Panic),
}

impl TaskError {
    /// Text for the server and for the log.
    pub(crate) fn message(&self) -> String {
        let mut text = match self {
            Self::Nondeterminism(error) => error.to_string(),
            Self::Malformed(message) | Self::WorkerFailure(message) | Self::UnknownWorkflow(message) => message.clone(),
            Self::Panic(panic) => {
                let advice = panic.direct_call.map(|call| format!("; {call}")).unwrap_or_default();
                format!("workflow code panicked at {}: {}{advice}", panic.location, panic.message)
            }
        };
        cut_message(&mut text);
        text
    }

    pub(crate) fn into_output(self) -> Output {
        let (cause, failure) = self.cause_and_failure();
        let nondeterminism = match self {
            Self::Nondeterminism(error) => Some(error),
            _ => None,
        };
        Output::Fail(Box::new(WorkflowTaskFailure { cause, failure, nondeterminism }))
    }

    fn cause_and_failure(&self) -> (WorkflowTaskFailedCause, FailureProto) {
        let (cause, error_type) = match self {
            Self::Nondeterminism(_) => (WorkflowTaskFailedCause::NonDeterministicError, "NondeterminismError"),
            Self::Panic(_) => (WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure, "Panic"),
            Self::Malformed(_) => (WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure, "MalformedHistory"),
            Self::WorkerFailure(_) => (WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure, "WorkflowTaskError"),
            Self::UnknownWorkflow(_) => {
                (WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure, "UnknownWorkflowType")
            }
        };
        let failure = FailureProto {
            message: self.message(),
            source: SOURCE.to_string(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: error_type.to_string(),
                ..Default::default()
            })),
            ..Default::default()
        };
        (cause, failure)
    }
}

impl From<FollowError> for TaskError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Nondeterminism(error) => Self::Nondeterminism(error),
            FollowError::Malformed(message) => Self::Malformed(message),
        }
    }
}

impl From<Panic> for TaskError {
    fn from(mut panic: Panic) -> Self {
        if let Some(error) = panic.nondeterminism.take() {
            return Self::Nondeterminism(error);
        }
        if panic.is_missing_reactor() {
            let recorded = "workflow code runs outside tokio";
            let produced = format!("used tokio's clock, tasks or I/O at {}", panic.location);
            let error = Nondeterminism::new(NondeterminismKind::ForeignFuture, 0, "(this workflow task)", recorded);
            let error = error.produced(produced, panic.direct_call.map(|call| call.location));
            return Self::Nondeterminism(Box::new(advised(error, panic.direct_call)));
        }
        Self::Panic(panic)
    }
}

/// Place in a run's code, as far as it is known: a description and the statement.
pub(crate) type CodePlace = (String, &'static Location<'static>);

/// Completes a task that would fail by failing its workflow.
pub(crate) fn fail_workflow(
    error: TaskError,
    sdk_metadata: WorkflowTaskCompletedMetadata,
    start_time: Option<SystemTime>,
) -> Output {
    let (_, failure) = error.cause_and_failure();
    let command = Command {
        command_type: CommandType::FailWorkflowExecution as i32,
        attributes: Some(Attributes::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes {
            failure: Some(failure),
        })),
        ..Default::default()
    };
    Output::Complete(Box::new(WorkflowTaskCompletion {
        commands: vec![command],
        sdk_metadata,
        closes_workflow: true,
        start_time,
        ..Default::default()
    }))
}

/// Returns the error of a task during which something outside the run woke a routine. `place` is the place of the code,
/// as far as it is known; `direct_call` is an activity function that the code awaits.
pub(crate) fn foreign_wake(event_id: i64, place: Option<CodePlace>, direct_call: Option<DirectCall>) -> TaskError {
    let recorded = "only events of the workflow's history may wake its code";
    let error = Nondeterminism::new(NondeterminismKind::ForeignFuture, event_id, "WorkflowTaskStarted", recorded);
    let mut error = error.produced("awaited a future that another thread or a timer of the process woke", None);
    if let Some((what, location)) = place {
        error.waits_for(what, Some(location));
    }
    TaskError::Nondeterminism(Box::new(advised(error, direct_call)))
}

/// Adds the next step if an activity function was called directly.
fn advised(error: Nondeterminism, direct_call: Option<DirectCall>) -> Nondeterminism {
    match direct_call {
        Some(call) => error.with_next_step(call.to_string()),
        None => error,
    }
}

/// Returns the text of the task's failure if the arguments of the start do not fit.
pub(super) fn cannot_be_started(workflow_type: &str, error: &PayloadError) -> String {
    format!(
        "workflow `{workflow_type}` cannot be started: {error}; correct the parameters of its code, or terminate it and \
         start it with other arguments"
    )
}

pub(crate) fn unknown_workflow(name: &str, registry: &WorkflowRegistry, task_queue: &str) -> TaskError {
    let known: Vec<&str> = registry.names().collect();
    let known =
        if known.is_empty() { "no workflow is registered".into() } else { format!("registered: {}", known.join(", ")) };
    let name = short(name);
    TaskError::UnknownWorkflow(format!(
        "workflow type `{name}` is not registered with this worker (task queue `{task_queue}`); {known}. \
         Add it with `.workflow({name})`, or start the workflow on the task queue of a worker that has it"
    ))
}
