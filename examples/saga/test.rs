//! Transfers that succeed, fail, and are cancelled midway.

#[path = "workflow.rs"]
mod workflow;

use std::sync::{Arc, Mutex};

use abide::ApplicationFailure;
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

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
    let reversed = Arc::new(Mutex::new(Vec::new()));
    let booked = Arc::clone(&reversed);
    let worker =
        env.worker("saga").workflow(transfer).mock(Bank::debit, |(_, cents)| Ok(format!("booking of {cents}")));
    // The credit fails until the cancellation reaches the workflow.
    let worker = worker.mock(Bank::credit, |_| Err(ApplicationFailure::new("the other bank is closed").into()));
    let worker = worker.mock(Bank::reverse, move |booking| {
        booked.lock().unwrap().push(booking);
        Ok(())
    });
    let handle = env.client().handle(transfer, "transfer");
    env.at(hours(1), async move { handle.cancel().await });
    let ended = env.client().execute(transfer, to("bob", 300)).id("transfer").task_queue("saga");
    assert!(env.run(worker, ended).await.unwrap_err().is_cancelled());
    assert_eq!(*reversed.lock().unwrap(), ["booking of 300"]);
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("saga", |replayer| replayer.workflow(transfer))
}
