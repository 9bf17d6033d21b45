//! The server itself: what it is, what it can do, and whether it is healthy.

use std::collections::BTreeMap;

use abide_protos::grpc::health::v1::HealthCheckRequest;
use abide_protos::grpc::health::v1::health_check_response::ServingStatus;
use abide_protos::temporal::api::workflowservice::v1::{GetClusterInfoRequest, GetSystemInfoRequest};

use super::entry::Operator;
use crate::client::rpc_error::RpcError;

/// Name, version and persistence of the server (Temporal's `GetClusterInfo`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// Version of the server, such as `1.32.0`.
    pub server_version: String,
    /// Id of the cluster.
    pub cluster_id: String,
    /// Name of the cluster.
    pub cluster_name: String,
    /// Number of shards of histories.
    pub history_shard_count: u32,
    /// Name of the database of histories.
    pub persistence_store: String,
    /// Name of the database of visibility.
    pub visibility_store: String,
    /// The versions of clients that it accepts, by the client's name.
    pub supported_clients: BTreeMap<String, String>,
}

/// Version and capabilities of the server (Temporal's `GetSystemInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemInfo {
    /// Version of the server, such as `1.32.0`.
    pub server_version: String,
    /// It delivers headers of signals and queries.
    pub signal_and_query_header: bool,
    /// It distinguishes temporary errors from bugs.
    pub internal_error_differentiation: bool,
    /// It has schedules.
    pub supports_schedules: bool,
    /// It takes failures whose attributes are encoded.
    pub encoded_failure_attributes: bool,
    /// It takes changes of memos.
    pub upsert_memo: bool,
    /// It gives a workflow's first task to the client that starts it.
    pub eager_workflow_start: bool,
    /// It stores the flags and versions of SDKs.
    pub sdk_metadata: bool,
    /// It counts workflows by status.
    pub count_group_by_execution_status: bool,
    /// It has Nexus operations.
    pub nexus: bool,
}

/// Health of the server (the gRPC health check).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthStatus {
    /// It takes calls.
    Serving,
    /// It does not take calls.
    NotServing,
    /// It does not say.
    Unknown,
}

impl Operator {
    /// Returns what the server is.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn cluster_info(&self) -> Result<ClusterInfo, RpcError> {
        let info = self.connection.call(GetClusterInfoRequest {}).await?;
        Ok(ClusterInfo {
            server_version: info.server_version,
            cluster_id: info.cluster_id,
            cluster_name: info.cluster_name,
            history_shard_count: u32::try_from(info.history_shard_count).unwrap_or_default(),
            persistence_store: info.persistence_store,
            visibility_store: info.visibility_store,
            supported_clients: info.supported_clients.into_iter().collect(),
        })
    }

    /// Returns what the server can do.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn system_info(&self) -> Result<SystemInfo, RpcError> {
        let info = self.connection.call(GetSystemInfoRequest {}).await?;
        let can = info.capabilities.unwrap_or_default();
        Ok(SystemInfo {
            server_version: info.server_version,
            signal_and_query_header: can.signal_and_query_header,
            internal_error_differentiation: can.internal_error_differentiation,
            supports_schedules: can.supports_schedules,
            encoded_failure_attributes: can.encoded_failure_attributes,
            upsert_memo: can.upsert_memo,
            eager_workflow_start: can.eager_workflow_start,
            sdk_metadata: can.sdk_metadata,
            count_group_by_execution_status: can.count_group_by_execution_status,
            nexus: can.nexus,
        })
    }

    /// Asks the server once if it takes calls.
    ///
    /// # Errors
    /// [`RpcError`]: the server cannot be reached.
    pub async fn check_health(&self) -> Result<HealthStatus, RpcError> {
        let service = "temporal.api.workflowservice.v1.WorkflowService".to_string();
        let status = self.connection.call_once(HealthCheckRequest { service }).await?.status;
        Ok(match ServingStatus::try_from(status) {
            Ok(ServingStatus::Serving) => HealthStatus::Serving,
            Ok(ServingStatus::NotServing) => HealthStatus::NotServing,
            Ok(ServingStatus::Unknown | ServingStatus::ServiceUnknown) | Err(_) => HealthStatus::Unknown,
        })
    }
}
