//! A request to a Nexus handler, as the server sends it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::nexus::v1::{CancelOperationRequest, StartOperationRequest, request};
use abide_protos::temporal::api::workflowservice::v1::PollNexusTaskQueueResponse;

use crate::converter::RawPayload;
use crate::nexus::{NexusInfo, NexusLink};
use crate::presence;
use crate::worker::context::WorkerContext;

/// The header with the time that the caller waits for an answer.
const REQUEST_TIMEOUT: &str = "request-timeout";

/// A request, taken apart.
pub(super) struct Incoming {
    pub(super) info: NexusInfo,
    /// When the server got the request.
    pub(super) scheduled: Option<SystemTime>,
    /// `None` for a kind of request that this version does not know.
    pub(super) called: Option<Called>,
}

/// Purpose of a request.
pub(super) enum Called {
    Start { input: RawPayload },
    Cancel { operation_token: String },
}

impl Incoming {
    pub(super) fn of(task: PollNexusTaskQueueResponse, shared: &WorkerContext, deadline: Option<SystemTime>) -> Self {
        let request = task.request.unwrap_or_default();
        let headers = request.header.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        let mut info = NexusInfo {
            namespace: shared.namespace(),
            task_queue: shared.task_queue.clone(),
            endpoint: request.endpoint,
            service: String::new(),
            operation: String::new(),
            request_id: String::new(),
            headers,
            links: Vec::new(),
            deadline,
            callback_url: String::new(),
            callback_headers: HashMap::new(),
        };
        let called = match request.variant {
            Some(request::Variant::StartOperation(start)) => Some(started(start, &mut info)),
            Some(request::Variant::CancelOperation(cancel)) => Some(cancelled(cancel, &mut info)),
            None => None,
        };
        Self { info, scheduled: presence::time(request.scheduled_time.as_ref()), called }
    }
}

fn started(start: StartOperationRequest, info: &mut NexusInfo) -> Called {
    info.service = start.service;
    info.operation = start.operation;
    info.request_id = start.request_id;
    if info.request_id.is_empty() {
        // Old servers send none.
        info.request_id = uuid::Uuid::new_v4().to_string();
    }
    info.links = start.links.into_iter().map(|link| NexusLink::new(link.url, link.r#type)).collect();
    info.callback_url = start.callback;
    info.callback_headers = start.callback_header;
    Called::Start { input: RawPayload::from_proto(start.payload.unwrap_or_default()) }
}

#[expect(deprecated, reason = "servers before 1.27 send only the older field")]
fn cancelled(cancel: CancelOperationRequest, info: &mut NexusInfo) -> Called {
    info.service = cancel.service;
    info.operation = cancel.operation;
    let token = cancel.operation_token;
    Called::Cancel { operation_token: if token.is_empty() { cancel.operation_id } else { token } }
}

/// Returns `service/operation`; empty for a kind of request that this version does not know.
pub(super) fn name_of(task: &PollNexusTaskQueueResponse) -> String {
    match task.request.as_ref().and_then(|request| request.variant.as_ref()) {
        Some(request::Variant::StartOperation(start)) => format!("{}/{}", start.service, start.operation),
        Some(request::Variant::CancelOperation(cancel)) => format!("{}/{}", cancel.service, cancel.operation),
        None => String::new(),
    }
}

/// Returns the time that the caller waits; `None` if it does not say.
///
/// # Errors
/// Returns an error if the time cannot be read.
pub(super) fn time_of(task: &PollNexusTaskQueueResponse) -> Result<Option<Duration>, String> {
    let headers = task.request.as_ref().map(|request| &request.header);
    let mut headers = headers.into_iter().flatten();
    let Some((_, time)) = headers.find(|(name, _)| name.eq_ignore_ascii_case(REQUEST_TIMEOUT)) else { return Ok(None) };
    match duration(time) {
        Some(time) => Ok(Some(time)),
        None => {
            Err(format!("the header `{REQUEST_TIMEOUT}` is not a duration: expected one such as `9.5s` or `100ms`"))
        }
    }
}

/// Reads a duration as Go writes it: `1m30s`, `9.99s`, `250ms`.
fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (mut rest, mut seconds) = (text.trim(), 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor);
        match (digits.parse::<f64>(), factor) {
            (Ok(number), Some(factor)) => seconds += number * factor,
            (Ok(0.0), None) if unit.is_empty() => {}
            _ => return None,
        }
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let read = |text| duration(text).map(|time| time.as_micros());
        assert_eq!(read("9999ms"), Some(9_999_000));
        assert_eq!(read("9.5s"), Some(9_500_000));
        assert_eq!(read("1m30s"), Some(90_000_000));
        assert_eq!(read("1h0m0.25s"), Some(3_600_250_000));
        assert_eq!(read("10µs"), Some(10));
        assert_eq!(read("0"), Some(0));
        for wrong in ["", "s", "10", "-5s", "1x", "ten"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_time_of_a_request_is_in_its_header_whatever_its_case() {
        let with = |name: &str, value: &str| {
            let mut task = PollNexusTaskQueueResponse::default();
            task.request.get_or_insert_default().header.insert(name.into(), value.into());
            time_of(&task)
        };
        assert_eq!(with("Request-Timeout", "2s"), Ok(Some(Duration::from_secs(2))));
        assert_eq!(with("other", "2s"), Ok(None));
        assert!(with("request-timeout", "soon").unwrap_err().contains("is not a duration"));
    }
}
