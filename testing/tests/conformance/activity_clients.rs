//! The client in an activity's context: that of its worker.

use abide::interceptor::{ActivityInterceptor, ActivityNext, ExecuteActivityInput, async_trait};
use abide::prelude::*;

use crate::arm::{Arm, Outcome, compare};

#[workflow]
async fn greet(_: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    Ok(format!("hello {name}"))
}

#[activity(start_to_close_timeout = secs(20))]
async fn ask(ctx: &ActivityContext, name: String) -> Result<String, ActivityError> {
    let info = ctx.info();
    let id = format!("{}-{name}", info.workflow_id.as_deref().unwrap_or_default());
    Ok(ctx.client().execute(greet, name).id(id).task_queue(&*info.task_queue).await?)
}

#[workflow]
async fn asks(ctx: &WorkflowContext) -> Result<(String, String), WorkflowError> {
    let first = ctx.activity(ask, "ada".into()).await?;
    Ok((first, ctx.local_activity(ask, "bob".into()).await?))
}

/// An interceptor gives the activity a context of its own, which has the client too.
struct ChangesHeaders;

#[async_trait]
impl ActivityInterceptor for ChangesHeaders {
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        mut input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<abide::converter::RawPayload, ActivityError> {
        input.headers.set("seen", &true)?;
        next.run(ctx, input).await
    }
}

#[tokio::test]
async fn an_activity_and_a_local_activity_use_the_client_of_their_worker() -> Outcome {
    compare("activity-clients", |arm: Arm| async move {
        let worker = arm.worker().workflow(asks).workflow(greet).activities(ask);
        let worker = worker.activity_interceptor(ChangesHeaders).build()?;
        let asked = arm.client.execute(asks, ()).id(arm.id()).task_queue(arm.queue());
        assert_eq!(worker.run_until(asked).await??, ("hello ada".into(), "hello bob".into()));
        Ok(Vec::new())
    })
    .await
}
