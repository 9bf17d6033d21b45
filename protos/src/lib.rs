//! Temporal's API as Rust types: the messages everywhere, gRPC clients behind `grpc`, gRPC server traits behind
//! `server`, the canonical JSON form of histories, messages as flat lists of fields, and the way to every payload in a message.
//!
//! Nothing here is written by hand except [`deep_failures`], [`fields`], [`history_json`] and a part of [`payload_fields`]: the messages come from the published crate, the server
//! traits are generated from the descriptor set that it publishes to its dependents' build scripts.

pub mod deep_failures;
pub mod fields;
pub mod history_json;
pub mod payload_fields;

pub use prost;
pub use prost_wkt_types::{Any, Duration, Timestamp};
pub use temporal_sdk_core_protos::{google, grpc, temporal};

#[cfg(feature = "grpc")]
pub use tonic;

/// Server traits (`workflow_service_server::WorkflowService` and its like), for servers that speak Temporal's API.
#[cfg(feature = "server")]
pub mod server {
    #[allow(
        missing_docs,
        dead_code,
        unreachable_pub,
        unused_qualifications,
        clippy::all,
        clippy::disallowed_methods,
        clippy::too_many_lines
    )]
    mod generated {
        include!(concat!(env!("OUT_DIR"), "/server.rs"));
    }
    pub use generated::grpc::health::v1::health_server;
    pub use generated::temporal::api::operatorservice::v1::operator_service_server;
    pub use generated::temporal::api::testservice::v1::test_service_server;
    pub use generated::temporal::api::workflowservice::v1::workflow_service_server;
}
