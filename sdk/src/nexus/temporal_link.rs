//! Links of Temporal in both forms: as a URL for Nexus, and as a message for histories.

use abide_protos::temporal::api::common::v1::Link;
use abide_protos::temporal::api::common::v1::link::workflow_event::{EventReference, Reference, RequestIdReference};
use abide_protos::temporal::api::common::v1::link::{Activity, NexusOperation, Variant, Workflow, WorkflowEvent};
use abide_protos::temporal::api::enums::v1::EventType;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::link::NexusLink;
use crate::history::{event_type_name, event_type_number};

const WORKFLOW_EVENT: &str = "temporal.api.common.v1.Link.WorkflowEvent";
const WORKFLOW: &str = "temporal.api.common.v1.Link.Workflow";
const ACTIVITY: &str = "temporal.api.common.v1.Link.Activity";
const NEXUS_OPERATION: &str = "temporal.api.common.v1.Link.NexusOperation";
const BEGINNING: &str = "temporal:///namespaces/";

/// The bytes that are escaped in a value of a query, and in a segment of a path.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const SEGMENT: &AsciiSet = &VALUE.remove(b'$').remove(b'&').remove(b'=').remove(b':').remove(b'@');

/// Returns the link for Nexus; `None` for a kind that Nexus does not have.
pub(super) fn to_nexus(link: &Link) -> Option<NexusLink> {
    match link.variant.as_ref()? {
        Variant::WorkflowEvent(event) => {
            let WorkflowEvent { namespace, workflow_id, run_id, reference } = event;
            let query = reference.as_ref().map_or_else(String::new, query_of);
            let url = url(namespace, "workflows", workflow_id, run_id, "/history");
            Some(NexusLink::new(url + &query, WORKFLOW_EVENT))
        }
        Variant::Workflow(Workflow { namespace, workflow_id, run_id, reason }) => {
            let reason = if reason.is_empty() { String::new() } else { format!("?reason={}", escaped_value(reason)) };
            Some(NexusLink::new(url(namespace, "workflows", workflow_id, run_id, "") + &reason, WORKFLOW))
        }
        Variant::Activity(Activity { namespace, activity_id, run_id }) => {
            Some(NexusLink::new(url(namespace, "activities", activity_id, run_id, "/details"), ACTIVITY))
        }
        Variant::NexusOperation(NexusOperation { namespace, operation_id, run_id }) => {
            let url = url(namespace, "nexus-operations", operation_id, run_id, "/details");
            Some(NexusLink::new(url, NEXUS_OPERATION))
        }
        Variant::BatchJob(_) | Variant::Callback(_) => None,
    }
}

/// Returns the link for histories; `None` if it leads out of Temporal, or cannot be read.
pub(super) fn of_nexus(link: &NexusLink) -> Option<Link> {
    let rest = link.url.strip_prefix(BEGINNING)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut segments = path.split('/');
    let namespace = unescaped(segments.next()?);
    let (kind, id, run_id) = (segments.next()?, unescaped(segments.next()?), unescaped(segments.next()?));
    let end = segments.next();
    let variant = match (&*link.link_type, kind, end) {
        (WORKFLOW_EVENT, "workflows", Some("history")) => {
            let reference = Some(reference_of(query)?);
            Variant::WorkflowEvent(WorkflowEvent { namespace, workflow_id: id, run_id, reference })
        }
        (WORKFLOW, "workflows", None) => {
            let reason = parameter(query, "reason").unwrap_or_default();
            Variant::Workflow(Workflow { namespace, workflow_id: id, run_id, reason })
        }
        (ACTIVITY, "activities", Some("details")) => Variant::Activity(Activity { namespace, activity_id: id, run_id }),
        (NEXUS_OPERATION, "nexus-operations", Some("details")) => {
            Variant::NexusOperation(NexusOperation { namespace, operation_id: id, run_id })
        }
        _ => return None,
    };
    Some(Link { variant: Some(variant) })
}

/// Returns a link to the event with which a run began.
pub(super) fn to_start(namespace: &str, workflow_id: &str, run_id: &str) -> Link {
    let reference = EventReference { event_id: 1, event_type: EventType::WorkflowExecutionStarted as i32 };
    let event = WorkflowEvent {
        namespace: namespace.to_string(),
        workflow_id: workflow_id.to_string(),
        run_id: run_id.to_string(),
        reference: Some(Reference::EventRef(reference)),
    };
    Link { variant: Some(Variant::WorkflowEvent(event)) }
}

fn url(namespace: &str, kind: &str, id: &str, run_id: &str, end: &str) -> String {
    format!("{BEGINNING}{}/{kind}/{}/{}{end}", escaped(namespace), escaped(id), escaped(run_id))
}

fn query_of(reference: &Reference) -> String {
    match reference {
        Reference::EventRef(event) => {
            let id = if event.event_id == 0 { String::new() } else { format!("eventID={}&", event.event_id) };
            format!("?{id}eventType={}&referenceType=EventReference", short_name(event.event_type))
        }
        Reference::RequestIdRef(request) => {
            let (event_type, id) = (short_name(request.event_type), escaped_value(&request.request_id));
            format!("?eventType={event_type}&referenceType=RequestIdReference&requestID={id}")
        }
    }
}

fn reference_of(query: &str) -> Option<Reference> {
    let event_type = event_type(&parameter(query, "eventType")?);
    match &*parameter(query, "referenceType")? {
        "EventReference" => {
            let event_id = parameter(query, "eventID").map_or(Some(0), |id| id.parse().ok())?;
            Some(Reference::EventRef(EventReference { event_id, event_type }))
        }
        "RequestIdReference" => {
            let request_id = parameter(query, "requestID").unwrap_or_default();
            Some(Reference::RequestIdRef(RequestIdReference { request_id, event_type }))
        }
        _ => None,
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| unescaped(&value.replace('+', " ")))
}

/// Returns the name as the server writes it, which has no numbers.
fn short_name(event_type: i32) -> String {
    match EventType::try_from(event_type) {
        Ok(EventType::Unspecified) | Err(_) => "Unspecified".to_string(),
        Ok(_) => event_type_name(event_type),
    }
}

/// Reads both forms of the name; 0 for an unknown one.
fn event_type(name: &str) -> i32 {
    let long = || EventType::from_str_name(name).map(|known| known as i32);
    event_type_number(name).or_else(long).unwrap_or_default()
}

/// Escapes a segment of a path.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Escapes a value of a query, where `&` and `=` have a meaning.
fn escaped_value(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

fn unescaped(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_an_event_has_the_url_that_the_server_writes() {
        let link = to_start("de fault", "a/b", "run");
        let expected = "temporal:///namespaces/de%20fault/workflows/a%2Fb/run/history\
                        ?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference";
        let nexus = to_nexus(&link).unwrap();
        assert_eq!((&*nexus.url, &*nexus.link_type), (expected, WORKFLOW_EVENT));
        assert_eq!(of_nexus(&nexus), Some(link));
    }

    #[test]
    fn every_kind_of_link_survives() {
        let (namespace, run_id) = ("default".to_string(), "run".to_string());
        let request = RequestIdReference {
            request_id: "a b+c&d".into(),
            event_type: EventType::WorkflowExecutionOptionsUpdated as i32,
        };
        let event = WorkflowEvent {
            namespace: namespace.clone(),
            workflow_id: "w".into(),
            run_id: run_id.clone(),
            reference: Some(Reference::RequestIdRef(request)),
        };
        let id = || "an id".to_string();
        let (ns, run) = (|| namespace.clone(), || run_id.clone());
        for variant in [
            Variant::WorkflowEvent(event),
            Variant::Workflow(Workflow { namespace: ns(), workflow_id: id(), run_id: run(), reason: "a query".into() }),
            Variant::Activity(Activity { namespace: ns(), activity_id: id(), run_id: run() }),
            Variant::NexusOperation(NexusOperation { namespace: ns(), operation_id: id(), run_id: run() }),
        ] {
            let link = Link { variant: Some(variant) };
            assert_eq!(of_nexus(&to_nexus(&link).unwrap()), Some(link));
        }
    }

    #[test]
    fn a_link_out_of_temporal_is_none_of_its_own() {
        assert_eq!(of_nexus(&NexusLink::new("https://example.com/a", WORKFLOW_EVENT)), None);
        let without_query = "temporal:///namespaces/default/workflows/w/run/history";
        assert_eq!(of_nexus(&NexusLink::new(without_query, WORKFLOW_EVENT)), None);
        assert_eq!(of_nexus(&NexusLink::new(without_query, "example.Other")), None);
    }
}
