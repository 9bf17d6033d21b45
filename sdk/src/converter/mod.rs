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

mod arguments;
mod payload;
mod protobuf;
mod whole;

pub use arguments::{PayloadReader, PayloadWriter};
pub use payload::{PayloadError, RawPayload, from_payload, to_payload};
pub use protobuf::{Protobuf, ProtobufJson, ProtobufMessage};
