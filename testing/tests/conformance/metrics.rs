//! The metrics of a worker under load: all that the public dashboard for Core-based SDKs shows, on both servers.

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture;
use std::sync::{Mutex, PoisonError};

use abide::client::Client;
use abide::prelude::*;
use futures_util::future::join_all;

use crate::arm::{Arm, Outcome, compare, until};

/// The series of the dashboard `sdk/temporal-core-sdks-otel.json` of `temporalio/dashboards`, with the labels that its
/// queries name.
const DASHBOARD: [(&str, &[&str]); 25] = [
    ("temporal_request", &["namespace", "operation"]),
    ("temporal_request_failure", &["namespace", "operation"]),
    ("temporal_request_latency_bucket", &["namespace", "operation", "le"]),
    ("temporal_long_request_failure", &["namespace", "operation"]),
    ("temporal_long_request_latency_bucket", &["namespace", "operation", "le"]),
    ("temporal_workflow_completed", &["namespace", "workflow_type"]),
    ("temporal_workflow_endtoend_latency_bucket", &["namespace", "workflow_type", "le"]),
    ("temporal_workflow_failed", &["namespace", "workflow_type"]),
    ("temporal_workflow_task_queue_poll_succeed", &["namespace", "task_queue"]),
    ("temporal_workflow_task_schedule_to_start_latency_bucket", &["namespace", "task_queue", "le"]),
    ("temporal_workflow_task_execution_failed", &["namespace", "workflow_type"]),
    ("temporal_workflow_task_execution_latency_bucket", &["namespace", "workflow_type", "le"]),
    ("temporal_workflow_task_replay_latency_bucket", &["namespace", "workflow_type", "le"]),
    ("temporal_workflow_task_queue_poll_empty", &["namespace", "task_queue"]),
    ("temporal_activity_schedule_to_start_latency_count", &["namespace"]),
    ("temporal_activity_execution_failed", &["namespace", "activity_type"]),
    ("temporal_activity_execution_latency_bucket", &["namespace", "activity_type", "le"]),
    ("temporal_activity_poll_no_task", &["namespace", "task_queue"]),
    ("temporal_activity_schedule_to_start_latency_bucket", &["namespace", "task_queue", "le"]),
    ("temporal_worker_task_slots_available", &["namespace"]),
    ("temporal_worker_task_slots_used", &["namespace"]),
    ("temporal_sticky_cache_size", &["namespace"]),
    ("temporal_sticky_cache_total_forced_eviction", &["namespace"]),
    ("temporal_sticky_cache_hit", &["namespace"]),
    ("temporal_sticky_cache_miss", &["namespace", "task_queue"]),
];

/// The dashboard beside the example `metrics`.
const OUR_DASHBOARD: &str = include_str!("../../../examples/metrics/dashboard.json");

#[activity(start_to_close_timeout = secs(10))]
async fn charge(ctx: &ActivityContext) -> Result<(), ActivityError> {
    if ctx.info().attempt == 1 { Err("declined".into()) } else { Ok(()) }
}

#[workflow]
async fn order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(millis(20));
    ctx.activity(charge, ()).retry_policy(policy).await?;
    ctx.timer(millis(300)).await?;
    Ok(())
}

#[workflow]
async fn refuses() -> Result<(), WorkflowError> {
    Err(ApplicationFailure::new("no").into())
}

/// Panics in the first attempt of its task.
#[workflow]
async fn stumbles(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    static STUMBLED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let is_first = STUMBLED.lock().unwrap_or_else(PoisonError::into_inner).insert(ctx.info().run_id.clone());
    assert!(!is_first, "the first attempt");
    Ok(())
}

#[workflow]
async fn wavers(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    if ctx.is_replaying() {
        ctx.activity(charge, ()).await?;
    } else {
        ctx.timer(millis(1)).await?;
    }
    Ok(())
}

/// Reads the samples of a scrape: name, labels and value.
fn samples(text: &str) -> Vec<(&str, BTreeMap<&str, &str>, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            let (name, labels) = series.split_once('{').expect("a sample has labels");
            let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
            let labels = labels.map(|(name, value)| (name, value.trim_matches('"'))).collect();
            (name, labels, value.parse().expect("a value is a number"))
        })
        .collect()
}

/// Returns the names of Temporal's metrics in the text of a dashboard.
fn queried(dashboard: &str) -> BTreeSet<&str> {
    let words = dashboard.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("temporal_")).collect()
}

async fn load(client: &Client, queue: &str) -> Outcome {
    let metrics = client.metrics();
    let orders = join_all((0..6).map(|_| client.execute(order, ()).task_queue(queue).into_future()));
    let watching = until("slots are used", || async {
        let used = metrics.total("temporal_worker_task_slots_used", &[("worker_type", "ActivityWorker")]);
        let polls = metrics.total("temporal_num_pollers", &[("poller_type", "activity_task")]);
        Ok(used > 0.0 || polls > 0.0)
    });
    let (orders, watched) = tokio::join!(orders, watching);
    watched?;
    orders.into_iter().collect::<Result<Vec<()>, _>>()?;
    client.execute(refuses, ()).task_queue(queue).await.expect_err("it refuses");
    client.execute(stumbles, ()).task_queue(queue).await?;
    let unknown = client.handle(order, "no-such-order");
    unknown.describe().await.expect_err("there is no such workflow");
    unknown.result().await.expect_err("there is no such workflow");
    Ok(())
}

#[tokio::test]
async fn the_dashboards_25_series_are_scraped_from_a_worker_under_load() -> Outcome {
    compare("metrics", |arm: Arm| async move {
        let worker = arm.worker().workflow(order).workflow(refuses).workflow(stumbles).activities(charge);
        // A cache of one run: six orders at a time evict each other.
        let worker = worker.max_cached_workflows(1).disable_eager_activity_execution().build()?;
        worker.run_until(Box::pin(load(&arm.client, &arm.queue()))).await??;
        let text = arm.client.metrics().prometheus_text();
        let samples = samples(&text);
        for (name, labels) in DASHBOARD {
            let fits = |it: &&(&str, BTreeMap<&str, &str>, f64)| {
                let has = |label: &&str| it.1.get(label).is_some_and(|value| !value.is_empty());
                it.0 == name && labels.iter().all(has)
            };
            let found: Vec<_> = samples.iter().filter(fits).collect();
            assert!(!found.is_empty(), "{name} with the labels {labels:?} is not in\n{text}");
            assert!(found.iter().all(|(_, labels, _)| labels["namespace"] == "default"), "{found:?}");
            let is_gauge = name.contains("_slots_") || name.ends_with("cache_size");
            assert!(is_gauge || found.iter().any(|(_, _, value)| *value > 0.0), "{name} has counted nothing:\n{text}");
            assert!(queried(OUR_DASHBOARD).contains(name), "the example's dashboard does not show {name}");
        }
        for name in queried(OUR_DASHBOARD) {
            assert!(samples.iter().any(|sample| sample.0 == name), "the dashboard queries {name}, not in\n{text}");
        }
        let metrics = arm.client.metrics();
        assert_eq!(metrics.total("temporal_workflow_completed", &[("workflow_type", "order")]), 6.0);
        assert_eq!(metrics.total("temporal_activity_execution_failed", &[("activity_type", "charge")]), 6.0);
        assert_eq!(metrics.total("temporal_workflow_task_execution_failed", &[("workflow_type", "stumbles")]), 1.0);
        let not_found = [("operation", "DescribeWorkflowExecution"), ("status_code", "NOT_FOUND")];
        assert_eq!(metrics.total("temporal_request_failure", &not_found), 1.0);
        Ok(Vec::new())
    })
    .await
}

#[tokio::test]
async fn failed_workflow_tasks_are_counted_by_their_reason() -> Outcome {
    compare("metrics-reasons", |arm: Arm| async move {
        let worker = arm.worker().workflow(wavers).workflow(stumbles).activities(charge);
        let worker = worker.max_cached_workflows(0).build()?;
        let (client, metrics, queue) = (&arm.client, arm.client.metrics(), arm.queue());
        let body = worker.run_until(async {
            let failed = |workflow_type: &str, reason: &str| {
                let labels = [("workflow_type", workflow_type), ("failure_reason", reason)];
                metrics.total("temporal_workflow_task_execution_failed", &labels)
            };
            let wavering = client.start(wavers, ()).id(arm.id()).task_queue(&*queue).await?;
            until("the replay differs", || async { Ok(failed("wavers", "NonDeterminismError") >= 1.0) }).await?;
            wavering.terminate().await?;
            client.execute(stumbles, ()).task_queue(&*queue).await?;
            assert_eq!(failed("stumbles", "WorkflowError"), 1.0);
            assert_eq!(failed("wavers", "WorkflowError"), 0.0);
            Ok::<_, Box<dyn std::error::Error>>(())
        });
        body.await??;
        Ok(Vec::new())
    })
    .await
}

/// As in a soak: a scrape after a few workflows and one after many.
#[tokio::test]
async fn a_worker_under_load_gets_no_more_series_and_returns_its_slots() -> Outcome {
    compare("metrics-soak", |arm: Arm| async move {
        let worker = arm.worker().workflow(order).workflow(refuses).workflow(stumbles).activities(charge);
        let worker = worker.max_cached_workflows(1).disable_eager_activity_execution().build()?;
        let metrics = arm.client.metrics();
        let series = || {
            let text = metrics.prometheus_text();
            // A busy machine may lose a request, and that would be a series of its own.
            let samples = samples(&text).into_iter().filter(|(name, ..)| !name.contains("request_failure"));
            samples.map(|(name, labels, _)| format!("{name}{labels:?}")).collect::<BTreeSet<_>>()
        };
        let body = async {
            load(&arm.client, &arm.queue()).await?;
            let at_the_start = series();
            for _ in 0..5 {
                load(&arm.client, &arm.queue()).await?;
            }
            let new: Vec<_> = series().difference(&at_the_start).cloned().collect();
            Ok::<_, Box<dyn std::error::Error>>(new)
        };
        let new = worker.run_until(Box::pin(body)).await??;
        assert!(new.is_empty(), "series that the first round did not have: {new:#?}");
        assert_eq!(metrics.total("temporal_workflow_completed", &[("workflow_type", "order")]), 36.0);
        assert_eq!(metrics.total("temporal_worker_task_slots_used", &[]), 0.0);
        assert_eq!(metrics.total("temporal_sticky_cache_size", &[]), 0.0);
        assert_eq!(metrics.total("temporal_num_pollers", &[]), 0.0);
        Ok(Vec::new())
    })
    .await
}
