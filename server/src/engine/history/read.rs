//! GetWorkflowExecutionHistory: pages, waiting for new events, waiting for the end of a run.
//!
//! Extends `Engine`.

use crate::engine::Engine;
use crate::engine::api::enums::HistoryEventFilterType;
use crate::engine::api::{Attributes, HistoryEvent, history, service};
use crate::engine::errors::Error;
use crate::engine::token::PageToken;
use crate::engine::waiters::{Step, Waiter, WaiterId};
use crate::engine::workflow::ExecutionId;

/// Maximum events per page.
pub(crate) const PAGE_SIZE: i64 = 256;

type Response = service::GetWorkflowExecutionHistoryResponse;

impl Engine {
    /// `sees_virtual_events`: the caller is an SDK, which also gets the events of a transient workflow task.
    pub(crate) fn get_workflow_execution_history(
        &mut self,
        request: &service::GetWorkflowExecutionHistoryRequest,
        sees_virtual_events: bool,
    ) -> Result<Step<Response>, Error> {
        if request.execution.is_some() && !request.next_page_token.is_empty() {
            PageToken::decode_token(&request.next_page_token)?;
        }
        let id = self.find(&request.namespace, request.execution.as_ref())?;
        let (id, token) = self.position(id, request)?;
        let execution = self.execution(id);
        let running = execution.is_running();
        if request.history_event_filter_type() == HistoryEventFilterType::CloseEvent {
            if running && request.wait_new_event {
                return Ok(self.wait_for_events(id, i64::MAX, true));
            }
            let last = execution.next_event_id() - 1;
            let events = if running { Vec::new() } else { execution.events(last, last + 1) };
            return Ok(Step::Done(response(events, Vec::new())));
        }
        let next_event_id = execution.next_event_id();
        let end = if token.end_event_id == 0 { next_event_id } else { token.end_event_id.min(next_event_id) };
        if request.wait_new_event && running && token.next_event_id >= end && token.end_event_id == 0 {
            return Ok(self.wait_for_events(id, token.next_event_id, false));
        }
        let size = i64::from(request.maximum_page_size);
        let size = if size <= 0 { PAGE_SIZE } else { size.min(PAGE_SIZE) };
        let until = token.next_event_id.saturating_add(size).min(end);
        let mut events = execution.events(token.next_event_id, until);
        let following = PageToken { next_event_id: until.max(token.next_event_id), ..token.clone() };
        if until < end || (request.wait_new_event && running) {
            return Ok(Step::Done(response(events, following.encode_token())));
        }
        let virtual_events = execution.virtual_events();
        let of_task = virtual_events.first().is_some_and(|event| event.event_id == token.virtual_scheduled_event_id);
        if of_task || (token.end_event_id == 0 && sees_virtual_events) {
            // Readers that do not have the task do not learn which worker has it.
            events
                .extend(virtual_events.into_iter().map(|event| if of_task { event } else { without_identity(event) }));
        }
        Ok(Step::Done(response(events, Vec::new())))
    }

    /// Returns the response when a wait times out: no events, and where to continue.
    pub(crate) fn history_wait_timed_out(
        &self,
        request: &service::GetWorkflowExecutionHistoryRequest,
    ) -> Result<Response, Error> {
        let id = self.find(&request.namespace, request.execution.as_ref())?;
        let (_, token) = self.position(id, request)?;
        Ok(response(Vec::new(), token.encode_token()))
    }

    /// Returns the run and the position in it that a request refers to.
    fn position(
        &self,
        id: ExecutionId,
        request: &service::GetWorkflowExecutionHistoryRequest,
    ) -> Result<(ExecutionId, PageToken), Error> {
        if request.next_page_token.is_empty() {
            let run_id = self.execution(id).run_id.clone();
            return Ok((id, PageToken { run_id, next_event_id: 1, ..PageToken::default() }));
        }
        let token = PageToken::decode_token(&request.next_page_token)?;
        let requested = request.execution.as_ref().map_or("", |execution| &execution.run_id);
        if !requested.is_empty() && requested != token.run_id {
            return Err(Error::invalid_argument("RunId in the request does not match the NextPageToken."));
        }
        let id = self.by_run_id.get(&token.run_id).copied();
        let id = id.ok_or_else(|| Error::invalid_argument("Invalid NextPageToken."))?;
        Ok((id, token))
    }

    fn wait_for_events(&mut self, execution: ExecutionId, next_event_id: i64, close_only: bool) -> Step<Response> {
        let waiter: WaiterId = self.waiters.park(Waiter::History { execution, next_event_id, close_only });
        Step::Wait(waiter)
    }
}

fn without_identity(mut event: HistoryEvent) -> HistoryEvent {
    if let Some(Attributes::WorkflowTaskStartedEventAttributes(started)) = &mut event.attributes {
        started.identity.clear();
        started.request_id.clear();
    }
    event
}

fn response(events: Vec<HistoryEvent>, next_page_token: Vec<u8>) -> Response {
    Response { history: Some(history::History { events }), next_page_token, ..Default::default() }
}
