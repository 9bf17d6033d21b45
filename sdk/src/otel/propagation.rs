//! Trace contexts in headers: `_tracer-data`, in the form of Temporal's other SDKs.

use std::collections::{BTreeMap, HashMap};

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use crate::Headers;

/// The header that carries a trace context.
const HEADER: &str = "_tracer-data";

/// The fields of a trace context by name, `traceparent` and `tracestate` among them.
#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Injector for Fields {
    fn set(&mut self, key: &str, value: String) {
        // A state without content would be an invalid field.
        if !value.is_empty() {
            self.0.insert(key.to_string(), value);
        }
    }
}

impl Extractor for Fields {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

/// Writes the span's context into the headers.
pub(super) fn write(context: &SpanContext, headers: &mut Headers) {
    if !context.is_valid() {
        return;
    }
    // Texts can always be serialized.
    if let Err(error) = headers.set(HEADER, &fields_of(context)) {
        tracing::warn!("the trace context could not be written: {error}");
    }
}

/// Returns the fields of the span's context by name.
pub(super) fn fields_of(context: &SpanContext) -> BTreeMap<String, String> {
    let mut fields = Fields::default();
    let context = Context::new().with_remote_span_context(context.clone());
    TraceContextPropagator::new().inject_context(&context, &mut fields);
    fields.0
}

/// Reads the context of the span that sent the headers; `None` if they carry none.
pub(super) fn read(headers: &Headers) -> Option<SpanContext> {
    // A header that cannot be read is one of another tracer.
    of_fields(&headers.get::<BTreeMap<String, String>>(HEADER).ok().flatten().map(Fields)?)
}

/// Reads the context of the span that sent a Nexus request, whose headers are the fields; `None` if they carry none.
pub(super) fn read_fields(headers: &HashMap<String, String>) -> Option<SpanContext> {
    of_fields(&Fields(headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()))
}

fn of_fields(fields: &Fields) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), fields);
    let found = context.span().span_context().clone();
    found.is_valid().then_some(found)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    #[test]
    fn a_context_arrives_as_it_was_sent() {
        let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
        let sent = SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, false, state);
        let mut headers = Headers::default();
        write(&sent, &mut headers);
        let fields = headers.get::<BTreeMap<String, String>>(HEADER).unwrap().unwrap();
        assert_eq!(fields["traceparent"], "00-00000000000000000000000000000007-0000000000000009-01");
        assert_eq!(fields["tracestate"], "vendor=1");
        let read = read(&headers).unwrap();
        assert_eq!((read.trace_id(), read.span_id()), (sent.trace_id(), sent.span_id()));
        assert!(read.is_sampled() && read.is_remote());
        assert_eq!(read.trace_state().get("vendor"), Some("1"));
    }

    /// As the Python SDK has written it, with a flag that is newer than the others.
    #[test]
    fn the_header_of_another_sdk_is_read() {
        let traceparent = "00-d4d3fcd9f785477843e13a8e9b6e3d1b-64d00368ecead9d0-03";
        let mut headers = Headers::default();
        headers.set(HEADER, &BTreeMap::from([("traceparent", traceparent)])).unwrap();
        let read = read(&headers).unwrap();
        assert_eq!(read.trace_id().to_string(), "d4d3fcd9f785477843e13a8e9b6e3d1b");
        assert_eq!(read.span_id().to_string(), "64d00368ecead9d0");
        assert!(read.is_sampled());
    }

    #[test]
    fn headers_without_a_trace_carry_none() {
        let mut headers = Headers::default();
        assert!(read(&headers).is_none());
        headers.set(HEADER, &"something else").unwrap();
        assert!(read(&headers).is_none());
        write(&SpanContext::empty_context(), &mut headers);
        assert!(read(&headers).is_none());
    }
}
