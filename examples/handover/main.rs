//! The Abide side of `scripts/handover`: workflows that a Python worker starts and this one finishes, and vice versa.
//!
//! `handover work QUEUE` runs a worker until it is interrupted, `handover desk QUEUE` one that serves Nexus operations;
//! `handover replay FILE` replays a history; `handover start QUEUE ID` and `handover finish ID` are the client of the
//! sealed case. `handover schedule-write ID`, `schedule-read ID` and `schedule-change ID` are about schedules. After
//! `--sealed` all of them use its codec.

mod desk;
mod schedules;
mod sealed;
mod ties;
mod workflows;

use std::error::Error;
use std::process::ExitCode;

use abide::client::{Client, ClientOptions};
use abide::converter::DataConverter;
use abide::prelude::*;
use abide::worker::Worker;
use abide::{History, WorkflowReplayer};

use crate::desk::{Clerk, calls_desk, lingers};
use crate::sealed::{Sealed, refuse, sealing};
use crate::ties::{
    CancelAndHandler, CancelAndTimer, ConditionAndTimer, Gate, GivingWayAndTimer, MessageAndTimer, Yields, Zero,
    ZeroTimeout, shout,
};
use crate::workflows::{ActivitiesAndTimers, Child, Children, LocalActivities, Patches, Updates, echo, fail, quick};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handover: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let (converter, arguments) = match arguments {
        ["--sealed", arguments @ ..] => (sealing(), arguments),
        arguments => (DataConverter::new(), arguments),
    };
    match arguments {
        ["work", queue] => work(&client(converter).await?, queue).await,
        ["desk", queue] => serve_desk(&client(converter).await?, queue).await,
        ["replay", file] => replay(file, converter),
        ["start", queue, id] => sealed::start(&client(converter).await?, queue, id).await,
        ["finish", id] => sealed::finish(&client(converter).await?, id).await,
        ["schedule-write", id] => schedules::write(&client(converter).await?, id).await,
        ["schedule-read", id] => schedules::read(&client(converter).await?, id).await,
        ["schedule-change", id] => schedules::change(&client(converter).await?, id).await,
        _ => Err("usage: handover [--sealed] (work QUEUE | desk QUEUE | replay FILE | start QUEUE ID | finish ID | \
              schedule-(write|read|change) ID)"
            .into()),
    }
}

async fn client(converter: DataConverter) -> Result<Client, Box<dyn Error>> {
    Ok(Client::connect(ClientOptions::from_env()?.data_converter(converter)).await?)
}

async fn work(client: &Client, queue: &str) -> Result<(), Box<dyn Error>> {
    let worker = Worker::builder(client, queue)
        .workflow(ActivitiesAndTimers::run)
        .workflow(LocalActivities::run)
        .workflow(Updates::run)
        .workflow(Patches::run)
        .workflow(Children::run)
        .workflow(Child::run)
        .workflow(quick)
        .workflow(Sealed::run)
        .workflow(Zero::run)
        .workflow(ZeroTimeout::run)
        .workflow(Gate::run)
        .workflow(Yields::run)
        .workflow(MessageAndTimer::run)
        .workflow(GivingWayAndTimer::run)
        .workflow(ConditionAndTimer::run)
        .workflow(CancelAndTimer::run)
        .workflow(CancelAndHandler::run)
        .activities(echo)
        .activities(shout)
        .activities(fail)
        .activities(refuse)
        .graceful_shutdown_timeout(secs(5))
        .build()?;
    worker.run_until(tokio::signal::ctrl_c()).await??;
    Ok(())
}

async fn serve_desk(client: &Client, queue: &str) -> Result<(), Box<dyn Error>> {
    let worker = Worker::builder(client, queue).workflow(calls_desk).workflow(lingers).nexus_handlers(Clerk);
    worker.build()?.run_until(tokio::signal::ctrl_c()).await??;
    Ok(())
}

fn replay(file: &str, converter: DataConverter) -> Result<(), Box<dyn Error>> {
    let replayer = WorkflowReplayer::new()
        .workflow(ActivitiesAndTimers::run)
        .workflow(LocalActivities::run)
        .workflow(Updates::run)
        .workflow(Patches::run)
        .workflow(Children::run)
        .workflow(Child::run)
        .workflow(quick)
        .workflow(Sealed::run)
        .workflow(Zero::run)
        .workflow(ZeroTimeout::run)
        .workflow(Gate::run)
        .workflow(Yields::run)
        .workflow(MessageAndTimer::run)
        .workflow(GivingWayAndTimer::run)
        .workflow(ConditionAndTimer::run)
        .workflow(CancelAndTimer::run)
        .workflow(CancelAndHandler::run)
        .data_converter(converter);
    for history in History::load(file)? {
        let replayed = replayer.replay(&history)?;
        if !replayed.same_outcome() {
            return Err(format!("replayed: {}, recorded: {}", replayed.outcome(), replayed.recorded()).into());
        }
    }
    Ok(())
}
