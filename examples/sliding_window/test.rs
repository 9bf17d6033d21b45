//! Children that outlive their run, fail, or are cancelled.

#[path = "workflow.rs"]
mod workflow;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Batch, Progress, SlidingWindow, convert, process};
use crate::{Outcome, assert_replays};

const BATCH: Batch = Batch { records: 10, window: 3, starts_per_run: 3 };

#[tokio::test]
async fn children_outlive_the_run_that_started_them() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    // Each record takes an hour: three attempts, half an hour apart.
    let worker = env.worker("sliding_window").workflow(SlidingWindow::run).workflow(process);
    let worker = worker.mock_async(convert, |ctx, _record| async move {
        let busy = ApplicationFailure::new("busy").next_retry_delay(mins(30));
        if ctx.info().attempt < 3 { Err(busy.into()) } else { Ok(()) }
    });
    let watched = async {
        let call = env.client().start(SlidingWindow::run, (BATCH, Progress::default()));
        let window = call.id("window").task_queue("sliding_window").await?;
        env.sleep(mins(10)).await;
        // The second run waits for the children of the first.
        let first = Progress { started: 3, in_flight: [1, 2, 3].into(), runs: 2, ..Progress::default() };
        assert_eq!(window.query(SlidingWindow::progress, ()).await?, first);
        env.sleep(hours(1)).await;
        let second = Progress { started: 6, in_flight: [4, 5, 6].into(), runs: 3, ..Progress::default() };
        assert_eq!(window.query(SlidingWindow::progress, ()).await?, second);
        Ok::<_, Box<dyn std::error::Error>>(window.result().await?)
    };
    let end = Progress { started: 10, runs: 4, ..Progress::default() };
    assert_eq!(env.run(worker, watched).await?, end);
    assert_eq!(env.elapsed().as_secs() / 3600, 4);
    Ok(())
}

#[tokio::test]
async fn a_record_that_fails_frees_its_place() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("sliding_window").workflow(SlidingWindow::run).workflow(process).activities(convert);
    let batch = (Batch { records: 15, ..BATCH }, Progress::default());
    let call = env.client().execute(SlidingWindow::run, batch).task_queue("sliding_window");
    assert_eq!(env.run(worker, call).await?.failed, [13].into());
    Ok(())
}

#[tokio::test]
async fn a_record_that_is_cancelled_is_reported_too() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("sliding_window").workflow(SlidingWindow::run).workflow(process);
    let worker =
        worker.mock(convert, |record| if record == 2 { Err(ApplicationFailure::new("busy").into()) } else { Ok(()) });
    let child = env.client().handle(process, "window/2");
    env.at(mins(10), async move { child.cancel().await });
    let call = env.client().execute(SlidingWindow::run, (BATCH, Progress::default()));
    let progress = env.run(worker, call.id("window").task_queue("sliding_window")).await?;
    assert_eq!((progress.started, progress.failed), (10, [2].into()));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("sliding_window", |replayer| replayer.workflow(SlidingWindow::run).workflow(process))
}
