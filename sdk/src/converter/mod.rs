//! Payload conversion: Rust values to Temporal payloads and back, the same bytes as other SDKs write.
//!
//! | value | encoding |
//! | --- | --- |
//! | `()`, `None` | `binary/null` |
//! | `Vec<u8>` | `binary/plain` |
//! | [`RawPayload`] | as it is |
//! | [`Protobuf`] | `binary/protobuf`, with `messageType` |
//! | [`ProtobufJson`] | `json/protobuf`, with `messageType` |
//! | all else | `json/plain`, written by serde |
//!
//! An argument that the caller left out reads as `None`, and as `()`; so does `binary/null`. A payload of encoding
//! `json/protobuf` is also read by any serde type with the same fields.
//!
//! What does not fit its type is described by the type, the position and the kind of value: an error never repeats the
//! value itself, which a codec may keep from the server and from logs.
//!
//! What becomes of payloads between here and the server is up to a [`DataConverter`]: a [`PayloadCodec`] in it encrypts
//! them, for instance.

mod arguments;
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "codecs run where messages come and go"))]
mod codec;
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "codecs run where messages come and go"))]
mod data_converter;
mod misfit;
mod payload;
mod protobuf;
mod whole;

pub use arguments::{PayloadReader, PayloadWriter};
pub(crate) use arguments::{read_first, read_one};
pub use codec::{CodecResult, PayloadCodec};
pub use data_converter::DataConverter;
pub use payload::{PayloadError, RawPayload, from_payload, to_payload};
pub use protobuf::{Protobuf, ProtobufJson, ProtobufMessage};

#[cfg(feature = "client")]
pub(crate) use codec::CodecError;
#[cfg(feature = "worker")]
pub(crate) use data_converter::{CodecWork, CodedPayloads};
#[cfg(feature = "worker")]
pub(crate) use misfit::payload_shape;
