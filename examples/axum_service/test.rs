//! The routes, without a socket.

#[path = "service.rs"]
mod service;
#[path = "workflow.rs"]
mod workflow;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use self::service::routes;
use self::workflow::{Order, ship};
use crate::{Outcome, assert_replays};

const ORDER: &str = r#"{ "id": "order", "article": "book" }"#;

/// Returns the status and the body of the answer.
async fn ask(env: &TestWorkflowEnvironment, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).expect("a request");
    let response = routes(env.client().clone()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn an_order_is_created_paid_and_shipped() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("axum_service").workflow(Order::run).activities(ship);
    let requests = async {
        assert_eq!(ask(&env, "POST", "/orders", ORDER).await, (201, String::new()));
        assert_eq!(ask(&env, "GET", "/orders/order", "").await, (200, r#""awaits_payment""#.into()));
        let pay = || ask(&env, "POST", "/orders/order/payment", "");
        let shipped = (200, r#""shipped""#.to_string());
        // Paid twice, shipped once: the history has one activity.
        assert_eq!(tokio::join!(pay(), pay()), (shipped.clone(), shipped.clone()));
        assert_eq!(ask(&env, "GET", "/orders/order", "").await, shipped);
        assert_eq!(pay().await.0, 404);
        env.client().handle(Order::run, "order").fetch_history().await
    };
    let history = env.run(worker, requests).await?.to_string();
    assert_eq!(history.matches("ActivityTaskCompleted").count(), 1, "{history}");
    Ok(())
}

#[tokio::test]
async fn a_repeated_request_finds_the_first_order() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let requests = async {
        for _ in 0..2 {
            assert_eq!(ask(&env, "POST", "/orders", ORDER).await.0, 201);
        }
        env.client().count("").await
    };
    assert_eq!(env.run(env.worker("axum_service").workflow(Order::run), requests).await?.count(), 1);
    Ok(())
}

#[tokio::test]
async fn an_order_expires_after_three_days() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let requests = async {
        ask(&env, "POST", "/orders", ORDER).await;
        env.sleep(days(4)).await;
        ask(&env, "GET", "/orders/order", "").await
    };
    let worker = env.worker("axum_service").workflow(Order::run);
    assert_eq!(env.run(worker, requests).await, (200, r#""expired""#.into()));
    Ok(())
}

#[tokio::test]
async fn an_order_that_nobody_placed_is_not_found() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    assert_eq!(ask(&env, "GET", "/orders/order", "").await, (404, String::new()));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("axum_service", |replayer| replayer.workflow(Order::run))
}
