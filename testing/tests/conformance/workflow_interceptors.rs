//! Workflow interceptors: context propagation, refused messages, and changed results, in runs that stay cached and in
//! runs that are replayed for each task.

use abide::converter::RawPayload;
use abide::interceptor::{
    CompletedActivity, ContinueAsNewInput, ExecuteWorkflowInput, HandleQueryInput, HandleSignalInput,
    HandleUpdateInput, ScheduleActivityInput, ScheduleLocalActivityInput, SignalExternalWorkflowInput,
    StartChildWorkflowInput, StartTimerInput, ValidateUpdateInput, WorkflowInterceptor, WorkflowNext, async_trait,
};
use abide::prelude::*;
use abide::{Headers, WorkflowReplayer};

use crate::arm::{Outcome, compare, until_event};

const TENANT: &str = "tenant";

#[activity]
async fn bill(ctx: &ActivityContext, what: String) -> Result<String, ActivityError> {
    Ok(format!("{what} of {:?}", ctx.info().header::<String>(TENANT)?))
}

/// Waits for a signal, and tells whose it is.
#[workflow]
#[derive(Default)]
struct Listener {
    heard: State<Option<String>>,
}

#[workflow_methods]
impl Listener {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.heard.with(Option::is_some)).await?;
        // Its parent learns of the signal before it learns of the end.
        ctx.timer(millis(300)).await?;
        Ok(format!("child of {:?} heard {:?}", ctx.info().header::<String>(TENANT)?, self.heard.get()))
    }

    #[signal]
    fn hear(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        self.heard.set(ctx.message_header(TENANT)?);
        Ok(())
    }
}

/// Does everything that interceptors see, in two runs.
#[workflow]
#[derive(Default)]
struct Shop {
    done: State<Vec<String>>,
}

#[workflow_methods]
impl Shop {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, before: Vec<String>) -> Result<Vec<String>, WorkflowError> {
        let id = format!("{}-child", ctx.info().workflow_id);
        let remote = ctx.activity(bill, "remote".into()).start_to_close_timeout(mins(1)).await?;
        let local = ctx.local_activity(bill, "local".into()).start_to_close_timeout(mins(1)).await?;
        let child = ctx.child_workflow(Listener::run, ()).id(id).start().await?;
        child.signal(Listener::hear, ()).await?;
        let told = child.await?;
        ctx.timer(millis(10)).await?;
        self.done.update(|done| done.extend([remote, local, told]));
        if before.is_empty() {
            ctx.wait_until(|| self.done.with(|done| done.len() >= 5)).await?;
            ctx.wait_until(|| ctx.all_handlers_finished()).await?;
            return ctx.continue_as_new(Self::run, self.done.take()).into();
        }
        Ok(before.into_iter().chain(self.done.take()).collect())
    }

    #[signal]
    async fn note(&self, ctx: &WorkflowContext, text: String) -> Result<(), WorkflowError> {
        let tenant = ctx.value::<Tenant>().map(|tenant| tenant.0.clone());
        let billed = ctx.activity(bill, text).start_to_close_timeout(mins(1)).await?;
        self.done.update(|done| done.push(format!("noted {billed} for {tenant:?}")));
        Ok(())
    }

    #[update]
    fn add(&self, text: String) -> usize {
        self.done.update(|done| done.push(format!("added {text}")));
        self.done.with(Vec::len)
    }

    #[query]
    fn count(&self, plus: usize) -> usize {
        self.done.with(Vec::len) + plus
    }
}

struct Tenant(String);

/// Takes the tenant from what comes in, and passes it on with what goes out.
struct Propagates;

impl Propagates {
    fn pass_on(ctx: &WorkflowContext, headers: &mut Headers) {
        if let Some(tenant) = ctx.value::<Tenant>() {
            headers.set(TENANT, &tenant.0).expect("a text can be written");
        }
    }
}

#[async_trait(?Send)]
impl WorkflowInterceptor for Propagates {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let tenant = input.headers.get(TENANT)?.unwrap_or_default();
        ctx.with_value(Tenant(tenant), next.run(ctx, input)).await
    }

    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        match input.headers.get(TENANT)? {
            Some(tenant) => ctx.with_value(Tenant(tenant), next.run(ctx, input)).await,
            None => Ok(()),
        }
    }

    fn validate_update(
        &self,
        ctx: &WorkflowContext,
        input: ValidateUpdateInput,
        next: WorkflowNext<ValidateUpdateInput>,
    ) -> Result<(), WorkflowError> {
        match input.headers.get::<String>(TENANT)? {
            Some(_) => next.run(ctx, input),
            None => Err(ApplicationFailure::new("whose update is this?").into()),
        }
    }

    async fn handle_update(
        &self,
        ctx: &WorkflowContext,
        mut input: HandleUpdateInput,
        next: WorkflowNext<HandleUpdateInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let text: String = input.arguments.get(0)?;
        input.arguments.set(0, &format!("{text} of {}", input.id))?;
        next.run(ctx, input).await
    }

    fn handle_query(
        &self,
        ctx: &WorkflowContext,
        mut input: HandleQueryInput,
        next: WorkflowNext<HandleQueryInput>,
    ) -> Result<RawPayload, WorkflowError> {
        input.arguments.set(0, &100)?;
        next.run(ctx, input)
    }

    fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
        Self::pass_on(ctx, &mut input.headers);
    }

    fn schedule_local_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleLocalActivityInput) {
        Self::pass_on(ctx, &mut input.headers);
    }

    fn start_child_workflow(&self, ctx: &WorkflowContext, input: &mut StartChildWorkflowInput) {
        Self::pass_on(ctx, &mut input.headers);
    }

    fn signal_external_workflow(&self, ctx: &WorkflowContext, input: &mut SignalExternalWorkflowInput) {
        Self::pass_on(ctx, &mut input.headers);
    }

    fn start_timer(&self, ctx: &WorkflowContext, input: &mut StartTimerInput) {
        input.summary = ctx.value::<Tenant>().map(|tenant| tenant.0.clone());
    }

    fn continue_as_new(&self, ctx: &WorkflowContext, input: &mut ContinueAsNewInput) {
        Self::pass_on(ctx, &mut input.headers);
    }

    fn activity_completed(
        &self,
        _: &WorkflowContext,
        activity: &CompletedActivity,
        result: Result<RawPayload, abide::ActivityFailure>,
    ) -> Result<RawPayload, abide::ActivityFailure> {
        let text: String = result?.to_value().expect("the activities return texts");
        Ok(RawPayload::from_value(&format!("{text} ({})", activity.is_local)).expect("a text can be written"))
    }
}

#[tokio::test]
async fn interceptors_propagate_and_refuse_live_and_on_replay() -> Outcome {
    for cached in [100, 0] {
        compare("interceptors", move |arm| async move {
            let builder = arm.worker().workflow(Shop::run).workflow(Listener::run).activities(bill);
            let worker = builder.workflow_interceptor(Propagates).max_cached_workflows(cached).build()?;
            let histories = worker
                .run_until(async {
                    let (acme, zoe) = ("acme".to_string(), "zoe".to_string());
                    let start = arm.client.start(Shop::run, Vec::new()).id(arm.id()).task_queue(arm.queue());
                    let shop = start.header(TENANT, &acme).await?;
                    // Each message gets a workflow task of its own.
                    until_event(&shop, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 6).await?;
                    shop.signal(Shop::note, "refused".into()).await?;
                    until_event(&shop, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 7).await?;
                    shop.signal(Shop::note, "paper".into()).header(TENANT, &zoe).await?;
                    until_event(&shop, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 9).await?;
                    let refused = shop.update(Shop::add, "ink".into()).id("u1").await;
                    assert!(refused.unwrap_err().to_string().contains("whose update is this?"));
                    assert_eq!(shop.query(Shop::count, 7).await?, 104);
                    let first = shop.run_id().unwrap_or_default().to_string();
                    assert_eq!(shop.update(Shop::add, "ink".into()).id("u2").header(TENANT, &acme).await?, 5);
                    let told = shop.result().await?;
                    let common = [
                        "remote of Some(\"acme\") (false)",
                        "local of Some(\"acme\") (true)",
                        "child of Some(\"acme\") heard Some(\"acme\")",
                    ];
                    let noted = "noted paper of Some(\"zoe\") (false) for Some(\"zoe\")";
                    assert_eq!(told, [&common[..], &[noted, "added ink of u2"], &common[..]].concat());
                    let runs = [first.as_str(), ""].map(|run| arm.client.handle(Shop::run, arm.id()).with_run_id(run));
                    let mut histories = Vec::new();
                    for run in runs {
                        histories.push(run.fetch_history().await?);
                    }
                    Ok::<_, Box<dyn std::error::Error>>(histories)
                })
                .await??;
            let replayer = || WorkflowReplayer::new().workflow(Shop::run);
            for history in &histories {
                replayer().interceptor(Propagates).replay(history)?;
            }
            Ok(histories)
        })
        .await?;
    }
    Ok(())
}
