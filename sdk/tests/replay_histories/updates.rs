//! Twins that handle updates.

use abide::WorkflowReplayer;
use abide::prelude::*;
use tokio::sync::Mutex;

use super::python::{echo, nap};
use super::{fits, from_elsewhere, recorded};

#[workflow]
#[derive(Default)]
struct Updates {
    total: State<i64>,
    done: State<bool>,
}

#[workflow_methods]
impl Updates {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
        ctx.wait_until(|| self.done.get()).await?;
        Ok(self.total.get())
    }

    #[update]
    fn add(&self, n: i64) -> Result<i64, WorkflowError> {
        if n == 13 {
            return Err(ApplicationFailure::new("unlucky").error_type("Unlucky").into());
        }
        self.total.update(|total| *total += n);
        Ok(self.total.get())
    }

    #[update_validator(add)]
    fn check_add(&self, n: &i64) -> Result<(), WorkflowError> {
        if *n < 0 {
            return Err(ApplicationFailure::new("negative").error_type("Negative").into());
        }
        Ok(())
    }

    #[update]
    async fn add_slowly(&self, ctx: &WorkflowContext, n: i64) -> Result<i64, WorkflowError> {
        ctx.timer(millis(100)).await?;
        let echoed = ctx.activity(echo, n.to_string()).start_to_close_timeout(secs(10)).await?;
        let echoed: i64 = echoed.parse()?;
        self.total.update(|total| *total += echoed);
        ctx.local_activity(echo, "local".into()).start_to_close_timeout(secs(10)).await?;
        Ok(self.total.get())
    }

    #[signal]
    fn finish(&self) {
        self.done.set(true);
    }
}

#[workflow]
#[derive(Default)]
struct UpdatesConcurrent {
    lock: Mutex<()>,
    order: State<Vec<String>>,
}

#[workflow_methods]
impl UpdatesConcurrent {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.order.with(|order| order.len() == 4)).await?;
        Ok(self.order.get())
    }

    #[update]
    async fn enter(&self, ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
        self.order.update(|order| order.push(format!("{name} came")));
        let _alone = self.lock.lock().await;
        ctx.activity(nap, 0.5).start_to_close_timeout(secs(10)).await?;
        self.order.update(|order| order.push(format!("{name} left")));
        Ok(name)
    }
}

#[workflow]
#[derive(Default)]
struct UpdateEndsWorkflow {
    done: State<bool>,
}

#[workflow_methods]
impl UpdateEndsWorkflow {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.done.get()).await?;
        Ok("ended".into())
    }

    #[update]
    fn end(&self) -> String {
        self.done.set(true);
        "ending".into()
    }
}

#[workflow]
#[derive(Default)]
struct UpdateWithStart {
    ready: State<bool>,
    handled: State<bool>,
}

#[workflow_methods]
impl UpdateWithStart {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, value: String) -> Result<String, WorkflowError> {
        ctx.activity(echo, value).start_to_close_timeout(secs(10)).await?;
        self.ready.set(true);
        ctx.wait_until(|| self.handled.get() && ctx.all_handlers_finished()).await?;
        Ok("ran".into())
    }

    #[update]
    async fn when_ready(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.ready.get()).await?;
        self.handled.set(true);
        Ok("ready".into())
    }
}

#[workflow]
#[derive(Default)]
struct Reset {
    seen: State<Vec<String>>,
}

#[workflow_methods]
impl Reset {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let first = ctx.activity(echo, "first".into()).start_to_close_timeout(secs(10)).await?;
        self.see(first);
        ctx.timer(millis(50)).await?;
        ctx.wait_until(|| self.seen.with(|seen| seen.len() >= 3)).await?;
        ctx.activity(echo, "last".into()).start_to_close_timeout(secs(10)).await?;
        ctx.wait_until(|| self.seen.with(|seen| seen.contains(&"end".to_string()))).await?;
        self.see(format!("seed {}", ctx.random_seed()));
        Ok(self.seen.get())
    }

    #[signal]
    fn add(&self, value: String) {
        self.see(value);
    }

    #[update]
    fn add_update(&self, value: String) -> usize {
        self.see(value);
        self.seen.with(Vec::len)
    }

    fn see(&self, value: String) {
        self.seen.update(|seen| seen.push(value));
    }
}

#[activity(name = "Echo")]
async fn echo_later(_delay_in_seconds: i64, value: i64) -> Result<i64, ActivityError> {
    Ok(value)
}

#[workflow]
#[derive(Default)]
struct MultipleUpdateWorkflow {
    handled: State<i64>,
}

#[workflow_methods]
impl MultipleUpdateWorkflow {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
        ctx.wait_until(|| self.handled.get() == 10).await?;
        Ok(self.handled.get())
    }

    #[update]
    async fn echo(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.activity(echo_later, (1, 1)).start_to_close_timeout(secs(5)).await?;
        self.count();
        Ok(())
    }

    #[update]
    async fn sleep(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.count();
        Ok(())
    }

    #[update]
    fn empty(&self) {
        self.count();
    }

    fn count(&self) {
        self.handled.update(|handled| *handled += 1);
    }
}

#[workflow]
#[derive(Default)]
struct CounterWorkflow {
    counter: State<i64>,
    done: State<bool>,
}

#[workflow_methods]
impl CounterWorkflow {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
        ctx.wait_until(|| self.done.get()).await?;
        Ok(self.counter.get())
    }

    #[update]
    async fn fetch_and_add(&self, ctx: &WorkflowContext, by: i64) -> Result<i64, WorkflowError> {
        let before = self.counter.get();
        self.counter.set(before + by);
        ctx.timer(secs(1)).await?;
        Ok(before)
    }

    #[signal]
    fn done(&self) {
        self.done.set(true);
    }
}

#[workflow]
#[derive(Default)]
struct UpdateAndExit {
    updated: State<bool>,
}

#[workflow_methods]
impl UpdateAndExit {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.wait_until(|| self.updated.get()).await?)
    }

    #[update]
    fn update(&self, _value: i64) {
        self.updated.set(true);
    }
}

/// The update ends after the main routine, in the same task.
#[workflow(name = "canCompleteUpdateAfterWorkflowReturns")]
#[derive(Default)]
struct CompletesUpdateAfterReturn {
    done: State<bool>,
    returned: State<bool>,
}

#[workflow_methods]
impl CompletesUpdateAfterReturn {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.done.get()).await?;
        self.returned.set(true);
        Ok(())
    }

    #[update(name = "doneUpdate")]
    async fn done_update(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        self.done.set(true);
        ctx.wait_until(|| self.returned.get()).await?;
        Ok("finished".into())
    }
}

#[activity(name = "noopActivity")]
async fn noop_activity() -> Result<(), ActivityError> {
    Ok(())
}

/// TypeScript's scope with a timeout since 1.11: its timer is cancelled with it.
#[workflow(name = "langFlagsReplayCorrectly")]
async fn scope_that_cancels_its_timer(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let timeout = ctx.timer(secs(10)).start();
    ctx.activity(noop_activity, ()).schedule_to_close_timeout(secs(10)).await?;
    drop(timeout);
    Ok(())
}

/// The same scope before 1.11: the timer was not cancelled.
#[workflow(name = "langFlagsReplayCorrectly")]
async fn scope_that_leaves_its_timer(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let timeout = ctx.timer(secs(10)).start();
    drop(ctx.spawn(timeout));
    Ok(ctx.activity(noop_activity, ()).schedule_to_close_timeout(secs(10)).await?)
}

#[test]
fn updates() {
    fits(&WorkflowReplayer::new().workflow(Updates::run), &recorded("updates"));
}

#[test]
fn updates_concurrent() {
    fits(&WorkflowReplayer::new().workflow(UpdatesConcurrent::run), &recorded("updates_concurrent"));
}

#[test]
fn update_ends_workflow() {
    fits(&WorkflowReplayer::new().workflow(UpdateEndsWorkflow::run), &recorded("update_ends_workflow"));
}

#[test]
fn b118_update_with_start() {
    fits(&WorkflowReplayer::new().workflow(UpdateWithStart::run), &recorded("update_with_start"));
}

#[test]
fn b116_reset() {
    fits(&WorkflowReplayer::new().workflow(Reset::run), &recorded("reset"));
}

#[test]
fn go_multiple_updates() {
    let Some(history) = from_elsewhere("go/multiple-updates.json") else { return };
    fits(&WorkflowReplayer::new().workflow(MultipleUpdateWorkflow::run), &history);
}

#[test]
fn b116_go_update_reset_accepted() {
    let Some(history) = from_elsewhere("go/update-reset-accepted.json") else { return };
    fits(&WorkflowReplayer::new().workflow(CounterWorkflow::run), &history);
}

#[test]
fn go_update_accept_and_complete_and_exit() {
    let Some(history) = from_elsewhere("go/update_accept_and_complete_and_exit.json") else { return };
    fits(&WorkflowReplayer::new().workflow(UpdateAndExit::run), &history);
}

#[test]
fn b018_typescript_complete_update_after_workflow_returns() {
    let name = "typescript/complete_update_after_workflow_returns_pre1488.json";
    let Some(history) = from_elsewhere(name) else { return };
    fits(&WorkflowReplayer::new().workflow(CompletesUpdateAfterReturn::run), &history);
}

#[test]
fn typescript_lang_flags_replay_correctly() {
    for (name, replayer) in [
        (
            "typescript/lang_flags_replay_correctly_1_11_2.json",
            WorkflowReplayer::new().workflow(scope_that_cancels_its_timer),
        ),
        (
            "typescript/lang_flags_replay_correctly_1_9_3.json",
            WorkflowReplayer::new().workflow(scope_that_leaves_its_timer),
        ),
    ] {
        let Some(history) = from_elsewhere(name) else { continue };
        fits(&replayer, &history);
    }
}

#[test]
fn a_definition_without_the_update_no_longer_fits() {
    #[workflow(name = "UpdateEndsWorkflow")]
    #[derive(Default)]
    struct Renamed {
        done: State<bool>,
    }

    #[workflow_methods]
    impl Renamed {
        #[run]
        async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
            ctx.wait_until(|| self.done.get()).await?;
            Ok("ended".into())
        }

        #[update]
        fn finish(&self) -> String {
            self.done.set(true);
            "ending".into()
        }
    }

    let found = super::differs(&WorkflowReplayer::new().workflow(Renamed::run), &recorded("update_ends_workflow"));
    assert_eq!((found.event_id(), found.event_type()), (8, "WorkflowExecutionUpdateAccepted"));
    assert_eq!(
        found.produced_command(),
        Some("rejected the update: unknown update `end`; this workflow's updates: finish")
    );
}
