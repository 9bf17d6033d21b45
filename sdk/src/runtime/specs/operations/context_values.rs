//! Values that belong to a part of a workflow and follow the branches that it spawns.

use std::rc::Rc;

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_workflow};
use crate::{State, WorkflowContext, WorkflowError, workflow, workflow_methods};

struct Tenant(&'static str);
struct Trace(u32);

fn tenant(ctx: &WorkflowContext) -> &'static str {
    ctx.value::<Tenant>().map_or("none", |tenant| tenant.0)
}

fn trace(ctx: &WorkflowContext) -> u32 {
    ctx.value::<Trace>().map_or(0, |trace| trace.0)
}

#[test]
fn a_value_is_there_in_its_future_and_in_what_that_spawns() {
    check(
        |ctx| async move {
            let inside = ctx.with_value(Tenant("acme"), async {
                let (branch, in_group) = (ctx.clone(), ctx.clone());
                let branch = ctx.spawn(async move {
                    let first = tenant(&branch);
                    branch.timer(secs(1)).await.unwrap();
                    let nested = branch.clone();
                    let nested = branch.spawn(async move { tenant(&nested) }).await;
                    format!("{first} {} {nested}", tenant(&branch))
                });
                let group = ctx.task_group::<_, WorkflowError>();
                group.spawn(async move { Ok(tenant(&in_group)) });
                (branch, group)
            });
            assert_eq!(tenant(&ctx), "none");
            let (branch, group) = inside.await;
            assert_eq!(tenant(&ctx), "none");
            // Awaited outside, but they began inside.
            Ok(format!("{}, {:?}", branch.await, group.join_all().await?))
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"CompleteWorkflowExecution result="acme acme acme, [\"acme\"]""#]],
    );
}

#[test]
fn values_of_different_types_add_up_and_those_of_one_type_hide_each_other() {
    check(
        |ctx| async move {
            let seen = || format!("{}/{}", tenant(&ctx), trace(&ctx));
            // Created outside the other values, polled within them.
            let innermost = ctx.with_value(Tenant("inner"), async { seen() });
            let with_trace = ctx.with_value(Trace(7), async { [innermost.await, seen()] });
            let outer = ctx.with_value(Tenant("outer"), async { (seen(), with_trace.await, seen()) });
            Ok(format!("{:?} {}", outer.await, seen()))
        },
        FIRST_TASK,
        expect![[
            r#"CompleteWorkflowExecution result="(\"outer/0\", [\"inner/7\", \"outer/7\"], \"outer/0\") none/0""#
        ]],
    );
}

#[test]
fn values_of_futures_that_run_together_do_not_mix() {
    check(
        |ctx| async move {
            let twice = async |n: u64| {
                let first = tenant(&ctx);
                ctx.timer(secs(n)).await.unwrap();
                (first, tenant(&ctx))
            };
            let (one, two) = (ctx.with_value(Tenant("one"), twice(1)), ctx.with_value(Tenant("two"), twice(2)));
            Ok(format!("{:?}", abide::join!(one, two, twice(3))))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=3
             9 TimerFired id=1
             10 TimerFired id=2
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result="((\"one\", \"one\"), (\"two\", \"two\"), (\"none\", \"none\"))""#
        ]],
    );
}

#[test]
fn a_value_lives_as_long_as_what_uses_it() {
    check(
        |ctx| async move {
            let value = Rc::new(());
            let (held, weak) = (value.clone(), Rc::downgrade(&value));
            drop(value);
            let inside = ctx.with_value(held, async {
                let branch = ctx.clone();
                ctx.spawn(async move { branch.timer(secs(1)).await }).detach();
            });
            inside.await;
            let before = weak.strong_count();
            ctx.timer(secs(1)).await?;
            Ok((before, weak.strong_count()))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=2
             8 TimerFired id=1
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[1,0]"],
    );
}

/// Runs with a value; its handlers do not have it.
#[workflow(name = "wf")]
#[derive(Default)]
struct Shop {
    seen: State<String>,
}

#[workflow_methods]
impl Shop {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let body = async {
            ctx.wait_until(|| !self.seen.with(String::is_empty)).await?;
            Ok(format!("main: {}, handler: {}", tenant(ctx), self.seen.get()))
        };
        ctx.with_value(Tenant("acme"), body).await
    }

    #[signal]
    fn look(&self, ctx: &WorkflowContext) {
        self.seen.set(tenant(ctx).to_string());
    }
}

#[test]
fn handlers_do_not_have_the_main_routines_values() {
    check_workflow(
        Shop::run,
        &after_first_task("5 WorkflowExecutionSignaled name=look\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        None,
        expect![[r#"CompleteWorkflowExecution result="main: acme, handler: none""#]],
    );
}
