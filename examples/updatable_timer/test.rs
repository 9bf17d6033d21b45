//! When a seat is released or sold.

#[path = "workflow.rs"]
mod workflow;

use abide_testing::TestWorkflowEnvironment;

use abide::prelude::*;

use self::workflow::{Hold, Seat};
use crate::{Outcome, assert_replays};

/// Holds a seat for ten minutes; returns what became of it, and when.
async fn hold(env: &TestWorkflowEnvironment) -> Result<(Seat, u64), Box<dyn std::error::Error>> {
    let worker = env.worker("updatable_timer").workflow(Hold::run);
    let call = env.client().execute(Hold::run, mins(10)).id("seat").task_queue("updatable_timer");
    let seat = env.run(worker, call).await?;
    Ok((seat, env.elapsed().as_secs() / 60))
}

#[tokio::test]
async fn a_seat_that_nobody_pays_is_released() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    assert_eq!(hold(&env).await?, (Seat::Released, 10));
    Ok(())
}

#[tokio::test]
async fn a_deadline_moves_as_often_as_asked() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let seat = env.client().handle(Hold::run, "seat");
    for minute in [2, 9] {
        let seat = seat.clone();
        env.at(mins(minute), async move { seat.signal(Hold::extend, mins(10)).await });
    }
    env.at(mins(25), async move {
        assert_eq!(seat.query(Hold::held_for, ()).await.unwrap(), mins(30));
    });
    assert_eq!(hold(&env).await?, (Seat::Released, 30));
    Ok(())
}

#[tokio::test]
async fn a_deadline_in_the_past_ends_the_wait_at_once() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let seat = env.client().handle(Hold::run, "seat");
    env.at(mins(7), async move { seat.signal(Hold::shorten, mins(5)).await });
    assert_eq!(hold(&env).await?, (Seat::Released, 7));
    Ok(())
}

#[tokio::test]
async fn a_payment_in_the_extra_time_counts() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    for (minute, message) in [(9, Some(mins(10))), (15, None)] {
        let seat = env.client().handle(Hold::run, "seat");
        env.at(mins(minute), async move {
            match message {
                Some(by) => seat.signal(Hold::extend, by).await,
                None => seat.signal(Hold::pay, ()).await,
            }
        });
    }
    assert_eq!(hold(&env).await?, (Seat::Sold, 15));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("updatable_timer", |replayer| replayer.workflow(Hold::run))
}
