//! Tests of the hosts: one that answers, one that dies with the file, and some that never answer.

#[path = "workflow.rs"]
mod workflow;

use abide::TimeoutType;
use abide::prelude::*;
use abide::workflow::OWN_QUEUE;
use abide_testing::{TestWorker, TestWorkflowEnvironment};

use self::workflow::{Host, process_file};
use crate::{Outcome, assert_replays};

const QUEUE: &str = "worker_specific_queue";

fn beta(env: &TestWorkflowEnvironment) -> TestWorker {
    let beta = env.worker(QUEUE).workflow(process_file);
    beta.options(|worker| worker.own_queue(|own| own.activities(Host::new("beta"))))
}

#[tokio::test]
async fn all_steps_run_on_the_host_that_took_the_file() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let file = env.client().execute(process_file, ("report.txt".into(), mins(10), hours(1))).task_queue(QUEUE);
    assert_eq!(env.run(beta(&env), file).await?, "CONTENTS OF REPORT.TXT, from beta");
    assert_eq!(env.elapsed(), secs(0));
    Ok(())
}

#[tokio::test]
async fn if_a_host_dies_another_one_begins_again() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let start = env.client().start(process_file, ("report.txt".into(), mins(10), hours(1)));
    let file = start.id("file").task_queue(QUEUE).await?;
    let (alpha, power_cut) = Host::with_power_cut("alpha");
    // Without a cache, so that no workflow task waits for the dead worker.
    let worker = Worker::builder(env.client(), QUEUE).workflow(process_file).max_cached_workflows(0);
    let worker = worker.own_queue(|own| own.activities(alpha)).build()?;
    // The worker ends at once, as after a power cut.
    tokio::select! {
        ended = worker.run() => ended?,
        () = power_cut.notified() => {}
    }
    assert_eq!(env.run(beta(&env), async { file.result().await }).await?, "CONTENTS OF REPORT.TXT, from beta");
    // The wait for alpha, and the pause.
    let expected = hours(1) + mins(10);
    assert!(env.elapsed() >= expected && env.elapsed() < expected + mins(1), "{:?}", env.elapsed());
    let history = file.fetch_history().await?.to_string();
    assert_eq!(history.matches("ActivityTaskStarted(abide_own_queue)").count(), 2, "{history}");
    assert_eq!(history.matches("ActivityTaskStarted(download)").count(), 2, "{history}");
    Ok(())
}

#[tokio::test]
async fn after_five_hosts_the_file_fails() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker(QUEUE).workflow(process_file).mock(OWN_QUEUE, |()| Ok("queue that nobody serves".into()));
    let file = env.client().execute(process_file, ("report.txt".into(), mins(10), hours(1))).task_queue(QUEUE);
    let error = env.run(worker, file).await.unwrap_err();
    assert_eq!(error.cause().and_then(|failure| failure.timeout_type()), Some(TimeoutType::ScheduleToStart));
    // Ten minutes each, and pauses of one, two, four and eight hours.
    assert_eq!(env.elapsed(), hours(15) + mins(50));
    Ok(())
}

#[test]
fn the_recorded_run_replays() -> Outcome {
    assert_replays("worker_specific_queue", |replayer| replayer.workflow(process_file))
}
