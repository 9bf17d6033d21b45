//! Metrics of a workflow and its activities: each thing is counted once, however often the run is rebuilt.

use abide::metrics::{Metrics, MetricsBuilder};
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use super::Outcome;

const QUEUE: &str = "parcels";

#[activity(start_to_close_timeout = mins(1))]
async fn weigh(ctx: &ActivityContext, parcel: u64) -> Result<u64, ActivityError> {
    ctx.metrics().with_label("scales", "old").counter("weighed", "Parcels that were weighed", "").add(1);
    match ctx.info().attempt {
        1 => Err(ApplicationFailure::new("not level").into()),
        2 => Err(ApplicationFailure::new("as expected").category(abide::ErrorCategory::Benign).into()),
        _ => Ok(parcel * 100),
    }
}

#[activity(start_to_close_timeout = mins(1))]
async fn print_label(ctx: &ActivityContext) -> Result<(), ActivityError> {
    if ctx.info().attempt == 1 { Err("no paper".into()) } else { Ok(()) }
}

#[workflow]
async fn deliver(ctx: &WorkflowContext, parcels: u64) -> Result<u64, WorkflowError> {
    let sent = ctx.metrics().counter("sent", "Parcels that were sent", "");
    let weight = ctx.metrics().with_label("unit", "g").histogram("weight", "Weight of a parcel", "g");
    let mut grams = 0;
    for parcel in 1..=parcels {
        let weighed = ctx.activity(weigh, parcel).await?;
        weight.record(weighed as f64);
        ctx.local_activity(print_label, ()).await?;
        ctx.timer(hours(1)).await?;
        sent.add(1);
        grams += weighed;
    }
    Ok(grams)
}

/// Returns the metrics of an environment in which two parcels were delivered.
async fn delivered(cached: usize, builder: MetricsBuilder) -> Result<Metrics, Box<dyn std::error::Error>> {
    let metrics = builder.build()?;
    let env = TestWorkflowEnvironment::start_with(ClientOptions::default().metrics(metrics.clone())).await?;
    let worker = env.worker(QUEUE).workflow(deliver).activities(weigh).activities(print_label);
    let worker = worker.options(|worker| worker.max_cached_workflows(cached));
    let grams = env.run(worker, env.client().execute(deliver, 2).task_queue(QUEUE)).await?;
    assert_eq!(grams, 300);
    Ok(metrics)
}

#[tokio::test]
async fn everything_is_counted_once_with_and_without_a_cache() -> Outcome {
    for cached in [0, 10] {
        let metrics = delivered(cached, Metrics::builder()).await?;
        let total = |name: &str, labels: &[(&str, &str)]| metrics.total(name, labels);
        let of_workflow = [("namespace", "default"), ("task_queue", QUEUE), ("workflow_type", "deliver")];
        assert_eq!(total("sent", &of_workflow), 2.0, "{cached} cached");
        assert_eq!(total("weight", &[("unit", "g"), ("workflow_type", "deliver")]), 2.0);
        let of_activity = [("task_queue", QUEUE), ("workflow_type", "deliver"), ("activity_type", "weigh")];
        assert_eq!(total("weighed", &of_activity), 6.0);
        assert_eq!(total("weighed", &[("scales", "old")]), 6.0);
        assert_eq!(total("temporal_workflow_completed", &of_workflow), 1.0);
        assert_eq!(total("temporal_workflow_endtoend_latency", &of_workflow), 1.0);
        let received = total("temporal_activity_task_received", &of_activity);
        assert_eq!(received, 6.0);
        assert_eq!(total("temporal_activity_execution_latency", &of_activity), 6.0);
        // Of the three attempts, one failed, one failed as its author expected, and one succeeded.
        assert_eq!(total("temporal_activity_execution_failed", &of_activity), 2.0);
        assert_eq!(total("temporal_activity_execution_failed", &[("failure_reason", "ActivityError")]), 2.0);
        assert_eq!(total("temporal_activity_succeed_endtoend_latency", &of_activity), 2.0);
        let of_local = [("activity_type", "print_label"), ("workflow_type", "deliver")];
        assert_eq!(total("temporal_local_activity_total", &of_local), 4.0);
        assert_eq!(total("temporal_local_activity_execution_failed", &of_local), 2.0);
        assert_eq!(total("temporal_local_activity_succeed_endtoend_latency", &of_local), 2.0);
        // The first task needs no replay. Without a cache, each of the others does.
        let tasks = total("temporal_workflow_task_execution_latency", &of_workflow);
        let replays = total("temporal_workflow_task_replay_latency", &of_workflow);
        assert_eq!(replays, if cached == 0 { tasks - 1.0 } else { 0.0 }, "{tasks} tasks, {cached} cached");
        let evictions = total("temporal_sticky_cache_total_forced_eviction", &[]);
        assert_eq!(evictions, if cached == 0 { tasks - 1.0 } else { 0.0 }, "{tasks} tasks, {cached} cached");
        assert_eq!(total("temporal_workflow_task_execution_failed", &[]), 0.0);
    }
    Ok(())
}

#[tokio::test]
async fn a_runs_duration_is_that_of_the_servers_clock() -> Outcome {
    let text = delivered(10, Metrics::builder()).await?.prometheus_text();
    let line = text.lines().find(|line| line.starts_with("temporal_workflow_endtoend_latency_sum")).unwrap_or_default();
    let millis: f64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
    // Two timers of an hour, and the intervals between attempts.
    assert!((7_200_000.0..7_260_000.0).contains(&millis), "{line}");
    Ok(())
}

#[tokio::test]
async fn names_and_units_follow_the_options() -> Outcome {
    let builder = Metrics::builder().durations_as_seconds().counters_total_suffix().unit_suffix().prefix("shop_");
    let text = delivered(10, builder.service_name("parcels")).await?.prometheus_text();
    for expected in [
        "\n# TYPE shop_workflow_completed_total counter\n",
        "\nshop_workflow_completed_total{namespace=\"default\",service_name=\"parcels\",task_queue=\"parcels\",workflow_type=\"deliver\"} 1\n",
        "\nshop_workflow_task_execution_latency_seconds_bucket{namespace=\"default\",service_name=\"parcels\",task_queue=\"parcels\",workflow_type=\"deliver\",le=\"0.001\"} ",
        "\nsent_total{",
        "weight_g_bucket{",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    assert!(!text.contains("temporal_"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_has_ended_leaves_its_gauges_at_zero() -> Outcome {
    let metrics = delivered(10, Metrics::builder()).await?;
    assert_eq!(metrics.total("temporal_worker_start", &[("task_queue", QUEUE)]), 1.0);
    for gauge in ["worker_task_slots_available", "worker_task_slots_used", "num_pollers"] {
        let name = format!("temporal_{gauge}");
        let found = metrics.snapshot().into_iter().find(|metric| metric.name == name);
        let series = found.unwrap_or_else(|| panic!("there is no {name}")).series;
        assert!(!series.is_empty() && metrics.total(&name, &[]) == 0.0, "{series:?}");
    }
    Ok(())
}
