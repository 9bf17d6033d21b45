//! `peer-official FILE.binpb [--reps N] [--warm N]`: measures one replay of a recorded history with the official Rust
//! SDK.
//!
//! Prints one JSON line; fails if a replay does not run the workflow to its end. The history is decoded once, before
//! the measurement, because the SDK's replayer accepts only decoded events.

mod workflows;

// The same command line and the same median as in our own `replay`.
#[path = "../../../src/arguments.rs"]
#[expect(dead_code, reason = "no command follows these options")]
mod arguments;
#[path = "../../../src/process.rs"]
#[expect(dead_code, reason = "the work is spread over threads here: CPU time is the process's, not the thread's")]
mod process;

use std::process::ExitCode;

use prost::Message;
use rustix::time::{ClockId, clock_gettime};
use temporalio_common::protos::temporal::api::history::v1::History;
use temporalio_common::protos::temporal::api::history::v1::history_event::Attributes;
use temporalio_sdk::workflow_replayer::{WorkflowReplayer, WorkflowReplayerOptions};

use arguments::Arguments;
use workflows::{
    Children, FanOut, LocalActivities, LocalActivitiesInOneTask, Patches, SeqActivities, SeqTimers, SignalCount, Small,
    UpdateCount,
};

/// Minimum events per repetition, as in our own `replay`.
const EVENTS_PER_REPETITION: usize = 30_000;

fn main() -> ExitCode {
    match measure(Arguments::of_process()) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("peer-official: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(mut arguments: Arguments) -> Result<String, String> {
    let reps: usize = arguments.option("--reps", 5)?;
    let warm: usize = arguments.option("--warm", 1)?;
    let [file] = arguments.finish("peer-official FILE.binpb [--reps N] [--warm N]")?;
    let encoded = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
    let history = History::decode(encoded.as_slice()).map_err(|error| format!("{file}: {error}"))?;
    let events = history.events.len();
    if reps == 0 {
        return Err("--reps: at least 1".into());
    }
    if events == 0 {
        return Err(format!("{file}: a history without events"));
    }

    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    let replayer = replayer()?;
    let passes = EVENTS_PER_REPETITION.div_ceil(events);
    let mut figures = Vec::new();
    for repetition in 0..warm + reps {
        let cpu_ns = runtime.block_on(replay(&replayer, &history, passes))?;
        if repetition >= warm {
            figures.push(cpu_ns / 1e3 / (passes * events) as f64);
        }
    }
    let name = file.rsplit('/').next().unwrap_or_default();
    let cpu = process::median(figures);
    Ok(format!(r#"{{"sdk":"official-rust","file":"{name}","events":{events},"cpu_us_per_event":{cpu:.3}}}"#))
}

fn replayer() -> Result<WorkflowReplayer, String> {
    let mut options = WorkflowReplayerOptions::new().build();
    let registered = (|| {
        options
            .register_workflow::<SeqActivities>()?
            .register_workflow::<SeqTimers>()?
            .register_workflow::<FanOut>()?
            .register_workflow::<SignalCount>()?
            .register_workflow::<Small>()?
            .register_workflow::<LocalActivities>()?
            .register_workflow::<LocalActivitiesInOneTask>()?
            .register_workflow::<UpdateCount>()?
            .register_workflow::<Children>()?
            .register_workflow::<Patches>()
            .map(drop)
    })();
    registered.map_err(|error| error.to_string())?;
    WorkflowReplayer::new(options).map_err(|error| error.to_string())
}

/// Runs this many replays on one replay worker, one after another. Returns their CPU time in nanoseconds.
///
/// Copying the histories that the replayer consumes is not counted; neither is freeing what it returns.
async fn replay(replayer: &WorkflowReplayer, history: &History, passes: usize) -> Result<f64, String> {
    let copies: Vec<_> = (0..passes).map(|number| run_of_its_own(history.clone(), number).into()).collect();
    let (ended_before, cpu_before) = (workflows::ended(), process_cpu_ns());
    let results = replayer.replay_workflows(copies).await.map_err(|error| error.to_string())?;
    let cpu_ns = process_cpu_ns() - cpu_before;
    if let Some(failure) = results.iter().find_map(|result| result.replay_failure.as_ref()) {
        return Err(failure.to_string());
    }
    match workflows::ended() - ended_before {
        ended if ended == passes => Ok(cpu_ns),
        ended => Err(format!("{ended} of {passes} replays came to the workflow's end")),
    }
}

/// Gives each history its own run id, because the worker distinguishes runs by their ids.
fn run_of_its_own(mut history: History, number: usize) -> History {
    if let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
        history.events.first_mut().and_then(|event| event.attributes.as_mut())
    {
        let run_id = format!("00000000-0000-4000-8000-{number:012}");
        started.workflow_id = format!("{}-{number}", started.workflow_id);
        started.original_execution_run_id.clone_from(&run_id);
        started.first_execution_run_id = run_id;
    }
    history
}

/// Returns the CPU time of all threads so far, in nanoseconds.
fn process_cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
