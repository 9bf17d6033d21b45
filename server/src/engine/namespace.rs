//! Namespaces: RegisterNamespace, DescribeNamespace, ListNamespaces, UpdateNamespace.
//!
//! Extends `Engine`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use abide_protos::temporal::api::replication::v1 as replication;

use super::Engine;
use super::api::namespace::namespace_info::{Capabilities, Limits};
use super::api::{enums, namespace, service};
use super::errors::{Code, Error};
use super::ids::Ids;
use super::limits;
use super::time;
use super::visibility::Registered;
use super::workflow_tasks::PageLimits;

const BLOB_LIMIT: i64 = 2 * 1024 * 1024;
/// Default retention of closed runs.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Minimum retention of a namespace.
const MINIMUM_RETENTION: Duration = Duration::from_secs(60 * 60);
/// The namespace of a real server's own workflows.
const SYSTEM: &str = "temporal-system";

/// A reference to a namespace.
pub(crate) type NamespaceId = Arc<NamespaceName>;

/// The id and the name of a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamespaceName {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// All namespaces by name.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    by_name: BTreeMap<String, Namespace>,
}

#[derive(Debug)]
struct Namespace {
    id: NamespaceId,
    description: String,
    owner_email: String,
    data: BTreeMap<String, String>,
    retention: Duration,
    search_attributes: Registered,
}

impl Namespaces {
    pub(crate) fn new(names: &[String], retention: Duration, ids: &mut Ids) -> Self {
        let mut namespaces = Self::default();
        for name in names {
            namespaces.insert(name, ids.v4(), retention);
        }
        namespaces
    }

    pub(crate) fn get(&self, name: &str) -> Result<NamespaceId, Error> {
        if name.is_empty() {
            return Err(Error::invalid_argument("Namespace is empty."));
        }
        limits::check_length("Namespace", name)?;
        let namespace = self.by_name.get(name).ok_or_else(|| Error::namespace_not_found(name))?;
        Ok(namespace.id.clone())
    }

    /// Returns the name of the namespace with that id.
    pub(crate) fn name_of(&self, id: &str) -> Option<&str> {
        self.by_name.values().find(|namespace| namespace.id.id == id).map(|namespace| namespace.id.name.as_str())
    }

    /// Returns the custom search attributes of a namespace, beside the server's own.
    pub(crate) fn search_attributes(&self, name: &str) -> Result<&Registered, Error> {
        let namespace = self.by_name.get(name).ok_or_else(|| Error::namespace_not_found(name))?;
        Ok(&namespace.search_attributes)
    }

    pub(crate) fn search_attributes_mut(&mut self, name: &str) -> Result<&mut Registered, Error> {
        if name.is_empty() {
            return Err(Error::invalid_argument("Namespace is not set on request."));
        }
        let namespace = self.by_name.get_mut(name).ok_or_else(|| Error::namespace_not_found(name))?;
        Ok(&mut namespace.search_attributes)
    }

    pub(crate) fn all_search_attributes(&mut self) -> impl Iterator<Item = &mut Registered> {
        self.by_name.values_mut().map(|namespace| &mut namespace.search_attributes)
    }

    /// Returns the retention of closed runs in a namespace.
    pub(crate) fn retention(&self, name: &str) -> Duration {
        self.by_name.get(name).map_or(DAY, |namespace| namespace.retention)
    }

    fn insert(&mut self, name: &str, id: String, retention: Duration) -> &mut Namespace {
        let id = Arc::new(NamespaceName { id, name: name.to_owned() });
        let namespace = Namespace {
            id,
            description: String::new(),
            owner_email: String::new(),
            data: BTreeMap::new(),
            retention,
            search_attributes: Registered::default(),
        };
        self.by_name.entry(name.to_owned()).or_insert(namespace)
    }
}

impl Engine {
    /// Creates a namespace like those created at the start, unless it exists.
    pub(crate) fn add_namespace(&mut self, name: &str) {
        if !self.namespaces.by_name.contains_key(name) {
            let (id, retention) = (self.ids.v4(), self.options.retention);
            self.namespaces.insert(name, id, retention);
        }
    }

    pub(crate) fn register_namespace(
        &mut self,
        request: service::RegisterNamespaceRequest,
    ) -> Result<service::RegisterNamespaceResponse, Error> {
        if request.namespace.is_empty() {
            return Err(Error::invalid_argument("Namespace not set on request."));
        }
        limits::check_length("Namespace", &request.namespace)?;
        let retention = time::stored(request.workflow_execution_retention_period.as_ref());
        let Some(retention) = retention.filter(|retention| *retention >= MINIMUM_RETENTION) else {
            return Err(Error::invalid_argument("A valid retention period is not set on request."));
        };
        if self.namespaces.by_name.contains_key(&request.namespace) || request.namespace == SYSTEM {
            return Err(Error::namespace_exists(&request.namespace));
        }
        let id = self.ids.v4();
        let namespace = self.namespaces.insert(&request.namespace, id, retention);
        namespace.description = request.description;
        namespace.owner_email = request.owner_email;
        namespace.data = request.data.into_iter().collect();
        Ok(service::RegisterNamespaceResponse::default())
    }

    pub(crate) fn describe_namespace(
        &self,
        request: &service::DescribeNamespaceRequest,
    ) -> Result<service::DescribeNamespaceResponse, Error> {
        if request.namespace.is_empty() && request.id.is_empty() {
            return Err(Error::invalid_argument("Namespace not set on request."));
        }
        if request.namespace.is_empty() && uuid::Uuid::parse_str(&request.id).is_err() {
            let problem = match request.id.len() {
                36 => "invalid UUID format".to_owned(),
                length => format!("invalid UUID length: {length}"),
            };
            return Err(Error::new(Code::Unknown, problem));
        }
        let matches = |namespace: &&Namespace| {
            namespace.id.name == request.namespace || (request.namespace.is_empty() && namespace.id.id == request.id)
        };
        let wanted = if request.namespace.is_empty() { &request.id } else { &request.namespace };
        let namespace = self.namespaces.by_name.values().find(matches);
        Ok(describe(namespace.ok_or_else(|| Error::namespace_not_found(wanted))?))
    }

    pub(crate) fn list_namespaces(&self) -> service::ListNamespacesResponse {
        let namespaces = self.namespaces.by_name.values().map(describe).collect();
        service::ListNamespacesResponse { namespaces, next_page_token: Vec::new() }
    }
}

fn describe(namespace: &Namespace) -> service::DescribeNamespaceResponse {
    let info = namespace::NamespaceInfo {
        name: namespace.id.name.clone(),
        state: enums::NamespaceState::Registered.into(),
        description: namespace.description.clone(),
        owner_email: namespace.owner_email.clone(),
        data: namespace.data.clone().into_iter().collect::<HashMap<_, _>>(),
        id: namespace.id.id.clone(),
        capabilities: Some(capabilities()),
        limits: Some(Limits {
            blob_size_limit_error: BLOB_LIMIT,
            memo_size_limit_error: BLOB_LIMIT,
            workflow_task_completion_size_limit_error: i64::try_from(PageLimits::default().task).unwrap_or(i64::MAX),
        }),
        supports_schedules: false,
    };
    service::DescribeNamespaceResponse {
        namespace_info: Some(info),
        config: Some(namespace::NamespaceConfig {
            workflow_execution_retention_ttl: Some(time::proto(namespace.retention)),
            history_archival_state: enums::ArchivalState::Disabled.into(),
            visibility_archival_state: enums::ArchivalState::Disabled.into(),
            ..Default::default()
        }),
        replication_config: Some(replication::NamespaceReplicationConfig {
            active_cluster_name: "active".to_owned(),
            clusters: vec![replication::ClusterReplicationConfig {
                cluster_name: "active".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Returns the capabilities that workers and clients may rely on; only those that are implemented.
fn capabilities() -> Capabilities {
    Capabilities {
        eager_workflow_start: true,
        sync_update: true,
        async_update: true,
        worker_heartbeats: true,
        worker_commands: true,
        reported_problems_search_attribute: true,
        worker_poll_complete_on_shutdown: true,
        workflow_task_completion_pagination: true,
        ..Default::default()
    }
}
