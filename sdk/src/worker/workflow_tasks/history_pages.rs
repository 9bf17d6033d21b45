//! Fetches the pages of history that did not come with a workflow task.

use std::sync::Arc;

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;

use tokio::time::Instant;

use super::WorkflowWorker;
use super::respond::time_left;
use crate::client::RpcError;
use crate::converter::CodecError;
use crate::replay::{HistoryPage, WorkflowTask};
use crate::worker::coding::decode_by;
use crate::worker::lanes::{LaneMessage, Ticket};
use crate::worker::task_failure::task_failure;

/// Maximum pages without events in a row. A server may send a few before the last page, but not forever.
const MOST_EMPTY_PAGES: usize = 100;

/// The reason for a missing page.
enum NoPage {
    NotFetched(RpcError),
    NotDecoded(CodecError),
    /// The server sent only pages without events.
    OnlyEmptyOnes,
}

impl WorkflowWorker {
    /// Fetches the page that a run requested, and sends it to the run's lane.
    pub(crate) async fn fetch_page(self: Arc<Self>, mut ticket: Box<Ticket>, next_page_token: Vec<u8>) {
        match self.page(&mut ticket, next_page_token).await {
            Ok(page) => {
                let run_id = ticket.run_id.clone();
                self.lanes().send(&run_id, LaneMessage::Page(ticket, page));
            }
            Err(no_page) => {
                self.lanes().send(&ticket.run_id, LaneMessage::NoPage { run_id: ticket.run_id.clone() });
                self.without_page(&ticket, &no_page).await;
            }
        }
    }

    /// Sends a task whose run is not cached to its lane again, with the history from its beginning.
    pub(crate) async fn fetch_from_the_beginning(
        self: Arc<Self>,
        mut ticket: Box<Ticket>,
        mut task: Box<WorkflowTask>,
    ) {
        ticket.polled_events = std::mem::take(&mut task.history.events);
        match self.page(&mut ticket, Vec::new()).await {
            Ok(page) if page.events.first().is_some_and(|first| first.event_id == 1) => {
                task.history = page;
                self.lanes().send_task(ticket, task);
            }
            Ok(page) => {
                let first = page.events.first().map_or(0, |first| first.event_id);
                let text = format!("the server's history of the run begins with event {first}: expected event 1");
                self.fail(&ticket, *task_failure(&text)).await;
            }
            Err(no_page) => self.without_page(&ticket, &no_page).await,
        }
    }

    /// Fetches one page; an empty token requests the first.
    async fn page(&self, ticket: &mut Ticket, mut next_page_token: Vec<u8>) -> Result<HistoryPage, NoPage> {
        for _ in 0..MOST_EMPTY_PAGES {
            let request = GetWorkflowExecutionHistoryRequest {
                namespace: self.shared.namespace(),
                execution: Some(WorkflowExecution {
                    workflow_id: ticket.workflow_id.clone(),
                    run_id: ticket.run_id.clone(),
                }),
                next_page_token,
                ..Default::default()
            };
            let answered = self.shared.call_within(request, time_left(ticket)).await;
            let mut response = answered.map_err(NoPage::NotFetched)?;
            let deadline = Instant::now() + time_left(ticket);
            let whose = self.shared.of_workflow(&ticket.workflow_id);
            let decoded = decode_by(self.shared.data_converter(), &mut response, whose, deadline).await;
            decoded.map_err(NoPage::NotDecoded)?;
            let mut events = response.history.map(|history| history.events).unwrap_or_default();
            next_page_token = response.next_page_token;
            if let Some(last) = events.last() {
                ticket.fetched_up_to = last.event_id;
            }
            if next_page_token.is_empty() {
                append_newer(&mut events, std::mem::take(&mut ticket.polled_events), ticket.fetched_up_to);
            }
            if !events.is_empty() || next_page_token.is_empty() {
                return Ok(HistoryPage { events, next_page_token });
            }
        }
        Err(NoPage::OnlyEmptyOnes)
    }

    /// Handles a missing page: if it cannot be fetched, the task is left to time out; if it cannot be read, the task
    /// fails.
    async fn without_page(&self, ticket: &Ticket, no_page: &NoPage) {
        let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
        match no_page {
            NoPage::NotFetched(error) if error.is_not_found() => {
                tracing::debug!(
                    workflow_id,
                    run_id,
                    "the history no longer exists, as its workflow was deleted: {error}"
                );
            }
            NoPage::NotFetched(error) if error.undecodable_task().is_some() => {
                self.fail(ticket, *task_failure(&format!("the history cannot be read: {error}"))).await;
            }
            NoPage::NotFetched(error) => tracing::warn!(
                workflow_id,
                run_id,
                workflow_type,
                "the history could not be fetched; the task will time out, and the server sends it again: {error}"
            ),
            NoPage::NotDecoded(error) => self.fail(ticket, *task_failure(&error.to_string())).await,
            NoPage::OnlyEmptyOnes => {
                let text = format!(
                    "expected more events of the run's history after event {}, or its end; the server sent \
                     {MOST_EMPTY_PAGES} pages without an event",
                    ticket.fetched_up_to
                );
                self.fail(ticket, *task_failure(&text)).await;
            }
        }
    }
}

/// Appends the polled events that the server has not stored: those of a repeated or speculative task.
fn append_newer(events: &mut Vec<HistoryEvent>, polled: Vec<HistoryEvent>, last: i64) {
    events.extend(polled.into_iter().filter(|event| event.event_id > last));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(ids: &[i64]) -> Vec<HistoryEvent> {
        ids.iter().map(|id| HistoryEvent { event_id: *id, ..Default::default() }).collect()
    }

    #[test]
    fn events_that_only_the_poll_brought_come_last() {
        let mut stored = events(&[1, 2, 3, 4]);
        append_newer(&mut stored, events(&[3, 4, 5, 6]), 4);
        assert_eq!(stored, events(&[1, 2, 3, 4, 5, 6]));
        // The last page may be empty; earlier events are not repeated.
        let mut last_page = events(&[]);
        append_newer(&mut last_page, events(&[3, 4, 5]), 4);
        assert_eq!(last_page, events(&[5]));
    }
}
