//! Interceptors around the main routine: arguments, headers, results, values, the order of a chain, panics.

use async_trait::async_trait;
use expect_test::{Expect, expect};

use super::one;
use crate::converter::RawPayload;
use crate::duration::secs;
use crate::interceptor::{
    ExecuteWorkflowInput, ScheduleActivityInput, StartTimerInput, WorkflowInterceptor, WorkflowNext,
};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check_with, closure};
use crate::{
    ActivityError, ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

const STARTED: &str = "
    1 WorkflowExecutionStarted type=wf input=\"book\" header.tenant=\"acme\"
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted";

#[workflow(name = "wf")]
async fn sell(ctx: &WorkflowContext, article: String) -> Result<String, WorkflowError> {
    let tenant = ctx.info().header::<String>("tenant")?.unwrap_or_default();
    Ok(format!("{article} for {tenant}"))
}

/// Gives the workflow other arguments and headers, and its caller another result.
struct Edits;

#[async_trait(?Send)]
impl WorkflowInterceptor for Edits {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        mut input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let article: String = input.arguments.get(0)?;
        let tenant: Option<String> = input.headers.get("tenant")?;
        input.arguments.set(0, &format!("new {article}"))?;
        input.headers.set("tenant", &tenant.map(|tenant| tenant.to_uppercase()))?;
        // The start's own headers are there until others are passed on.
        let before = ctx.info().header::<String>("tenant")?;
        let sold: String = next.run(ctx, input).await?.to_value()?;
        Ok(RawPayload::from_value(&(sold, before))?)
    }
}

#[test]
fn arguments_headers_and_result_can_be_changed() {
    check_with(&[], sell, STARTED, expect![[r#"CompleteWorkflowExecution result="book for acme""#]]);
    check_with(
        &one(Edits),
        sell,
        STARTED,
        expect![[r#"CompleteWorkflowExecution result=["new book for ACME","acme"]"#]],
    );
}

#[test]
fn headers_can_be_added_to_a_start_that_has_none() {
    let started = STARTED.replace(" header.tenant=\"acme\"", "");
    check_with(&one(Adds), sell, &started, expect![[r#"CompleteWorkflowExecution result="book for added""#]]);
}

struct Adds;

#[async_trait(?Send)]
impl WorkflowInterceptor for Adds {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        mut input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        assert!(input.headers.is_empty());
        input.headers.set("tenant", &"added")?;
        next.run(ctx, input).await
    }
}

#[test]
fn arguments_that_do_not_fit_after_interceptors_fail_the_task_as_others_do() {
    struct Spoils;
    #[async_trait(?Send)]
    impl WorkflowInterceptor for Spoils {
        async fn execute_workflow(
            &self,
            ctx: &WorkflowContext,
            mut input: ExecuteWorkflowInput,
            next: WorkflowNext<ExecuteWorkflowInput>,
        ) -> Result<RawPayload, WorkflowError> {
            input.arguments.set(0, &7)?;
            next.run(ctx, input).await
        }
    }
    let expected = || {
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow `wf` cannot be started: argument 1: expected `String`, found JSON: an integer; correct the parameters of its code, or terminate it and start it with other arguments"
        ]
    };
    check_with(&[], sell, &STARTED.replace("\"book\"", "7"), expected());
    check_with(&one(Spoils), sell, STARTED, expected());
}

/// Stands for the workflow.
struct Replaces(fn() -> Result<RawPayload, WorkflowError>);

#[async_trait(?Send)]
impl WorkflowInterceptor for Replaces {
    async fn execute_workflow(
        &self,
        _: &WorkflowContext,
        _: ExecuteWorkflowInput,
        _: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        (self.0)()
    }
}

#[test]
fn an_interceptor_that_does_not_call_the_rest_replaces_the_workflow() {
    check_with(
        &one(Replaces(|| Ok(RawPayload::from_value(&"closed today")?))),
        sell,
        STARTED,
        expect![[r#"CompleteWorkflowExecution result="closed today""#]],
    );
    check_with(
        &one(Replaces(|| Err(ApplicationFailure::new("not for you").error_type("Refused").into()))),
        sell,
        STARTED,
        expect![[r#"FailWorkflowExecution message="not for you" source=AbideSDK type=Refused"#]],
    );
}

/// Writes its name around everything.
struct Named(&'static str);

#[async_trait(?Send)]
impl WorkflowInterceptor for Named {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        mut input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let article: String = input.arguments.get(0)?;
        input.arguments.set(0, &format!("{article} {}", self.0))?;
        let result: String = next.run(ctx, input).await?.to_value()?;
        Ok(RawPayload::from_value(&format!("{result} {}", self.0))?)
    }

    fn start_timer(&self, _: &WorkflowContext, input: &mut StartTimerInput) {
        input.duration = input.duration * 10 + secs(self.0.len() as u64);
    }
}

#[test]
fn the_first_is_the_outermost() {
    let mut all = one(Named("first"));
    all.extend(one(Named("second")));
    check_with(
        &all,
        sell,
        STARTED,
        expect![[r#"CompleteWorkflowExecution result="book first second for acme second first""#]],
    );
    check_with(&all, pauses, &STARTED.replace("type=wf", "type=pauses"), expect!["StartTimer id=1 after=156s"]);
}

#[workflow]
async fn pauses(ctx: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(text)
}

/// Uses the context before and after the workflow.
struct Waits;

#[async_trait(?Send)]
impl WorkflowInterceptor for Waits {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        ctx.timer(secs(10)).await?;
        let result = next.run(ctx, input).await;
        ctx.timer(secs(30)).await?;
        result
    }
}

#[test]
fn an_interceptor_may_await_operations_before_and_after_the_workflow() {
    let fired = |event: u32| {
        format!(
            "{} TimerStarted\n{} TimerFired\n{} WorkflowTaskScheduled\n{} WorkflowTaskStarted\n",
            event,
            event + 1,
            event + 2,
            event + 3
        )
    };
    let started = STARTED.replace("type=wf", "type=pauses");
    let check = |rest: String, expected: Expect| {
        check_with(&one(Waits), pauses, &format!("{started}\n4 WorkflowTaskCompleted\n{rest}"), expected);
    };
    let (first, second) = (fired(5), fired(10));
    check(first.clone(), expect!["StartTimer id=2 after=1s"]);
    check(format!("{first}9 WorkflowTaskCompleted\n{second}"), expect!["StartTimer id=3 after=30s"]);
    check(
        format!("{first}9 WorkflowTaskCompleted\n{second}14 WorkflowTaskCompleted\n{}", fired(15)),
        expect![[r#"CompleteWorkflowExecution result="book""#]],
    );
}

/// Gives the workflow its tenant as a value, and each activity a header.
struct Propagates;

struct Tenant(String);

#[async_trait(?Send)]
impl WorkflowInterceptor for Propagates {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let tenant = input.headers.get("tenant")?.unwrap_or_default();
        ctx.with_value(Tenant(tenant), next.run(ctx, input)).await
    }

    fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
        let tenant = ctx.value::<Tenant>().map(|tenant| tenant.0.clone());
        input.headers.set("tenant", &tenant).unwrap();
    }
}

#[activity]
async fn ship(article: String) -> Result<String, ActivityError> {
    Ok(article)
}

#[test]
fn values_reach_branches_and_the_commands_of_all_code() {
    #[workflow]
    async fn branches(ctx: &WorkflowContext, article: String) -> Result<String, WorkflowError> {
        let tenant = ctx.value::<Tenant>().map(|tenant| tenant.0.clone()).unwrap_or_default();
        let branch = ctx.clone();
        let shipped = ctx.spawn(async move {
            branch.activity(ship, format!("{article} in a branch of {tenant}")).start_to_close_timeout(secs(5)).await
        });
        ctx.activity(ship, "main".into()).start_to_close_timeout(secs(5)).await?;
        Ok(shipped.await?)
    }
    check_with(
        &one(Propagates),
        branches,
        &STARTED.replace("type=wf", "type=branches"),
        expect![[r#"
            ScheduleActivityTask id=1 type=ship header.tenant="acme" input="main" start_to_close=5s
            ScheduleActivityTask id=2 type=ship header.tenant="acme" input="book in a branch of acme" start_to_close=5s"#]],
    );
}

/// A struct whose state depends on the arguments.
#[workflow(name = "wf")]
struct Initialized {
    at_first: State<String>,
}

#[workflow_methods]
impl Initialized {
    #[init]
    fn new(article: String) -> Self {
        Self { at_first: State::new(article) }
    }

    #[run]
    async fn run(&self, article: String) -> Result<(String, String), WorkflowError> {
        Ok((self.at_first.get(), article))
    }
}

#[test]
fn an_initializer_gets_the_arguments_as_they_came() {
    struct Marks;
    #[async_trait(?Send)]
    impl WorkflowInterceptor for Marks {
        async fn execute_workflow(
            &self,
            ctx: &WorkflowContext,
            mut input: ExecuteWorkflowInput,
            next: WorkflowNext<ExecuteWorkflowInput>,
        ) -> Result<RawPayload, WorkflowError> {
            input.arguments.set(0, &"marked")?;
            next.run(ctx, input).await
        }
    }
    check_with(
        &one(Marks),
        Initialized::run,
        STARTED,
        expect![[r#"CompleteWorkflowExecution result=["book","marked"]"#]],
    );
}

/// Panics at the named place.
struct Panics(&'static str);

#[async_trait(?Send)]
impl WorkflowInterceptor for Panics {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        assert_ne!(self.0, "before");
        let result = next.run(ctx, input).await;
        assert_ne!(self.0, "after");
        result
    }

    fn start_timer(&self, _: &WorkflowContext, _: &mut StartTimerInput) {
        assert_ne!(self.0, "timer");
    }
}

#[test]
fn a_panic_fails_the_workflow_task() {
    let ends = || closure(|_| async { Ok(()) });
    check_with(
        &one(Panics("before")),
        ends(),
        FIRST_TASK,
        expect![[r#"
        Fail WorkflowWorkerUnhandledFailure: workflow code panicked at inbound.rs `assert_ne!(self.0, "before");`: assertion `left != right` failed
          left: "before"
         right: "before""#]],
    );
    check_with(
        &one(Panics("after")),
        ends(),
        FIRST_TASK,
        expect![[r#"
        Fail WorkflowWorkerUnhandledFailure: workflow code panicked at inbound.rs `assert_ne!(self.0, "after");`: assertion `left != right` failed
          left: "after"
         right: "after""#]],
    );
    let pauses = closure(|ctx| async move { Ok(ctx.timer(secs(1)).await?) });
    check_with(
        &one(Panics("timer")),
        pauses,
        FIRST_TASK,
        expect![[r#"
        Fail WorkflowWorkerUnhandledFailure: workflow code panicked at inbound.rs `assert_ne!(self.0, "timer");`: assertion `left != right` failed
          left: "timer"
         right: "timer""#]],
    );
}

#[test]
fn a_replay_needs_the_interceptors_of_the_worker() {
    check_with(
        &one(Edits),
        sell,
        &format!(
            "{STARTED}\n4 WorkflowTaskCompleted\n5 WorkflowExecutionCompleted result=[\"new book for ACME\",\"acme\"]"
        ),
        expect!["Idle"],
    );
    check_with(
        &one(Waits),
        closure(|_| async { Ok(()) }),
        &after_first_task("5 WorkflowExecutionCompleted"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 WorkflowExecutionCompleted
              code now: StartTimer id=1
              at:       inbound.rs `ctx.timer(secs(10)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}
