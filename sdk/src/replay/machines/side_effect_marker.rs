//! The markers of side effects, as the Go and Java SDKs write them. Abide writes Go's form.
//!
//! | marker | Go | Java |
//! | --- | --- | --- |
//! | `SideEffect` | `side-effect-id`: its number; `data`: the value | `data` |
//! | `MutableSideEffect` | `side-effect-id`: the id, `_` and the number of the event; `data`: the id, and the value as `Payloads`; `mutable-side-effect-call-counter`: the number of the call, which old versions do not write | `id`, `data`; `skipCount`: the number of calls since the last marker of this id |

use abide_protos::payloads_json;
use abide_protos::temporal::api::command::v1::RecordMarkerCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;
use serde::Serialize;

use crate::converter::{from_payload, to_payload};
use crate::replay::command_queue::CommandBody;

pub(crate) const SIDE_EFFECT_MARKER: &str = "SideEffect";
pub(crate) const MUTABLE_SIDE_EFFECT_MARKER: &str = "MutableSideEffect";
const DATA: &str = "data";
const GO_ID: &str = "side-effect-id";
const GO_CALL: &str = "mutable-side-effect-call-counter";
const JAVA_ID: &str = "id";
const JAVA_SKIPPED: &str = "skipCount";

/// Content of a marker.
#[derive(Debug)]
pub(super) enum SideEffectMarker {
    /// A side effect, with its value.
    Once(Option<Payload>),
    /// A changed value of a mutable side effect.
    Mutable { id: Box<str>, call: CallNumber, value: Payload },
}

/// The call of a mutable side effect that recorded the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallNumber {
    /// The number of the call, from 1.
    Go(u32),
    /// The number of calls since the last marker of the same id.
    Java { skipped: u32 },
    /// Written by an old version of the Go SDK. The event itself is at the place of the call.
    Unknown,
}

impl SideEffectMarker {
    /// Reads a marker with one of the two names.
    pub(super) fn read(event: &MarkerRecordedEventAttributes) -> Result<Self, String> {
        let all = |name: &str| event.details.get(name).map(|payloads| payloads.payloads.as_slice()).unwrap_or_default();
        if event.marker_name == SIDE_EFFECT_MARKER {
            return Ok(Self::Once(all(DATA).first().cloned()));
        }
        let data = all(DATA);
        if let Some(id) = all(JAVA_ID).first() {
            let skipped = all(JAVA_SKIPPED).first().ok_or_else(|| missing(JAVA_SKIPPED))?;
            return Ok(Self::Mutable {
                id: text(id, JAVA_ID)?,
                call: CallNumber::Java { skipped: from_payload(skipped).map_err(|error| of(JAVA_SKIPPED, error))? },
                value: data.first().ok_or_else(|| missing(DATA))?.clone(),
            });
        }
        let (id, value) = match data {
            [id, value, ..] => (text(id, DATA)?, value),
            [_] | [] => return Err(missing(DATA)),
        };
        let call = match all(GO_CALL).first() {
            Some(call) => CallNumber::Go(from_payload(call).map_err(|error| of(GO_CALL, error))?),
            None => CallNumber::Unknown,
        };
        let payloads = payloads_json::from_payload(value).map_err(|error| of(DATA, error))?;
        let value = payloads.payloads.into_iter().next().ok_or_else(|| missing(DATA))?;
        Ok(Self::Mutable { id, call, value })
    }
}

/// Returns the command that records the value of the side effect with this number, from 1.
pub(super) fn marker(number: i64, value: Payload) -> CommandBody {
    command(SIDE_EFFECT_MARKER, [(GO_ID, vec![json(&number)]), (DATA, vec![value])])
}

/// Returns the command that records a value of a mutable side effect. `event_id` is the id that the marker's event will
/// have, `call` the number of the call, from 1.
pub(super) fn mutable_marker(id: &str, event_id: i64, call: u32, value: Payload) -> CommandBody {
    let value = payloads_json::to_payload(&Payloads { payloads: vec![value] });
    let data = vec![json(&id.to_string()), value];
    let details = [(GO_ID, vec![json(&format!("{id}_{event_id}"))]), (DATA, data), (GO_CALL, vec![json(&call)])];
    command(MUTABLE_SIDE_EFFECT_MARKER, details)
}

fn command<const N: usize>(name: &str, details: [(&str, Vec<Payload>); N]) -> CommandBody {
    CommandBody {
        attributes: Attributes::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
            marker_name: name.to_string(),
            details: details.into_iter().map(|(key, payloads)| (key.to_string(), Payloads { payloads })).collect(),
            ..Default::default()
        }),
        user_metadata: None,
    }
}

fn text(payload: &Payload, key: &str) -> Result<Box<str>, String> {
    from_payload::<String>(payload).map(Into::into).map_err(|error| of(key, error))
}

fn missing(key: &str) -> String {
    format!("expected `{key}` in its details, as the Go and Java SDKs write it; found none")
}

fn of(key: &str, error: impl std::fmt::Display) -> String {
    format!("`{key}` in its details cannot be read: {error}")
}

fn json<T: Serialize + 'static>(value: &T) -> Payload {
    to_payload(value).expect("texts and numbers are always JSON")
}
