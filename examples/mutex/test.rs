//! The lock passes from job to job, in order, and after its lease.

#[path = "workflow.rs"]
mod workflow;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Job, Lock, say};
use crate::{Outcome, assert_replays};

/// Starts a lock with a lease of ten minutes and, a minute apart, jobs of five minutes each, with their names as ids.
/// Returns what they say, and in which minute.
async fn run_jobs<const N: usize>(
    names: [&'static str; N],
    meanwhile: impl AsyncFn(&TestWorkflowEnvironment) -> Outcome,
) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let env = Arc::new(TestWorkflowEnvironment::start().await?);
    let said = Arc::new(Mutex::new(Vec::new()));
    let (hears, clock) = (Arc::clone(&said), Arc::clone(&env));
    let worker = env.worker("mutex").workflow(Lock::run).workflow(Job::run).mock(say, move |text| {
        let minute = clock.elapsed().as_secs() / 60;
        hears.lock().expect("no mock panics").push(format!("{minute}: {text}"));
        Ok(())
    });
    let share = async {
        let lock = (mins(10), VecDeque::new(), 0);
        env.client().start(Lock::run, lock).id("lock").task_queue("mutex").await?;
        let mut jobs = Vec::new();
        for name in names {
            let job = env.client().start(Job::run, ("lock".into(), name.into(), mins(5)));
            jobs.push(job.id(name).task_queue("mutex").await?);
            env.sleep(mins(1)).await;
        }
        meanwhile(&env).await?;
        for job in jobs {
            let _ended_somehow = job.result().await;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    env.run(worker, share).await?;
    let said = said.lock().expect("no mock panics").clone();
    Ok(said)
}

#[tokio::test]
async fn who_asks_first_gets_the_lock_first() -> Outcome {
    let said = run_jobs(["ada", "bob", "cleo"], async |_| Ok(())).await?;
    let expected = [
        "0: ada has the lock",
        "5: ada is done",
        "5: bob has the lock",
        "10: bob is done",
        "10: cleo has the lock",
        "15: cleo is done",
    ];
    assert_eq!(said, expected);
    Ok(())
}

#[tokio::test]
async fn a_holder_that_dies_loses_the_lock_with_its_lease() -> Outcome {
    let said =
        run_jobs(["ada", "bob"], async |env| Ok(env.client().handle(Job::run, "ada").terminate().await?)).await?;
    assert_eq!(said, ["0: ada has the lock", "10: bob has the lock", "15: bob is done"]);
    Ok(())
}

#[tokio::test]
async fn a_holder_that_is_cancelled_releases_the_lock() -> Outcome {
    let said = run_jobs(["ada", "bob"], async |env| Ok(env.client().handle(Job::run, "ada").cancel().await?)).await?;
    assert_eq!(said, ["0: ada has the lock", "2: bob has the lock", "7: bob is done"]);
    Ok(())
}

#[tokio::test]
async fn who_gives_up_while_waiting_is_passed_over() -> Outcome {
    let said =
        run_jobs(["ada", "bob", "cleo"], async |env| Ok(env.client().handle(Job::run, "bob").cancel().await?)).await?;
    assert_eq!(said, ["0: ada has the lock", "5: ada is done", "5: cleo has the lock", "10: cleo is done"]);
    Ok(())
}

#[tokio::test]
async fn a_release_by_an_earlier_holder_releases_nothing() -> Outcome {
    let said = run_jobs(["ada", "bob", "cleo"], async |env| {
        env.sleep(mins(4)).await;
        // It is the seventh minute, and the second grant, bob's.
        Ok(env.client().handle(Lock::run, "lock").signal(Lock::release, 1).await?)
    });
    assert_eq!(said.await?[2..5], ["5: bob has the lock", "10: bob is done", "10: cleo has the lock"]);
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("mutex", |replayer| replayer.workflow(Lock::run).workflow(Job::run))
}
