//! Tests of a shop that calls its bank, and of the bank alone.

#[path = "workflow.rs"]
mod workflow;

use abide::NexusHandlerErrorType;
use abide::prelude::*;
use abide_testing::{TestWorker, TestWorkflowEnvironment};

use self::workflow::{ENDPOINT, Payment, Teller, pay_back, sell};
use crate::{Outcome, assert_replays};

fn payment(cents: u64) -> Payment {
    Payment { order: "book".into(), cents }
}

/// Returns an environment, and a worker that is shop and bank.
async fn shop_and_bank() -> Result<(TestWorkflowEnvironment, TestWorker), Box<dyn std::error::Error>> {
    let env = TestWorkflowEnvironment::start().await?;
    env.server().add_nexus_endpoint(ENDPOINT, "nexus");
    let teller = Teller { limit: 100_000, clearing: hours(2) };
    let worker = env.worker("nexus").workflow(sell).workflow(pay_back).nexus_handlers(teller);
    Ok((env, worker))
}

#[tokio::test]
async fn a_sale_is_charged_at_once() -> Outcome {
    let (env, worker) = shop_and_bank().await?;
    let sold = env.run(worker, env.client().execute(sell, (payment(4_200), false)).task_queue("nexus"));
    assert_eq!(sold.await?, "sold, receipt of book");
    Ok(())
}

#[tokio::test]
async fn a_refund_takes_two_hours() -> Outcome {
    let (env, worker) = shop_and_bank().await?;
    let sold = env.run(worker, env.client().execute(sell, (payment(4_200), true)).task_queue("nexus"));
    assert_eq!(sold.await?, "sold and returned, paid back for the receipt of book");
    assert_eq!(env.elapsed(), hours(2));
    Ok(())
}

#[tokio::test]
async fn a_card_that_is_declined_pays_nothing() -> Outcome {
    let (env, worker) = shop_and_bank().await?;
    let sold = env.run(worker, env.client().execute(sell, (payment(9_000_000), true)).task_queue("nexus"));
    assert_eq!(sold.await?, "not sold: more than 100000 cents");
    Ok(())
}

#[tokio::test]
async fn the_handler_is_a_method_that_a_test_can_call() -> Outcome {
    let teller = Teller { limit: 1, clearing: hours(2) };
    assert_eq!(teller.charge(payment(1)).await.unwrap(), "receipt of book");
    let nothing = teller.charge(Payment { order: String::new(), cents: 1 }).await.unwrap_err();
    assert_eq!(nothing.handler_error_type(), Some(NexusHandlerErrorType::BadRequest));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("nexus", |replayer| replayer.workflow(sell).workflow(pay_back))
}
