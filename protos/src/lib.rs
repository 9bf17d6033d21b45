//! Temporal's API as Rust types: the messages everywhere, gRPC clients behind `grpc`, the canonical JSON form of
//! histories, messages as flat lists of fields, and the way to every payload in a message.
//!
//! Nothing here is written by hand except [`deep_failures`], [`deep_json`], [`fields`], [`history_json`] and a part of
//! [`payload_fields`]: the messages come from the published crate, the rest is generated from the descriptor set that it
//! publishes to its dependents' build scripts.

pub mod deep_failures;
pub mod deep_json;
pub mod fields;
pub mod history_json;
pub mod payload_fields;

pub use prost;
pub use prost_wkt_types::{Any, Duration, Timestamp};
pub use temporal_sdk_core_protos::{google, grpc, temporal};

#[cfg(feature = "grpc")]
pub use tonic;
