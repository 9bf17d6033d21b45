//! The cases of `scripts/handover` with ties within one workflow task: who is first, and what beats what.
//!
//! Python decides some of these ties in another way (`PARTS_IN_PYTHON` in the script). A comment gives the reason for
//! ours, and the script shows that the replay differs. In most of them Python and TypeScript differ from each other, so
//! no order of ours could be replayed alike by both; the table in ARCHITECTURE.md has all.

use std::time::Duration;

use abide::State;
use abide::prelude::*;

use crate::workflows::{Halves, echo};

/// For so long a timer runs that is to fire while no worker is there: longer than a worker takes to leave.
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

/// A timer of no length, in each half.
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

/// A condition whose timeout is zero: Python asks nothing and begins no timer. Parts: whether there is a command must not
/// depend on a value, or a duration that comes from data changes what a replay expects.
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

/// Two branches wait for one flag, and each takes it down; the first one puts it up again in the end. Parts: here a
/// condition is true when its code goes on, so they go through one after the other. Python and TypeScript let both through
/// at once; a live order like theirs would take away what `wait_until` promises, and lead runs that Abide has recorded
/// elsewhere.
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

/// A branch that waits for what is true already, and one that waits for nothing. Parts: here the first goes on at once; in
/// Python it waits until nothing else moves, in TypeScript it gives way once.
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

/// A timer fires in the task of a signal, and both call.
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

/// The same, and the handler gives way first. Parts: how many turns that takes, and how many the firing of a timer, is each
/// language's own affair. (Python's handler is first: `sleep(0)` takes one turn there, a fired timer two.)
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

/// A timer fires in the task of the signal that makes its condition true. Parts: here the condition wins, as in TypeScript
/// if the handler made it true before its first wait; in Python the timer does.
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

/// A timer fires in the task of a request to cancel. Parts: here what has happened stays, as in TypeScript; Python cancels.
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

/// A request to cancel comes while a handler is at work.
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
