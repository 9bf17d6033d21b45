//! Links between events of different runs, in both forms: as a message in histories, as a URL for Nexus handlers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::engine::api::common::link::workflow_event;
use crate::engine::api::enums::EventType;
use crate::engine::api::{common, nexus};
use crate::engine::workflow::Execution;

const WORKFLOW_EVENT: &str = "temporal.api.common.v1.Link.WorkflowEvent";

/// The bytes that are escaped in a segment of a path, as in the server.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// Returns the URL of an event of a run, in the server's format.
pub(crate) fn event_url(execution: &Execution, event_id: i64, event_type: &str) -> nexus::Link {
    let (namespace, workflow_id) = (escaped(&execution.namespace.name), escaped(&execution.workflow_id));
    let run_id = &execution.run_id;
    let url = format!(
        "temporal:///namespaces/{namespace}/workflows/{workflow_id}/{run_id}/history?eventID={event_id}\
         &eventType={event_type}&referenceType=EventReference"
    );
    nexus::Link { url, r#type: WORKFLOW_EVENT.to_owned() }
}

/// Converts a handler's links for an event; links to anything but a workflow's event are dropped.
pub(crate) fn links_of_handler(links: Vec<nexus::Link>) -> Vec<common::Link> {
    let known = links.into_iter().filter(|link| link.r#type == WORKFLOW_EVENT);
    known.filter_map(|link| workflow_event(&link.url)).collect()
}

fn workflow_event(url: &str) -> Option<common::Link> {
    let (path, query) = url.strip_prefix("temporal:///namespaces/")?.split_once('?')?;
    let mut segments = path.split('/');
    let namespace = unescaped(segments.next()?);
    let (workflows, workflow_id, run_id) = (segments.next()?, unescaped(segments.next()?), segments.next()?);
    if workflows != "workflows" || segments.next() != Some("history") {
        return None;
    }
    let value = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| unescaped(value)).next()
    };
    let event_type = event_type(&value("eventType").unwrap_or_default());
    let reference = match value("referenceType").as_deref() {
        Some("RequestIdReference") => {
            let request_id = value("requestID").unwrap_or_default();
            workflow_event::Reference::RequestIdRef(workflow_event::RequestIdReference { request_id, event_type })
        }
        _ => {
            let event_id = value("eventID").and_then(|id| id.parse().ok()).unwrap_or(0);
            workflow_event::Reference::EventRef(workflow_event::EventReference { event_id, event_type })
        }
    };
    let event =
        common::link::WorkflowEvent { namespace, workflow_id, run_id: run_id.to_owned(), reference: Some(reference) };
    Some(common::Link { variant: Some(common::link::Variant::WorkflowEvent(event)) })
}

/// Parses `WorkflowExecutionStarted`, or the enum's own name.
fn event_type(name: &str) -> i32 {
    let mut own = "EVENT_TYPE".to_owned();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            own.push('_');
        }
        own.push(c.to_ascii_uppercase());
    }
    EventType::from_str_name(&own).or_else(|| EventType::from_str_name(name)).map_or(0, Into::into)
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn unescaped(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_back_to_its_event() {
        let url = "temporal:///namespaces/de%20fault/workflows/a%2Fb/run/history\
                   ?eventID=5&eventType=NexusOperationScheduled&referenceType=EventReference";
        let Some(common::link::Variant::WorkflowEvent(event)) = workflow_event(url).unwrap().variant else {
            panic!("another link");
        };
        assert_eq!((event.namespace.as_str(), event.workflow_id.as_str()), ("de fault", "a/b"));
        let event_type = EventType::NexusOperationScheduled.into();
        let reference = workflow_event::EventReference { event_id: 5, event_type };
        assert_eq!(event.reference, Some(workflow_event::Reference::EventRef(reference)));
        assert_eq!(escaped("a/b c"), "a%2Fb%20c");
        assert_eq!(unescaped(&escaped("100 % ü")), "100 % ü");
    }

    #[test]
    fn other_urls_are_no_links() {
        assert!(workflow_event("https://example.com/?a=b").is_none());
        assert!(workflow_event("temporal:///namespaces/default/workflows/a/run/elsewhere?eventID=1").is_none());
    }
}
