//! The same workflows as in `scripts/handover.py`, in Rust: the two must give the same commands in the same order.

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

/// Where a workflow stops in the middle until it is told to go on.
#[derive(Default)]
pub(crate) struct Halves {
    going: State<bool>,
    at_half: State<bool>,
}

impl Halves {
    async fn half(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
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
