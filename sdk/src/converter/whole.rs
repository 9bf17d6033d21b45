//! Serde values that carry a whole payload.
//!
//! Every value is a serde value, and most become JSON. A wrapper such as `Protobuf` has its own encoding and metadata,
//! which serde cannot express. So it passes its finished payload to the serializer below, under a name that no other
//! type uses. Any other value makes that serializer fail at its first call, and is then serialized as JSON. Reading
//! works the same way in reverse.

use std::cell::Cell;
use std::fmt;

use super::misfit::OWN_CHECK;
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::Payload;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::ser::Impossible;
use serde::{Deserializer, Serialize, Serializer, forward_to_deserialize_any};

const NAME: &str = "$abide::converter::Payload";

/// Returns the payload that a value carries, if it does.
pub(super) fn payload_of<T: Serialize>(value: &T) -> Option<Payload> {
    let bytes = value.serialize(Catcher { named: false }).ok()?;
    Payload::decode(bytes.as_slice()).ok()
}

/// Reads a value that accepts a whole payload; `None` for any other type.
pub(super) fn from_whole<T: DeserializeOwned>(payload: &Payload) -> Option<Result<T, String>> {
    let taken = Cell::new(false);
    let read = T::deserialize(Giver { payload, taken: &taken });
    taken.get().then(|| read.map_err(|error| error.0))
}

/// Passes a payload to the serializer. Works only if that is not human-readable, because JSON cannot contain a payload.
pub(super) fn write<S: Serializer>(serializer: S, payload: &Payload) -> Result<S::Ok, S::Error> {
    serializer.serialize_newtype_struct(NAME, &Bytes(payload.encode_to_vec()))
}

/// Takes a payload from the deserializer; the counterpart of [`write`].
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
    deserializer.deserialize_newtype_struct(NAME, PayloadVisitor)
}

struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

struct PayloadVisitor;

impl<'de> Visitor<'de> for PayloadVisitor {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Temporal payload")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Payload, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Payload, E> {
        Payload::decode(bytes).map_err(E::custom)
    }
}

/// Serializes only a payload's bytes under its name.
struct Catcher {
    named: bool,
}

/// The error for any other value. It carries no message.
#[derive(Debug)]
struct NotWhole;

impl fmt::Display for NotWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not bring its payload")
    }
}

impl std::error::Error for NotWhole {}

impl serde::ser::Error for NotWhole {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Caught = Result<Vec<u8>, NotWhole>;
type Never = Result<Impossible<Vec<u8>, NotWhole>, NotWhole>;

macro_rules! not_whole {
    ($($method:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> $result {
            Err(NotWhole)
        })*
    };
}

impl Serializer for Catcher {
    type Ok = Vec<u8>;
    type Error = NotWhole;
    type SerializeSeq = Impossible<Vec<u8>, NotWhole>;
    type SerializeTuple = Impossible<Vec<u8>, NotWhole>;
    type SerializeTupleStruct = Impossible<Vec<u8>, NotWhole>;
    type SerializeTupleVariant = Impossible<Vec<u8>, NotWhole>;
    type SerializeMap = Impossible<Vec<u8>, NotWhole>;
    type SerializeStruct = Impossible<Vec<u8>, NotWhole>;
    type SerializeStructVariant = Impossible<Vec<u8>, NotWhole>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Caught {
        if name == NAME { value.serialize(Self { named: true }) } else { Err(NotWhole) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Caught {
        value.serialize(self)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Caught {
        if self.named { Ok(bytes.to_vec()) } else { Err(NotWhole) }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Caught {
        Err(NotWhole)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Caught {
        Err(NotWhole)
    }

    not_whole! {
        serialize_bool(bool) -> Caught;
        serialize_i8(i8) -> Caught;
        serialize_i16(i16) -> Caught;
        serialize_i32(i32) -> Caught;
        serialize_i64(i64) -> Caught;
        serialize_i128(i128) -> Caught;
        serialize_u8(u8) -> Caught;
        serialize_u16(u16) -> Caught;
        serialize_u32(u32) -> Caught;
        serialize_u64(u64) -> Caught;
        serialize_u128(u128) -> Caught;
        serialize_f32(f32) -> Caught;
        serialize_f64(f64) -> Caught;
        serialize_char(char) -> Caught;
        serialize_str(&str) -> Caught;
        serialize_none() -> Caught;
        serialize_unit() -> Caught;
        serialize_unit_struct(&'static str) -> Caught;
        serialize_unit_variant(&'static str, u32, &'static str) -> Caught;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }
}

/// Gives its payload to a value that requests it by name, and records that it was taken.
struct Giver<'a> {
    payload: &'a Payload,
    taken: &'a Cell<bool>,
}

/// The error of a value that refused the payload.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl serde::de::Error for Refused {
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        // These texts come from `Protobuf` and `ProtobufJson`. A type around them may have its own check with its own
        // message.
        let is_ours = ["the message `", "expected the message `", "found "].iter().any(|begin| text.starts_with(begin));
        Self(if is_ours { text } else { OWN_CHECK.to_string() })
    }
}

impl<'de> Deserializer<'de> for Giver<'_> {
    type Error = Refused;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refused> {
        if name != NAME {
            return self.deserialize_any(visitor);
        }
        self.taken.set(true);
        visitor.visit_bytes(&self.payload.encode_to_vec())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused::custom("the value does not take a whole payload"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
