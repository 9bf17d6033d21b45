//! Twins of the Python workflows that call Nexus operations, and their replays.

use std::future::Future;

use abide::prelude::*;
use abide::workflow::NexusOperationCancellationType::{
    Abandon, TryCancel, WaitCancellationCompleted, WaitCancellationRequested,
};
use abide::{FailureKind, NexusOperation, NexusOperationFailure, WorkflowReplayer};

use super::{differs, fits, recorded};

const WAIT: NexusOperation<String, String> = NexusOperation::new("Greeter", "wait");

/// What an operation came to, as text: `ok VALUE`, or the failure.
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
