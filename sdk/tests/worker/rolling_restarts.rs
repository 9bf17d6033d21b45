//! Rolling restarts under load: two workers shut down in turn while workflows run, and no task may be lost.
//!
//! A lost task shows as a timeout in a history, or as an activity's second attempt. `ABIDE_RESTARTS` sets the number of
//! shutdowns (default 6).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use abide::History;
use abide::client::{Client, ClientOptions, WorkflowHandle};
use abide::prelude::*;
use abide::worker::{ShutdownHandle, Worker, WorkerError};
use abide_protos::temporal::api::enums::v1::TimeoutType;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::{LIMIT, address, unique};

/// Time that a worker runs before it is replaced.
const TERM: Duration = Duration::from_millis(700);
/// Number of restarts per lost task that is tolerated. On a busy machine the server may hand out a task at the moment
/// its poll is cut, which no client can detect. On an idle machine this test loses none.
const LUCK: u32 = 6;
/// Number of workflows that are open at a time.
const OPEN: usize = 24;

#[activity]
async fn stir(round: u32) -> Result<u32, ActivityError> {
    sleep(Duration::from_millis(5)).await;
    Ok(round)
}

/// Runs one task after another without a pause, and some that come when nothing is cached any more.
#[workflow]
async fn coffee(ctx: &WorkflowContext, rounds: u32) -> Result<u32, WorkflowError> {
    let mut stirred = 0;
    for round in 0..rounds {
        ctx.activity(stir, round).start_to_close_timeout(secs(5)).await?;
        if round % 10 == 9 {
            ctx.timer(secs(1)).await?;
        }
        stirred += 1;
    }
    Ok(stirred)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_lost_when_workers_are_replaced() {
    check("default").await;
}

/// Runs on a server that leaves a worker's polls open when it shuts down.
#[tokio::test(flavor = "multi_thread")]
async fn no_task_is_lost_when_the_server_does_not_end_polls() {
    check("plain").await;
}

async fn check(namespace: &str) {
    let test = format!("rolling restarts in {namespace}");
    let Some(address) = address(&test) else { return };
    let restarts: u32 = std::env::var("ABIDE_RESTARTS").ok().and_then(|count| count.parse().ok()).unwrap_or(6);
    let client = Client::connect(ClientOptions::new(address).namespace(namespace)).await.unwrap();
    if client.count("").await.is_err_and(|error| error.is_namespace_not_found()) {
        eprintln!("skipped: {test} (`.ci/real-server` makes the namespace)");
        return;
    }
    let queue = unique("rolling");
    let mut workers = VecDeque::from([start(&client, &queue), start(&client, &queue)]);
    let until = Instant::now() + TERM * restarts;
    let load: Vec<_> = (0..OPEN).map(|lane| tokio::spawn(orders(client.clone(), queue.clone(), lane, until))).collect();
    let mut longest = Duration::ZERO;
    for _ in 0..restarts {
        sleep(TERM).await;
        workers.push_back(start(&client, &queue));
        let (shutdown, running) = workers.pop_front().unwrap();
        let began = Instant::now();
        shutdown.shutdown();
        timeout(LIMIT, running).await.expect("the worker ends").unwrap().unwrap();
        longest = longest.max(began.elapsed());
    }
    let (mut workflows, mut lost) = (0, BTreeMap::<String, u32>::new());
    for lane in load {
        let lane = timeout(LIMIT, lane).await.expect("the workflows complete").unwrap();
        workflows += lane.len();
        lane.iter().flat_map(lost_tasks).for_each(|task| *lost.entry(task).or_default() += 1);
    }
    for (shutdown, running) in workers {
        shutdown.shutdown();
        timeout(LIMIT, running).await.expect("the worker ends").unwrap().unwrap();
    }
    let counted = format!("{restarts} restarts, {workflows} workflows, lost: {lost:?}");
    eprintln!("{test}: {counted}, a worker took up to {longest:.1?} to end");
    let (all, sticky) = (lost.values().sum::<u32>(), lost.get("sticky workflow task").copied().unwrap_or_default());
    assert!(sticky == 0 && all <= restarts / LUCK, "{test}: {counted}");
}

fn start(client: &Client, queue: &str) -> (ShutdownHandle, JoinHandle<Result<(), WorkerError>>) {
    let worker = Worker::builder(client, queue)
        .workflow(coffee)
        .activities(stir)
        .disable_eager_activity_execution()
        .build()
        .unwrap();
    (worker.shutdown_handle(), tokio::spawn(worker.run()))
}

/// Runs one workflow after another. Returns their histories.
async fn orders(client: Client, queue: String, lane: usize, until: Instant) -> Vec<History> {
    let mut histories = Vec::new();
    while Instant::now() < until {
        let id = format!("{queue}-{lane}-{}", histories.len());
        let handle: WorkflowHandle<CoffeeWorkflow> =
            client.start(coffee, 60).id(&*id).task_queue(&*queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), 60);
        histories.push(handle.fetch_history().await.unwrap());
    }
    histories
}

/// Returns the tasks in a history that were handed out and never answered.
fn lost_tasks(history: &History) -> Vec<String> {
    let lost = history.events().iter().filter_map(|event| match event.attributes.as_ref()? {
        Attributes::WorkflowTaskTimedOutEventAttributes(timed_out) => {
            let sticky = timed_out.timeout_type() == TimeoutType::ScheduleToStart;
            Some(if sticky { "sticky workflow task" } else { "workflow task" })
        }
        Attributes::ActivityTaskStartedEventAttributes(started) => (started.attempt > 1).then_some("activity task"),
        _ => None,
    });
    lost.map(str::to_string).collect()
}
