//! Nexus endpoints: the names under which workflows call operations, and their targets. Only targets with workers on
//! this server are supported; an external address would need an HTTP client.
//!
//! Extends `Engine`.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::engine::api::nexus::endpoint_target::Variant;
use crate::engine::api::{nexus, operator};
use crate::engine::errors::{Code, Error};
use crate::engine::time::Time;

const NAME_RULE: &str = "endpoint name must match the regex: \"^[a-zA-Z][a-zA-Z0-9\\\\-]*[a-zA-Z0-9]$\"";

/// All endpoints, by id.
#[derive(Debug, Default)]
pub(crate) struct NexusEndpoints {
    by_id: BTreeMap<String, nexus::Endpoint>,
}

impl NexusEndpoints {
    /// Returns the id of the endpoint with that name.
    pub(crate) fn id_of(&self, name: &str) -> Option<&str> {
        let mut all = self.by_id.values();
        all.find(|endpoint| name_of(endpoint) == name).map(|endpoint| endpoint.id.as_str())
    }

    /// Returns namespace and task queue of the workers behind an endpoint.
    pub(crate) fn target(&self, id: &str) -> Option<(&str, &str)> {
        match self.by_id.get(id)?.spec.as_ref()?.target.as_ref()?.variant.as_ref()? {
            Variant::Worker(worker) => Some((&worker.namespace, &worker.task_queue)),
            Variant::External(_) => None,
        }
    }
}

impl Engine {
    pub(crate) fn create_nexus_endpoint(
        &mut self,
        request: operator::CreateNexusEndpointRequest,
    ) -> Result<operator::CreateNexusEndpointResponse, Error> {
        let spec = self.valid_endpoint(request.spec)?;
        if self.endpoints.id_of(&spec.name).is_some() {
            let text = format!("error creating Nexus endpoint. Endpoint with name {} already registered", spec.name);
            return Err(Error::new(Code::AlreadyExists, text));
        }
        let id = self.ids.v4();
        let endpoint = nexus::Endpoint {
            version: 1,
            url_prefix: format!("/nexus/endpoints/{id}/services"),
            id: id.clone(),
            spec: Some(spec),
            created_time: Some(self.now.time.proto()),
            last_modified_time: None,
        };
        self.endpoints.by_id.insert(id, endpoint.clone());
        Ok(operator::CreateNexusEndpointResponse { endpoint: Some(endpoint) })
    }

    /// Creates an endpoint that leads to a task queue of the namespace `default`.
    pub(crate) fn add_nexus_endpoint(&mut self, name: &str, task_queue: &str) -> Result<(), Error> {
        let worker =
            nexus::endpoint_target::Worker { namespace: "default".to_owned(), task_queue: task_queue.to_owned() };
        let target = Some(nexus::EndpointTarget { variant: Some(Variant::Worker(worker)) });
        let spec = Some(nexus::EndpointSpec { name: name.to_owned(), target, ..Default::default() });
        self.create_nexus_endpoint(operator::CreateNexusEndpointRequest { spec }).map(drop)
    }

    pub(crate) fn update_nexus_endpoint(
        &mut self,
        request: operator::UpdateNexusEndpointRequest,
    ) -> Result<operator::UpdateNexusEndpointResponse, Error> {
        let spec = self.valid_endpoint(request.spec)?;
        let (id, now) = (required(request.id)?, self.now.time);
        let other = self.endpoints.id_of(&spec.name).is_some_and(|other| other != id);
        let endpoint =
            self.endpoints.by_id.get_mut(&id).ok_or_else(|| {
                Error::not_found(format!("error updating Nexus endpoint. endpoint ID {id} not found"))
            })?;
        if endpoint.version != request.version {
            let (received, expected) = (request.version, endpoint.version);
            let text = format!("nexus endpoint version mismatch. received: {received} expected {expected}");
            return Err(Error::new(Code::FailedPrecondition, text));
        }
        if other {
            let text = format!("error updating Nexus endpoint. Endpoint with name {} already registered", spec.name);
            return Err(Error::new(Code::AlreadyExists, text));
        }
        endpoint.version += 1;
        endpoint.spec = Some(spec);
        endpoint.last_modified_time = Some(now.proto());
        // A real server drops it here, too.
        endpoint.created_time = None;
        Ok(operator::UpdateNexusEndpointResponse { endpoint: Some(endpoint.clone()) })
    }

    pub(crate) fn delete_nexus_endpoint(
        &mut self,
        request: operator::DeleteNexusEndpointRequest,
    ) -> Result<operator::DeleteNexusEndpointResponse, Error> {
        let id = required(request.id)?;
        match self.endpoints.by_id.remove(&id) {
            Some(_) => Ok(operator::DeleteNexusEndpointResponse {}),
            None => Err(Error::not_found(format!("error deleting nexus endpoint with ID: {id}"))),
        }
    }

    pub(crate) fn get_nexus_endpoint(
        &self,
        request: operator::GetNexusEndpointRequest,
    ) -> Result<operator::GetNexusEndpointResponse, Error> {
        let id = required(request.id)?;
        match self.endpoints.by_id.get(&id) {
            Some(endpoint) => Ok(operator::GetNexusEndpointResponse { endpoint: Some(endpoint.clone()) }),
            None => Err(Error::not_found(format!("Nexus endpoint with ID `{id}` not found"))),
        }
    }

    /// Returns all endpoints in one page, or the one with the requested name.
    pub(crate) fn list_nexus_endpoints(
        &self,
        request: &operator::ListNexusEndpointsRequest,
    ) -> operator::ListNexusEndpointsResponse {
        let wanted = |endpoint: &&nexus::Endpoint| request.name.is_empty() || name_of(endpoint) == request.name;
        let endpoints = self.endpoints.by_id.values().filter(wanted).cloned().collect();
        operator::ListNexusEndpointsResponse { endpoints, next_page_token: Vec::new() }
    }

    fn valid_endpoint(&self, spec: Option<nexus::EndpointSpec>) -> Result<nexus::EndpointSpec, Error> {
        let spec = spec.unwrap_or_default();
        if spec.name.is_empty() {
            return Err(Error::invalid_argument("endpoint name not set"));
        }
        let mut problems = Vec::from_iter((!is_name(&spec.name)).then_some(NAME_RULE));
        match spec.target.as_ref().and_then(|target| target.variant.as_ref()) {
            None => problems.push("empty target variant"),
            Some(Variant::External(_)) => {
                return Err(Error::unimplemented(
                    "Abide's embedded server supports only Nexus endpoints whose target is a worker",
                ));
            }
            Some(Variant::Worker(worker)) if problems.is_empty() => {
                self.namespaces.get(&worker.namespace).map_err(|error| {
                    let text = format!("could not verify namespace referenced by target exists: {}", error.message);
                    Error::new(Code::FailedPrecondition, text)
                })?;
                if worker.task_queue.is_empty() {
                    problems.push("invalid target task queue: \"taskQueue is not set\"");
                }
            }
            Some(Variant::Worker(_)) => {}
        }
        if problems.is_empty() { Ok(spec) } else { Err(Error::invalid_argument(problems.join(", "))) }
    }
}

fn name_of(endpoint: &nexus::Endpoint) -> &str {
    endpoint.spec.as_ref().map_or("", |spec| &spec.name)
}

fn required(id: String) -> Result<String, Error> {
    if id.is_empty() { Err(Error::invalid_argument("endpoint ID not set")) } else { Ok(id) }
}

fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let ends = name.len() > 1 && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    begins && ends && name.chars().all(letters)
}

/// Formats the time that a request may take like a Go duration: the handler reads it from the request's headers.
pub(crate) fn milliseconds(from: Time, to: Time) -> String {
    format!("{}ms", to.since(from).as_millis())
}
