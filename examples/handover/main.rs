//! The Abide side of `scripts/handover`: workflows that a Python worker begins and this one finishes, and the other way round.
//!
//! `handover work QUEUE` runs a worker until it is interrupted; `handover replay FILE` replays a history.
#![expect(clippy::print_stderr, reason = "the example talks to its user")]

mod workflows;

use std::error::Error;
use std::process::ExitCode;

use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{History, WorkflowReplayer};

use crate::workflows::{ActivitiesAndTimers, Child, Children, LocalActivities, Patches, Updates, echo, fail, quick};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", queue] => work(queue).await,
        ["replay", file] => replay(file),
        _ => Err("usage: handover work QUEUE | handover replay FILE".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handover: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn work(queue: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::connect(ClientOptions::from_env()?).await?;
    let worker = Worker::builder(&client, queue)
        .workflow(ActivitiesAndTimers::run)
        .workflow(LocalActivities::run)
        .workflow(Updates::run)
        .workflow(Patches::run)
        .workflow(Children::run)
        .workflow(Child::run)
        .workflow(quick)
        .activities(echo)
        .activities(fail)
        .graceful_shutdown_timeout(secs(5))
        .build()?;
    worker.run_until(tokio::signal::ctrl_c()).await??;
    Ok(())
}

fn replay(file: &str) -> Result<(), Box<dyn Error>> {
    let replayer = WorkflowReplayer::new()
        .workflow(ActivitiesAndTimers::run)
        .workflow(LocalActivities::run)
        .workflow(Updates::run)
        .workflow(Patches::run)
        .workflow(Children::run)
        .workflow(Child::run)
        .workflow(quick);
    for history in History::load(file)? {
        let replayed = replayer.replay(&history)?;
        if !replayed.same_outcome() {
            return Err(format!("replayed: {}, recorded: {}", replayed.outcome(), replayed.recorded()).into());
        }
    }
    Ok(())
}
