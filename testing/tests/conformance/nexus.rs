//! Nexus operations: answered at once, backed by workflows, timed out, cancelled with each of the four cancellation
//! types.

use std::sync::atomic::{AtomicU32, Ordering};

use abide::client::WorkflowHandle;
use abide::prelude::*;
use abide::workflow::NexusOperationCancellationType::{
    self, Abandon, TryCancel, WaitCancellationCompleted, WaitCancellationRequested,
};

use abide::{NexusContext, NexusError, NexusOperation, NexusStart};

use crate::arm::{Arm, Histories, Outcome, compare, until_event};
use crate::nexus_endpoint::create_endpoint;

type Named = NexusOperation<String, String>;

#[abide::nexus_service]
trait Service {
    fn greet(name: String) -> String;
    fn refuse(name: String) -> String;
    fn give_up(name: String) -> String;
    fn misunderstand(name: String) -> String;
    fn flaky(name: String) -> String;
    fn silent(name: String) -> String;
    fn endless(name: String) -> String;
    fn stubborn(name: String) -> String;
    fn linger(name: String) -> String;
}

/// Answers according to the operation's name.
#[derive(Default)]
struct Handler {
    flaky_attempts: AtomicU32,
}

#[abide::nexus_handlers(implements = Service)]
impl Handler {
    #[nexus_operation]
    fn greet(name: String) -> Result<String, NexusError> {
        Ok(format!("hello {name}"))
    }

    #[nexus_operation]
    fn refuse(_name: String) -> Result<String, NexusError> {
        Err(NexusError::failed(ApplicationFailure::new("no greeting").error_type("Refused")))
    }

    #[nexus_operation]
    fn give_up(_name: String) -> Result<String, NexusError> {
        Err(NexusError::cancelled("given up"))
    }

    #[nexus_operation]
    fn misunderstand(_name: String) -> Result<String, NexusError> {
        Err(NexusError::bad_request("what is it?"))
    }

    #[nexus_operation]
    fn flaky(&self, _name: String) -> Result<String, NexusError> {
        let is_first = self.flaky_attempts.fetch_add(1, Ordering::Relaxed) == 0;
        if is_first { Err(NexusError::internal("again")) } else { Ok("at last".into()) }
    }

    /// Taken, but never answered.
    #[nexus_operation]
    async fn silent(&self, _name: String) -> Result<String, NexusError> {
        std::future::pending().await
    }

    #[nexus_operation]
    fn endless(_name: String) -> Result<NexusStart<String>, NexusError> {
        Ok(NexusStart::later("nowhere"))
    }

    #[nexus_operation]
    fn stubborn(_name: String) -> Result<NexusStart<String>, NexusError> {
        Ok(NexusStart::later("nowhere"))
    }

    #[nexus_cancel(stubborn)]
    fn cancel_stubborn(token: String) -> Result<(), NexusError> {
        assert_eq!(token, "nowhere");
        Err(NexusError::not_found("there is nothing to cancel"))
    }

    /// Starts the workflow `linger` with the name from the input, which later ends the operation.
    #[nexus_operation]
    async fn linger(&self, ctx: &NexusContext, name: String) -> Result<NexusStart<String>, NexusError> {
        ctx.start_workflow(Linger::run, ()).id(linger_id(&ctx.info().task_queue, &name)).await
    }

    /// Only takes note of the request: the tests cancel the workflow themselves.
    #[nexus_cancel(linger)]
    fn cancel_linger(_token: String) -> Result<(), NexusError> {
        Ok(())
    }
}

/// Returns the id of the workflow that backs an operation with this input.
fn linger_id(queue: &str, name: &str) -> String {
    format!("{queue}-{name}-linger")
}

/// Returns the endpoint of this body, named like its task queue. It is not an argument, so that the histories are the
/// same.
fn endpoint(ctx: &WorkflowContext) -> String {
    ctx.info().task_queue.to_string()
}

/// Describes the outcome of a call: the result, or the failure.
async fn outcome(call: impl Future<Output = Result<String, abide::NexusOperationFailure>>) -> String {
    match call.await {
        Ok(result) => result,
        Err(error) => match error.handler_error_type() {
            Some(kind) => format!("{kind:?}"),
            None if error.is_cancelled() => "cancelled".into(),
            None => match (error.timeout_type(), error.cause()) {
                (Some(timeout), _) => format!("{timeout:?}"),
                (None, cause) => cause.map(|cause| cause.message().to_string()).unwrap_or_default(),
            },
        },
    }
}

#[workflow]
async fn answered_at_once(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let mut told = Vec::new();
    for operation in [Service::greet, Service::refuse, Service::give_up, Service::misunderstand, Service::flaky] {
        let call = ctx.nexus_operation(endpoint(ctx), operation, "you".into()).schedule_to_close_timeout(secs(20));
        told.push(outcome(call.nexus_header("Trace", "x").summary("a call")).await);
    }
    Ok(told)
}

#[workflow]
async fn timed_out(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let call = |operation| ctx.nexus_operation(endpoint(ctx), operation, String::new());
    Ok(vec![
        outcome(call(Service::silent).schedule_to_start_timeout(secs(2))).await,
        outcome(call(Service::silent).schedule_to_close_timeout(secs(2))).await,
        outcome(call(Service::endless).start_to_close_timeout(secs(1))).await,
        outcome(call(Service::endless).schedule_to_close_timeout(secs(3)).schedule_to_start_timeout(secs(9))).await,
    ])
}

/// Calls the operation that is backed by a workflow whose id ends in this name.
#[workflow]
async fn backed(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    let call = ctx.nexus_operation(endpoint(ctx), Service::linger, name).schedule_to_close_timeout(secs(60));
    let operation = call.start().await?;
    assert!(operation.operation_token().is_some());
    Ok(operation.await?)
}

/// Calls an operation, cancels it as soon as it has started, and returns its outcome.
#[workflow]
async fn cancels(ctx: &WorkflowContext, operation: String, cancellation_type: String) -> Result<String, WorkflowError> {
    let operation: Named = NexusOperation::named("Service", operation);
    let call = ctx.nexus_operation(endpoint(ctx), operation, cancellation_type.clone());
    let call = call.cancellation_type(read(&cancellation_type));
    let operation = call.schedule_to_close_timeout(secs(60)).start().await?;
    operation.cancel();
    Ok(outcome(operation).await)
}

fn read(cancellation_type: &str) -> NexusOperationCancellationType {
    match cancellation_type {
        "abandon" => Abandon,
        "try" => TryCancel,
        "requested" => WaitCancellationRequested,
        _ => WaitCancellationCompleted,
    }
}

/// The workflow behind an operation; closes as told.
#[workflow(name = "linger")]
#[derive(Default)]
struct Linger {
    told: State<Option<String>>,
}

#[workflow_methods]
impl Linger {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.told.with(Option::is_some)).await?;
        match self.told.get() {
            Some(told) if told == "fail" => Err(ApplicationFailure::new("no time").error_type("Busy").into()),
            told => Ok(told.unwrap_or_default()),
        }
    }

    #[signal]
    fn tell(&self, what: String) {
        self.told.set(Some(what));
    }
}

/// Runs a body together with a worker of this file's workflows, which serves the operations behind the endpoint.
async fn with_handler(arm: &Arm, body: impl Future<Output = Histories>) -> Histories {
    let body = Box::pin(body);
    create_endpoint(arm).await?;
    let worker = arm.worker().workflow(answered_at_once).workflow(timed_out).workflow(backed).workflow(cancels);
    let worker = worker.workflow(Linger::run).nexus_handlers(Handler::default()).build()?;
    Box::pin(worker.run_until(body)).await?
}

#[tokio::test]
async fn operations_that_are_answered_at_once() -> Outcome {
    compare("nexus-at-once", |arm| async move {
        with_handler(
            &arm,
            Box::pin(async {
                let start = arm.client.start(answered_at_once, ());
                let handle = start.id(arm.id()).task_queue(arm.queue()).await?;
                let told = handle.result().await?;
                assert_eq!(told, ["hello you", "no greeting", "cancelled", "BadRequest", "at last"]);
                Ok(vec![handle.fetch_history().await?])
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn operations_that_time_out() -> Outcome {
    compare("nexus-timeouts", |arm| async move {
        with_handler(
            &arm,
            Box::pin(async {
                let handle = arm.client.start(timed_out, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let kinds = ["ScheduleToStart", "ScheduleToClose", "StartToClose", "ScheduleToClose"];
                assert_eq!(handle.result().await?, kinds);
                Ok(vec![handle.fetch_history().await?])
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn workflows_end_the_operations_that_they_back() -> Outcome {
    compare("nexus-backed", |arm| async move {
        with_handler(
            &arm,
            Box::pin(async {
                let mut histories = Vec::new();
                for end in ["complete", "fail", "cancel", "terminate"] {
                    let start = arm.client.start(backed, end.to_string());
                    let handle = start.id(format!("{}-{end}", arm.id())).task_queue(arm.queue()).await?;
                    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                    let linger: WorkflowHandle<_> = arm.client.handle(Linger::run, linger_id(&arm.queue(), end));
                    match end {
                        "complete" => linger.signal(Linger::tell, "well done".into()).await?,
                        "fail" => linger.signal(Linger::tell, "fail".into()).await?,
                        "cancel" => linger.cancel().await?,
                        _ => linger.terminate().reason("enough").await?,
                    }
                    let ended = handle.result().await;
                    assert_eq!(ended.is_ok(), end == "complete", "{end}: {ended:?}");
                    histories.push(handle.fetch_history().await?);
                }
                Ok(histories)
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn operations_are_cancelled_in_every_way() -> Outcome {
    compare("nexus-cancel", |arm| async move {
        with_handler(
            &arm,
            Box::pin(async {
                let mut histories = Vec::new();
                for (operation, cancellation_type, expected) in [
                    ("linger", "abandon", "cancelled"),
                    ("linger", "try", "cancelled"),
                    ("linger", "requested", "cancelled"),
                    ("stubborn", "requested", "NotFound"),
                    ("linger", "completed", "cancelled"),
                ] {
                    let id = format!("{}-{operation}-{cancellation_type}", arm.id());
                    let arguments = (operation.to_string(), cancellation_type.to_string());
                    let handle = arm.client.start(cancels, arguments).id(id).task_queue(arm.queue()).await?;
                    if cancellation_type == "completed" {
                        // The handler only records the request; the test cancels the workflow behind the operation
                        // here.
                        until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                        let linger = arm.client.handle(Linger::run, linger_id(&arm.queue(), cancellation_type));
                        linger.cancel().await?;
                    }
                    assert_eq!(handle.result().await?, expected, "{operation}, {cancellation_type}");
                    histories.push(handle.fetch_history().await?);
                }
                Ok(histories)
            }),
        )
        .await
    })
    .await
}
