//! Payload conversion between Rust values and Temporal payloads, byte-compatible with other SDKs.
//!
//! | value | encoding |
//! | --- | --- |
//! | `()`, `None` | `binary/null` |
//! | `Vec<u8>` | `binary/plain` |
//! | [`RawPayload`] | unchanged |
//! | [`Protobuf`] | `binary/protobuf`, with `messageType` |
//! | [`ProtobufJson`] | `json/protobuf`, with `messageType` |
//! | all others | `json/plain`, through serde |
//!
//! A missing argument reads as `None` and as `()`; so does `binary/null`. Any serde type with the same fields can read
//! a `json/protobuf` payload, too.
//!
//! A value that does not fit is described by type, position and kind of value. An error never shows the value itself,
//! which a codec may hide from the server and from logs.
//!
//! Large payloads can be [stored elsewhere](ExternalStorage).
//!
//! A [`DataConverter`] transforms payloads on their way to and from the server, for example with a [`PayloadCodec`]
//! that encrypts them.

mod arguments;
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "codecs run where messages come and go"))]
mod codec;
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "codecs run where messages come and go"))]
mod context;
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "codecs run where messages come and go"))]
mod data_converter;
mod misfit;
mod payload;
mod protobuf;
mod raw_arguments;
#[cfg_attr(not(feature = "worker"), allow(dead_code, reason = "payloads are stored where messages come and go"))]
mod storage;
mod whole;

pub use arguments::{PayloadReader, PayloadWriter};
pub(crate) use arguments::{read_first, read_one};
pub use codec::{CodecResult, PayloadCodec};
pub use context::SerializationContext;
pub use data_converter::DataConverter;
pub use payload::{PayloadError, RawPayload, from_payload, to_payload};
pub use protobuf::{Protobuf, ProtobufJson, ProtobufMessage};
pub use raw_arguments::RawArguments;
pub use storage::{ExternalStorage, StorageClaim, StorageDriver, StorageResult};

#[cfg(feature = "client")]
pub(crate) use codec::CodecError;
#[cfg(feature = "codec-server")]
pub(crate) use codec::Direction;
#[cfg(feature = "client")]
pub(crate) use context::{OwnerRef, Whose};
#[cfg(feature = "worker")]
pub(crate) use data_converter::{CodecWork, CodedPayloads};
#[cfg(feature = "worker")]
pub(crate) use misfit::payload_shape;
