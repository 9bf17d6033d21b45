//! GetSystemInfo and GetClusterInfo.
//!
//! Extends `Engine`.

use super::Engine;
use super::api::service::{self, get_system_info_response::Capabilities};

/// The version of Temporal's server whose behaviour is implemented.
pub(crate) const SERVER_VERSION: &str = "1.32.0";

impl Engine {
    pub(crate) fn get_system_info(&self) -> service::GetSystemInfoResponse {
        service::GetSystemInfoResponse {
            server_version: SERVER_VERSION.to_owned(),
            capabilities: Some(Capabilities {
                signal_and_query_header: true,
                internal_error_differentiation: true,
                // Without it workers send their build as a checksum, which they never do with a real server.
                build_id_based_versioning: true,
                activity_failure_include_heartbeat: true,
                encoded_failure_attributes: true,
                upsert_memo: true,
                eager_workflow_start: true,
                sdk_metadata: true,
                count_group_by_execution_status: true,
                ..Default::default()
            }),
        }
    }

    pub(crate) fn get_cluster_info(&self) -> service::GetClusterInfoResponse {
        service::GetClusterInfoResponse {
            server_version: SERVER_VERSION.to_owned(),
            cluster_id: "abide-server".to_owned(),
            cluster_name: "active".to_owned(),
            history_shard_count: 1,
            persistence_store: "memory".to_owned(),
            visibility_store: "memory".to_owned(),
            ..Default::default()
        }
    }
}
