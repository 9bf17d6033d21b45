//! The namespaces of the server.

use std::collections::{BTreeMap, VecDeque};
use std::future::IntoFuture;
use std::time::Duration;

use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::namespace::v1::{NamespaceConfig, NamespaceInfo, UpdateNamespaceInfo};
use abide_protos::temporal::api::replication::v1::NamespaceReplicationConfig;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, DescribeNamespaceResponse, ListNamespacesRequest, RegisterNamespaceRequest,
    UpdateNamespaceRequest,
};

use super::entry::Operator;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::duration::to_proto;
use crate::presence;

/// State of a namespace (Temporal's `NamespaceState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NamespaceState {
    /// In use.
    Registered,
    /// Existing workflows continue, but no new ones are started.
    Deprecated,
    /// Being deleted.
    Deleted,
    /// A state that this version of Abide does not know.
    Unknown,
}

impl NamespaceState {
    fn from_proto(value: i32) -> Self {
        match enums::NamespaceState::try_from(value) {
            Ok(enums::NamespaceState::Registered) => Self::Registered,
            Ok(enums::NamespaceState::Deprecated) => Self::Deprecated,
            Ok(enums::NamespaceState::Deleted) => Self::Deleted,
            Ok(enums::NamespaceState::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}

/// A namespace, as the server describes it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NamespaceDescription {
    /// The name.
    pub name: String,
    /// The id, which the server has chosen.
    pub id: String,
    /// The state.
    pub state: NamespaceState,
    /// Description of the namespace, for people.
    pub description: String,
    /// The address of its owner.
    pub owner_email: String,
    /// Values that operators have attached to it.
    pub data: BTreeMap<String, String>,
    /// Time for which closed workflows are kept; `None` if the server does not say.
    pub retention: Option<Duration>,
    /// True if it may be replicated to other clusters.
    pub is_global: bool,
    /// The cluster in which it is active.
    pub active_cluster: String,
}

impl NamespaceDescription {
    fn new(
        info: Option<NamespaceInfo>,
        config: Option<NamespaceConfig>,
        replication: Option<NamespaceReplicationConfig>,
        is_global: bool,
    ) -> Self {
        let info = info.unwrap_or_default();
        Self {
            name: info.name,
            id: info.id,
            state: NamespaceState::from_proto(info.state),
            description: info.description,
            owner_email: info.owner_email,
            data: info.data.into_iter().collect(),
            retention: presence::duration(config.unwrap_or_default().workflow_execution_retention_ttl.as_ref()),
            is_global,
            active_cluster: replication.unwrap_or_default().active_cluster_name,
        }
    }

    fn from_proto(proto: DescribeNamespaceResponse) -> Self {
        Self::new(proto.namespace_info, proto.config, proto.replication_config, proto.is_global_namespace)
    }
}

impl Operator {
    /// Creates a namespace whose closed workflows are kept for this time. A server may take some seconds before the
    /// namespace can be used.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_already_exists`](RpcError::is_already_exists) if there is a namespace with this name,
    /// [`is_invalid_argument`](RpcError::is_invalid_argument) if the retention is shorter than an hour.
    pub fn register_namespace(&self, name: impl Into<String>, retention: Duration) -> RegisterNamespace {
        let request = RegisterNamespaceRequest {
            namespace: name.into(),
            workflow_execution_retention_period: Some(to_proto(retention)),
            ..Default::default()
        };
        RegisterNamespace { connection: self.connection.clone(), request }
    }

    /// Returns the server's description of a namespace.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_namespace_not_found`](RpcError::is_namespace_not_found) if there is none.
    pub async fn describe_namespace(&self, name: impl Into<String>) -> Result<NamespaceDescription, RpcError> {
        let request = DescribeNamespaceRequest { namespace: name.into(), ..Default::default() };
        self.connection.call(request).await.map(NamespaceDescription::from_proto)
    }

    /// Lists the namespaces of the server.
    pub fn namespaces(&self) -> NamespaceList {
        NamespaceList {
            connection: self.connection.clone(),
            request: ListNamespacesRequest::default(),
            fetched: VecDeque::new(),
            is_last_page: false,
        }
    }

    /// Changes a namespace, and returns its description. What is not mentioned stays as it is.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_namespace_not_found`](RpcError::is_namespace_not_found) if there is none.
    pub fn update_namespace(&self, name: impl Into<String>) -> UpdateNamespace {
        let request = UpdateNamespaceRequest { namespace: name.into(), ..Default::default() };
        UpdateNamespace { connection: self.connection.clone(), request }
    }
}

/// A namespace to be created, sent when awaited.
#[must_use = "the namespace is created only when this is awaited"]
pub struct RegisterNamespace {
    connection: Connection,
    request: RegisterNamespaceRequest,
}

debug_only!(impl[] RegisterNamespace, |this| { namespace: this.request.namespace });

impl RegisterNamespace {
    /// Says what the namespace is for. Default: empty.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.request.description = text.into();
        self
    }

    /// Sets the address of the owner. Default: empty.
    pub fn owner_email(mut self, address: impl Into<String>) -> Self {
        self.request.owner_email = address.into();
        self
    }

    /// Attaches a value.
    pub fn data(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.data.insert(key.into(), value.into());
        self
    }
}

impl IntoFuture for RegisterNamespace {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}

/// A change of a namespace, sent when awaited.
#[must_use = "the namespace is changed only when this is awaited"]
pub struct UpdateNamespace {
    connection: Connection,
    request: UpdateNamespaceRequest,
}

debug_only!(impl[] UpdateNamespace, |this| { namespace: this.request.namespace });

impl UpdateNamespace {
    /// Says what the namespace is for.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.info().description = text.into();
        self
    }

    /// Sets the address of the owner.
    pub fn owner_email(mut self, address: impl Into<String>) -> Self {
        self.info().owner_email = address.into();
        self
    }

    /// Attaches a value, or replaces the value that has this key.
    pub fn data(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.info().data.insert(key.into(), value.into());
        self
    }

    /// Sets how long closed workflows are kept.
    pub fn retention(mut self, retention: Duration) -> Self {
        let config = self.request.config.get_or_insert_default();
        config.workflow_execution_retention_ttl = Some(to_proto(retention));
        self
    }

    fn info(&mut self) -> &mut UpdateNamespaceInfo {
        self.request.update_info.get_or_insert_default()
    }
}

impl IntoFuture for UpdateNamespace {
    type Output = Result<NamespaceDescription, RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let updated = self.connection.call(self.request).await?;
            let (info, config) = (updated.namespace_info, updated.config);
            Ok(NamespaceDescription::new(info, config, updated.replication_config, updated.is_global_namespace))
        })
    }
}

/// The namespaces of a server, fetched page by page.
#[must_use = "nothing is fetched until `next` is called"]
pub struct NamespaceList {
    connection: Connection,
    request: ListNamespacesRequest,
    fetched: VecDeque<NamespaceDescription>,
    is_last_page: bool,
}

debug_only!(impl[] NamespaceList, |this| { page_size: this.request.page_size });

impl NamespaceList {
    /// Sets the number of namespaces to fetch per call. Default: the server's.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next namespace; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn next(&mut self) -> Result<Option<NamespaceDescription>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.call(self.request.clone()).await?;
            self.fetched.extend(page.namespaces.into_iter().map(NamespaceDescription::from_proto));
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}
