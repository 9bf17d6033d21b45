//! A schedule that is created, watched, changed, triggered and deleted. `cargo run --example schedule`

mod workflow;

use std::error::Error;

use abide::client::{
    CreateScheduleError, Schedule, ScheduleAction, ScheduleBackfill, ScheduleDescription, ScheduleHandle,
    ScheduleOverlapPolicy, ScheduleSpec,
};
use abide::prelude::*;
use abide_examples::{Server, pause, unique};

use crate::workflow::report;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let queue = unique("schedule");
    let worker = Worker::builder(client, &*queue).workflow(report).build()?;
    worker.run_until(operate(client, &queue)).await?
}

async fn operate(client: &Client, queue: &str) -> Result<(), Box<dyn Error>> {
    let action = ScheduleAction::start_workflow(report, "EU".into()).task_queue(queue);
    let schedule = Schedule::new(action)
        .spec(ScheduleSpec::new().every(secs(1)))
        .overlap(ScheduleOverlapPolicy::BufferAll)
        .remaining_actions(2);
    let reports = match client.create_schedule(unique("reports"), schedule).await {
        Err(CreateScheduleError::Rpc(error)) if error.is_unimplemented() => {
            println!("this server has no schedules; set TEMPORAL_ADDRESS to the address of a Temporal server");
            return Ok(());
        }
        created => created?,
    };
    println!("created: a report every second, two times");
    show(client, &until_ended(&reports, 2).await?, "by itself").await?;

    reports.pause("the figures are late").await?;
    reports.update(|schedule| schedule.spec = ScheduleSpec::new().cron("0 6 * * 1-5")).await?;
    let described = reports.describe().await?;
    let hours = &described.schedule().spec.calendars[0].hours;
    println!("changed: at {} o'clock, paused: {}", hours[0].start, described.schedule().state.note);

    // Workflow ids end in the second of their action, so the trigger gets a second of its own.
    pause(secs(1)).await;
    reports.trigger().await?;
    show(client, &until_ended(&reports, 3).await?, "triggered").await?;

    // A week has five such mornings.
    let week_ago = described.info().create_time().ok_or("the server tells when it was created")? - days(7);
    let backfill = ScheduleBackfill::new(week_ago, week_ago + days(7)).overlap(ScheduleOverlapPolicy::BufferAll);
    reports.backfill([backfill]).await?;
    show(client, &until_ended(&reports, 8).await?, "made up for").await?;

    reports.delete().await?;
    println!("deleted");
    Ok(())
}

/// Waits until the schedule has acted so often, and its workflows have ended.
async fn until_ended(reports: &ScheduleHandle, count: u64) -> Result<ScheduleDescription, Box<dyn Error>> {
    loop {
        let described = reports.describe().await?;
        let info = described.info();
        let is_idle = info.running_workflows().is_empty() && info.buffer_size() == 0;
        if info.action_count() >= count && is_idle {
            return Ok(described);
        }
        pause(millis(100)).await;
    }
}

async fn show(client: &Client, described: &ScheduleDescription, how: &str) -> Result<(), Box<dyn Error>> {
    let actions = described.info().recent_actions();
    let last = actions.last().ok_or("the schedule has acted")?;
    let run = client.handle(report, &*last.workflow_id).with_run_id(&*last.first_execution_run_id);
    println!("{how}: {} reports, the last one is report {}", actions.len(), run.result().await?);
    Ok(())
}
