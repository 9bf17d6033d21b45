//! Temporal's API as Rust types: the messages, gRPC clients behind `grpc`, the canonical JSON form of histories,
//! messages as flat lists of fields, and access to every payload in a message.
//!
//! Only [`deep_failures`], [`deep_json`], [`failure_json`], [`fields`], [`history_json`], [`payload_owners`] and a part of
//! [`payload_fields`] are written by hand: the messages come from the published crate, and the rest is generated from the descriptor set that it passes
//! to its dependents' build scripts.

pub mod deep_failures;
pub mod deep_json;
pub mod failure_json;
pub mod fields;
pub mod history_json;
pub mod payload_fields;
pub mod payload_owners;
pub mod payloads_json;

pub use prost;
pub use prost_wkt_types::{Any, Duration, FieldMask, Timestamp};
pub use temporal_sdk_core_protos::{google, grpc, temporal};

#[cfg(feature = "grpc")]
pub use tonic;
