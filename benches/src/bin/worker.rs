//! `worker [--address A] [--cache N] [--pollers N]`: a worker for the bench workflows on task queue `bench-tq`, for a
//! server that provides tasks as fast as the worker can take them.

use std::error::Error;
use std::process::ExitCode;

use abide::client::{Client, ClientOptions};
use abide::worker::{PollerBehavior, Worker};
use abide_benches::arguments::Arguments;
use abide_benches::workflows;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a command-line program: why it ends is its output")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match run(Arguments::of_process()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let address: String = arguments.option("--address", "127.0.0.1:7299".into())?;
    let cache: usize = arguments.option("--cache", 10_000)?;
    let pollers: usize = arguments.option("--pollers", 5)?;
    let [] = arguments.finish("worker [--address A] [--cache N] [--pollers N]")?;
    let client = Client::connect(ClientOptions::new(address)).await?;
    Worker::builder(&client, "bench-tq")
        .max_cached_workflows(cache)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(pollers))
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(pollers))
        .workflow(workflows::seq_activities)
        .workflow(workflows::seq_timers)
        .workflow(workflows::fan_out)
        .workflow(workflows::SignalCount::run)
        .workflow(workflows::small)
        .workflow(workflows::local_activities)
        .workflow(workflows::local_activities_in_one_task)
        .workflow(workflows::UpdateCount::run)
        .workflow(workflows::children)
        .workflow(workflows::patches)
        .activities(workflows::echo)
        .build()?
        .run()
        .await?;
    Ok(())
}
