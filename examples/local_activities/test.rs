//! Tests of the look-ups: their results, their retries, and the events they leave.

#[path = "workflow.rs"]
mod workflow;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Order, OrderError, charge, order, price_of, tax_in};
use crate::{Outcome, assert_replays};

fn order_of(article: &str, country: &str) -> Order {
    Order { article: article.into(), country: country.into() }
}

#[tokio::test]
async fn the_price_contains_the_tax_of_the_country() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = || env.worker("local_activities").workflow(order);
    for (country, receipt) in [("Austria", "receipt for 1650 cents"), ("Hungary", "receipt for 1575 cents")] {
        let worker = worker().activities(price_of).activities(tax_in).activities(charge);
        let ordered = env.client().execute(order, order_of("book", country)).task_queue("local_activities");
        assert_eq!(env.run(worker, ordered).await?, receipt);
    }
    Ok(())
}

#[tokio::test]
async fn an_order_that_cannot_be_priced_is_not_charged() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    for (article, country, refusal) in [
        ("unicorn", "Austria", OrderError::NoArticle { article: "unicorn".into() }),
        ("book", "Atlantis", OrderError::NoSale { country: "Atlantis".into() }),
    ] {
        let worker = env.worker("local_activities").workflow(order).activities(price_of).activities(tax_in);
        let worker = worker.mock(charge, |cents| panic!("{cents} cents are charged"));
        let ordered = env.client().execute(order, order_of(article, country)).task_queue("local_activities");
        assert_eq!(env.run(worker, ordered).await.unwrap_err().application_error(), Some(refusal));
    }
    Ok(())
}

/// The worker repeats a local activity within the same workflow task; the server repeats the payment.
#[tokio::test]
async fn both_kinds_are_retried() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("local_activities").workflow(order).activities(price_of);
    let worker = worker.mock_async(tax_in, |ctx, _| async move {
        match ctx.info().attempt {
            1 => Err("the table is being written")?,
            _ => Ok(10),
        }
    });
    let worker = worker.mock_async(charge, |ctx, cents| async move {
        match ctx.info().attempt {
            1 => Err(ApplicationFailure::new("the bank is closed").next_retry_delay(hours(12)).into()),
            _ => Ok(format!("receipt for {cents} cents")),
        }
    });
    let ordered = env.client().execute(order, order_of("book", "Austria")).id("order").task_queue("local_activities");
    assert_eq!(env.run(worker, ordered).await?, "receipt for 1650 cents");
    let history = env.client().handle(order, "order").fetch_history().await?;
    let count =
        |name: &str| history.events().iter().filter(|event| format!("{:?}", event.event_type()) == name).count();
    assert_eq!((count("MarkerRecorded"), count("ActivityTaskScheduled")), (2, 1));
    Ok(())
}

#[test]
fn the_recorded_run_replays() -> Outcome {
    assert_replays("local_activities", |replayer| replayer.workflow(order))
}
