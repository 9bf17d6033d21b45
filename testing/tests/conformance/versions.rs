//! Patches, versions, side effects, search attributes and memo.

use abide::SearchAttributeKey;
use abide::prelude::*;
use abide::workflow::{DEFAULT_VERSION, MemoUpdate};

use crate::arm::{Outcome, compare};

const STAGE: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");
const COUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("TestInt");

#[workflow]
async fn patched_twice(ctx: &WorkflowContext) -> Result<Vec<bool>, WorkflowError> {
    let first = ctx.patched("first");
    ctx.timer(millis(10)).await?;
    let again = ctx.patched("first");
    ctx.deprecate_patch("another");
    ctx.timer(millis(10)).await?;
    Ok(vec![first, again])
}

/// Asks for versions, computes values, and is replayed for each of its tasks.
#[workflow]
async fn versioned(ctx: &WorkflowContext) -> Result<Vec<i32>, WorkflowError> {
    let mut seen = vec![ctx.version("first", DEFAULT_VERSION, 2), ctx.side_effect(|| 7)];
    for turn in 0..4 {
        // Changes with the third turn.
        seen.push(ctx.mutable_side_effect("setting", || turn / 2));
        ctx.timer(millis(10)).await?;
    }
    seen.push(ctx.version("first", DEFAULT_VERSION, 2));
    seen.push(ctx.version("second", DEFAULT_VERSION, 1));
    seen.push(ctx.side_effect(|| 8));
    ctx.timer(millis(10)).await?;
    Ok(seen)
}

#[workflow]
async fn labelled(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    ctx.upsert_search_attributes([STAGE.set("begun"), COUNT.set(1)]);
    ctx.upsert_memo(MemoUpdate::new().set("note", &"kept".to_string()).set("draft", &true));
    ctx.timer(millis(10)).await?;
    ctx.upsert_search_attributes([STAGE.set("over"), COUNT.unset()]);
    ctx.upsert_memo(MemoUpdate::new().remove("draft"));
    Ok(ctx.memo_keys())
}

#[tokio::test]
async fn patches_leave_markers_and_their_list() -> Outcome {
    compare("patches", |arm| async move {
        // Without a cache every task replays the history of the previous tasks.
        let worker = arm.worker().workflow(patched_twice).max_cached_workflows(0).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(patched_twice, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, [true, true]);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn versions_and_side_effects_leave_markers() -> Outcome {
    compare("versions", |arm| async move {
        let worker = arm.worker().workflow(versioned).max_cached_workflows(0).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(versioned, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, [2, 7, 0, 0, 1, 1, 2, 1, 8]);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn search_attributes_and_memo_change_while_it_runs() -> Outcome {
    compare("upserts", |arm| async move {
        let worker = arm.worker().workflow(labelled).build()?;
        let (history, stage, note, draft) = worker
            .run_until(Box::pin(async {
                let start = arm.client.start(labelled, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.search_attributes([COUNT.set(0)]).memo("old", &1).await?;
                assert_eq!(handle.result().await?, ["note", "old"]);
                let description = handle.describe().await?;
                let info = description.info();
                let note: Option<String> = info.memo("note")?;
                let draft: Option<bool> = info.memo("draft")?;
                Ok::<_, Box<dyn std::error::Error>>((
                    handle.fetch_history().await?,
                    info.search_attribute(&STAGE),
                    note,
                    draft,
                ))
            }))
            .await??;
        assert_eq!((stage.as_deref(), note.as_deref(), draft), (Some("over"), Some("kept"), None));
        Ok(vec![history])
    })
    .await
}
