//! Generated server traits of Temporal's services, such as `workflow_service_server::WorkflowService`.
//!
//! They are in their own crate, not a feature of `abide-protos`: a feature that only tests enable would build every
//! dependent crate twice, once for `cargo build` and once for `cargo test`.

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
