//! The workflows of `benches/src/workflows.rs`, written for the official Rust SDK.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use temporalio_sdk::workflows::join_all;
use temporalio_sdk::{
    ActivityOptions, ChildWorkflowOptions, LocalActivityOptions, SyncWorkflowContext, WorkflowContext, WorkflowResult,
};

static ENDED: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of workflows that have run to their end.
pub fn ended() -> usize {
    ENDED.load(Ordering::SeqCst)
}

/// Counts a workflow's end and returns its result.
fn end<T>(result: T) -> WorkflowResult<T> {
    ENDED.fetch_add(1, Ordering::SeqCst);
    Ok(result)
}

pub struct Activities;

#[activities]
impl Activities {
    #[activity(name = "echo")]
    pub async fn echo(_ctx: ActivityContext, text: String) -> Result<String, ActivityError> {
        Ok(text)
    }
}

fn activity() -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(Duration::from_secs(10))
}

fn local_activity() -> LocalActivityOptions {
    LocalActivityOptions::builder().start_to_close_timeout(Duration::from_secs(2)).build()
}

fn input(number: u32) -> String {
    format!("input-{number:06}")
}

#[workflow]
#[derive(Default)]
pub struct SeqActivities;

#[workflow_methods]
impl SeqActivities {
    #[run(name = "SeqActivities")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        for i in 1..=n {
            ctx.execute_activity(Activities::echo, input(i), activity()).await?;
        }
        end(n)
    }
}

#[workflow]
#[derive(Default)]
pub struct SeqTimers;

#[workflow_methods]
impl SeqTimers {
    #[run(name = "SeqTimers")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        for _ in 0..n {
            ctx.timer(Duration::from_secs(1)).await;
        }
        end(n)
    }
}

#[workflow]
#[derive(Default)]
pub struct FanOut;

#[workflow_methods]
impl FanOut {
    #[run(name = "FanOut")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        let calls: Vec<_> = (1..=n).map(|i| ctx.execute_activity(Activities::echo, input(i), activity())).collect();
        let mut done = 0;
        for result in join_all(calls).await {
            result?;
            done += 1;
        }
        end(done)
    }
}

#[workflow]
#[derive(Default)]
pub struct SignalCount {
    received: u32,
}

#[workflow_methods]
impl SignalCount {
    #[run(name = "SignalCount")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        ctx.wait_condition(|state| state.received >= n).await?;
        end(n)
    }

    #[signal(name = "add")]
    pub fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _value: u32) {
        self.received += 1;
    }
}

#[workflow]
#[derive(Default)]
pub struct Small;

#[workflow_methods]
impl Small {
    #[run(name = "Small")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, name: String) -> WorkflowResult<String> {
        let result = ctx.execute_activity(Activities::echo, name, activity()).await?;
        end(result)
    }
}

#[workflow]
#[derive(Default)]
pub struct LocalActivities;

#[workflow_methods]
impl LocalActivities {
    #[run(name = "LocalActivities")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        for i in 1..=n {
            ctx.execute_local_activity(Activities::echo, input(i), local_activity()).await?;
            ctx.timer(Duration::from_secs(1)).await;
        }
        end(n)
    }
}

#[workflow]
#[derive(Default)]
pub struct LocalActivitiesInOneTask;

#[workflow_methods]
impl LocalActivitiesInOneTask {
    #[run(name = "LocalActivitiesInOneTask")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        for i in 1..=n {
            ctx.execute_local_activity(Activities::echo, input(i), local_activity()).await?;
        }
        end(n)
    }
}

#[workflow]
#[derive(Default)]
pub struct UpdateCount {
    received: u32,
}

#[workflow_methods]
impl UpdateCount {
    #[run(name = "UpdateCount")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        ctx.wait_condition(|state| state.received >= n).await?;
        end(n)
    }

    #[update(name = "add")]
    pub fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _value: u32) -> u32 {
        self.received += 1;
        self.received
    }
}

#[workflow]
#[derive(Default)]
pub struct Children;

#[workflow_methods]
impl Children {
    #[run(name = "Children")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        for i in 1..=n {
            let options = ChildWorkflowOptions::workflow_id(format!("child-{i:06}"));
            ctx.start_child_workflow(Small::run, "Temporal", options).await?.result().await?;
        }
        end(n)
    }
}

#[workflow]
#[derive(Default)]
pub struct Patches;

#[workflow_methods]
impl Patches {
    #[run(name = "Patches")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, n: u32) -> WorkflowResult<u32> {
        let mut new_paths = 0;
        for i in 1..=n {
            new_paths += u32::from(ctx.patched(&format!("change-{i:03}")));
            ctx.timer(Duration::from_secs(1)).await;
        }
        end(new_paths)
    }
}
