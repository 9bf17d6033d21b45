//! Recorded histories: loading, reading and printing them.

mod attributes;
mod display;
mod load;
mod read;

use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::WorkflowExecutionStartedEventAttributes as Started;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

#[cfg(any(test, feature = "worker"))]
#[cfg(test)]
pub(crate) use attributes::payload_text;
pub(crate) use attributes::{
    attributes_field, command_attributes, command_type_name, event_attributes, event_type_name, event_type_number,
    failure_of, long_name, message_attributes,
};
#[cfg(feature = "worker")]
pub(crate) use load::history_files;
pub use read::HistoryError;

/// The recorded history of one workflow run.
///
/// It comes from a client, or from a file that the CLI, the web UI or any SDK exported ([`History::load`]). Its
/// `Display` prints it event by event, with the commands of each completed workflow task.
///
/// ```
/// let json = r#"{"events": [{
///     "eventId": "1",
///     "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
///     "workflowExecutionStartedEventAttributes": {"workflowType": {"name": "order"}, "workflowId": "order-7"}
/// }]}"#;
/// let histories = abide::History::from_json(json)?;
/// assert_eq!(histories[0].workflow_type(), Some("order"));
/// assert_eq!(histories[0].workflow_id(), Some("order-7"));
/// println!("{}", histories[0]);
/// # Ok::<(), abide::HistoryError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct History {
    events: Vec<HistoryEvent>,
    workflow_id: Option<String>,
    run_id: Option<String>,
}

impl History {
    /// Creates a history of these events. Gaps between their ids are only found when it is replayed.
    #[doc(hidden)]
    pub fn from_events(events: Vec<HistoryEvent>) -> Self {
        Self { events, workflow_id: None, run_id: None }
    }

    /// Sets the run's ids, for events that do not contain them.
    pub fn with_execution(mut self, workflow_id: impl Into<String>, run_id: impl Into<String>) -> Self {
        self.workflow_id = Some(workflow_id.into());
        self.run_id = Some(run_id.into());
        self
    }

    /// The workflow's id, if it is known: older servers did not write it to histories.
    pub fn workflow_id(&self) -> Option<&str> {
        let recorded = || self.started().map(|started| started.workflow_id.as_str()).filter(|id| !id.is_empty());
        self.workflow_id.as_deref().or_else(recorded)
    }

    /// The run's id, if it is known. The history of a run that was reset names only the original run.
    pub fn run_id(&self) -> Option<&str> {
        let original = |started: &'_ Started| !started.original_execution_run_id.is_empty();
        let recorded = || self.started().filter(|s| original(s)).map(|s| s.original_execution_run_id.as_str());
        self.run_id.as_deref().or_else(recorded)
    }

    /// The workflow's type; `None` if the history does not begin with a WorkflowExecutionStarted event that names it.
    pub fn workflow_type(&self) -> Option<&str> {
        let name = self.started()?.workflow_type.as_ref().map(|workflow_type| workflow_type.name.as_str());
        name.filter(|name| !name.is_empty())
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns true if there are no events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The events.
    #[doc(hidden)]
    pub fn events(&self) -> &[HistoryEvent] {
        &self.events
    }

    /// Takes the events out.
    #[doc(hidden)]
    pub fn into_events(self) -> Vec<HistoryEvent> {
        self.events
    }

    fn started(&self) -> Option<&Started> {
        match self.events.first()?.attributes.as_ref()? {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => Some(started),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
