//! Tests of the early answer: when it comes, and what it says if the payment is refused.

#[path = "workflow.rs"]
mod workflow;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Payment, PaymentError, complete, initialise};
use crate::{Outcome, assert_replays};

#[tokio::test]
async fn the_answer_comes_while_the_workflow_goes_on() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("early_return").workflow(Payment::run).activities(initialise);
    let worker = worker.mock_async(complete, |ctx, _| async move {
        match ctx.info().attempt {
            1 => Err(ApplicationFailure::new("the other bank is closed").next_retry_delay(mins(30)).into()),
            _ => Ok(()),
        }
    });
    let paid = env.run(worker, async {
        let start = env.client().start(Payment::run, ("bob".into(), 300)).task_queue("early_return");
        let (payment, number) = start.with_update(Payment::number, ()).await?;
        assert_eq!(number.result().await?, "bob/300");
        assert_eq!(env.elapsed(), secs(0));
        Ok::<_, Box<dyn std::error::Error>>(payment.result().await?)
    });
    assert_eq!(paid.await?, "payment bob/300 is complete");
    assert_eq!(env.elapsed(), mins(30));
    Ok(())
}

#[tokio::test]
async fn a_payment_that_is_refused_is_not_completed() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("early_return").workflow(Payment::run).activities(initialise);
    let worker = worker.mock(complete, |number| panic!("{number} is completed"));
    let refused = env.run(worker, async {
        let start = env.client().start(Payment::run, ("nobody".into(), 300)).task_queue("early_return");
        let (payment, number) = start.with_update(Payment::number, ()).await?;
        Ok::<_, Box<dyn std::error::Error>>((number.result().await, payment.result().await))
    });
    let (answer, ended) = refused.await?;
    let refusal = Some(PaymentError::NoAccount { account: "nobody".into() });
    assert_eq!(answer.unwrap_err().application_error(), refusal);
    assert_eq!(ended.unwrap_err().application_error(), refusal);
    Ok(())
}

#[tokio::test]
async fn who_asks_later_gets_the_same_answer() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("early_return").workflow(Payment::run).activities(initialise);
    let worker = worker.mock(complete, |_| Err(ApplicationFailure::new("closed").next_retry_delay(hours(1)).into()));
    let numbers = env.run(worker, async {
        let start = || env.client().start(Payment::run, ("bob".into(), 300)).id("payment").task_queue("early_return");
        let (_, first) = start().with_update(Payment::number, ()).await?;
        let first = first.result().await?;
        let (payment, second) = start().with_update(Payment::number, ()).await?;
        let second = second.result().await?;
        payment.terminate().await?;
        Ok::<_, Box<dyn std::error::Error>>((first, second))
    });
    assert_eq!(numbers.await?, ("bob/300".into(), "bob/300".into()));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("early_return", |replayer| replayer.workflow(Payment::run))
}
