//! Results of a replay.

use std::fmt;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use crate::converter::{PayloadError, RawPayload, from_payload, payload_shape};
use crate::definition::PayloadValue;
use crate::failure::Failure;
use crate::replay::Nondeterminism;
use crate::runtime::{ReplayedOutcome, WorkflowRun};

/// A successful replay of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    pub(super) workflow_type: String,
    pub(super) outcome: RunOutcome,
    pub(super) recorded: RunOutcome,
    pub(super) events: usize,
}

/// Outcome of a run.
///
/// Its `Display` describes the result (`completed with a string of 9 characters`) without the value, because reports
/// end up in logs and a codec may have been set to hide the value. [`Replayed::result`] returns the value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RunOutcome {
    /// The run completed, with its result in the form in which it is sent; `None` if it has none.
    Completed(Option<RawPayload>),
    /// The run failed.
    Failed(Failure),
    /// The run ended as cancelled.
    Cancelled,
    /// The run continued as new.
    ContinuedAsNew,
    /// The run has not ended, or the server closed it (timed out, terminated) without its code.
    Open,
}

/// An error because of which a history could not be replayed to its end.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReplayError {
    /// The code does not match the history.
    Nondeterminism(Box<Nondeterminism>),
    /// The code failed its workflow task: it panicked, got stuck, or could not read its arguments.
    TaskFailed {
        /// The reason, and the place.
        message: String,
    },
    /// The history is inconsistent, or its file could not be read.
    InvalidHistory {
        /// The expected and the found content, and the place.
        message: String,
    },
    /// The workflow was not added to the replayer.
    UnknownWorkflow {
        /// The workflow type that the history names.
        name: String,
        /// Workflow types that were added to the replayer.
        known: Vec<String>,
    },
    /// Two plugins of the replayer have the same name, or one has none.
    InvalidPlugins {
        /// The name, and what to do.
        message: String,
    },
}

impl Replayed {
    /// The workflow type.
    pub fn workflow_type(&self) -> &str {
        &self.workflow_type
    }

    /// Number of replayed events.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Outcome of the replayed code.
    pub fn outcome(&self) -> &RunOutcome {
        &self.outcome
    }

    /// Outcome in the recorded history.
    pub fn recorded(&self) -> &RunOutcome {
        &self.recorded
    }

    /// Returns true if the replayed code ended the run with the recorded outcome, with an equal result or failure.
    ///
    /// A replay does not require this, because a changed result is not nondeterminism. JSON is compared by value,
    /// failures by their texts and types.
    pub fn same_outcome(&self) -> bool {
        match (&self.outcome, &self.recorded) {
            (RunOutcome::Completed(now), RunOutcome::Completed(then)) => same_payload(now.as_ref(), then.as_ref()),
            (RunOutcome::Failed(now), RunOutcome::Failed(then)) => now.to_string() == then.to_string(),
            (now, then) => now == then,
        }
    }

    /// The result with which the replayed code completed the run; `None` if it did not complete.
    ///
    /// # Errors
    /// Returns an error if the result is not a `T`.
    pub fn result<T: PayloadValue>(&self) -> Result<Option<T>, PayloadError> {
        match &self.outcome {
            RunOutcome::Completed(Some(raw)) => from_payload(&to_proto(raw)).map(Some),
            RunOutcome::Completed(None) => from_payload(&null()).map(Some),
            _ => Ok(None),
        }
    }
}

impl RunOutcome {
    pub(super) fn replayed(run: &WorkflowRun) -> Self {
        match run.replayed_outcome() {
            Some(ReplayedOutcome::Completed(result)) => Self::Completed(only_payload(result.as_ref())),
            Some(ReplayedOutcome::Failed(failure)) => Self::Failed(failure.clone()),
            Some(ReplayedOutcome::Cancelled) => Self::Cancelled,
            Some(ReplayedOutcome::ContinuedAsNew) => Self::ContinuedAsNew,
            None => Self::Open,
        }
    }

    pub(super) fn recorded(events: &[HistoryEvent]) -> Self {
        match events.last().and_then(|event| event.attributes.as_ref()) {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(end)) => {
                Self::Completed(only_payload(end.result.as_ref()))
            }
            Some(Attributes::WorkflowExecutionFailedEventAttributes(end)) => {
                Self::Failed(Failure::from_proto(end.failure.clone().unwrap_or_default()))
            }
            Some(Attributes::WorkflowExecutionCanceledEventAttributes(_)) => Self::Cancelled,
            Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(_)) => Self::ContinuedAsNew,
            _ => Self::Open,
        }
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed(None) => f.write_str("completed"),
            Self::Completed(Some(raw)) => {
                write!(f, "completed with {}", payload_shape(raw.encoding(), &raw.data))
            }
            Self::Failed(failure) => write!(f, "failed: {failure}"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::ContinuedAsNew => f.write_str("continued as new"),
            Self::Open => f.write_str("open"),
        }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nondeterminism(error) => error.fmt(f),
            Self::TaskFailed { message } => write!(f, "the workflow task failed: {message}"),
            Self::InvalidHistory { message } => write!(f, "the history cannot be replayed: {message}"),
            Self::UnknownWorkflow { name, known } if known.is_empty() => write!(
                f,
                "the history is of workflow `{name}`, but the replayer has no workflow; add it with `.workflow(..)`"
            ),
            Self::UnknownWorkflow { name, known } => write!(
                f,
                "the history is of workflow `{name}`, but the replayer has only {}; add it with `.workflow(..)`",
                known.join(", ")
            ),
            Self::InvalidPlugins { message } => f.write_str(message),
        }
    }
}

/// The text is that of the difference, so [`source`](std::error::Error::source) does not return it again.
impl std::error::Error for ReplayError {}

fn only_payload(payloads: Option<&Payloads>) -> Option<RawPayload> {
    let payload = payloads?.payloads.first()?;
    let metadata = payload.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    Some(RawPayload { metadata, data: payload.data.clone() })
}

fn to_proto(raw: &RawPayload) -> Payload {
    let metadata = raw.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    Payload { metadata, data: raw.data.clone(), external_payloads: Vec::new() }
}

fn null() -> Payload {
    Payload { metadata: [("encoding".into(), b"binary/null".to_vec())].into(), ..Payload::default() }
}

/// Compares two results. A missing result equals null, because SDKs write either for a workflow that returns nothing.
fn same_payload(one: Option<&RawPayload>, other: Option<&RawPayload>) -> bool {
    let value = |raw: Option<&RawPayload>| -> Option<serde_json::Value> {
        let Some(raw) = raw else { return Some(serde_json::Value::Null) };
        match raw.metadata.get("encoding").map(Vec::as_slice) {
            Some(b"binary/null") => Some(serde_json::Value::Null),
            Some(b"json/plain" | b"json/protobuf") => serde_json::from_slice(&raw.data).ok(),
            _ => None,
        }
    };
    match (value(one), value(other)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.map(|raw| &raw.data) == other.map(|raw| &raw.data),
        _ => false,
    }
}
