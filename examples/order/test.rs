//! Tests of orders: one that ends well, one that is placed twice, and one whose worker dies after the payment.

#[path = "workflow.rs"]
mod workflow;

use abide::prelude::*;
use abide_examples::{unique, until_recorded};
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Item, Order, Payment, Shop, charges_of, process_order};
use crate::{Outcome, assert_replays};

const QUEUE: &str = "order";

fn order(name: &str) -> Order {
    let items = vec![Item { name: "cups".into(), count: 6 }];
    Order { id: unique(name), items, payment: Payment { card: "4242".into(), cents: 900 } }
}

fn shop(worker: &str) -> Shop {
    Shop { worker: worker.into() }
}

#[tokio::test]
async fn an_order_that_is_placed_twice_is_charged_once() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let order = order("twice");
    for _ in 0..2 {
        let worker = env.worker(QUEUE).workflow(process_order).activities(shop("worker"));
        let worker = worker.mock(Shop::update_inventory, |_| Ok(()));
        let placed = env.client().execute(process_order, order.clone()).id(&order.id).task_queue(QUEUE);
        assert_eq!(env.run(worker, placed).await?, "Order completed");
        assert_eq!(charges_of(&order.id)?, [format!("{} charged 900 cents", order.id)]);
    }
    Ok(())
}

#[tokio::test]
async fn an_order_survives_the_death_of_its_worker() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let order = order("survivor");
    let start = env.client().start(process_order, order.clone()).id(&order.id).task_queue(QUEUE);
    let handle = start.await?;
    let first = Worker::builder(env.client(), QUEUE).workflow(process_order).activities(shop("worker 1"));
    // Without a cache, so that no workflow task waits for the dead worker.
    let first = first.max_cached_workflows(0).build()?;
    // The worker ends at once, as after a SIGKILL.
    tokio::select! {
        ended = first.run() => ended?,
        recorded = until_recorded(&handle, "ActivityTaskScheduled(update_inventory)") => recorded?,
    }
    let second = env.worker(QUEUE).workflow(process_order).activities(shop("worker 2"));
    assert_eq!(env.run(second, async { handle.result().await }).await?, "Order completed");
    assert_eq!(charges_of(&order.id)?.len(), 1);
    assert!(env.elapsed() < mins(1), "{:?}", env.elapsed());
    Ok(())
}

#[test]
fn the_recorded_run_replays() -> Outcome {
    assert_replays("order", |replayer| replayer.workflow(process_order))
}
