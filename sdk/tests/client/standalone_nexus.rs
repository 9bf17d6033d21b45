//! Standalone Nexus operations. The embedded server has none, so they are tested on a real one only.

use abide::client::operator::NexusEndpointTarget;
use abide::client::{
    Client, NexusOperationExecutionStatus, NexusOperationFailedError, NexusOperationIdConflictPolicy,
    NexusOperationIdReusePolicy, NexusOperationState, StartNexusOperationError,
};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{NexusContext, NexusError, NexusStart};

use super::{client, unique, until};

const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");

#[abide::nexus_service]
trait Desk {
    fn greet(name: String) -> String;
    fn wait(id: String) -> String;
}

#[workflow]
async fn waits(ctx: &WorkflowContext, id: String) -> Result<String, WorkflowError> {
    ctx.wait_until(|| false).await?;
    Ok(id)
}

struct Clerk;

#[abide::nexus_handlers(implements = Desk)]
impl Clerk {
    #[nexus_operation]
    async fn greet(&self, ctx: &NexusContext, name: String) -> Result<String, NexusError> {
        if name.is_empty() {
            return Err(NexusError::failed(ApplicationFailure::new("nobody is there").error_type("Nobody")));
        }
        let tenant = ctx.info().headers.get("tenant").cloned().unwrap_or_default();
        Ok(format!("hello {name} of {tenant}"))
    }

    /// A workflow backs it.
    #[nexus_operation]
    async fn wait(&self, ctx: &NexusContext, id: String) -> Result<NexusStart<String>, NexusError> {
        ctx.start_workflow(waits, id.clone()).id(id).await
    }
}

/// Creates an endpoint that leads to the queue of the same name.
async fn endpoint(client: &Client, queue: &str) {
    client.operator().create_nexus_endpoint(queue, NexusEndpointTarget::worker("default", queue)).await.unwrap();
    // A server does not tell when all its parts know a new endpoint.
    until("the endpoint is known", async || {
        let start = client.start_nexus_operation(queue, Desk::greet, String::new()).schedule_to_close_timeout(secs(1));
        match start.await {
            Ok(handle) => handle.terminate().await.is_ok(),
            Err(_) => false,
        }
    })
    .await;
}

fn worker(client: &Client, queue: &str) -> Worker {
    Worker::builder(client, queue).workflow(waits).nexus_handlers(Clerk).build().unwrap()
}

#[tokio::test]
async fn a_standalone_operation_returns_its_result_and_is_described() {
    let Some(client) = client("a_standalone_operation_returns_its_result_and_is_described").await else { return };
    let (id, queue) = (unique("greet"), unique("desk"));
    endpoint(&client, &queue).await;
    let start = client.start_nexus_operation(&queue, Desk::greet, "Ada".to_string()).id(&id);
    let start =
        start.schedule_to_close_timeout(mins(5)).schedule_to_start_timeout(mins(2)).nexus_header("tenant", "acme");
    let start = start.search_attributes([KEYWORD.set(&*id)]).static_summary("Greet").static_details("Ada");
    let handle = start.await.unwrap();
    assert_eq!((handle.operation_id(), handle.run_id().is_some()), (&*id, true));
    let waiting = handle.describe().await.unwrap();
    assert_eq!(waiting.status(), NexusOperationExecutionStatus::Running);
    assert!(waiting.state().is_some(), "{waiting:?}");
    let info = waiting.info();
    assert_eq!((info.endpoint(), info.service(), info.operation()), (&*queue, "Desk", "greet"));
    assert_eq!((info.operation_id(), Some(info.run_id())), (&*id, handle.run_id()));
    assert_eq!(info.search_attribute(&KEYWORD).as_deref(), Some(&*id));
    assert_eq!(
        (waiting.schedule_to_close_timeout(), waiting.schedule_to_start_timeout()),
        (Some(mins(5)), Some(mins(2)))
    );
    assert_eq!(waiting.nexus_header("tenant"), Some("acme"));
    assert_eq!(waiting.static_summary().unwrap().as_deref(), Some("Greet"));
    assert_eq!(waiting.static_details().unwrap().as_deref(), Some("Ada"));
    assert!(info.schedule_time().is_some() && waiting.expiration_time().is_some());

    let again = client.start_nexus_operation(&queue, Desk::greet, "Ada".to_string()).id(&id);
    let error = again.await.unwrap_err();
    let StartNexusOperationError::AlreadyStarted { run_id, .. } = &error else { panic!("{error:?}") };
    assert_eq!(Some(&**run_id), handle.run_id());
    let again = client.start_nexus_operation(&queue, Desk::greet, "Ada".to_string()).id(&id);
    let found = again.id_conflict_policy(NexusOperationIdConflictPolicy::UseExisting).await.unwrap();
    assert_eq!(found.run_id(), handle.run_id());

    worker(&client, &queue)
        .run_until(async {
            assert_eq!(handle.result().await.unwrap(), "hello Ada of acme");
            let failing = client.execute_nexus_operation(&queue, Desk::greet, String::new()).await.unwrap_err();
            assert!(matches!(failing, NexusOperationFailedError::Failed(_)), "{failing:?}");
            assert_eq!(failing.error_type().as_deref(), Some("Nobody"), "{failing}");
        })
        .await
        .unwrap();
    let closed = client.nexus_operation_handle(Desk::greet, &id).describe().await.unwrap();
    assert_eq!((closed.status(), closed.state()), (NexusOperationExecutionStatus::Completed, None));
    assert!(closed.info().close_time().is_some());
    let again = client.start_nexus_operation(&queue, Desk::greet, "Ada".to_string()).id(&id);
    let refused = again.id_reuse_policy(NexusOperationIdReusePolicy::RejectDuplicate).await;
    assert!(matches!(refused, Err(StartNexusOperationError::AlreadyStarted { .. })), "{refused:?}");

    let query = format!("TestKeyword = '{id}'");
    until("the closed operation is listed", async || {
        client.count_nexus_operations(format!("{query} AND ExecutionStatus = 'Completed'")).await.unwrap().count() == 1
    })
    .await;
    let mut list = client.list_nexus_operations(&query).page_size(1);
    let listed = list.next().await.unwrap().unwrap();
    assert_eq!((listed.operation_id(), listed.endpoint()), (&*id, &*queue));
    assert_eq!(listed.status(), NexusOperationExecutionStatus::Completed);
    assert!(list.next().await.unwrap().is_none());
    handle.delete().await.unwrap();
    until("the operation is deleted", async || handle.describe().await.is_err_and(|error| error.is_not_found())).await;
    let gone = handle.result().await.unwrap_err();
    assert!(
        matches!(&gone, NexusOperationFailedError::NotFound { operation_id, .. } if *operation_id == id),
        "{gone:?}"
    );
}

#[tokio::test]
async fn a_running_operation_is_cancelled_or_terminated_or_times_out() {
    let Some(client) = client("a_running_operation_is_cancelled_or_terminated_or_times_out").await else { return };
    let queue = unique("desk");
    endpoint(&client, &queue).await;
    let start = || client.start_nexus_operation(&queue, Desk::wait, unique("wait"));
    worker(&client, &queue)
        .run_until(async {
            let cancelled = start().await.unwrap();
            until("it is started", async || {
                cancelled.describe().await.unwrap().state() == Some(NexusOperationState::Started)
            })
            .await;
            assert!(cancelled.describe().await.unwrap().operation_token().is_some());
            cancelled.cancel().reason("enough").await.unwrap();
            let error = cancelled.result().await.unwrap_err();
            assert!(error.is_cancelled(), "{error:?}");
            let now = cancelled.describe().await.unwrap();
            assert_eq!((now.status(), now.cancel_reason()), (NexusOperationExecutionStatus::Cancelled, Some("enough")));

            let terminated = start().await.unwrap();
            terminated.terminate().reason("no time").await.unwrap();
            let error = terminated.result().await.unwrap_err();
            assert!(error.is_terminated() && error.to_string().ends_with("no time"), "{error:?}");
        })
        .await
        .unwrap();
    let error = start().schedule_to_close_timeout(secs(1)).await.unwrap().result().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}
