//! The supported part of Temporal's operator service: search attributes and Nexus endpoints.

use std::sync::Arc;

use abide_protos_server::operator_service_server::OperatorService;
use tonic::{Request, Response, Status};

use super::engine::Engine;
use super::engine::api::operator as api;
use super::engine::errors::Error;
use super::grpc::status;
use super::host::Host;

/// Serves `temporal.api.operatorservice.v1.OperatorService`.
#[derive(Clone, Debug)]
pub(crate) struct GrpcOperatorService {
    host: Arc<Host>,
}

impl GrpcOperatorService {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self { host }
    }

    fn call<T>(&self, request: impl FnOnce(&mut Engine) -> Result<T, Error>) -> Result<Response<T>, Status> {
        self.host.call(request).map(Response::new).map_err(status)
    }
}

#[tonic::async_trait]
impl OperatorService for GrpcOperatorService {
    async fn add_search_attributes(
        &self,
        request: Request<api::AddSearchAttributesRequest>,
    ) -> Result<Response<api::AddSearchAttributesResponse>, Status> {
        self.call(|engine| engine.add_search_attributes(request.into_inner()))
    }

    async fn remove_search_attributes(
        &self,
        request: Request<api::RemoveSearchAttributesRequest>,
    ) -> Result<Response<api::RemoveSearchAttributesResponse>, Status> {
        self.call(|engine| engine.remove_search_attributes(&request.into_inner()))
    }

    async fn list_search_attributes(
        &self,
        request: Request<api::ListSearchAttributesRequest>,
    ) -> Result<Response<api::ListSearchAttributesResponse>, Status> {
        self.call(|engine| engine.list_search_attributes(&request.into_inner()))
    }

    async fn create_nexus_endpoint(
        &self,
        request: Request<api::CreateNexusEndpointRequest>,
    ) -> Result<Response<api::CreateNexusEndpointResponse>, Status> {
        self.call(|engine| engine.create_nexus_endpoint(request.into_inner()))
    }

    async fn update_nexus_endpoint(
        &self,
        request: Request<api::UpdateNexusEndpointRequest>,
    ) -> Result<Response<api::UpdateNexusEndpointResponse>, Status> {
        self.call(|engine| engine.update_nexus_endpoint(request.into_inner()))
    }

    async fn delete_nexus_endpoint(
        &self,
        request: Request<api::DeleteNexusEndpointRequest>,
    ) -> Result<Response<api::DeleteNexusEndpointResponse>, Status> {
        self.call(|engine| engine.delete_nexus_endpoint(request.into_inner()))
    }

    async fn get_nexus_endpoint(
        &self,
        request: Request<api::GetNexusEndpointRequest>,
    ) -> Result<Response<api::GetNexusEndpointResponse>, Status> {
        self.call(|engine| engine.get_nexus_endpoint(request.into_inner()))
    }

    async fn list_nexus_endpoints(
        &self,
        request: Request<api::ListNexusEndpointsRequest>,
    ) -> Result<Response<api::ListNexusEndpointsResponse>, Status> {
        self.call(|engine| Ok(engine.list_nexus_endpoints(&request.into_inner())))
    }
}

/// The RPCs that [`GrpcOperatorService`] serves; all others are refused by name.
pub(crate) const SERVED: &[&str] = &[
    "AddSearchAttributes",
    "CreateNexusEndpoint",
    "DeleteNexusEndpoint",
    "GetNexusEndpoint",
    "ListNexusEndpoints",
    "ListSearchAttributes",
    "RemoveSearchAttributes",
    "UpdateNexusEndpoint",
];
