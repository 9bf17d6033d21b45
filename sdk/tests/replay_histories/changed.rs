//! Workflows that were changed after their history was recorded: each must be refused at the first difference.

use abide::WorkflowReplayer;
use abide::prelude::*;
use abide::replay::NondeterminismKind;

use super::python::{echo, shout};
use super::{differs, recorded};

/// The second activity has another type.
#[workflow(name = "Steps")]
async fn steps_type_changed(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = ctx.activity(echo, "one".into()).start_to_close_timeout(secs(10)).await?;
    ctx.timer(millis(50)).await?;
    Ok(first + &ctx.activity(echo, "two".into()).start_to_close_timeout(secs(10)).await?)
}

/// The timer comes first.
#[workflow(name = "Steps")]
async fn steps_order_changed(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(50)).await?;
    let first = ctx.activity(echo, "one".into()).start_to_close_timeout(secs(10)).await?;
    Ok(first + &ctx.activity(shout, "two".into()).start_to_close_timeout(secs(10)).await?)
}

/// The second activity is gone, so the workflow completes early.
#[workflow(name = "Steps")]
async fn steps_removed_changed(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = ctx.activity(echo, "one".into()).start_to_close_timeout(secs(10)).await?;
    ctx.timer(millis(50)).await?;
    Ok(first)
}

/// A second timer starts beside the recorded one.
#[workflow(name = "Steps")]
async fn steps_added_changed(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = ctx.activity(echo, "one".into()).start_to_close_timeout(secs(10)).await?;
    let (one, two) = abide::join!(ctx.timer(millis(50)), ctx.timer(millis(50)));
    one.and(two)?;
    Ok(first + &ctx.activity(shout, "two".into()).start_to_close_timeout(secs(10)).await?)
}

/// Checks the event of the first difference, and the line of this file that caused it.
#[track_caller]
fn check(replayer: WorkflowReplayer, event_id: i64, kind: NondeterminismKind, line: &str) {
    let found = differs(&replayer, &recorded("steps"));
    assert_eq!(
        (found.event_id(), found.event_type(), found.kind()),
        (event_id, "ActivityTaskScheduled", kind),
        "{found}"
    );
    let location = found.location().unwrap_or_else(|| panic!("no line in {found}"));
    assert!(location.file().ends_with("changed.rs"), "{found}");
    let text = include_str!("changed.rs").lines().nth(location.line() as usize - 1).expect("a line of this file");
    assert!(text.contains(line), "{found}\n{text}");
    assert!(found.to_string().contains("changed.rs"), "{found}");
}

#[test]
fn another_activity_type_is_refused() {
    let replayer = WorkflowReplayer::new().workflow(steps_type_changed);
    check(replayer, 16, NondeterminismKind::DifferentIdOrType, "ctx.activity(echo, \"two\"");
}

#[test]
fn another_order_is_refused() {
    let replayer = WorkflowReplayer::new().workflow(steps_order_changed);
    check(replayer, 5, NondeterminismKind::DifferentCommand, "ctx.timer(millis(50)).await?");
}

#[test]
fn a_missing_step_is_refused() {
    let replayer = WorkflowReplayer::new().workflow(steps_removed_changed);
    // The last statement before the workflow returned.
    check(replayer, 16, NondeterminismKind::DifferentCommand, "ctx.timer(millis(50)).await?");
}

#[test]
fn an_additional_step_is_refused() {
    let replayer = WorkflowReplayer::new().workflow(steps_added_changed);
    check(replayer, 16, NondeterminismKind::DifferentCommand, "abide::join!(ctx.timer");
}
