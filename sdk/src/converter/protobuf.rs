//! Protobuf messages as arguments and results.
//!
//! A message is a payload of its own, not a part of a JSON value, so it has a wrapper that says how it travels. The
//! wrappers are serde values like all others; `whole.rs` sees that their payload reaches the wire as it is.

use std::ops::Deref;

use abide_protos::prost;
use abide_protos::temporal::api::common::v1::Payload;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::misfit;
use super::payload::{
    BINARY_PROTOBUF, ENCODING, JSON_PROTOBUF, MESSAGE_TYPE, NO_PART_OF_JSON, label, payload, unwritable,
};
use super::whole;
use crate::bounded_text::name;

/// A protobuf message: it has a name and a binary form.
///
/// Implemented for every message that `prost` 0.14 generates with its names (`prost_build::Config::enable_type_names`).
/// Messages of another library can implement it by hand.
pub trait ProtobufMessage: Sized + Send + 'static {
    /// The message's name with its package, `acme.orders.v1.Order` for instance.
    fn full_name() -> String;

    /// The message in protobuf's binary form.
    fn encode(&self) -> Vec<u8>;

    /// Reads the binary form.
    ///
    /// # Errors
    /// Returns an error if the bytes are not such a message, with what is wrong. The text goes into failures and logs:
    /// it must not repeat the bytes.
    fn decode(bytes: &[u8]) -> Result<Self, String>;
}

impl<M: prost::Message + prost::Name + Default + 'static> ProtobufMessage for M {
    fn full_name() -> String {
        <M as prost::Name>::full_name()
    }

    fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        <M as prost::Message>::decode(bytes).map_err(|error| error.to_string())
    }
}

/// A protobuf message that travels in its binary form: encoding `binary/protobuf`, with its name as `messageType`.
///
/// Other SDKs read that form wherever a handler takes such a message. Some write `json/protobuf` by themselves (Python
/// does): what they send is read by [`ProtobufJson`]. A value is a message as a whole, or an `Option` of one; a
/// `Protobuf` as a part of another value cannot be written.
///
/// ```
/// use abide::converter::{Protobuf, ProtobufMessage};
/// use abide::prelude::*;
/// # #[derive(Debug, Default)]
/// # pub struct Order { cents: u64 }
/// # impl ProtobufMessage for Order {
/// #     fn full_name() -> String { "acme.Order".into() }
/// #     fn encode(&self) -> Vec<u8> { self.cents.to_be_bytes().to_vec() }
/// #     fn decode(bytes: &[u8]) -> Result<Self, String> {
/// #         let bytes = bytes.try_into().map_err(|_| "expected 8 bytes")?;
/// #         Ok(Self { cents: u64::from_be_bytes(bytes) })
/// #     }
/// # }
///
/// #[activity]
/// async fn price(order: Protobuf<Order>) -> Result<u64, ActivityError> {
///     Ok(order.cents)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protobuf<M>(pub M);

/// A protobuf message that travels in its JSON form: encoding `json/protobuf`, with its name as `messageType`.
///
/// Reads both forms, so it takes messages from any SDK. The message needs serde implementations that follow protobuf's
/// JSON mapping, which `pbjson-build` generates, for instance. Without them, a type of your own with the same fields
/// reads `json/protobuf` as it reads any JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProtobufJson<M>(pub M);

impl<M> Deref for Protobuf<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M> Deref for ProtobufJson<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M: ProtobufMessage> Serialize for Protobuf<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Err(S::Error::custom(format!(
                "{NO_PART_OF_JSON}: pass the message `{}` as an argument of its own, or use `ProtobufJson`",
                M::full_name()
            )));
        }
        whole::write(serializer, &message::<M>(BINARY_PROTOBUF, self.0.encode()))
    }
}

impl<'de, M: ProtobufMessage> Deserialize<'de> for Protobuf<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let in_json = || D::Error::custom(format!("the message `{}` is expected in binary form", M::full_name()));
        if deserializer.is_human_readable() {
            return Err(in_json());
        }
        let payload = whole::read(deserializer)?;
        check_type::<M>(&payload).map_err(D::Error::custom)?;
        if is_json(&payload) {
            let text = format!("the message `{}` came in its JSON form: read it as `ProtobufJson`", M::full_name());
            return Err(D::Error::custom(text));
        }
        decode(&payload).map(Self).map_err(D::Error::custom)
    }
}

impl<M: ProtobufMessage + Serialize> Serialize for ProtobufJson<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let json = serde_json::to_vec(&self.0).map_err(|error| S::Error::custom(unwritable(&error)))?;
        whole::write(serializer, &message::<M>(JSON_PROTOBUF, json))
    }
}

impl<'de, M: ProtobufMessage + DeserializeOwned> Deserialize<'de> for ProtobufJson<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return M::deserialize(deserializer).map(Self);
        }
        let payload = whole::read(deserializer)?;
        check_type::<M>(&payload).map_err(D::Error::custom)?;
        if is_json(&payload) {
            let read = serde_json::from_slice(&payload.data);
            return read.map(Self).map_err(|_| D::Error::custom(misfit::found::<M>(&payload.data)));
        }
        decode(&payload).map(Self).map_err(D::Error::custom)
    }
}

fn message<M: ProtobufMessage>(encoding: &[u8], data: Vec<u8>) -> Payload {
    let mut payload = payload(encoding, data);
    payload.metadata.insert(MESSAGE_TYPE.to_string(), M::full_name().into_bytes());
    payload
}

fn is_json(payload: &Payload) -> bool {
    payload.metadata.get(ENCODING).is_some_and(|encoding| encoding == JSON_PROTOBUF)
}

/// A payload that names another message is refused: its bytes might be read as nonsense. Not all SDKs write a name.
fn check_type<M: ProtobufMessage>(payload: &Payload) -> Result<(), String> {
    let expected = M::full_name();
    match payload.metadata.get(MESSAGE_TYPE) {
        Some(found) if *found != expected.as_bytes() => {
            Err(format!("expected the message `{expected}`, found `{}`", label(found)))
        }
        _ => Ok(()),
    }
}

fn decode<M: ProtobufMessage>(payload: &Payload) -> Result<M, String> {
    M::decode(&payload.data)
        .map_err(|error| format!("expected the message `{}`, found other bytes: {}", M::full_name(), name(&error)))
}

#[cfg(test)]
mod tests {
    use super::super::{from_payload, to_payload};
    use super::*;

    #[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
    #[prost(prost_path = "abide_protos::prost")]
    struct Order {
        #[prost(string, tag = "1")]
        id: String,
        #[prost(uint64, tag = "2")]
        cents: u64,
    }

    impl prost::Name for Order {
        const NAME: &'static str = "Order";
        const PACKAGE: &'static str = "acme.v1";
    }

    fn order() -> Order {
        Order { id: "o-1".into(), cents: 995 }
    }

    fn metadata(payload: &Payload) -> (String, String) {
        let text = |key: &str| String::from_utf8_lossy(&payload.metadata[key]).into_owned();
        (text("encoding"), text("messageType"))
    }

    #[test]
    fn a_message_travels_in_binary_form_with_its_name() {
        let written = to_payload(&Protobuf(order())).unwrap();
        assert_eq!(metadata(&written), ("binary/protobuf".into(), "acme.v1.Order".into()));
        assert_eq!(written.data, b"\n\x03o-1\x10\xe3\x07");
        assert_eq!(from_payload::<Protobuf<Order>>(&written).unwrap().0, order());
        assert_eq!(from_payload::<ProtobufJson<Order>>(&written).unwrap().0, order());
    }

    #[test]
    fn a_message_travels_in_json_form_with_its_name() {
        let written = to_payload(&ProtobufJson(order())).unwrap();
        assert_eq!(metadata(&written), ("json/protobuf".into(), "acme.v1.Order".into()));
        assert_eq!(String::from_utf8_lossy(&written.data), r#"{"id":"o-1","cents":995}"#);
        assert_eq!(from_payload::<ProtobufJson<Order>>(&written).unwrap().0, order());
        let text = from_payload::<Protobuf<Order>>(&written).unwrap_err().to_string();
        assert!(text.contains("acme.v1.Order") && text.contains("read it as `ProtobufJson`"), "{text}");
    }

    #[test]
    fn the_json_form_is_read_by_any_type_with_the_same_fields() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Cents {
            cents: u64,
        }
        let written = to_payload(&ProtobufJson(order())).unwrap();
        assert_eq!(from_payload::<Cents>(&written).unwrap(), Cents { cents: 995 });
        assert_eq!(from_payload::<Option<Cents>>(&written).unwrap(), Some(Cents { cents: 995 }));
    }

    #[test]
    fn an_absent_message_is_null() {
        let none = to_payload(&None::<Protobuf<Order>>).unwrap();
        assert_eq!((none.metadata["encoding"].as_slice(), none.data.len()), (&b"binary/null"[..], 0));
        assert_eq!(from_payload::<Option<Protobuf<Order>>>(&none).unwrap(), None);
        let some = to_payload(&Some(Protobuf(order()))).unwrap();
        assert_eq!(some, to_payload(&Protobuf(order())).unwrap());
        assert_eq!(from_payload::<Option<Protobuf<Order>>>(&some).unwrap(), Some(Protobuf(order())));
    }

    #[test]
    fn a_message_without_its_name_is_read() {
        // The official Rust SDK writes none.
        let mut written = to_payload(&Protobuf(order())).unwrap();
        written.metadata.remove("messageType");
        assert_eq!(from_payload::<Protobuf<Order>>(&written).unwrap().0, order());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_names() {
        let mut written = to_payload(&Protobuf(order())).unwrap();
        let text = from_payload::<String>(&written).unwrap_err().to_string();
        assert!(text.contains("`acme.v1.Order`") && text.contains("`Protobuf`"), "{text}");
        written.metadata.insert("messageType".into(), b"acme.v1.Customer".to_vec());
        let text = from_payload::<Protobuf<Order>>(&written).unwrap_err().to_string();
        assert!(text.contains("expected the message `acme.v1.Order`, found `acme.v1.Customer`"), "{text}");
        written.metadata.insert("messageType".into(), b"acme.v1.Order".to_vec());
        written.data = vec![0xff];
        let text = from_payload::<Protobuf<Order>>(&written).unwrap_err().to_string();
        assert!(text.contains("found other bytes"), "{text}");
        let text = from_payload::<Protobuf<Order>>(&to_payload(&"text".to_string()).unwrap()).unwrap_err().to_string();
        assert!(text.contains("is expected in binary form"), "{text}");
    }

    #[test]
    fn in_a_json_value_only_the_json_form_has_a_place() {
        let listed = to_payload(&vec![ProtobufJson(order())]).unwrap();
        assert_eq!(listed.metadata["encoding"], b"json/plain");
        assert_eq!(from_payload::<Vec<ProtobufJson<Order>>>(&listed).unwrap(), [ProtobufJson(order())]);
        let text = to_payload(&vec![Protobuf(order())]).unwrap_err().to_string();
        assert!(text.contains("as an argument of its own"), "{text}");
    }
}
