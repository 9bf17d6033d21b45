//! Waits for three payments: with retries, with a loop in an activity, and with a loop in a workflow.
//! `cargo run --example polling`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Gateway, follow_payment, track_payment, watch_payment};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "polling").workflow(track_payment).workflow(watch_payment);
    let worker = worker.workflow(follow_payment).activities(Gateway::default()).build()?;
    let (minute, four_hours) = (server.time(mins(1)), server.time(hours(4)));
    let payments = async {
        let tracked = client.execute(track_payment, ("ada's rent".into(), minute, four_hours));
        println!("by retries, every minute: {}", tracked.id(unique("track")).task_queue("polling").await?);

        let watched = client.execute(watch_payment, ("bob's lunch".into(), secs(1)));
        println!("in an activity, every second: {}", watched.id(unique("watch")).task_queue("polling").await?);

        let followed = client.execute(follow_payment, ("zoe's house".into(), minute, 0));
        println!("in a workflow, for ever: {}", followed.id(unique("follow")).task_queue("polling").await?);
        Ok::<_, abide::WorkflowFailedError>(())
    };
    worker.run_until(payments).await??;
    Ok(())
}
