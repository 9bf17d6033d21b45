//! Tests of the four releases: which of them go on with what another one has begun.

#[path = "workflow.rs"]
mod workflow;

use std::path::Path;

use abide::prelude::*;
use abide::worker::DeploymentOptions;
use abide::{History, WorkflowReplayer};
use abide_testing::{TestWorker, TestWorkflowEnvironment};

use self::workflow::{charge, check_fraud, invoice, release_1, release_2, release_3, release_4, subscription};
use crate::Outcome;

/// A row for each release that has recorded an order: true for the releases that replay it.
const REPLAYED_BY: [[bool; 4]; 4] =
    [[true, true, false, false], [false, true, true, false], [false, true, true, true], [false, false, true, true]];

fn replayed(history: &History) -> [bool; 4] {
    let releases = [
        WorkflowReplayer::new().workflow(release_1::order),
        WorkflowReplayer::new().workflow(release_2::order),
        WorkflowReplayer::new().workflow(release_3::order),
        WorkflowReplayer::new().workflow(release_4::order),
    ];
    releases.map(|release| release.replay(history).is_ok())
}

fn worker(env: &TestWorkflowEnvironment, release: usize) -> TestWorker {
    let worker = env.worker("versioning").activities(check_fraud).activities(charge);
    match release {
        1 => worker.workflow(release_1::order),
        2 => worker.workflow(release_2::order),
        3 => worker.workflow(release_3::order),
        _ => worker.workflow(release_4::order),
    }
}

#[tokio::test]
async fn an_order_is_delivered_by_the_next_release() -> Outcome {
    for (release, steps) in [(1, "charged"), (2, "checked, charged"), (3, "checked, charged")] {
        let env = TestWorkflowEnvironment::start().await?;
        let charged = env.run(worker(&env, release), async {
            let order = env.client().start(release_1::order, days(2)).task_queue("versioning").await;
            env.sleep(days(1)).await;
            order
        });
        let order = charged.await?;
        assert_eq!(env.run(worker(&env, release + 1), order.result()).await?, steps, "of release {release}");
        assert_eq!(env.elapsed(), days(2));
    }
    Ok(())
}

#[tokio::test]
async fn each_release_fits_the_histories_of_its_neighbours() -> Outcome {
    for (row, fits) in REPLAYED_BY.into_iter().enumerate() {
        let env = TestWorkflowEnvironment::start().await?;
        let order = env.client().execute(release_1::order, days(1)).id("order").task_queue("versioning");
        env.run(worker(&env, row + 1), order).await?;
        let history = env.client().handle(release_1::order, "order").fetch_history().await?;
        assert_eq!(replayed(&history), fits, "recorded by release {}", row + 1);
    }
    Ok(())
}

#[tokio::test]
async fn versioning_behaviours_need_a_deployment_and_a_deployment_needs_them() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = || Worker::builder(env.client(), "subscriptions").activities(charge);
    let deployed = || worker().deployment(DeploymentOptions::new("subscriptions", "build-1").use_worker_versioning());
    let _worker = deployed().workflow(invoice).workflow(subscription).build()?;
    let unversioned = worker().workflow(invoice).build().err().ok_or("it is built")?;
    assert!(unversioned.to_string().contains("`invoice` has a versioning behaviour"), "{unversioned}");
    let undeclared = deployed().workflow(release_1::order).build().err().ok_or("it is built")?;
    assert!(undeclared.to_string().contains("`order` has no versioning behaviour"), "{undeclared}");
    Ok(())
}

/// The file `release-2.json` is an order of release 2.
#[test]
fn the_recorded_runs_replay() -> Outcome {
    for (row, fits) in REPLAYED_BY.into_iter().enumerate().take(3) {
        let file = format!("versioning/histories/release-{}.json", row + 1);
        for history in History::load(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file))? {
            assert_eq!(replayed(&history), fits, "{file}");
        }
    }
    Ok(())
}
