//! The marker that records the outcome of a local activity: byte for byte Core's `core_local_activity`.
//!
//! ```text
//! details.data    {"seq":1,"attempt":1,"activity_id":"1","activity_type":"echo","complete_time":{"seconds":..,"nanos":..},
//!                  "backoff":null,"original_schedule_time":{..},"activation_index":1}
//! details.result  the result, if it succeeded
//! details.input   the arguments, if the author asked for them
//! failure         the failure otherwise, which may be a cancellation
//! ```
//!
//! Core refuses a marker without one of these keys, so all are written, with null for a missing value. When a marker is
//! read, only `activation_index` may be missing: Core writes it since 0.10. Unknown keys are ignored, for later
//! versions.

mod core_text;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use abide_protos::Timestamp;
use abide_protos::temporal::api::command::v1::RecordMarkerCommandAttributes;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;
use serde::{Deserialize, Serialize};

/// The marker's name.
pub(crate) const MARKER_NAME: &str = "core_local_activity";
const DATA: &str = "data";
const RESULT: &str = "result";
const INPUT: &str = "input";

/// Data of one local activity in its marker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MarkerData {
    pub(crate) seq: u32,
    /// Last attempt; 0 if there was none.
    pub(crate) attempt: u32,
    pub(crate) activity_id: String,
    pub(crate) activity_type: String,
    /// Workflow time at its end; `None` if nothing waited for its end.
    #[serde(with = "optional_time")]
    pub(crate) complete_time: Option<Timestamp>,
    /// Time until the next attempt, if the workflow waits for it with a timer.
    #[serde(with = "optional_duration")]
    pub(crate) backoff: Option<Duration>,
    /// Wall time at which the first attempt was scheduled.
    #[serde(with = "optional_time")]
    pub(crate) original_schedule_time: Option<Timestamp>,
    /// Number of activations of its workflow task before its end.
    #[serde(default)]
    pub(crate) activation_index: Option<u64>,
}

/// Identity of a local activity: the only data that is read from the marker of a live task.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MarkerIdentity<'a> {
    pub(crate) seq: u32,
    #[serde(borrow)]
    pub(crate) activity_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) activity_type: Cow<'a, str>,
}

/// A marker that was read, with the outcome taken out of the event.
#[derive(Debug)]
pub(crate) struct RecordedMarker {
    pub(crate) event_id: i64,
    pub(crate) data: MarkerData,
    pub(crate) outcome: Result<Option<Payload>, Box<FailureProto>>,
}

impl MarkerData {
    /// Reads the data of an event, and leaves its outcome in place.
    pub(crate) fn read(event: &MarkerRecordedEventAttributes) -> Result<Self, String> {
        let text = data(event)?;
        core_text::read(text).map_or_else(|| parse(text), Ok)
    }

    /// Identity of the marker's local activity.
    pub(crate) fn identity(&self) -> MarkerIdentity<'_> {
        MarkerIdentity {
            seq: self.seq,
            activity_id: Cow::Borrowed(&self.activity_id),
            activity_type: Cow::Borrowed(&self.activity_type),
        }
    }

    /// Converts the marker to a command.
    pub(crate) fn write(
        &self,
        outcome: &Result<Payload, Box<FailureProto>>,
        input: Option<Payloads>,
    ) -> RecordMarkerCommandAttributes {
        // Numbers, texts and nulls cannot fail to serialize.
        let data = serde_json::to_vec(self).unwrap_or_default();
        let metadata = HashMap::from([("encoding".to_string(), b"json/plain".to_vec())]);
        let one = |payload: Payload| Payloads { payloads: vec![payload] };
        let mut details = HashMap::new();
        details.insert(DATA.to_string(), one(Payload { metadata, data, external_payloads: Vec::new() }));
        if let Some(input) = input {
            details.insert(INPUT.to_string(), input);
        }
        let failure = match outcome {
            Ok(result) => {
                details.insert(RESULT.to_string(), one(result.clone()));
                None
            }
            Err(failure) => Some((**failure).clone()),
        };
        RecordMarkerCommandAttributes { marker_name: MARKER_NAME.to_string(), details, header: None, failure }
    }
}

impl<'a> MarkerIdentity<'a> {
    /// Reads the identity in an event without copying.
    pub(crate) fn read(event: &'a MarkerRecordedEventAttributes) -> Result<Self, String> {
        parse(data(event)?)
    }

    /// Returns the identity with owned texts.
    pub(crate) fn into_owned(self) -> MarkerIdentity<'static> {
        MarkerIdentity {
            seq: self.seq,
            activity_id: Cow::Owned(self.activity_id.into_owned()),
            activity_type: Cow::Owned(self.activity_type.into_owned()),
        }
    }

    pub(crate) fn describe(&self) -> String {
        format!("local_activity={} type={} id={}", self.seq, self.activity_type, self.activity_id)
    }
}

fn data(event: &MarkerRecordedEventAttributes) -> Result<&[u8], String> {
    let data = event.details.get(DATA).and_then(|data| data.payloads.first());
    data.map(|data| data.data.as_slice()).ok_or_else(|| format!("its details have no `{DATA}`"))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(text).map_err(|error| format!("`{DATA}` is {}: {error}", String::from_utf8_lossy(text)))
}

impl RecordedMarker {
    /// Reads a marker and takes its outcome out of the event. If the marker has a place among the commands of its task,
    /// everything else is removed from the event too.
    pub(crate) fn take(event_id: i64, event: &mut MarkerRecordedEventAttributes) -> Result<Self, String> {
        let data = MarkerData::read(event)?;
        let result = event.details.remove(RESULT);
        if data.activation_index.is_some() {
            event.details = HashMap::new();
        }
        let outcome = match event.failure.take() {
            Some(failure) => Err(Box::new(failure)),
            // Without either it is a success without a value.
            None => Ok(result.and_then(|result| result.payloads.into_iter().next())),
        };
        Ok(Self { event_id, data, outcome })
    }
}

/// Times are objects instead of RFC 3339, because Core serializes its messages with serde.
mod optional_time {
    use abide_protos::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Time {
        seconds: i64,
        nanos: i32,
    }

    #[expect(clippy::ref_option, reason = "serde says so")]
    pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| Time { seconds: time.seconds, nanos: time.nanos }).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let time = Option::<Time>::deserialize(from)?;
        Ok(time.map(|time| Timestamp { seconds: time.seconds, nanos: time.nanos }))
    }
}

/// Durations have the form of times.
mod optional_duration {
    use std::time::Duration;

    use abide_protos::Timestamp;
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde says so")]
    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        let time = duration.map(|duration| {
            let proto = crate::duration::to_proto(duration);
            Timestamp { seconds: proto.seconds, nanos: proto.nanos }
        });
        super::optional_time::serialize(&time, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let time = super::optional_time::deserialize(from)?;
        let proto = |time: Timestamp| abide_protos::Duration { seconds: time.seconds, nanos: time.nanos };
        Ok(time.map(|time| crate::duration::from_proto(&proto(time))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &str) -> Result<MarkerData, String> {
        let payload = Payload { data: data.as_bytes().to_vec(), ..Default::default() };
        let details = HashMap::from([(DATA.to_string(), Payloads { payloads: vec![payload] })]);
        MarkerData::read(&MarkerRecordedEventAttributes { details, ..Default::default() })
    }

    /// A marker that Core 0.10 wrote, from `python-1.35/local_activity_backoff.json`.
    const RECORDED: &str = "{\"seq\":1,\"attempt\":1,\"activity_id\":\"1\",\"activity_type\":\"flaky\",\"complete_time\":\
        {\"seconds\":1795414365,\"nanos\":885868882},\"backoff\":{\"seconds\":1,\"nanos\":500000000},\
        \"original_schedule_time\":{\"seconds\":1795414365,\"nanos\":892506979},\"activation_index\":1}";

    #[test]
    fn markers_written_by_core_are_written_byte_for_byte() {
        let data = read(RECORDED).unwrap();
        assert_eq!(data.backoff, Some(Duration::from_millis(1500)));
        let written = data.write(&Ok(Payload::default()), None);
        assert_eq!(String::from_utf8_lossy(&written.details[DATA].payloads[0].data), RECORDED);
        assert_eq!(written.details[DATA].payloads[0].metadata["encoding"], b"json/plain");
    }

    #[test]
    fn keys_without_a_value_are_written_as_null() {
        let nothing = r#"{"seq":1,"attempt":0,"activity_id":"1","activity_type":"nap","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1}"#;
        let written = read(nothing).unwrap().write(&Err(Box::default()), None);
        assert_eq!(String::from_utf8_lossy(&written.details[DATA].payloads[0].data), nothing);
        assert!(written.failure.is_some() && !written.details.contains_key(RESULT));
    }

    #[test]
    fn markers_of_older_and_later_versions_are_read() {
        let old = read(&RECORDED.replace(",\"activation_index\":1", "")).unwrap();
        assert_eq!((old.seq, old.activation_index), (1, None));
        let later = read(&RECORDED.replace("\"seq\"", "\"later\":[1],\"seq\"")).unwrap();
        assert_eq!(later.activation_index, Some(1));
    }

    #[test]
    fn a_marker_that_cannot_be_read_says_what_it_holds() {
        let error = read("{\"seq\":1}").unwrap_err();
        assert!(error.contains("{\"seq\":1}") && error.contains("attempt"), "{error}");
        let error = MarkerData::read(&MarkerRecordedEventAttributes::default()).unwrap_err();
        assert!(error.contains("no `data`"), "{error}");
    }
}
