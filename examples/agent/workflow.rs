//! An agent: a model says which tools to use, until it has an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use abide::prelude::*;
use abide_examples::pause;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Reply {
    Calls(Vec<Call>),
    Answer(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Call {
    Search(String),
    Book(String),
}

#[workflow]
#[derive(Default)]
pub struct Agent {
    /// The hotels that a human has to approve, with the decision.
    approvals: State<BTreeMap<String, Option<bool>>>,
}

#[workflow_methods]
impl Agent {
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, town: String, patience: Duration) -> Result<String, WorkflowError> {
        let mut talk = vec![town];
        loop {
            let calls = match ctx.activity(ask_model, talk.clone()).await? {
                Reply::Answer(answer) => return Ok(answer),
                Reply::Calls(calls) => calls,
            };
            for result in join_all(calls.into_iter().map(|call| self.call(ctx, call, patience))).await {
                talk.push(result?);
            }
        }
    }

    async fn call(&self, ctx: &WorkflowContext, call: Call, patience: Duration) -> Result<String, WorkflowError> {
        if let Call::Book(hotel) = &call {
            self.approvals.write().insert(hotel.clone(), None);
            ctx.wait_until(|| self.approvals.read()[hotel].is_some()).timeout(patience).await?;
            if self.approvals.write().remove(hotel).flatten() != Some(true) {
                return Ok(format!("{hotel} is not booked, because nobody approved it"));
            }
        }
        // One child per call: it has its own history, and can be found and cancelled on its own.
        match ctx.child_workflow(use_tool, call).await {
            Err(error) if error.is_cancelled() => Err(error.into()),
            // The model gets to know, and may try something else.
            Err(error) => Ok(format!("the tool has failed: {}", error.message())),
            Ok(result) => Ok(result),
        }
    }

    #[update]
    pub fn decide(&self, hotel: String, is_approved: bool) {
        self.approvals.write().insert(hotel, Some(is_approved));
    }

    #[update_validator(decide)]
    fn check_decide(&self, hotel: &str, _is_approved: &bool) -> Result<(), WorkflowError> {
        if self.approvals.read().contains_key(hotel) { Ok(()) } else { Err("nobody waits for this decision")? }
    }
}

#[workflow]
pub async fn use_tool(ctx: &WorkflowContext, call: Call) -> Result<String, WorkflowError> {
    // Cancelled only when the activity has really stopped.
    let wait = ActivityCancellationType::WaitCancellationCompleted;
    match call {
        Call::Search(what) => Ok(ctx.activity(search, what).cancellation_type(wait).await?),
        Call::Book(hotel) => Ok(format!("{hotel} is booked")),
    }
}

/// A scripted model, overloaded at first. It gets the town and the results of the tools so far.
#[activity(start_to_close_timeout = mins(2))]
pub async fn ask_model(ctx: &ActivityContext, talk: Vec<String>) -> Result<Reply, ActivityError> {
    if ctx.info().attempt == 1 {
        return Err(ApplicationFailure::new("the model is overloaded").next_retry_delay(millis(100)).into());
    }
    Ok(match &talk[..] {
        [town] => Reply::Calls(["train to", "hotel in"].map(|what| Call::Search(format!("{what} {town}"))).into()),
        [_town, _train, hotel] => Reply::Calls(vec![Call::Book(hotel.clone())]),
        [.., train, _hotel, booking] => Reply::Answer(format!("take {train}; {booking}")),
        _ => Err("the model is confused")?,
    })
}

/// Its heartbeats let a retry continue where it stopped, and bring the news that it is cancelled.
#[activity(start_to_close_timeout = hours(1), heartbeat_timeout = secs(1))]
pub async fn search(ctx: &ActivityContext, what: String) -> Result<String, ActivityError> {
    let pages = if what.ends_with("the moon") { u32::MAX } else { 3 };
    for _page in ctx.resume(0..pages)? {
        if ctx.is_cancelled() {
            return Err(ActivityError::cancelled());
        }
        pause(millis(10)).await;
    }
    Ok(format!("the best {what}"))
}
