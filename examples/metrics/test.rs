//! Each drink is counted once, with and without a cache.

#[path = "workflow.rs"]
mod workflow;

use abide::client::ClientOptions;
use abide::metrics::Metrics;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{brew, serve};
use crate::{Outcome, assert_replays};

#[tokio::test]
async fn each_drink_counts_once() -> Outcome {
    for cached in [0, 10] {
        let metrics = Metrics::default();
        let env = TestWorkflowEnvironment::start_with(ClientOptions::default().metrics(metrics.clone())).await?;
        let worker = env.worker("cafe").workflow(serve).activities(brew);
        let worker = worker.options(|worker| worker.max_cached_workflows(cached));
        let drinks = ["latte", "mocha", "latte"].map(String::from).to_vec();
        env.run(worker, env.client().execute(serve, drinks).task_queue("cafe")).await?;
        assert_eq!(metrics.total("served", &[("workflow_type", "serve")]), 3.0);
        assert_eq!(metrics.total("brewed", &[("drink", "latte"), ("activity_type", "brew")]), 2.0);
        assert_eq!(metrics.total("temporal_activity_execution_failed", &[("activity_type", "brew")]), 1.0);
        assert_eq!(metrics.total("temporal_workflow_completed", &[("workflow_type", "serve")]), 1.0);
    }
    Ok(())
}

#[test]
fn the_recorded_run_replays() -> Outcome {
    assert_replays("metrics", |replayer| replayer.workflow(serve))
}
