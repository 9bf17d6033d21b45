//! Tests of expenses that are approved, rejected, or forgotten at the desk.

#[path = "workflow.rs"]
mod workflow;

use abide::client::AsyncActivityError;
use abide::prelude::*;
use abide_testing::{ActivityEnvironment, TestWorkflowEnvironment};

use self::workflow::{Desk, Expense, pay, reimburse};
use crate::{Outcome, assert_replays};

fn train() -> Expense {
    Expense { what: "train".into(), cents: 4_200 }
}

#[tokio::test]
async fn an_expense_waits_for_days_and_is_paid() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let (desk, mut tickets) = Desk::open();
    let worker = env.worker("async_completion").workflow(reimburse).activities(desk).activities(pay);
    let paid = env.run(worker, async {
        let paid = env.client().start(reimburse, (train(), days(7))).task_queue("async_completion").await?;
        env.sleep(days(3)).await;
        let ticket = tickets.recv().await.ok_or("closed")?;
        assert_eq!(ticket.expense.what, "train");
        ticket.approve(env.client(), "zoe").await?;
        Ok::<_, Box<dyn std::error::Error>>(paid.result().await?)
    });
    assert_eq!(paid.await?, "paid, because zoe approved it");
    assert_eq!(env.elapsed(), days(3));
    Ok(())
}

#[tokio::test]
async fn an_expense_that_is_rejected_is_not_paid() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let (desk, mut tickets) = Desk::open();
    let worker = env.worker("async_completion").workflow(reimburse).activities(desk);
    let worker = worker.mock(pay, |cents| panic!("{cents} cents are paid"));
    let rejected = env.run(worker, async {
        let rejected = env.client().start(reimburse, (train(), days(7))).task_queue("async_completion").await?;
        tickets.recv().await.ok_or("closed")?.reject(env.client(), "a bus would do").await?;
        Ok::<_, Box<dyn std::error::Error>>(rejected.result().await?)
    });
    assert_eq!(rejected.await?, "rejected: a bus would do");
    Ok(())
}

#[tokio::test]
async fn a_decision_that_comes_too_late_is_refused() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let (desk, mut tickets) = Desk::open();
    let worker = env.worker("async_completion").workflow(reimburse).activities(desk).activities(pay);
    let ended = env.run(worker, async {
        let expired = env.client().start(reimburse, (train(), days(7))).task_queue("async_completion").await?;
        env.sleep(days(8)).await;
        let late = tickets.recv().await.ok_or("closed")?.approve(env.client(), "zoe").await;
        Ok::<_, Box<dyn std::error::Error>>((expired.result().await?, late))
    });
    let (ended, late) = ended.await?;
    assert_eq!(ended, "nobody decided");
    assert!(matches!(late, Err(AsyncActivityError::NotFound { .. })), "{late:?}");
    Ok(())
}

#[tokio::test]
async fn the_activity_leaves_its_token_and_ends() -> Outcome {
    let (desk, mut tickets) = Desk::open();
    let env = ActivityEnvironment::new().info(|info| info.task_token = b"token".into());
    let left = env.run_on(desk.into(), Desk::decide, train()).await;
    assert!(left.unwrap_err().completes_async());
    assert_eq!(tickets.recv().await.ok_or("closed")?.task_token, b"token");
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("async_completion", |replayer| replayer.workflow(reimburse))
}
