//! The routes of the service. Each handler is one call of the client.

use abide::client::{Client, QueryError, UpdateError, WorkflowIdConflictPolicy};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::workflow::{Order, Status};

#[derive(Deserialize)]
struct NewOrder {
    id: String,
    article: String,
}

pub fn routes(client: Client) -> Router {
    let orders = Router::new().route("/orders", post(create)).route("/orders/{id}", get(show));
    orders.route("/orders/{id}/payment", post(pay)).with_state(client)
}

/// The customer chooses the id, so a request that is repeated finds the order of the first.
async fn create(State(client): State<Client>, Json(order): Json<NewOrder>) -> Result<StatusCode, StatusCode> {
    let start = client.start(Order::run, order.article).id(order.id).task_queue("axum_service");
    let started = start.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).await;
    started.map(|_| StatusCode::CREATED).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn show(State(client): State<Client>, Path(id): Path<String>) -> Result<Json<Status>, StatusCode> {
    client.handle(Order::run, id).query(Order::status, ()).await.map(Json).map_err(|error| match error {
        QueryError::NotFound { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    })
}

async fn pay(State(client): State<Client>, Path(id): Path<String>) -> Result<Json<Status>, StatusCode> {
    client.handle(Order::run, id).update(Order::pay, ()).await.map(Json).map_err(|error| match error {
        UpdateError::NotFound { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    })
}
