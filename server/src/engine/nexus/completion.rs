//! Workflows that back Nexus operations: when a chain of runs has closed, its completion callbacks report the result to
//! the callers. Only callers on this server are notified, because there is no HTTP client for others.
//!
//! Extends `Engine`.

use super::operation::{End, RequestStage, cause};
use crate::engine::Engine;
use crate::engine::api::common::callback::Variant;
use crate::engine::api::enums::TimeoutType;
use crate::engine::api::failure::failure::FailureInfo;
use crate::engine::api::{Attributes, common, failure};
use crate::engine::token::NexusTaskToken;
use crate::engine::workflow::{Execution, ExecutionId};

/// The URL to which a handler on this server sends an operation's result.
pub(crate) const CALLBACK_URL: &str = "temporal://system";
/// The header that names the operation of the result.
pub(crate) const CALLBACK_TOKEN: &str = "temporal-callback-token";
const OPERATION_TOKEN: &str = "nexus-operation-token";

impl Engine {
    /// Notifies the callers of a closed run that no other run follows.
    pub(crate) fn deliver_completions(&mut self, id: ExecutionId) {
        let execution = self.execution(id);
        for callback in callbacks(&execution.state.callbacks.clone()) {
            let end = end_of(self.execution(id));
            self.complete_nexus_operation(&callback, end);
        }
    }

    /// Returns true if the handler of a started operation is an open workflow of this server.
    pub(crate) fn is_backed_by_open_workflow(&self, run_id: &str, scheduled_event_id: i64) -> bool {
        let all = self.open.iter().flat_map(|id| callbacks(&self.execution(*id).state.callbacks));
        let mut tokens = all.filter_map(|callback| callback.token);
        tokens.any(|token| token.run_id == run_id && token.scheduled_event_id == scheduled_event_id)
    }

    fn complete_nexus_operation(&mut self, callback: &CompletionCallback, end: End) {
        let Some(token) = &callback.token else { return };
        let Some(mut caller) = self.by_run_id.get(&token.run_id).copied() else { return };
        let id = token.scheduled_event_id;
        if !self.execution(caller).is_running() {
            // After a reset the operation continues in the run that replaced this one.
            let key = (self.execution(caller).namespace.id.clone(), self.execution(caller).workflow_id.clone());
            caller = self.current.get(&key).copied().unwrap_or(caller);
        }
        let operation = self.execution(caller).state.nexus_operations.get(&id);
        let Some(operation) = operation.filter(|operation| operation.request_id == callback.request_id) else { return };
        let starts = operation.start.stage != RequestStage::Answered;
        self.transact(caller, |transaction| {
            if starts {
                // The result has arrived before the handler's answer to the request.
                transaction.start_nexus_operation(id, callback.operation_token.clone(), Vec::new());
            }
            transaction.end_nexus_operation(id, end);
        });
    }
}

/// A callback to a caller on this server.
#[derive(Debug)]
struct CompletionCallback {
    token: Option<NexusTaskToken>,
    request_id: String,
    operation_token: String,
}

fn callbacks(all: &[common::Callback]) -> Vec<CompletionCallback> {
    let nexus = all.iter().filter_map(|callback| match &callback.variant {
        Some(Variant::Nexus(nexus)) if nexus.url == CALLBACK_URL => Some(nexus),
        _ => None,
    });
    let of = |nexus: &common::callback::Nexus| {
        let header = |name: &str| {
            let found = nexus.header.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let token = NexusTaskToken::from_text(&header(CALLBACK_TOKEN));
        let (token, request_id) = token.map_or((None, String::new()), |(token, id)| (Some(token), id));
        CompletionCallback { token, request_id, operation_token: header(OPERATION_TOKEN) }
    };
    nexus.map(of).collect()
}

/// Converts the workflow's end to the end of the operation that it backs.
fn end_of(execution: &Execution) -> End {
    let last = execution.history.events.last().and_then(|event| event.attributes.as_ref());
    match last {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(a)) => {
            let payloads = a.result.as_ref().map(|result| result.payloads.as_slice()).unwrap_or_default();
            End::Completed(payloads.first().cloned(), Vec::new())
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(a)) => {
            End::Failed(a.failure.clone().unwrap_or_default())
        }
        Some(Attributes::WorkflowExecutionCanceledEventAttributes(a)) => {
            let info = failure::CanceledFailureInfo { details: a.details.clone(), ..Default::default() };
            End::Canceled(cause("operation canceled", FailureInfo::CanceledFailureInfo(info)))
        }
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(_)) => {
            let timeout_type = TimeoutType::StartToClose.into();
            let info = failure::TimeoutFailureInfo { timeout_type, ..Default::default() };
            End::Failed(cause("operation exceeded internal timeout", FailureInfo::TimeoutFailureInfo(info)))
        }
        _ => {
            let info = failure::TerminatedFailureInfo::default();
            End::Failed(cause("operation terminated", FailureInfo::TerminatedFailureInfo(info)))
        }
    }
}
