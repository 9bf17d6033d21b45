//! The twin of `Payloads`: every encoding, several arguments, no argument and no result.

use std::collections::BTreeMap;

use abide::converter::{ProtobufJson, RawPayload, to_payload};
use abide::prelude::*;
use abide::{History, WorkflowReplayer};
use abide_protos::prost;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use serde::{Deserialize, Serialize};

use super::{fits, recorded};

#[derive(Serialize, Deserialize)]
struct Pair {
    left: String,
    right: Option<i64>,
}

/// `temporal.api.common.v1.WorkflowType`, which Python passed, with serde for its JSON form.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[prost(prost_path = "abide_protos::prost")]
struct WorkflowType {
    #[prost(string, tag = "1")]
    name: String,
}

impl prost::Name for WorkflowType {
    const NAME: &'static str = "WorkflowType";
    const PACKAGE: &'static str = "temporal.api.common.v1";
}

#[activity]
async fn nothing() -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn raw_bytes(mut value: Vec<u8>) -> Result<Vec<u8>, ActivityError> {
    value.reverse();
    Ok(value)
}

#[activity]
async fn message_name(value: ProtobufJson<WorkflowType>) -> Result<ProtobufJson<WorkflowType>, ActivityError> {
    Ok(ProtobufJson(WorkflowType { name: format!("{}!", value.name) }))
}

/// The same activity, for a workflow that does not know the message type.
#[activity(name = "message_name")]
async fn message_name_raw(value: RawPayload) -> Result<RawPayload, ActivityError> {
    Ok(value)
}

#[workflow(name = "Payloads")]
async fn payloads(
    ctx: &WorkflowContext,
    pair: Pair,
    anything: BTreeMap<String, serde_json::Value>,
) -> Result<Pair, WorkflowError> {
    ctx.activity(nothing, ()).start_to_close_timeout(secs(10)).await?;
    let reversed = ctx.activity(raw_bytes, vec![0, 1, 255]).start_to_close_timeout(secs(10)).await?;
    let name = ProtobufJson(WorkflowType { name: "Name".into() });
    let message = ctx.activity(message_name, name).start_to_close_timeout(secs(10)).await?;
    pair_of(&pair, &message.name, &anything, &reversed)
}

#[workflow(name = "Payloads")]
async fn payloads_raw(
    ctx: &WorkflowContext,
    pair: Pair,
    anything: BTreeMap<String, serde_json::Value>,
    _left_out: Option<String>,
) -> Result<Pair, WorkflowError> {
    ctx.activity(nothing, ()).start_to_close_timeout(secs(10)).await?;
    let reversed = ctx.activity(raw_bytes, vec![0, 1, 255]).start_to_close_timeout(secs(10)).await?;
    let name = RawPayload { metadata: BTreeMap::new(), data: Vec::new() };
    let message = ctx.activity(message_name_raw, name).start_to_close_timeout(secs(10)).await?;
    assert_eq!(message.metadata["messageType"], b"temporal.api.common.v1.WorkflowType");
    let message: WorkflowType = serde_json::from_slice(&message.data)?;
    pair_of(&pair, &message.name, &anything, &reversed)
}

fn pair_of(
    pair: &Pair,
    name: &str,
    anything: &BTreeMap<String, serde_json::Value>,
    reversed: &[u8],
) -> Result<Pair, WorkflowError> {
    // Formats a list of texts like Python.
    let keys: Vec<_> = anything.keys().map(|key| format!("'{key}'")).collect();
    let left = format!("{} {name} [{}]", pair.left, keys.join(", "));
    Ok(Pair { left, right: Some(i64::try_from(reversed.len())?) })
}

#[test]
fn every_encoding_is_read() {
    fits(&WorkflowReplayer::new().workflow(payloads), &recorded("payloads"));
}

#[test]
fn a_message_passes_as_raw_payload_and_an_absent_argument_as_none() {
    fits(&WorkflowReplayer::new().workflow(payloads_raw), &recorded("payloads"));
}

/// Returns the first payload of each activity's input, in order.
fn inputs(history: &History) -> Vec<Option<Payload>> {
    let scheduled = history.events().iter().filter_map(|event| match &event.attributes {
        Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) => Some(scheduled.input.as_ref()),
        _ => None,
    });
    scheduled.map(|input: Option<&Payloads>| input.and_then(|input| input.payloads.first().cloned())).collect()
}

#[test]
fn every_encoding_is_written_byte_for_byte_as_python_wrote_it() {
    let bytes = to_payload(&vec![0_u8, 1, 255]).unwrap();
    let message = to_payload(&ProtobufJson(WorkflowType { name: "Name".into() })).unwrap();
    assert_eq!(inputs(&recorded("payloads")), [None, Some(bytes), Some(message)]);
}
