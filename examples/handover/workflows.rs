//! The workflows of `scripts/handover.py` in Rust: both must issue the same commands in the same order.

use abide::State;
use abide::prelude::*;

#[activity]
pub(crate) async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

#[activity]
pub(crate) async fn fail(text: String) -> Result<String, ActivityError> {
    Err(ApplicationFailure::new(text).into())
}

/// Stops a workflow in the middle until it is told to continue.
#[derive(Default)]
pub(crate) struct Halves {
    pub(crate) going: State<bool>,
    pub(crate) at_half: State<bool>,
}

impl Halves {
    pub(crate) async fn half(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        self.at_half.set(true);
        ctx.wait_until(|| self.going.get()).await?;
        Ok(())
    }
}

#[workflow]
#[derive(Default)]
pub(crate) struct ActivitiesAndTimers {
    halves: Halves,
}

#[workflow_methods]
impl ActivitiesAndTimers {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let first = ctx.activity(echo, "one".into()).start_to_close_timeout(secs(10)).await?;
        ctx.timer(millis(50)).await?;
        let running = ctx.activity(echo, "two".into()).start_to_close_timeout(secs(10)).start();
        let long = ctx.timer(hours(1)).start();
        self.halves.half(ctx).await?;
        let second = running.await?;
        drop(long);
        ctx.timer(millis(50)).await?;
        let once = RetryPolicy::new().maximum_attempts(1);
        let refused = ctx.activity(fail, "no".into()).start_to_close_timeout(secs(10)).retry_policy(once).await;
        let third = refused.err().and_then(|failure| failure.cause().map(|cause| cause.message().to_string()));
        Ok(vec![first, second, third.unwrap_or_default()])
    }

    #[signal]
    fn go(&self) {
        self.halves.going.set(true);
    }

    #[query]
    fn is_at_half(&self) -> bool {
        self.halves.at_half.get()
    }
}

#[workflow]
#[derive(Default)]
pub(crate) struct Patches {
    halves: Halves,
}

#[workflow_methods]
impl Patches {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<bool>, WorkflowError> {
        let mut answers = vec![ctx.patched("first")];
        ctx.timer(millis(50)).await?;
        answers.push(ctx.patched("second"));
        self.halves.half(ctx).await?;
        answers.push(ctx.patched("first"));
        answers.push(ctx.patched("third"));
        ctx.deprecate_patch("fourth");
        ctx.timer(millis(50)).await?;
        Ok(answers)
    }

    #[signal]
    fn go(&self) {
        self.halves.going.set(true);
    }

    #[query]
    fn is_at_half(&self) -> bool {
        self.halves.at_half.get()
    }
}

#[workflow]
#[derive(Default)]
pub(crate) struct LocalActivities {
    halves: Halves,
}

#[workflow_methods]
impl LocalActivities {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let local = |text: &str| ctx.local_activity(echo, text.into()).start_to_close_timeout(secs(10));
        let first = local("one").await?;
        let (second, third) = abide::join!(local("two"), local("three"));
        let both = [second?, third?];
        self.halves.half(ctx).await?;
        let last = local("four").await?;
        Ok([vec![first], both.to_vec(), vec![last]].concat())
    }

    #[signal]
    fn go(&self) {
        self.halves.going.set(true);
    }

    #[query]
    fn is_at_half(&self) -> bool {
        self.halves.at_half.get()
    }
}

#[workflow]
#[derive(Default)]
pub(crate) struct Updates {
    halves: Halves,
    texts: State<Vec<String>>,
}

#[workflow_methods]
impl Updates {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| !self.texts.with(Vec::is_empty)).await?;
        self.halves.half(ctx).await?;
        ctx.wait_until(|| self.texts.with(Vec::len) > 2).await?;
        Ok(self.texts.get())
    }

    #[update]
    fn add(&self, text: String) -> usize {
        self.push(text)
    }

    #[update_validator(add)]
    fn check(&self, text: &str) -> Result<(), WorkflowError> {
        if text.is_empty() { Err(ApplicationFailure::new("empty").into()) } else { Ok(()) }
    }

    /// Accepted in the first half, completed in the second.
    #[update]
    async fn add_slowly(&self, ctx: &WorkflowContext, text: String) -> Result<usize, WorkflowError> {
        let text = ctx.activity(echo, text).start_to_close_timeout(secs(10)).await?;
        ctx.wait_until(|| self.halves.going.get()).await?;
        Ok(self.push(text))
    }

    #[signal]
    fn go(&self) {
        self.halves.going.set(true);
    }

    #[query]
    fn is_at_half(&self) -> bool {
        self.halves.at_half.get()
    }

    fn push(&self, text: String) -> usize {
        self.texts.update(|texts| texts.push(text));
        self.texts.with(Vec::len)
    }
}

#[workflow]
#[derive(Default)]
pub(crate) struct Child {
    told: State<String>,
}

#[workflow_methods]
impl Child {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
        ctx.wait_until(|| !self.told.with(String::is_empty)).await?;
        Ok(text + &self.told.get())
    }

    #[signal]
    pub(crate) fn tell(&self, text: String) {
        self.told.set(text);
    }
}

#[workflow(name = "Quick")]
pub(crate) async fn quick() -> Result<String, WorkflowError> {
    Ok("quick".into())
}

#[workflow]
#[derive(Default)]
pub(crate) struct Children {
    halves: Halves,
}

#[workflow_methods]
impl Children {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let own = &ctx.info().workflow_id;
        let child = |text: &str, id: &str| ctx.child_workflow(Child::run, text.into()).id(format!("{own}-{id}"));
        let first = child("one ", "first").start().await?;
        let second = child("two ", "second").start().await?;
        first.signal(Child::tell, "heard".into()).await?;
        let mut results = vec![first.await?];
        self.halves.half(ctx).await?;
        second.signal(Child::tell, "heard too".into()).await?;
        results.push(second.await?);
        results.push(ctx.child_workflow(quick, ()).id(format!("{own}-third")).await?);
        Ok(results)
    }

    #[signal]
    fn go(&self) {
        self.halves.going.set(true);
    }

    #[query]
    fn is_at_half(&self) -> bool {
        self.halves.at_half.get()
    }
}
