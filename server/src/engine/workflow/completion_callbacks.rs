//! Completion callbacks: the receivers of a workflow's result. They come with the start, or are attached to an existing
//! run by a start that uses it (its *on-conflict options*).
//!
//! Extends `Engine` and `Transaction`.

use std::sync::Arc;

use super::execution::ExecutionId;
use super::start::{NewRun, request_link};
use crate::engine::Engine;
use crate::engine::api::common::callback::Variant;
use crate::engine::api::enums::EventType;
use crate::engine::api::{common, history, service, update};
use crate::engine::errors::Error;
use crate::engine::history::Extras;
use crate::engine::nexus::CALLBACK_URL;
use crate::engine::transaction::Transaction;

const COUNT_LIMIT: usize = 2000;
const URL_LIMIT: usize = 1000;
const HEADER_LIMIT: usize = 8 * 1024;
/// The URL of the real server's own callbacks within a cluster.
const INTERNAL_URL: &str = "temporal://internal";

/// Refuses callbacks that would never be called. As on a real server whose operator allows no addresses, only those of
/// this server's own Nexus operations are accepted.
pub(crate) fn check(callbacks: &[common::Callback]) -> Result<(), Error> {
    if callbacks.len() > COUNT_LIMIT {
        let text = format!("cannot attach more than {COUNT_LIMIT} callbacks to an execution");
        return Err(Error::invalid_argument(text));
    }
    for callback in callbacks {
        match &callback.variant {
            Some(Variant::Nexus(nexus)) => check_nexus(nexus)?,
            Some(Variant::Internal(_)) => {}
            // Version 1.32 of the server does not know the newer kind.
            Some(Variant::NexusHandler(_)) | None => {
                return Err(Error::unimplemented("unknown callback variant: <nil>"));
            }
        }
    }
    Ok(())
}

/// Drops the links of a start that its callbacks have, too: a caller sends both for older servers.
pub(crate) fn drop_their_links(request: &mut service::StartWorkflowExecutionRequest) {
    let is_nexus = |callback: &&common::Callback| matches!(callback.variant, Some(Variant::Nexus(_)));
    let of_callbacks: Vec<_> = request.completion_callbacks.iter().filter(is_nexus).flat_map(|it| &it.links).collect();
    request.links.retain(|link| !of_callbacks.contains(&link));
}

fn check_nexus(nexus: &common::callback::Nexus) -> Result<(), Error> {
    let url = &nexus.url;
    if url.len() > URL_LIMIT {
        let text = format!("invalid url: url length longer than max length allowed of {URL_LIMIT}");
        return Err(Error::invalid_argument(text));
    }
    if url != CALLBACK_URL && url != INTERNAL_URL {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        return Err(Error::invalid_argument(match rest {
            None => format!("invalid url: unknown scheme: {url}"),
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => {
                "invalid url: missing host".to_owned()
            }
            Some(_) => format!("invalid url: url does not match any configured callback address: {url}"),
        }));
    }
    let size: usize = nexus.header.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > HEADER_LIMIT {
        let text = format!("invalid header: header size longer than max allowed size of {HEADER_LIMIT}");
        return Err(Error::invalid_argument(text));
    }
    Ok(())
}

/// Refuses invalid on-conflict options of a start.
pub(crate) fn check_on_conflict(request: &service::StartWorkflowExecutionRequest) -> Result<(), Error> {
    let options = request.on_conflict_options.unwrap_or_default();
    if options.attach_completion_callbacks && !options.attach_request_id {
        let text = "attaching request ID is required for attaching completion callbacks";
        return Err(Error::invalid_argument(text));
    }
    Ok(())
}

/// Refuses an update with callbacks. A real server accepts it but, unless its operator has set
/// `history.enableUpdateCallbacks`, never calls them, so a caller that relies on them would wait forever.
pub(crate) fn check_update(request: &update::Request) -> Result<(), Error> {
    if request.completion_callbacks.is_empty() {
        return Ok(());
    }
    if request.request_id.is_empty() {
        let text = "invalid *update.Request: request_id is required when completion_callbacks are set";
        return Err(Error::invalid_argument(text));
    }
    Err(Error::unimplemented(
        "Abide's embedded server does not support completion callbacks of updates, like a real server without \
         history.enableUpdateCallbacks; leave `completion_callbacks` empty",
    ))
}

impl Engine {
    /// Uses the existing run for a start that allows it, and applies the start's on-conflict options.
    pub(crate) fn use_existing(
        &mut self,
        id: ExecutionId,
        request: &service::StartWorkflowExecutionRequest,
        run: &NewRun,
    ) -> Result<service::StartWorkflowExecutionResponse, Error> {
        let Some(options) = request.on_conflict_options else { return Ok(self.start_response(id, false)) };
        let attached_request_id = if options.attach_request_id { run.request_id.clone() } else { String::new() };
        let wanted = if options.attach_completion_callbacks { &request.completion_callbacks[..] } else { &[] };
        let there = self.execution(id).state.callbacks.len();
        if !wanted.is_empty() && there + wanted.len() > COUNT_LIMIT {
            return Err(Error::failed_precondition(format!(
                "cannot attach more than {COUNT_LIMIT} callbacks to a workflow ({there} callbacks already attached)"
            )));
        }
        let event = history::WorkflowExecutionOptionsUpdatedEventAttributes {
            attached_request_id,
            attached_completion_callbacks: wanted.to_vec(),
            ..Default::default()
        };
        let links = if options.attach_links { request.links.clone() } else { Vec::new() };
        self.try_transact(id, |transaction| transaction.attach(event, links))?;
        Ok(self.attached_response(id, options.attach_request_id.then_some(run.request_id.as_str())))
    }

    /// Returns the response to a start that uses an existing run; with a request id, that of an attached request.
    pub(crate) fn attached_response(
        &self,
        id: ExecutionId,
        request_id: Option<&str>,
    ) -> service::StartWorkflowExecutionResponse {
        let response = self.start_response(id, false);
        let link = request_id
            .map(|request_id| request_link(self.execution(id), request_id, EventType::WorkflowExecutionOptionsUpdated));
        service::StartWorkflowExecutionResponse { link: link.or(response.link), ..response }
    }
}

impl Transaction<'_> {
    /// Attaches a request and its callbacks to this run.
    pub(crate) fn attach(
        &mut self,
        event: history::WorkflowExecutionOptionsUpdatedEventAttributes,
        links: Vec<common::Link>,
    ) {
        self.note_attached(&event);
        self.record_with(event, Extras::links(links));
    }

    /// Stores what an event has attached.
    pub(crate) fn note_attached(&mut self, event: &history::WorkflowExecutionOptionsUpdatedEventAttributes) {
        let state = self.state();
        if !event.attached_request_id.is_empty() {
            state.request_ids.insert(event.attached_request_id.clone());
        }
        if !event.attached_completion_callbacks.is_empty() {
            Arc::make_mut(&mut state.callbacks).extend(event.attached_completion_callbacks.iter().cloned());
        }
    }
}
