//! Partial failures, the number of children, cancellation.

#[path = "workflow.rs"]
mod workflow;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{FailedItem, Limits, Report, import, import_chunk, import_item};
use crate::{Outcome, assert_replays};

fn items(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("article {number}")).collect()
}

#[tokio::test]
async fn two_chunks_run_at_a_time() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    // Every item fails once and succeeds a second later, so a chunk of one takes a second.
    let worker =
        env.worker("batch").workflow(import).workflow(import_chunk).mock_async(import_item, |ctx, _item| async move {
            if ctx.info().attempt == 1 { Err(ApplicationFailure::new("busy").into()) } else { Ok(()) }
        });
    let limits = Limits { chunk: 1, children: 2 };
    let report = env.run(worker, env.client().execute(import, (items(6), limits)).task_queue("batch")).await?;
    assert_eq!(report, Report { imported: 6, failed: vec![] });
    assert_eq!(env.elapsed(), secs(3));
    Ok(())
}

#[tokio::test]
async fn a_faulty_item_stops_no_other() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("batch").workflow(import).workflow(import_chunk).activities(import_item);
    let limits = Limits { chunk: 4, children: 3 };
    let report = env.run(worker, env.client().execute(import, (items(10), limits)).task_queue("batch")).await?;
    let failed = vec![FailedItem { item: "article 7".into(), reason: "it has no price".into() }];
    assert_eq!(report, Report { imported: 9, failed });
    Ok(())
}

#[tokio::test]
async fn a_chunk_that_fails_as_a_whole_is_reported_item_by_item() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("batch").workflow(import).mock_child(import_chunk, |items| match &items[..] {
        [first, ..] if first == "article 3" => Err(ApplicationFailure::new("no memory").into()),
        _ => Ok(Report { imported: items.len(), failed: vec![] }),
    });
    let limits = Limits { chunk: 2, children: 1 };
    let report = env.run(worker, env.client().execute(import, (items(5), limits)).task_queue("batch")).await?;
    let failed = ["article 3", "article 4"];
    assert_eq!(report.imported, 3);
    assert_eq!(report.failed, failed.map(|item| FailedItem { item: item.into(), reason: "no memory".into() }));
    Ok(())
}

#[tokio::test]
async fn a_batch_that_is_cancelled_starts_no_further_chunk() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    // Fails until the cancellation comes.
    let worker =
        env.worker("batch").workflow(import).workflow(import_chunk).mock_async(import_item, |ctx, item| async move {
            assert_ne!(item, "article 3", "the batch was cancelled before it, at attempt {}", ctx.info().attempt);
            Err(ApplicationFailure::new("busy").into())
        });
    let batch = env.client().handle(import, "batch");
    env.at(secs(2), async move { batch.cancel().await });
    let limits = Limits { chunk: 1, children: 2 };
    let ended = env.client().execute(import, (items(6), limits)).id("batch").task_queue("batch");
    assert!(env.run(worker, ended).await.unwrap_err().is_cancelled());
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("batch", |replayer| replayer.workflow(import).workflow(import_chunk))
}
