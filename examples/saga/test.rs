//! Transfers that succeed, fail, and are cancelled midway.

#[path = "workflow.rs"]
mod workflow;

use std::sync::Arc;

use abide::ApplicationFailure;
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;
use tokio::sync::Notify;

use self::workflow::{Bank, Transfer, transfer};
use crate::{Outcome, assert_replays};

fn to(to: &str, cents: i64) -> Transfer {
    Transfer { from: "ada".into(), to: to.into(), cents }
}

#[tokio::test]
async fn a_transfer_books_both_or_none() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let bank = Bank::new([("ada", 1_000), ("bob", 0)]);
    for (recipient, cents, told) in [
        ("bob", 300, "complete"),
        ("nobody", 300, "failed, nothing was booked: there is no account `nobody`"),
        ("bob", 5_000, "failed, nothing was booked: the account `ada` has only 700 cents"),
    ] {
        let worker = env.worker("saga").workflow(transfer).activities(bank.clone());
        let ended = env.run(worker, env.client().execute(transfer, to(recipient, cents)).task_queue("saga")).await?;
        assert_eq!(ended, told);
        assert_eq!((bank.balance("ada"), bank.balance("bob")), (700, 300));
    }
    Ok(())
}

#[tokio::test]
async fn a_transfer_that_is_cancelled_midway_is_undone() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let bank = Bank::new([("ada", 1_000), ("bob", 0)]);
    // The credit fails until the cancellation reaches the workflow.
    let worker = env.worker("saga").workflow(transfer).activities(bank.clone());
    let worker = worker.mock(Bank::credit, |_| Err(ApplicationFailure::new("the other bank is closed").into()));
    let handle = env.client().handle(transfer, "transfer");
    env.at(hours(1), async move { handle.cancel().await });
    let ended = env.client().execute(transfer, to("bob", 300)).id("transfer").task_queue("saga");
    assert!(env.run(worker, ended).await.unwrap_err().is_cancelled());
    assert_eq!((bank.balance("ada"), bank.balance("bob")), (1_000, 0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_debit_that_is_under_way_when_the_transfer_is_cancelled_is_not_booked_later() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let bank = Bank::new([("ada", 1_000), ("bob", 0)]);
    let (slow, asked) = (bank.clone(), Arc::new(Notify::new()));
    let debited = Arc::clone(&asked);
    let worker = env.worker("saga").workflow(transfer).activities(bank.clone());
    let worker = worker.mock_async(Bank::debit, move |_, (booking, account, cents)| {
        let (bank, asked) = (slow.clone(), Arc::clone(&asked));
        async move {
            asked.notify_one();
            abide_examples::pause(secs(20)).await;
            Ok(Bank::debit(&bank, booking, account, cents).await?)
        }
    });
    let cancelled = async {
        let handle = env.client().start(transfer, to("bob", 300)).id("transfer").task_queue("saga").await?;
        debited.notified().await;
        handle.cancel().await?;
        assert!(handle.result().await.unwrap_err().is_cancelled());
        env.sleep(mins(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    env.run(worker, cancelled).await?;
    assert_eq!(bank.balance("ada"), 1_000);
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("saga", |replayer| replayer.workflow(transfer))
}
