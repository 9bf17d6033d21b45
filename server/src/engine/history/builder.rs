//! Appends events to a run's history, or to its buffer while a workflow task is started.
//!
//! Extends `Transaction`.

use std::sync::Arc;

use abide_protos::prost::Message;

use super::buffer::{self, BUFFERED_EVENT_ID};
use super::event_type::event_type;
use crate::engine::api::enums::EventType;
use crate::engine::api::{Attributes, HistoryEvent, command, common, sdk};
use crate::engine::time::Time;
use crate::engine::transaction::Transaction;

/// The fields of an event besides its attributes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) user_metadata: Option<sdk::UserMetadata>,
    pub(crate) event_group_markers: Vec<sdk::EventGroupMarker>,
    pub(crate) links: Vec<common::Link>,
    /// Time of the event, if not now.
    pub(crate) time: Option<Time>,
}

impl Extras {
    pub(crate) fn at(time: Time) -> Self {
        Self { time: Some(time), ..Self::default() }
    }

    pub(crate) fn links(links: Vec<common::Link>) -> Self {
        Self { links, ..Self::default() }
    }

    /// Takes the fields that an event copies from its command.
    pub(crate) fn of_command(command: &command::Command) -> Self {
        Self {
            user_metadata: command.user_metadata.clone(),
            event_group_markers: command.event_group_markers.clone(),
            ..Self::default()
        }
    }
}

impl Transaction<'_> {
    /// Adds an event that happens now. Returns its id, or [`BUFFERED_EVENT_ID`] if it has none yet.
    pub(crate) fn record(&mut self, attributes: impl Into<Attributes>) -> i64 {
        self.record_with(attributes, Extras::default())
    }

    /// Adds an event. Returns its id, or [`BUFFERED_EVENT_ID`] if it has none yet.
    pub(crate) fn record_with(&mut self, attributes: impl Into<Attributes>, extras: Extras) -> i64 {
        self.write_speculative_task();
        let attributes = attributes.into();
        let kind = event_type(&attributes);
        let event = HistoryEvent {
            event_time: Some(extras.time.unwrap_or(self.now.time).proto()),
            event_type: kind.into(),
            worker_may_ignore: may_be_ignored(kind),
            user_metadata: extras.user_metadata,
            event_group_markers: extras.event_group_markers,
            links: extras.links,
            attributes: Some(attributes),
            ..HistoryEvent::default()
        };
        if self.execution.state.task_is_started() && buffer::is_buffered(kind) {
            self.execution.state.buffer.push(event);
            return BUFFERED_EVENT_ID;
        }
        self.append(event)
    }

    /// Assigns ids to the buffered events, in the order that workers rely on.
    pub(crate) fn flush_buffer(&mut self) {
        let buffered = std::mem::take(&mut self.execution.state.buffer);
        let mut started = buffer::StartedIds::default();
        for mut event in buffer::reorder(buffered) {
            started.wire(&mut event);
            let begun = buffer::started_operation(&event);
            let event_id = self.append(event);
            if let Some(initiating_event_id) = begun {
                started.assign(initiating_event_id, event_id);
                self.child_start_flushed(initiating_event_id, event_id);
            }
        }
    }

    /// Adds an event unchanged, with the next id.
    pub(crate) fn append(&mut self, mut event: HistoryEvent) -> i64 {
        let history = &mut self.execution.history;
        let event_id = history.next_event_id();
        *self.sequence += 1;
        event.event_id = event_id;
        event.task_id = i64::try_from(*self.sequence).unwrap_or(i64::MAX);
        history.size_bytes += i64::try_from(event.encoded_len()).unwrap_or(0);
        history.events.push(Arc::new(event));
        event_id
    }
}

/// Returns true for events that an older worker may skip although it does not know them.
fn may_be_ignored(kind: EventType) -> bool {
    matches!(
        kind,
        EventType::WorkflowExecutionOptionsUpdated
            | EventType::WorkflowExecutionPaused
            | EventType::WorkflowExecutionUnpaused
            | EventType::WorkflowExecutionTimeSkippingTransitioned
            | EventType::NexusOperationCancelRequestCompleted
            | EventType::NexusOperationCancelRequestFailed
    )
}
