//! Tests every field of every message: one message for each path to a payload, according to the descriptors.

use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use super::*;
use crate::temporal::api;
use crate::temporal::api::workflowservice::v1 as service;

static DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/all_descriptors.bin"));

/// Returns a message of that type for each path to a payload, with the path's field names.
fn ways(of: &MessageDescriptor, above: &[String], path: &str) -> Vec<(String, DynamicMessage)> {
    if of.full_name() == "temporal.api.common.v1.Payload" {
        let mut payload = DynamicMessage::new(of.clone());
        payload.set_field_by_name("data", Value::Bytes(b"plain".to_vec().into()));
        return vec![(path.to_string(), payload)];
    }
    // Recursive messages are entered once more, for a failure's cause.
    if above.iter().filter(|name| *name == of.full_name()).count() > 1 {
        return Vec::new();
    }
    let above = [above, &[of.full_name().to_string()]].concat();
    let mut found = Vec::new();
    for field in of.fields() {
        let Kind::Message(held) = field.kind() else { continue };
        let held = match field.is_map() {
            true => match held.map_entry_value_field().kind() {
                Kind::Message(held) => held,
                _ => continue,
            },
            false => held,
        };
        for (path, inner) in ways(&held, &above, &format!("{path}.{}", field.name())) {
            let mut message = DynamicMessage::new(of.clone());
            message.set_field(&field, in_field(&field, inner));
            found.push((path, message));
        }
    }
    found
}

fn in_field(field: &FieldDescriptor, inner: DynamicMessage) -> Value {
    let inner = Value::Message(inner);
    if field.is_map() {
        Value::Map([(MapKey::String("key".into()), inner)].into())
    } else if field.is_list() {
        Value::List(vec![inner])
    } else {
        inner
    }
}

/// Checks that each path is found, except those that contain one of the excluded names.
fn check<M: prost::Message + Name + Default + PayloadFields>() -> usize {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let ways = ways(&pool.get_message_by_name(&M::full_name()).unwrap(), &[], M::NAME);
    for (path, message) in &ways {
        let mut message = M::decode(prost::Message::encode_to_vec(message).as_slice()).unwrap();
        let mut fields = Fields::payloads(true);
        message.payload_fields(&mut fields);
        let left_alone = path.contains("search_attributes") || path.contains(".group_values");
        assert_eq!(fields.payloads.len(), usize::from(!left_alone), "{path}");
        for payload in fields.payloads {
            payload.data = b"encoded".to_vec();
        }
        let bytes = prost::Message::encode_to_vec(&message);
        assert_eq!(bytes.windows(5).any(|part| part == b"plain"), left_alone, "{path}");
    }
    ways.len()
}

#[test]
fn b131_no_payload_field_of_what_a_worker_exchanges_is_forgotten() {
    assert!(check::<service::PollWorkflowTaskQueueResponse>() > 150);
    assert!(check::<service::RespondWorkflowTaskCompletedRequest>() > 50);
    check::<service::RespondWorkflowTaskCompletedResponse>();
    check::<service::RespondWorkflowTaskFailedRequest>();
    check::<service::RespondQueryTaskCompletedRequest>();
    check::<service::PollActivityTaskQueueResponse>();
    check::<service::RecordActivityTaskHeartbeatRequest>();
    check::<service::RespondActivityTaskCompletedRequest>();
    check::<service::RespondActivityTaskFailedRequest>();
    check::<service::RespondActivityTaskCanceledRequest>();
    check::<api::history::v1::History>();
    check::<api::update::v1::Acceptance>();
    check::<api::update::v1::Rejection>();
    check::<api::update::v1::Request>();
    check::<api::update::v1::Response>();
}

#[test]
fn b131_no_payload_field_of_what_a_client_exchanges_is_forgotten() {
    check::<service::StartWorkflowExecutionRequest>();
    check::<service::StartWorkflowExecutionResponse>();
    check::<service::SignalWithStartWorkflowExecutionRequest>();
    check::<service::ExecuteMultiOperationRequest>();
    check::<service::ExecuteMultiOperationResponse>();
    check::<service::SignalWorkflowExecutionRequest>();
    check::<service::QueryWorkflowRequest>();
    check::<service::QueryWorkflowResponse>();
    check::<service::UpdateWorkflowExecutionRequest>();
    check::<service::UpdateWorkflowExecutionResponse>();
    check::<service::PollWorkflowExecutionUpdateResponse>();
    check::<service::DescribeWorkflowExecutionResponse>();
    check::<service::ListWorkflowExecutionsResponse>();
    check::<service::CountWorkflowExecutionsResponse>();
    check::<service::TerminateWorkflowExecutionRequest>();
    check::<service::GetWorkflowExecutionHistoryResponse>();
    check::<service::RecordActivityTaskHeartbeatByIdRequest>();
    check::<service::RespondActivityTaskCompletedByIdRequest>();
    check::<service::RespondActivityTaskFailedByIdRequest>();
    check::<service::RespondActivityTaskCanceledByIdRequest>();
    check::<api::errordetails::v1::QueryFailedFailure>();
}

#[test]
fn headers_are_taken_only_if_that_is_wanted() {
    let payload = Payload { data: b"plain".to_vec(), ..Default::default() };
    let mut header = Header { fields: [("trace".to_string(), payload)].into() };
    let found = |header: &mut Header, wanted| {
        let mut fields = Fields::payloads(wanted);
        header.payload_fields(&mut fields);
        fields.payloads.len()
    };
    assert_eq!((found(&mut header, false), found(&mut header, true)), (0, 1));
}

#[test]
fn b131_the_sdks_own_bookkeeping_in_markers_is_left_as_it_is() {
    use api::history::v1::MarkerRecordedEventAttributes as Marker;
    let found = |name: &str| {
        let one = |data: &str| Payloads { payloads: vec![Payload { data: data.into(), ..Default::default() }] };
        let keys = ["data", "result", "input", "patch-data"];
        let details = keys.map(|key| (key.to_string(), one(key))).into();
        let mut marker = Marker { marker_name: name.into(), details, ..Default::default() };
        let mut fields = Fields::payloads(false);
        marker.payload_fields(&mut fields);
        let mut found: Vec<String> =
            fields.payloads.iter().map(|found| String::from_utf8_lossy(&found.data).into_owned()).collect();
        found.sort();
        found.join(" ")
    };
    assert_eq!(found("core_local_activity"), "input result");
    assert_eq!(found("Version"), "data input patch-data result");
}

#[test]
fn b132_a_failure_is_found_with_its_causes_and_not_twice() {
    let cause = Failure { message: "inner".into(), ..Default::default() };
    let failure = Failure { message: "outer".into(), cause: Some(Box::new(cause)), ..Default::default() };
    let mut request = service::RespondActivityTaskFailedRequest { failure: Some(failure), ..Default::default() };
    let mut fields = Fields::failures();
    request.payload_fields(&mut fields);
    let messages: Vec<&str> = fields.failures.iter().map(|failure| failure.message.as_str()).collect();
    assert_eq!((messages, fields.payloads.len()), (vec!["outer"], 0));
}

#[test]
fn what_is_no_update_is_not_opened() {
    assert!(Body::open(&Any { type_url: "type.googleapis.com/other".into(), value: Vec::new() }).is_none());
    let mut any = Any { type_url: "type.googleapis.com/temporal.api.update.v1.Request".into(), value: vec![0xff] };
    assert!(Body::open(&any).is_none(), "it cannot be read");
    any.value = Vec::new();
    let mut body = Body::open(&any).unwrap();
    if let Body::Request(request) = &mut body {
        request.meta.get_or_insert_default().update_id = "u-1".into();
    }
    body.close(&mut any);
    assert!(any.value.windows(3).any(|part| part == b"u-1"));
}

#[test]
fn the_input_of_an_operation_of_the_server_is_searched_and_not_coded_itself() {
    let one = |data: &str| Payloads { payloads: vec![Payload { data: data.into(), ..Default::default() }] };
    let request = service::SignalWithStartWorkflowExecutionRequest {
        input: Some(one("arguments")),
        signal_input: Some(one("of the signal")),
        ..Default::default()
    };
    let of_server = |message: &str, data: Vec<u8>| {
        let name = format!("temporal.api.workflowservice.v1.SignalWithStartWorkflowExecution{message}");
        let metadata = [("encoding", "binary/protobuf".to_string()), ("messageType", name)];
        Payload {
            metadata: metadata.map(|(key, value)| (key.to_string(), value.into_bytes())).into(),
            data,
            ..Default::default()
        }
    };
    let mut input = of_server("Request", request.encode_to_vec());
    let mut answer = of_server("Response", vec![]);
    let mut fields = Fields::payloads(false);
    input.payload_fields(&mut fields);
    answer.payload_fields(&mut fields);
    assert_eq!((fields.payloads.len(), fields.inputs.len()), (0, 2));
    let opened: Vec<_> = fields.inputs.iter().map(|payload| Body::open_input(payload)).collect();
    let [Some(mut body), None] = <[_; 2]>::try_from(opened).unwrap() else { panic!("only the request has fields") };
    let mut inner = Fields::payloads(false);
    body.payload_fields(&mut inner);
    assert_eq!(inner.payloads.len(), 2);
    inner.payloads.into_iter().for_each(|payload| payload.data.push(b'!'));
    body.close_input(&mut input);
    assert!(String::from_utf8_lossy(&input.data).contains("of the signal!"));
}
