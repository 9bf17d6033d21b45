//! Nexus endpoints: the names under which callers reach the task queues of Nexus handlers.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::time::SystemTime;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::nexus::v1::endpoint_target::{External, Variant, Worker};
use abide_protos::temporal::api::nexus::v1::{Endpoint, EndpointSpec, EndpointTarget};
use abide_protos::temporal::api::operatorservice::v1::{
    CreateNexusEndpointRequest, DeleteNexusEndpointRequest, GetNexusEndpointRequest, ListNexusEndpointsRequest,
    UpdateNexusEndpointRequest,
};

use super::entry::Operator;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::converter::{PayloadError, from_payload, to_payload};
use crate::debug_only::debug_only;
use crate::presence;

/// Target of an endpoint (Temporal's `EndpointTarget`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NexusEndpointTarget {
    /// To the workers of a task queue.
    Worker {
        /// The namespace of the workers.
        namespace: String,
        /// The task queue that they poll.
        task_queue: String,
    },
    /// To a server outside Temporal.
    External {
        /// Its address.
        url: String,
    },
    /// To something that this version of Abide does not know.
    Unknown,
}

impl NexusEndpointTarget {
    /// Creates the target for the workers of a task queue.
    pub fn worker(namespace: impl Into<String>, task_queue: impl Into<String>) -> Self {
        Self::Worker { namespace: namespace.into(), task_queue: task_queue.into() }
    }

    /// Creates the target for a server outside Temporal.
    pub fn external(url: impl Into<String>) -> Self {
        Self::External { url: url.into() }
    }

    fn into_proto(self) -> EndpointTarget {
        let variant = match self {
            Self::Worker { namespace, task_queue } => Some(Variant::Worker(Worker { namespace, task_queue })),
            Self::External { url } => Some(Variant::External(External { url })),
            Self::Unknown => None,
        };
        EndpointTarget { variant }
    }

    fn from_proto(proto: Option<EndpointTarget>) -> Self {
        match proto.and_then(|target| target.variant) {
            Some(Variant::Worker(Worker { namespace, task_queue })) => Self::Worker { namespace, task_queue },
            Some(Variant::External(External { url })) => Self::External { url },
            None => Self::Unknown,
        }
    }
}

/// A Nexus endpoint of the server.
#[derive(Clone, PartialEq)]
pub struct NexusEndpoint {
    id: String,
    version: i64,
    name: String,
    target: NexusEndpointTarget,
    description: Option<Payload>,
    created_time: Option<SystemTime>,
    last_modified_time: Option<SystemTime>,
}

debug_only!(impl[] NexusEndpoint, |this| {
    id: this.id,
    version: this.version,
    name: this.name,
    target: this.target,
});

impl NexusEndpoint {
    fn from_proto(proto: Endpoint) -> Self {
        let spec = proto.spec.unwrap_or_default();
        Self {
            id: proto.id,
            version: proto.version,
            name: spec.name,
            target: NexusEndpointTarget::from_proto(spec.target),
            description: spec.description,
            created_time: presence::time(proto.created_time.as_ref()),
            last_modified_time: presence::time(proto.last_modified_time.as_ref()),
        }
    }

    /// Returns the id, which the server has chosen.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the name that callers use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where it leads to.
    pub fn target(&self) -> &NexusEndpointTarget {
        &self.target
    }

    /// Returns the description, in Markdown; `None` if it has none.
    ///
    /// # Errors
    /// Returns an error if the description is not a text.
    pub fn description(&self) -> Result<Option<String>, PayloadError> {
        self.description.as_ref().map(from_payload).transpose()
    }

    /// Returns the number of its state, which grows with each change.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Returns the time at which it was created.
    pub fn created_time(&self) -> Option<SystemTime> {
        self.created_time
    }

    /// Returns the time of the last change.
    pub fn last_modified_time(&self) -> Option<SystemTime> {
        self.last_modified_time
    }
}

impl Operator {
    /// Creates a Nexus endpoint.
    ///
    /// ```no_run
    /// use abide::client::operator::NexusEndpointTarget;
    /// # use abide::prelude::*;
    /// # async fn connect_teams(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let target = NexusEndpointTarget::worker("billing", "invoices");
    /// client.operator().create_nexus_endpoint("invoices", target).description("Invoices of all shops").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RpcError`]; [`is_already_exists`](RpcError::is_already_exists) if there is an endpoint with this name.
    pub fn create_nexus_endpoint(&self, name: impl Into<String>, target: NexusEndpointTarget) -> SetNexusEndpoint {
        let spec = EndpointSpec { name: name.into(), description: None, target: Some(target.into_proto()) };
        SetNexusEndpoint { connection: self.connection.clone(), of: None, spec }
    }

    /// Changes a Nexus endpoint. What is not mentioned stays as it is in `endpoint`.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_failed_precondition`](RpcError::is_failed_precondition) if the endpoint has changed since it
    /// was read, [`is_not_found`](RpcError::is_not_found) if it was deleted.
    pub fn update_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> SetNexusEndpoint {
        let spec = EndpointSpec {
            name: endpoint.name.clone(),
            description: endpoint.description.clone(),
            target: Some(endpoint.target.clone().into_proto()),
        };
        let of = Some((endpoint.id.clone(), endpoint.version));
        SetNexusEndpoint { connection: self.connection.clone(), of, spec }
    }

    /// Returns the Nexus endpoint with this id.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if there is none.
    pub async fn get_nexus_endpoint(&self, id: impl Into<String>) -> Result<NexusEndpoint, RpcError> {
        let response = self.connection.call_coded(GetNexusEndpointRequest { id: id.into() }).await?;
        Ok(NexusEndpoint::from_proto(response.endpoint.unwrap_or_default()))
    }

    /// Returns the Nexus endpoint with this name; `None` if there is none.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn find_nexus_endpoint(&self, name: impl Into<String>) -> Result<Option<NexusEndpoint>, RpcError> {
        let mut found = self.nexus_endpoints();
        found.request.name = name.into();
        found.next().await
    }

    /// Lists the Nexus endpoints of the server.
    pub fn nexus_endpoints(&self) -> NexusEndpointList {
        NexusEndpointList {
            connection: self.connection.clone(),
            request: ListNexusEndpointsRequest::default(),
            fetched: VecDeque::new(),
            is_last_page: false,
        }
    }

    /// Deletes a Nexus endpoint.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_failed_precondition`](RpcError::is_failed_precondition) if the endpoint has changed since it
    /// was read, [`is_not_found`](RpcError::is_not_found) if it was deleted.
    pub async fn delete_nexus_endpoint(&self, endpoint: &NexusEndpoint) -> Result<(), RpcError> {
        let request = DeleteNexusEndpointRequest { id: endpoint.id.clone(), version: endpoint.version };
        self.connection.call(request).await.map(drop)
    }
}

/// A Nexus endpoint to be created or changed, sent when awaited.
#[must_use = "the endpoint is created or changed only when this is awaited"]
pub struct SetNexusEndpoint {
    connection: Connection,
    /// Id and version of the endpoint to change; `None` to create one.
    of: Option<(String, i64)>,
    spec: EndpointSpec,
}

debug_only!(impl[] SetNexusEndpoint, |this| { name: this.spec.name, changes: this.of });

impl SetNexusEndpoint {
    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.spec.name = name.into();
        self
    }

    /// Sets where the endpoint leads to.
    pub fn target(mut self, target: NexusEndpointTarget) -> Self {
        self.spec.target = Some(target.into_proto());
        self
    }

    /// Sets the description, in Markdown. Payload codecs encode it. Default: none.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        // A text always becomes a payload.
        self.spec.description = to_payload(&text.into()).ok();
        self
    }

    async fn send(self) -> Result<NexusEndpoint, RpcError> {
        let spec = Some(self.spec);
        let endpoint = match self.of {
            Some((id, version)) => {
                let request = UpdateNexusEndpointRequest { id, version, spec };
                self.connection.call_coded(request).await?.endpoint
            }
            None => self.connection.call_coded(CreateNexusEndpointRequest { spec }).await?.endpoint,
        };
        Ok(NexusEndpoint::from_proto(endpoint.unwrap_or_default()))
    }
}

impl IntoFuture for SetNexusEndpoint {
    type Output = Result<NexusEndpoint, RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Nexus endpoints, fetched page by page.
#[must_use = "nothing is fetched until `next` is called"]
pub struct NexusEndpointList {
    connection: Connection,
    request: ListNexusEndpointsRequest,
    fetched: VecDeque<NexusEndpoint>,
    is_last_page: bool,
}

debug_only!(impl[] NexusEndpointList, |this| { page_size: this.request.page_size });

impl NexusEndpointList {
    /// Sets the number of endpoints to fetch per call. Default: the server's.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next endpoint; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn next(&mut self) -> Result<Option<NexusEndpoint>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.call_coded(self.request.clone()).await?;
            self.fetched.extend(page.endpoints.into_iter().map(NexusEndpoint::from_proto));
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}
