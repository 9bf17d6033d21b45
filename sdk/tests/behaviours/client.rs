//! The requests of a client.

use abide::client::AsyncActivityError;
use abide::prelude::*;
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::server::Server;

fn text(payloads: Option<Payloads>) -> String {
    String::from_utf8(payloads.unwrap().payloads.remove(0).data).unwrap()
}

#[tokio::test(start_paused = true)]
async fn b051_an_activity_is_completed_failed_and_kept_alive_by_its_token() {
    let server = Server::new();
    let activity = server.client().await.async_activity(b"token".to_vec());
    activity.complete(&7).await.unwrap();
    let completed: RespondActivityTaskCompletedRequest = server.request(1).await;
    assert_eq!((completed.task_token.as_slice(), completed.namespace.as_str()), (&b"token"[..], "default"));
    assert_eq!(text(completed.result), "7");

    activity.fail(ApplicationFailure::new("no beans").error_type("Broke")).await.unwrap();
    let failed: RespondActivityTaskFailedRequest = server.request(1).await;
    assert_eq!((failed.task_token.as_slice(), failed.failure.unwrap().message.as_str()), (&b"token"[..], "no beans"));

    let told = RecordActivityTaskHeartbeatResponse { cancel_requested: true, ..Default::default() };
    server.answer("RecordActivityTaskHeartbeat", &told);
    assert!(activity.heartbeat(&"half".to_string()).await.unwrap().cancel_requested);
    let heartbeat: RecordActivityTaskHeartbeatRequest = server.request(1).await;
    assert_eq!(text(heartbeat.details), r#""half""#);

    activity.report_cancelled(&"stopped".to_string()).await.unwrap();
    let cancelled: RespondActivityTaskCanceledRequest = server.request(1).await;
    assert_eq!(text(cancelled.details), r#""stopped""#);
}

#[tokio::test(start_paused = true)]
async fn b051_an_activity_is_completed_failed_and_kept_alive_by_its_id() {
    let server = Server::new();
    let activity = server.client().await.async_activity_by_id("order-7", "", "charge");
    activity.complete(&7).await.unwrap();
    let completed: RespondActivityTaskCompletedByIdRequest = server.request(1).await;
    let meant = [completed.workflow_id, completed.run_id, completed.activity_id, completed.namespace];
    assert_eq!((meant, text(completed.result)), (["order-7", "", "charge", "default"].map(String::from), "7".into()));

    activity.fail(ApplicationFailure::new("no beans")).await.unwrap();
    let failed: RespondActivityTaskFailedByIdRequest = server.request(1).await;
    assert_eq!((failed.activity_id.as_str(), failed.failure.unwrap().message.as_str()), ("charge", "no beans"));

    assert!(!activity.heartbeat(&"half".to_string()).await.unwrap().cancel_requested);
    let heartbeat: RecordActivityTaskHeartbeatByIdRequest = server.request(1).await;
    assert_eq!((heartbeat.activity_id.as_str(), text(heartbeat.details).as_str()), ("charge", r#""half""#));

    activity.report_cancelled(&"stopped".to_string()).await.unwrap();
    let cancelled: RespondActivityTaskCanceledByIdRequest = server.request(1).await;
    assert_eq!((cancelled.activity_id.as_str(), text(cancelled.details).as_str()), ("charge", r#""stopped""#));
}

#[tokio::test(start_paused = true)]
async fn b051_an_activity_that_nobody_awaits_is_named() {
    let server = Server::new();
    server.refuse("RespondActivityTaskCompletedById", Code::NotFound, "activity not found");
    let activity = server.client().await.async_activity_by_id("order-7", "", "charge");
    let error = activity.complete(&7).await.unwrap_err();
    assert!(matches!(error, AsyncActivityError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().starts_with("activity `charge` of workflow `order-7` is not open"), "{error}");
}
