//! Pages of history that a task did not bring along.

use std::sync::Arc;

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;

use super::completion::time_left;
use super::lane::{Message, Ticket};
use super::workflow_worker::WorkflowWorker;
use crate::client::RpcError;
use crate::replay::{HistoryPage, WorkflowTask};

impl WorkflowWorker {
    /// Fetches the page that a run asked for, and sends it to its lane.
    pub(super) async fn fetch_page(self: Arc<Self>, mut ticket: Box<Ticket>, next_page_token: Vec<u8>) {
        match self.page(&mut ticket, next_page_token).await {
            Ok(page) => {
                let run_id = ticket.run_id.clone();
                self.lanes().send(&run_id, Message::Page(ticket, page));
            }
            Err(error) => {
                self.lanes().send(&ticket.run_id, Message::NoPage { run_id: ticket.run_id.clone() });
                report(&ticket, &error);
            }
        }
    }

    /// Sends a task, whose run is not cached, to its lane again with the history from its beginning.
    pub(super) async fn fetch_from_the_beginning(
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
                self.fail(&ticket, *super::lane_thread::task_failure(&text)).await;
            }
            Err(error) => report(&ticket, &error),
        }
    }

    /// One page; an empty token asks for the first.
    async fn page(&self, ticket: &mut Ticket, mut next_page_token: Vec<u8>) -> Result<HistoryPage, RpcError> {
        loop {
            let request = GetWorkflowExecutionHistoryRequest {
                namespace: self.shared.namespace(),
                execution: Some(WorkflowExecution {
                    workflow_id: ticket.workflow_id.clone(),
                    run_id: ticket.run_id.clone(),
                }),
                next_page_token,
                ..Default::default()
            };
            let response = self.shared.client.call_within(request, time_left(ticket)).await?;
            let mut events = response.history.map(|history| history.events).unwrap_or_default();
            next_page_token = response.next_page_token;
            if let Some(last) = events.last() {
                ticket.fetched_up_to = last.event_id;
            }
            if next_page_token.is_empty() {
                append_newer(&mut events, std::mem::take(&mut ticket.polled_events), ticket.fetched_up_to);
            }
            // The server may send a page without events that is not the last.
            if !events.is_empty() || next_page_token.is_empty() {
                return Ok(HistoryPage { events, next_page_token });
            }
        }
    }
}

/// Appends the polled events that the server has not stored: those of a repeated or speculative task.
fn append_newer(events: &mut Vec<HistoryEvent>, polled: Vec<HistoryEvent>, last: i64) {
    events.extend(polled.into_iter().filter(|event| event.event_id > last));
}

fn report(ticket: &Ticket, error: &RpcError) {
    let (workflow_id, run_id, workflow_type) = (&ticket.workflow_id, &ticket.run_id, &ticket.workflow_type);
    if error.is_not_found() {
        tracing::debug!(workflow_id, run_id, "the history is gone with its workflow: {error}");
    } else {
        tracing::warn!(
            workflow_id,
            run_id,
            workflow_type,
            "the history could not be fetched; the task will time out: {error}"
        );
    }
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
        // The last page may be empty; what came before it is not repeated.
        let mut last_page = events(&[]);
        append_newer(&mut last_page, events(&[3, 4, 5]), 4);
        assert_eq!(last_page, events(&[5]));
    }
}
