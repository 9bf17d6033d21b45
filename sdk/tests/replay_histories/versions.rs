//! Twins that use patches, search attributes and memo.

use abide::prelude::*;
use abide::replay::NondeterminismKind;
use abide::workflow::MemoUpdate;
use abide::{SearchAttributeKey, WorkflowReplayer};

use super::python::{echo, shout};
use super::{differs, fits, from_elsewhere, recorded};

#[workflow(name = "Patched")]
async fn patched_before(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let result = ctx.activity(echo, "old".into()).start_to_close_timeout(secs(10)).await?;
    ctx.timer(millis(50)).await?;
    Ok(result)
}

#[workflow(name = "PatchedLoop")]
async fn patched_loop(ctx: &WorkflowContext) -> Result<Vec<bool>, WorkflowError> {
    let mut answers = Vec::new();
    for turn in 0..3 {
        answers.push(ctx.patched("whole-loop"));
        answers.push(ctx.patched(&format!("turn-{turn}")));
        ctx.timer(millis(50)).await?;
    }
    Ok(answers)
}

const TEST_KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");
const TEST_INT: SearchAttributeKey<i64> = SearchAttributeKey::int("TestInt");

#[workflow(name = "Upserts")]
async fn upserts(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    ctx.upsert_search_attributes([TEST_KEYWORD.set("one"), TEST_INT.set(1)]);
    ctx.upsert_memo(MemoUpdate::new().set("a", &1).set("b", &"two".to_string()));
    ctx.timer(millis(50)).await?;
    ctx.upsert_search_attributes([TEST_KEYWORD.set("two")]);
    ctx.upsert_search_attributes([TEST_INT.unset()]);
    ctx.activity(echo, "between".into()).start_to_close_timeout(secs(10)).await?;
    ctx.upsert_memo(MemoUpdate::new().remove("a").set("c", &vec![3]));
    Ok(ctx.memo_keys())
}

#[workflow(name = "writes_change_markers")]
async fn writes_change_markers(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let new = ctx.patched("integ_test_change_name");
    ctx.timer(if new { millis(100) } else { millis(200) }).await?;
    ctx.timer(millis(200)).await?;
    ctx.timer(if new { millis(100) } else { millis(200) }).await?;
    Ok(())
}

#[activity(name = "helloworldActivity")]
async fn hello_world(name: String) -> Result<String, ActivityError> {
    Ok(format!("Hello {name}!"))
}

const CUSTOM: SearchAttributeKey<String> = SearchAttributeKey::text("CustomStringField");

#[workflow(name = "UpsertSearchAttributesWorkflow")]
async fn upsert_search_attributes_go(ctx: &WorkflowContext, name: String) -> Result<(), WorkflowError> {
    ctx.upsert_search_attributes([CUSTOM.set(name.clone())]);
    let hello = ctx.activity(hello_world, name).start_to_close_timeout(mins(1)).await?;
    ctx.upsert_search_attributes([CUSTOM.set(hello)]);
    Ok(())
}

#[workflow(name = "UpsertMemoWorkflow")]
async fn upsert_memo_go(ctx: &WorkflowContext, name: String) -> Result<(), WorkflowError> {
    ctx.upsert_memo(MemoUpdate::new().set("Test key", &name));
    let hello = ctx.activity(hello_world, name).start_to_close_timeout(mins(1)).await?;
    ctx.upsert_memo(MemoUpdate::new().set("Test key", &hello));
    Ok(())
}

#[workflow(name = "Workflow1")]
async fn workflow1_go(ctx: &WorkflowContext, name: String) -> Result<(), WorkflowError> {
    if ctx.patched("test-change") {
        ctx.activity(hello_world, name.clone()).start_to_close_timeout(mins(1)).await?;
    }
    ctx.activity(hello_world, name.clone()).start_to_close_timeout(mins(1)).await?;
    ctx.activity(hello_world, name).start_to_close_timeout(mins(1)).await?;
    Ok(())
}

/// The first patch selects one of two activities, the second adds something.
#[workflow(name = "Patched")]
async fn patched(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let mut result = match ctx.patched("use-shout") {
        true => ctx.activity(shout, "new".into()).start_to_close_timeout(secs(10)).await?,
        false => ctx.activity(echo, "old".into()).start_to_close_timeout(secs(10)).await?,
    };
    ctx.timer(millis(50)).await?;
    if ctx.patched("and-again") {
        result += &ctx.local_activity(echo, " again".into()).start_to_close_timeout(secs(10)).await?;
    }
    Ok(result)
}

/// The patches no longer decide anything.
#[workflow(name = "Patched")]
async fn patched_deprecated(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.deprecate_patch("use-shout");
    let result = ctx.activity(shout, "new".into()).start_to_close_timeout(secs(10)).await?;
    ctx.timer(millis(50)).await?;
    ctx.deprecate_patch("and-again");
    Ok(result + &ctx.local_activity(echo, " again".into()).start_to_close_timeout(secs(10)).await?)
}

/// The patch calls are gone.
#[workflow(name = "Patched")]
async fn patched_after(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let result = ctx.activity(shout, "new".into()).start_to_close_timeout(secs(10)).await?;
    ctx.timer(millis(50)).await?;
    Ok(result + &ctx.local_activity(echo, " again".into()).start_to_close_timeout(secs(10)).await?)
}

#[test]
fn a_run_from_before_the_patch_fits_both() {
    fits(&WorkflowReplayer::new().workflow(patched_before), &recorded("patch_before"));
    fits(&WorkflowReplayer::new().workflow(patched), &recorded("patch_before"));
}

#[test]
fn a_run_from_before_the_patch_does_not_fit_its_deprecation() {
    let found = differs(&WorkflowReplayer::new().workflow(patched_deprecated), &recorded("patch_before"));
    assert_eq!((found.event_id(), found.kind()), (5, NondeterminismKind::DifferentIdOrType), "{found}");
}

#[test]
fn a_patched_run_fits_the_patch_and_its_deprecation() {
    fits(&WorkflowReplayer::new().workflow(patched), &recorded("patch_new"));
    fits(&WorkflowReplayer::new().workflow(patched_deprecated), &recorded("patch_new"));
}

#[test]
fn a_run_of_a_deprecated_patch_fits_all_but_the_code_from_before() {
    fits(&WorkflowReplayer::new().workflow(patched), &recorded("patch_deprecated"));
    fits(&WorkflowReplayer::new().workflow(patched_deprecated), &recorded("patch_deprecated"));
    fits(&WorkflowReplayer::new().workflow(patched_after), &recorded("patch_deprecated"));
    let found = differs(&WorkflowReplayer::new().workflow(patched_before), &recorded("patch_deprecated"));
    let at = (found.event_id(), found.event_type(), found.kind());
    assert_eq!(at, (7, "ActivityTaskScheduled", NondeterminismKind::DifferentIdOrType), "{found}");
}

#[test]
fn a_patch_that_is_gone_is_missed_at_its_marker() {
    let found = differs(&WorkflowReplayer::new().workflow(patched_after), &recorded("patch_new"));
    let at = (found.event_id(), found.event_type(), found.kind());
    assert_eq!(at, (5, "MarkerRecorded", NondeterminismKind::PatchRemoved), "{found}");
}

#[test]
fn patches_in_a_loop() {
    fits(&WorkflowReplayer::new().workflow(patched_loop), &recorded("patched_loop"));
}

#[test]
fn search_attributes_and_memo() {
    fits(&WorkflowReplayer::new().workflow(upserts), &recorded("upserts"));
}

#[test]
fn markers_of_old_cores_are_read() {
    let Some(history) = from_elsewhere("core/old_change_marker_format.bin") else { return };
    fits(&WorkflowReplayer::new().workflow(writes_change_markers), &history);
}

#[test]
fn go_search_attributes() {
    let replayer = WorkflowReplayer::new().workflow(upsert_search_attributes_go);
    let Some(history) = from_elsewhere("go/search-attribute.json") else { return };
    fits(&replayer, &history);
    let Some(history) = from_elsewhere("go/bad-search-attribute.json") else { return };
    let found = differs(&replayer, &history);
    let at = (found.event_id(), found.event_type(), found.kind());
    assert_eq!(at, (12, "WorkflowExecutionCompleted", NondeterminismKind::DifferentCommand), "{found}");
}

#[test]
fn go_memo() {
    let Some(history) = from_elsewhere("go/upsert-memo-workflow.json") else { return };
    fits(&WorkflowReplayer::new().workflow(upsert_memo_go), &history);
}

/// Its version marker reads as a patch. Its event 23 has an unknown type and the flag that a worker may ignore it.
#[test]
fn go_unknown_event() {
    let Some(history) = from_elsewhere("go/workflow_with_unknown_event.json") else { return };
    fits(&WorkflowReplayer::new().workflow(workflow1_go), &history);
}
