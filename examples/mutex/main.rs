//! Three jobs share a lock with a lease of an hour; the first one works for two. `cargo run --example mutex`

mod workflow;

use std::collections::VecDeque;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Job, Lock, say};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let worker = Worker::builder(server.client(), "mutex").workflow(Lock::run).workflow(Job::run).activities(say);
    worker.build()?.run_until(share(&server)).await?
}

async fn share(server: &Server) -> Result<(), Box<dyn std::error::Error>> {
    let (client, minutes) = (server.client(), |count| server.time(mins(count)));
    let lock_id = unique("lock");
    let lock = client.start(Lock::run, (minutes(60), VecDeque::new(), 0)).id(&lock_id).task_queue("mutex").await?;

    let mut jobs = Vec::new();
    for (name, work) in [("ada", 120), ("bob", 5), ("cleo", 5)] {
        let job = client.start(Job::run, (lock_id.clone(), name.into(), minutes(work)));
        jobs.push(job.id(unique(name)).task_queue("mutex").await?);
        // The next one asks later.
        while lock.query(Lock::requests, ()).await? < jobs.len() as u64 {
            server.sleep(secs(1)).await;
        }
    }
    for job in jobs {
        job.result().await?;
    }
    lock.terminate().await?;
    Ok(())
}
