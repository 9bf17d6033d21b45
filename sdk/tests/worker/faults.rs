//! Workflows while the network between worker and server fails in every way: all of them complete, no activity has its
//! effect twice, and the worker shuts down when asked.
//!
//! `ABIDE_FAULT_SECONDS` (default 12) sets the duration of the faults, `ABIDE_SEED` selects them; `scripts/faults` sets
//! both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use abide::client::{Client, ClientOptions, WorkflowHandle};
use abide::prelude::*;
use abide::worker::Worker;
use tokio::time::{Instant, sleep, timeout};

use crate::fault_proxy::FaultProxy;
use crate::{address, connect, unique};

/// Timeout of an attempt that was lost on its way to the worker. It is longer than any fault, so that every result is
/// delivered within it and no completed attempt runs again.
const ATTEMPT: Duration = secs(15);
/// Time to recover from the last faults.
const RECOVERY: Duration = secs(60);
/// Maximum time for a worker to shut down although its server cannot be reached.
const END: Duration = secs(45);

/// Counts how often each step of each workflow was done.
#[derive(Clone, Default)]
struct Ledger {
    effects: Arc<Mutex<HashMap<String, u32>>>,
}

#[activities]
impl Ledger {
    #[activity]
    async fn book(&self, entry: String) -> Result<String, ActivityError> {
        *self.effects.lock().unwrap().entry(entry.clone()).or_default() += 1;
        Ok(entry)
    }
}

#[workflow]
async fn booking(ctx: &WorkflowContext, id: String) -> Result<Vec<String>, WorkflowError> {
    let mut booked = Vec::new();
    for step in 0..3 {
        let entry = format!("{id}/{step}");
        booked.push(ctx.activity(Ledger::book, entry).start_to_close_timeout(ATTEMPT).await?);
        ctx.timer(millis(100)).await?;
    }
    Ok(booked)
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_complete_and_no_effect_comes_twice_whatever_the_network_does() {
    let Some(server) = address("workflows_complete_and_no_effect_comes_twice_whatever_the_network_does") else {
        return;
    };
    let (seconds, seed) = (setting("ABIDE_FAULT_SECONDS", 12), setting("ABIDE_SEED", 8));
    let proxy = FaultProxy::start(server.clone(), seed).await;
    let (client, queue, ledger) = (connect(server).await, unique("faults"), Ledger::default());

    let through_proxy = Client::connect(ClientOptions::new(proxy.address())).await.unwrap();
    let worker = Worker::builder(&through_proxy, &*queue).workflow(booking).activities(ledger.clone());
    // A run whose worker does not receive its task continues soon.
    let worker = worker.sticky_queue_schedule_to_start_timeout(secs(2)).build().unwrap();
    let shutdown = worker.shutdown_handle();
    let running = tokio::spawn(worker.run());
    let mut bookings = vec![book(&client, &queue, 0).await];
    timeout(RECOVERY, bookings[0].result()).await.expect("the worker works").unwrap();

    proxy.storm(true);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        bookings.push(book(&client, &queue, bookings.len()).await);
        sleep(Duration::from_millis(200)).await;
    }
    proxy.storm(false);
    eprintln!("seed {seed}: {} workflows, connections: {}", bookings.len(), proxy.report());

    let deadline = Instant::now() + RECOVERY;
    for handle in &bookings {
        let result = tokio::time::timeout_at(deadline, handle.result()).await;
        let id = handle.workflow_id();
        match result {
            Ok(booked) => assert_eq!(booked.unwrap(), [0, 1, 2].map(|step| format!("{id}/{step}")), "seed {seed}"),
            Err(_) => panic!("seed {seed}: not complete: {id}\n{}", handle.fetch_history().await.unwrap()),
        }
    }
    let effects = ledger.effects.lock().unwrap().clone();
    let other: Vec<_> = effects.iter().filter(|(_, times)| **times != 1).collect();
    assert!(other.is_empty() && effects.len() == 3 * bookings.len(), "seed {seed}: not once: {other:?}");

    // A failing network does not delay the shutdown.
    proxy.storm(true);
    shutdown.shutdown();
    timeout(END, running).await.expect("the worker ends").unwrap().unwrap();
}

async fn book(client: &Client, queue: &str, number: usize) -> WorkflowHandle<BookingWorkflow> {
    let id = format!("{queue}-{number}");
    client.start(booking, id.clone()).id(&*id).task_queue(queue).task_timeout(secs(3)).await.unwrap()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
