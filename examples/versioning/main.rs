//! Four releases of one workflow: each starts an order that the next one delivers. `cargo run --example versioning`

mod workflow;

use abide::prelude::*;
use abide::worker::DeploymentOptions;
use abide_examples::{Server, unique};

use crate::workflow::{charge, check_fraud, invoice, release_1, release_2, release_3, release_4, subscription};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = || Worker::builder(client, "versioning").activities(check_fraud).activities(charge);
    let releases = [
        worker().workflow(release_1::order),
        worker().workflow(release_2::order),
        worker().workflow(release_3::order),
        worker().workflow(release_4::order),
    ];
    let mut open: Option<WorkflowHandle<release_1::OrderWorkflow>> = None;
    for (number, release) in (1..).zip(releases) {
        let orders = async {
            if let Some(order) = &open {
                println!("release {number} delivers an order of release {}: {}", number - 1, order.result().await?);
            }
            // For its callers, each release is the same workflow.
            let order = client.start(release_1::order, server.time(hours(1)));
            let order = order.id(unique(&format!("release-{number}"))).task_queue("versioning").await?;
            // Now the order is charged, and waits for its delivery.
            server.sleep(mins(10)).await;
            Ok::<_, Box<dyn std::error::Error>>(order)
        };
        open = Some(release.build()?.run_until(orders).await??);
    }
    if let Some(order) = open {
        order.terminate().reason("there is no release 5").await?;
    }

    // Not run, because a worker of a deployment gets no tasks until its build is made the current one.
    let build = DeploymentOptions::new("subscriptions", "build-1").use_worker_versioning();
    let deployed = Worker::builder(client, "subscriptions").deployment(build);
    let _worker = deployed.workflow(invoice).workflow(subscription).activities(charge).build()?;
    Ok(())
}
