//! The cases of `scripts/handover` with ties within one workflow task: the order of branches and events.
//!
//! Python decides some of these ties differently (`PARTS_IN_PYTHON` in the script). The comments give the reason for
//! our order, and the script shows that the replay differs. In most of these cases Python and TypeScript differ from
//! each other, so no order could be replayed alike by both; ARCHITECTURE.md has a table of all.

use std::time::Duration;

use abide::State;
use abide::prelude::*;

use crate::workflows::{Halves, echo};

/// Duration of a timer that fires while no worker is there: longer than a worker takes to shut down.
const AWAY: Duration = secs(5);

#[activity]
pub(crate) async fn shout(text: String) -> Result<String, ActivityError> {
    Ok(text.to_uppercase())
}

async fn run_echo(ctx: &WorkflowContext, text: &str) -> Result<String, WorkflowError> {
    Ok(ctx.activity(echo, text.into()).start_to_close_timeout(secs(10)).await?)
}

async fn run_shout(ctx: &WorkflowContext, text: &str) -> Result<String, WorkflowError> {
    Ok(ctx.activity(shout, text.into()).start_to_close_timeout(secs(10)).await?)
}

/// A timer of zero length, in each half.
#[workflow]
#[derive(Default)]
pub(crate) struct Zero {
    halves: Halves,
}

#[workflow_methods]
impl Zero {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(secs(0)).await?;
        let first = run_echo(ctx, "one").await?;
        self.halves.half(ctx).await?;
        ctx.timer(secs(0)).await?;
        Ok(vec![first, run_shout(ctx, "two").await?])
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

/// A condition with a timeout of zero: Python does not evaluate it and starts no timer. Differs: here a command never
/// depends on a value, because otherwise a duration in the data would change what a replay expects.
#[workflow]
#[derive(Default)]
pub(crate) struct ZeroTimeout {
    halves: Halves,
}

#[workflow_methods]
impl ZeroTimeout {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let first = match ctx.wait_until(|| true).timeout(secs(0)).await? {
            true => run_echo(ctx, "met").await?,
            false => run_shout(ctx, "timed out").await?,
        };
        self.halves.half(ctx).await?;
        Ok(vec![first])
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

/// Two branches wait for one flag, and each resets it; the first one sets it again at the end. Differs: here a
/// condition is still true when its code continues, so they pass one after another. Python and TypeScript let both pass
/// at once. The same live order here would break the promise of `wait_until`, and change the course of runs that Abide
/// has already recorded.
#[workflow]
#[derive(Default)]
pub(crate) struct Gate {
    halves: Halves,
    open: State<bool>,
}

#[workflow_methods]
impl Gate {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        self.open.set(true);
        let passes = async || {
            ctx.wait_until(|| self.open.get()).await?;
            self.open.set(false);
            Ok::<(), WorkflowError>(())
        };
        let first = async {
            passes().await?;
            let text = run_echo(ctx, "through").await?;
            ctx.timer(millis(50)).await?;
            self.open.set(true);
            Ok::<_, WorkflowError>(text)
        };
        let second = async {
            passes().await?;
            run_shout(ctx, "through").await
        };
        let (first, second) = abide::join!(first, second);
        self.halves.half(ctx).await?;
        Ok(vec![first?, second?])
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

/// A branch that waits for something already true, and one that waits for nothing. Differs: here the first continues at
/// once; in Python it waits until nothing else can run, in TypeScript it yields once.
#[workflow]
#[derive(Default)]
pub(crate) struct Yields {
    halves: Halves,
}

#[workflow_methods]
impl Yields {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let waits = async {
            ctx.wait_until(|| true).await?;
            run_echo(ctx, "waited").await
        };
        let (first, second) = abide::join!(waits, run_shout(ctx, "did not"));
        self.halves.half(ctx).await?;
        Ok(vec![first?, second?])
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

/// A timer fires in the task of a signal, and both record a call.
#[workflow]
#[derive(Default)]
pub(crate) struct MessageAndTimer {
    halves: Halves,
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl MessageAndTimer {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(AWAY).await?;
        let first = run_echo(ctx, "main").await?;
        ctx.wait_until(|| !self.heard.with(Vec::is_empty)).await?;
        self.halves.half(ctx).await?;
        Ok([vec![first], self.heard.get()].concat())
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let heard = run_shout(ctx, "handler").await?;
        self.heard.update(|all| all.push(heard));
        Ok(())
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

/// The same, but the handler yields first. Differs: each language has its own number of turns for yielding and for a
/// fired timer. (In Python the handler comes first: `sleep(0)` takes one turn, a fired timer two.)
#[workflow]
#[derive(Default)]
pub(crate) struct GivingWayAndTimer {
    halves: Halves,
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl GivingWayAndTimer {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(AWAY).await?;
        let first = run_echo(ctx, "main").await?;
        ctx.wait_until(|| !self.heard.with(Vec::is_empty)).await?;
        self.halves.half(ctx).await?;
        Ok([vec![first], self.heard.get()].concat())
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.spawn(async {}).await;
        let heard = run_shout(ctx, "handler").await?;
        self.heard.update(|all| all.push(heard));
        Ok(())
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

/// A timer fires in the task of the signal that makes its condition true. Differs: here the condition wins, as in
/// TypeScript if the handler made it true before its first wait; in Python the timer wins.
#[workflow]
#[derive(Default)]
pub(crate) struct ConditionAndTimer {
    halves: Halves,
    poked: State<bool>,
}

#[workflow_methods]
impl ConditionAndTimer {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let first = match ctx.wait_until(|| self.poked.get()).timeout(AWAY).await? {
            true => run_echo(ctx, "met").await?,
            false => run_shout(ctx, "timed out").await?,
        };
        self.halves.half(ctx).await?;
        Ok(vec![first])
    }

    #[signal]
    fn poke(&self) {
        self.poked.set(true);
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

/// A timer fires in the task of a cancellation request. Differs: here a completed operation stays completed, as in
/// TypeScript; in Python it is cancelled.
#[workflow]
#[derive(Default)]
pub(crate) struct CancelAndTimer {
    halves: Halves,
}

#[workflow_methods]
impl CancelAndTimer {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let fired = ctx.timer(AWAY).await.is_ok();
        let rest = async {
            let first = if fired { run_shout(ctx, "fired").await? } else { run_echo(ctx, "cancelled").await? };
            self.halves.half(ctx).await?;
            Ok(vec![first])
        };
        ctx.shielded(rest).await
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

/// A cancellation request arrives while a handler is running.
#[workflow]
#[derive(Default)]
pub(crate) struct CancelAndHandler {
    halves: Halves,
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl CancelAndHandler {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let fired = ctx.timer(hours(1)).await.is_ok();
        let rest = async {
            let first = if fired { "?".into() } else { run_echo(ctx, "cleaned up").await? };
            ctx.wait_until(|| !self.heard.with(Vec::is_empty)).await?;
            self.halves.half(ctx).await?;
            Ok([vec![first], self.heard.get()].concat())
        };
        ctx.shielded(rest).await
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        let heard = run_shout(ctx, "handler").await?;
        self.heard.update(|all| all.push(heard));
        Ok(())
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
