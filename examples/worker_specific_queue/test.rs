//! Tests of the hosts: one that answers, some that do not, and none that does.

#[path = "workflow.rs"]
mod workflow;

use std::sync::atomic::{AtomicUsize, Ordering};

use abide::TimeoutType;
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Host, process_file};
use crate::{Outcome, assert_replays};

const QUEUE: &str = "worker_specific_queue";

/// Runs a file that `hosts` take in that order, the last one again and again. Only `beta` answers on its own queue.
async fn processed(
    env: &TestWorkflowEnvironment,
    hosts: &'static [&str],
) -> Result<Result<String, abide::WorkflowFailedError>, Box<dyn std::error::Error>> {
    let taken = AtomicUsize::new(0);
    let common = env.worker(QUEUE).workflow(process_file).mock(Host::queue, move |()| {
        let nth = taken.fetch_add(1, Ordering::Relaxed).min(hosts.len() - 1);
        Ok(hosts[nth].into())
    });
    let beta = Worker::builder(env.client(), "beta").activities(Host::new("beta")).build()?;
    let file = env.client().execute(process_file, ("report.txt".into(), mins(10), hours(1))).task_queue(QUEUE);
    Ok(env.run(common, beta.run_until(async { file.await })).await?)
}

#[tokio::test]
async fn all_steps_run_on_the_host_that_took_the_file() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    assert_eq!(processed(&env, &["beta"]).await??, "CONTENTS OF REPORT.TXT, from beta");
    assert_eq!(env.elapsed(), secs(0));
    Ok(())
}

#[tokio::test]
async fn if_a_host_does_not_answer_another_one_begins_again() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    assert_eq!(processed(&env, &["alpha", "gamma", "beta"]).await??, "CONTENTS OF REPORT.TXT, from beta");
    // Ten minutes each, and pauses of one and two hours.
    assert_eq!(env.elapsed(), hours(3) + mins(20));
    Ok(())
}

#[tokio::test]
async fn after_five_hosts_the_file_fails() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let error = processed(&env, &["alpha"]).await?.unwrap_err();
    assert_eq!(error.cause().and_then(|failure| failure.timeout_type()), Some(TimeoutType::ScheduleToStart));
    Ok(())
}

#[test]
fn the_recorded_run_replays() -> Outcome {
    assert_replays("worker_specific_queue", |replayer| replayer.workflow(process_file))
}
