//! A Nexus service that both SDKs serve and both call, from `scripts/handover_nexus.py`.

use abide::prelude::*;
use abide::workflow::NexusOperationCancellationType::WaitCancellationCompleted;
use abide::{NexusContext, NexusError, NexusOperationFailure, NexusStart};

/// The Python side has the same names.
#[abide::nexus_service]
pub trait Desk {
    fn greet(name: String) -> String;
    fn refuse(name: String) -> String;
    fn misunderstand(name: String) -> String;
    /// Ends at once for `quick`, and otherwise when it is cancelled.
    fn linger(name: String) -> String;
}

pub struct Clerk;

#[abide::nexus_handlers(implements = Desk)]
impl Clerk {
    #[nexus_operation]
    fn greet(ctx: &NexusContext, name: String) -> Result<String, NexusError> {
        Ok(format!("{} {name}", ctx.header("greeting").unwrap_or("hello")))
    }

    #[nexus_operation]
    fn refuse(name: String) -> Result<String, NexusError> {
        Err(NexusError::failed(ApplicationFailure::new(format!("not for {name}")).error_type("Refused")))
    }

    #[nexus_operation]
    fn misunderstand(_name: String) -> Result<String, NexusError> {
        Err(NexusError::bad_request("what is it?"))
    }

    #[nexus_operation]
    async fn linger(&self, ctx: &NexusContext, name: String) -> Result<NexusStart<String>, NexusError> {
        ctx.start_workflow(lingers, name.clone()).id(format!("{}-{name}", ctx.info().task_queue)).await
    }
}

#[workflow]
pub async fn lingers(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    ctx.timer(if name == "quick" { millis(100) } else { hours(1) }).await?;
    Ok(format!("{name} is done"))
}

/// Calls all operations behind an endpoint, and returns what came of them; at last the token of an operation.
#[workflow(name = "calls_desk")]
pub async fn calls_desk(ctx: &WorkflowContext, endpoint: String) -> Result<Vec<String>, WorkflowError> {
    let mut told = Vec::new();
    for operation in [Desk::greet, Desk::refuse, Desk::misunderstand] {
        let call = ctx.nexus_operation(&endpoint, operation, "you".into()).schedule_to_close_timeout(secs(20));
        told.push(outcome(call.nexus_header("greeting", "good evening,").await));
    }
    let call = ctx.nexus_operation(&endpoint, Desk::linger, "quick".into()).schedule_to_close_timeout(secs(20));
    told.push(outcome(call.await));
    let call = ctx.nexus_operation(&endpoint, Desk::linger, "slow".into()).schedule_to_close_timeout(secs(20));
    let lingering = call.cancellation_type(WaitCancellationCompleted).start().await?;
    let token = lingering.operation_token().unwrap_or_default().to_string();
    lingering.cancel();
    told.push(outcome(lingering.await));
    told.push(token);
    Ok(told)
}

fn outcome(result: Result<String, NexusOperationFailure>) -> String {
    match result {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => "cancelled".into(),
        Err(error) => match error.handler_error_type() {
            Some(kind) => format!("{kind:?}"),
            None => error.cause().map(|cause| cause.message().to_string()).unwrap_or_default(),
        },
    }
}
