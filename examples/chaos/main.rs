//! Orders while workers die: `cargo run --example chaos -- --orders 200 --seconds 60`, or `scripts/chaos` on a real
//! server.
//!
//! Several worker processes process orders; at random times one of them is killed (SIGKILL) and another one started. In
//! the end every order was charged and shipped exactly once. `TEMPORAL_ADDRESS` sets the server; without it the
//! embedded one is used.

mod gateway;
mod order;
mod workers;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use abide::client::{Client, ClientOptions, WorkflowHandle};
use abide::prelude::*;
use abide_testing::server::TestServer;

use crate::gateway::Gateway;
use crate::order::{Order, ProcessOrderWorkflow, process_order};
use crate::workers::{Role, Workers};

/// Time after the last kill in which an order must complete: its longest wait with a margin. Otherwise it is lost.
const PATIENCE: Duration = secs(60);

struct Settings {
    orders: u32,
    seconds: u64,
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Role::from_env() {
        Some(role) => role.run().await,
        None => run().await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_arguments()?;
    let (_server, address) = server().await?;
    let client = Client::connect(ClientOptions::new(&address)).await?;
    let gateway = Gateway::temporary()?;
    let run = format!("chaos-{}", since_epoch().as_millis());
    println!("{} orders in {} s on {address}, seed {}", settings.orders, settings.seconds, settings.seed);

    let mut workers = Workers::start(&address, &run, &gateway, settings.seed)?;
    let handles = place_orders(&client, &run, &settings, &mut workers).await?;
    let killed = workers.killed();
    println!("{killed} workers were killed; waiting for the orders that are still open");
    let results = tokio::time::timeout(PATIENCE, completed(&handles)).await;
    let unfinished = match results {
        Ok(unfinished) => unfinished,
        Err(_) => {
            return Err(format!("after {PATIENCE:?} there are open orders:\n{}", still_open(&handles).await).into());
        }
    };
    drop(workers);

    let report = gateway.report(handles.iter().map(WorkflowHandle::workflow_id))?;
    println!("{report}");
    if killed == 0 {
        return Err("no worker was killed: give it more time with --seconds".into());
    }
    if !unfinished.is_empty() || !report.is_clean() {
        return Err(format!("orders that did not complete: {unfinished:?}; {report}").into());
    }
    println!("all {} orders completed, each charged and shipped once", settings.orders);
    Ok(())
}

/// Places the orders evenly over the time, during which workers die.
async fn place_orders(
    client: &Client,
    run: &str,
    settings: &Settings,
    workers: &mut Workers,
) -> Result<Vec<WorkflowHandle<ProcessOrderWorkflow>>, Box<dyn Error>> {
    let pause = Duration::from_secs(settings.seconds) / settings.orders.max(1);
    let mut ticks = tokio::time::interval(pause.max(millis(1)));
    let mut handles = Vec::new();
    for number in 0..settings.orders {
        ticks.tick().await;
        workers.maybe_kill_one().await?;
        let order = Order { id: format!("{run}-{number}"), cents: 100 + u64::from(number) };
        let handle = client
            .start(process_order, order.clone())
            .id(order.id)
            .task_queue(run)
            // After this time, the task of a dead worker is given to another worker.
            .task_timeout(secs(2))
            .await?;
        handles.push(handle);
    }
    Ok(handles)
}

/// Waits for all orders. Returns those that did not complete.
async fn completed(handles: &[WorkflowHandle<ProcessOrderWorkflow>]) -> Vec<String> {
    let mut others = Vec::new();
    for handle in handles {
        if let Err(error) = handle.result().await {
            others.push(format!("{}: {error}", handle.workflow_id()));
        }
    }
    others
}

/// Returns the histories of open orders, to explain a failed run.
async fn still_open(handles: &[WorkflowHandle<ProcessOrderWorkflow>]) -> String {
    let mut text = String::new();
    for handle in handles {
        if let Ok(history) = handle.fetch_history().await {
            let history = history.to_string();
            if !history.contains("WorkflowExecutionCompleted") {
                text.push_str(&format!("{}\n{history}\n", handle.workflow_id()));
            }
        }
    }
    text
}

/// Returns the server in use and its address: the user's, or an embedded one that lives as long as the first value.
async fn server() -> Result<(Option<TestServer>, String), Box<dyn Error>> {
    if let Ok(address) = std::env::var("TEMPORAL_ADDRESS") {
        return Ok((None, address));
    }
    let server = TestServer::builder().start();
    let address = server.listen("127.0.0.1:0".parse()?).await?.to_string();
    Ok((Some(server), address))
}

impl Settings {
    fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let mut settings = Self { orders: 200, seconds: 60, seed: since_epoch().as_nanos() as u64 };
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        for pair in arguments.chunks(2) {
            match pair {
                [name, value] if name == "--orders" => settings.orders = value.parse()?,
                [name, value] if name == "--seconds" => settings.seconds = value.parse()?,
                [name, value] if name == "--seed" => settings.seed = value.parse()?,
                _ => return Err("usage: chaos [--orders N] [--seconds N] [--seed N]".into()),
            }
        }
        Ok(settings)
    }
}

#[expect(clippy::disallowed_methods, reason = "names and seeds that no earlier run used")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "workers are killed in wall-clock time")]
fn now() -> Instant {
    Instant::now()
}
