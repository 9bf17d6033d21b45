//! Twins of the Python workflows that call Nexus operations, and their replays.

use std::future::Future;

use abide::prelude::*;
use abide::workflow::NexusOperationCancellationType::{
    Abandon, TryCancel, WaitCancellationCompleted, WaitCancellationRequested,
};
use abide::{FailureKind, NexusOperation, NexusOperationFailure, WorkflowReplayer};

use super::{differs, fits, recorded};

const HELLO: NexusOperation<String, String> = NexusOperation::new("Greeter", "hello");
const WAIT: NexusOperation<String, String> = NexusOperation::new("Greeter", "wait");

/// Returns the result of an operation as text: `ok VALUE`, or the failure.
async fn outcome(pending: impl Future<Output = Result<String, NexusOperationFailure>>) -> String {
    match pending.await {
        Ok(value) => format!("ok {value}"),
        Err(error) if error.is_cancelled() => "cancelled".into(),
        Err(error) => {
            let cause = error.cause().expect("an operation's failure has a cause");
            assert_eq!(cause.kind(), FailureKind::Application);
            format!("application {}: {}", cause.error_type().unwrap_or_default(), cause.message())
        }
    }
}

/// The workflow behind the operation `wait`.
#[workflow(name = "Waiter")]
#[derive(Default)]
struct Waiter {
    result: State<Option<String>>,
}

#[workflow_methods]
impl Waiter {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.result.with(Option::is_some)).await?;
        Ok(self.result.get().unwrap_or_default())
    }

    #[signal]
    fn finish(&self, result: String) {
        self.result.set(Some(result));
    }
}

/// Operations that are answered at once, refused at once, and backed by a workflow that gets a signal.
#[workflow(name = "NexusOperations")]
async fn nexus_operations(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let call = |operation, input: &str| {
        ctx.nexus_operation("abide-endpoint", operation, input.to_string()).schedule_to_close_timeout(secs(20))
    };
    let mut results = vec![outcome(call(HELLO, "world")).await, outcome(call(HELLO, "nobody")).await];
    let waiting = call(WAIT, "nexus_operations-waiter").start().await?;
    assert!(waiting.operation_token().is_some_and(|token| token.starts_with("eyJ0IjoxLCJucyI6")));
    ctx.external_workflow("nexus_operations-waiter").signal(Waiter::finish, "waited".into()).await?;
    results.push(outcome(waiting).await);
    Ok(results)
}

/// Workflow-backed operations cancelled one after another, by each of the cancellation types.
#[workflow(name = "NexusCancel")]
async fn nexus_cancel(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let mut results = Vec::new();
    for (cancellation_type, name) in [
        (Abandon, "abandon"),
        (TryCancel, "try_cancel"),
        (WaitCancellationRequested, "wait_requested"),
        (WaitCancellationCompleted, "wait_completed"),
    ] {
        let operation = ctx
            .nexus_operation("abide-endpoint", WAIT, format!("nexus_cancel-{name}"))
            .schedule_to_close_timeout(secs(20))
            .cancellation_type(cancellation_type)
            .start()
            .await?;
        operation.cancel();
        results.push(outcome(operation).await);
    }
    Ok(results)
}

/// The operation is another one of the same service.
#[workflow(name = "NexusCancel")]
async fn nexus_cancel_changed(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    const LINGER: NexusOperation<String, String> = NexusOperation::new("Greeter", "linger");
    let input = "nexus_cancel-abandon".to_string();
    Ok(vec![outcome(ctx.nexus_operation("abide-endpoint", LINGER, input)).await])
}

#[test]
fn nexus_operations_replays() {
    fits(&WorkflowReplayer::new().workflow(nexus_operations), &recorded("nexus_operations"));
}

#[test]
fn nexus_cancel_replays() {
    fits(&WorkflowReplayer::new().workflow(nexus_cancel), &recorded("nexus_cancel"));
}

#[test]
fn another_operation_is_refused() {
    let found = differs(&WorkflowReplayer::new().workflow(nexus_cancel_changed), &recorded("nexus_cancel"));
    assert_eq!((found.event_id(), found.event_type()), (5, "NexusOperationScheduled"), "{found}");
    assert_eq!(found.recorded(), "service=Greeter operation=wait");
    assert_eq!(found.produced_command(), Some("ScheduleNexusOperation service=Greeter operation=linger"));
}
