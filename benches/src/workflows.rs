//! The bench workflow types, with the names that the server and the histories use.

use abide::prelude::*;

use crate::histories::{activity_input, child_id, patch_id};

/// The only activity: returns its argument.
#[activity(name = "echo")]
pub async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

/// Runs `n` activities, one after another.
#[workflow(name = "SeqActivities")]
pub async fn seq_activities(ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
    for i in 1..=n {
        ctx.activity(echo, activity_input(i)).start_to_close_timeout(secs(10)).await?;
    }
    Ok(n)
}

/// Runs `n` timers of one second, one after another.
#[workflow(name = "SeqTimers")]
pub async fn seq_timers(ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
    for _ in 0..n {
        ctx.timer(secs(1)).await?;
    }
    Ok(n)
}

/// Runs `n` activities at once.
#[workflow(name = "FanOut")]
pub async fn fan_out(ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
    let calls: Vec<_> =
        (1..=n).map(|i| ctx.activity(echo, activity_input(i)).start_to_close_timeout(secs(10)).start()).collect();
    let mut done = 0;
    for call in calls {
        call.await?;
        done += 1;
    }
    Ok(done)
}

/// Waits for `n` signals `add`.
#[workflow(name = "SignalCount")]
#[derive(Debug, Default)]
pub struct SignalCount {
    received: State<u32>,
}

#[workflow_methods]
impl SignalCount {
    /// Returns when `n` signals have arrived.
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.received.get() >= n).await?;
        Ok(n)
    }

    /// Counts a signal.
    #[signal(name = "add")]
    pub fn add(&self, _value: u32) {
        self.received.update(|received| *received += 1);
    }
}

/// Runs one activity: the smallest useful workflow.
#[workflow(name = "Small")]
pub async fn small(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    Ok(ctx.activity(echo, name).start_to_close_timeout(secs(10)).await?)
}

/// Runs `n` times a local activity and a timer of one second: one local activity per workflow task.
#[workflow(name = "LocalActivities")]
pub async fn local_activities(ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
    for i in 1..=n {
        ctx.local_activity(echo, activity_input(i)).start_to_close_timeout(secs(2)).await?;
        ctx.timer(secs(1)).await?;
    }
    Ok(n)
}

/// Runs `n` local activities, one after another, in one workflow task.
#[workflow(name = "LocalActivitiesInOneTask")]
pub async fn local_activities_in_one_task(ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
    for i in 1..=n {
        ctx.local_activity(echo, activity_input(i)).start_to_close_timeout(secs(2)).await?;
    }
    Ok(n)
}

/// Waits for `n` updates `add`.
#[workflow(name = "UpdateCount")]
#[derive(Debug, Default)]
pub struct UpdateCount {
    received: State<u32>,
}

#[workflow_methods]
impl UpdateCount {
    /// Returns when `n` updates have arrived.
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.received.get() >= n).await?;
        Ok(n)
    }

    /// Counts an update; returns the number so far.
    #[update(name = "add")]
    pub fn add(&self, _value: u32) -> u32 {
        self.received.update(|received| *received += 1);
        self.received.get()
    }
}

/// Runs `n` children [`small`], one after another.
#[workflow(name = "Children")]
pub async fn children(ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
    for i in 1..=n {
        ctx.child_workflow(small, "Temporal".into()).id(child_id(i)).await?;
    }
    Ok(n)
}

/// Runs `n` times a patch and a timer of one second.
#[workflow(name = "Patches")]
pub async fn patches(ctx: &WorkflowContext, n: u32) -> Result<u32, WorkflowError> {
    let mut new_paths = 0;
    for i in 1..=n {
        new_paths += u32::from(ctx.patched(&patch_id(i)));
        ctx.timer(secs(1)).await?;
    }
    Ok(new_paths)
}
