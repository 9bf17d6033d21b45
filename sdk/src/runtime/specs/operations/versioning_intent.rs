//! Versioning intent: the assignment of children and activities to workers of the same build, for build ids alone.

use std::future::Future;

use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::command::v1::command::Attributes;
use expect_test::expect;

use super::child_workflows::chore;
use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::replay::{Input, Output};
use crate::runtime::specs::harness::{FIRST_TASK, run_of, task, text};
use crate::workflow::{ActivityOptions, ChildWorkflowOptions};
use crate::{ActivityError, VersioningIntent, WorkflowContext, WorkflowError, activity};

#[activity]
async fn charge(_cents: u32) -> Result<(), ActivityError> {
    Ok(())
}

/// Returns, for each command, true if it asks for the workflow's own build.
fn own_builds<F, Fut>(workflow: F) -> String
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<(), WorkflowError>> + 'static,
{
    let events = parse_history(FIRST_TASK).unwrap();
    match run_of(workflow).handle(Input::WorkflowTask(Box::new(task(&events)))) {
        Output::Complete(completion) => {
            completion.commands.iter().map(own_build).map(|own| own.to_string()).collect::<Vec<_>>().join(" ")
        }
        other => text(&other),
    }
}

#[expect(deprecated, reason = "the server still reads inherit_build_id, and Core still sends it")]
fn own_build(command: &Command) -> bool {
    match command.attributes.as_ref().unwrap() {
        Attributes::ScheduleActivityTaskCommandAttributes(schedule) => schedule.use_workflow_build_id,
        Attributes::StartChildWorkflowExecutionCommandAttributes(start) => start.inherit_build_id,
        Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(next) => next.inherit_build_id,
        other => panic!("no build is chosen by {other:?}"),
    }
}

#[test]
fn activities_stay_on_the_build_if_they_stay_on_the_queue_or_are_told_to() {
    let told = own_builds(|ctx| async move {
        let call = || ctx.activity(charge, 1).start_to_close_timeout(secs(5));
        call().start().detach();
        call().task_queue("other").start().detach();
        call().task_queue("other").versioning_intent(VersioningIntent::Compatible).start().detach();
        call().versioning_intent(VersioningIntent::Default).start().detach();
        let options = ActivityOptions::with_start_to_close_timeout(secs(5));
        let options = options.versioning_intent(VersioningIntent::Default);
        ctx.activity(charge, 1).options(&options).await?;
        Ok(())
    });
    expect!["true false true false false"].assert_eq(&told);
}

#[test]
fn children_stay_on_the_build_if_they_stay_on_the_queue_or_are_told_to() {
    let told = own_builds(|ctx| async move {
        let call = || ctx.child_workflow(chore, 1);
        call().start().detach();
        call().task_queue("other").start().detach();
        call().task_queue("other").versioning_intent(VersioningIntent::Compatible).start().detach();
        call().versioning_intent(VersioningIntent::Default).start().detach();
        let options = ChildWorkflowOptions::new().versioning_intent(VersioningIntent::Default);
        call().options(&options).await?;
        Ok(())
    });
    expect!["true false true false false"].assert_eq(&told);
}

#[test]
fn the_next_run_stays_on_the_build_if_it_stays_on_the_queue_or_is_told_to() {
    let plain = own_builds(|ctx| async move { ctx.continue_as_new(chore, 1).into() });
    let other = own_builds(|ctx| async move { ctx.continue_as_new(chore, 1).task_queue("other").into() });
    let told = own_builds(|ctx| async move {
        // Setting the task queue last does not change the versioning intent.
        ctx.continue_as_new(chore, 1).versioning_intent(VersioningIntent::Compatible).task_queue("other").into()
    });
    let default =
        own_builds(
            |ctx| async move { ctx.continue_as_new(chore, 1).versioning_intent(VersioningIntent::Default).into() },
        );
    assert_eq!([plain, other, told, default], ["true", "false", "true", "false"]);
}
