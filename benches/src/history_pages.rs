//! A recorded history as a worker receives it: encoded pages, decoded one at a time.

use abide::replay::HistoryPage;
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::{History, HistoryEvent, history_event};
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{DecodeError, Message};

/// Number of events that the server puts into one page.
const EVENTS_PER_PAGE: usize = 256;

/// A whole history, split into encoded pages.
#[derive(Debug)]
pub struct HistoryPages {
    pages: Vec<Vec<u8>>,
    /// Number of events.
    pub events: usize,
    /// Workflow id, for the run that replays them.
    pub workflow_id: String,
    /// Run id, for the run that replays them.
    pub run_id: String,
}

impl HistoryPages {
    /// Splits an encoded `temporal.api.history.v1.History` that ends with the workflow's completion.
    ///
    /// Decodes only the first and the last event, because a decoded history would count in the process's peak memory.
    ///
    /// # Errors
    /// Returns an error if the bytes are not such a history.
    pub fn cut(encoded: &[u8]) -> Result<Self, String> {
        let events = split(encoded).map_err(|error| format!("not a history: {error}"))?;
        let last = decode_one(events.last())?;
        if last.event_type() != EventType::WorkflowExecutionCompleted {
            return Err(format!("the history ends with {:?}, not with WorkflowExecutionCompleted", last.event_type()));
        }
        let (workflow_id, run_id) = ids(&decode_one(events.first())?)?;
        let pages = events.chunks(EVENTS_PER_PAGE).map(<[&[u8]]>::concat).collect();
        Ok(Self { pages, events: events.len(), workflow_id, run_id })
    }

    /// Decodes the page that a token requests; the empty token requests the first.
    ///
    /// # Errors
    /// Returns an error if no page has this token.
    pub fn decode(&self, token: &[u8]) -> Result<HistoryPage, String> {
        let index = match token {
            [] => 0,
            token => usize::from_le_bytes(token.try_into().map_err(|_| format!("no page has the token {token:?}"))?),
        };
        let page = self.pages.get(index).ok_or_else(|| format!("there is no page {index}"))?;
        let History { events } = History::decode(page.as_slice()).map_err(|error| error.to_string())?;
        let is_last = index + 1 == self.pages.len();
        let next_page_token = if is_last { Vec::new() } else { (index + 1).to_le_bytes().to_vec() };
        Ok(HistoryPage { events, next_page_token })
    }

    /// Decodes every page and does nothing else, as the lower bound of a replay.
    ///
    /// # Errors
    /// Cannot fail for pages made by [`HistoryPages::cut`].
    pub fn decode_all(&self) -> Result<(), String> {
        for page in &self.pages {
            std::hint::black_box(History::decode(page.as_slice()).map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}

/// Returns the encoded events of an encoded history, each with its key and length.
fn split(mut encoded: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let mut events = Vec::new();
    while !encoded.is_empty() {
        let mut rest = encoded;
        let (tag, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, tag, &mut rest, DecodeContext::default())?;
        events.push(&encoded[..encoded.len() - rest.len()]);
        encoded = rest;
    }
    Ok(events)
}

/// Decodes one event from a piece that [`split`] returned.
fn decode_one(piece: Option<&&[u8]>) -> Result<HistoryEvent, String> {
    let piece = piece.ok_or("the history has no events")?;
    let History { events } = History::decode(*piece).map_err(|error| format!("not a history: {error}"))?;
    events.into_iter().next().ok_or_else(|| "not a history: a field that holds no event".into())
}

fn ids(first: &HistoryEvent) -> Result<(String, String), String> {
    match &first.attributes {
        Some(history_event::Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            Ok((started.workflow_id.clone(), started.original_execution_run_id.clone()))
        }
        _ => Err("the history does not begin with WorkflowExecutionStarted".into()),
    }
}
