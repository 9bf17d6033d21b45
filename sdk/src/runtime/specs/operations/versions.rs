//! Versions of a change: the version that a run gets, and its record in the history.

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded};
use crate::workflow::DEFAULT_VERSION;
use crate::{WorkflowContext, WorkflowError};

/// Code that has changed twice.
async fn twice_changed(ctx: WorkflowContext) -> Result<i32, WorkflowError> {
    let version = ctx.version("c", DEFAULT_VERSION, 2);
    ctx.timer(secs(version.unsigned_abs().into())).await?;
    Ok(version)
}

/// The same after the old branches were removed.
async fn newest_only(ctx: WorkflowContext) -> Result<i32, WorkflowError> {
    let version = ctx.version("c", 2, 2);
    ctx.timer(secs(2)).await?;
    Ok(version)
}

/// The code before the last change.
async fn once_changed(ctx: WorkflowContext) -> Result<i32, WorkflowError> {
    let version = ctx.version("c", DEFAULT_VERSION, 1);
    ctx.timer(secs(1)).await?;
    Ok(version)
}

/// The call is gone.
async fn without_call(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(2)).await?;
    Ok(())
}

/// Recorded by code that had `version` of the change, as Abide writes it.
fn recorded(version: i32) -> String {
    after_first_task(&format!(
        "5 MarkerRecorded name=Version details.change-id=\"c\" details.changeId=\"c\" details.version={version} \
         details.versionSearchAttributeUpdated=true
         6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"c-{version}\"]
         7 TimerStarted
         8 TimerFired
         9 WorkflowTaskScheduled
         10 WorkflowTaskStarted"
    ))
}

/// Recorded before the call was there.
fn unversioned() -> String {
    after_first_task(
        "5 TimerStarted
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
    )
}

#[test]
fn a_new_run_gets_the_newest_version_and_records_it_for_go_and_java() {
    check(
        twice_changed,
        FIRST_TASK,
        expect![[r#"
        RecordMarker name=Version details.change-id="c" details.changeId="c" details.version=2 details.versionSearchAttributeUpdated=true
        UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["c-2"]
        StartTimer id=1 after=2s"#]],
    );
}

#[test]
fn a_run_keeps_the_version_that_it_got() {
    check(twice_changed, &recorded(2), expect!["CompleteWorkflowExecution result=2"]);
    check_recorded(twice_changed, &recorded(1), expect!["CompleteWorkflowExecution result=1"]);
    check_recorded(twice_changed, &unversioned(), expect!["CompleteWorkflowExecution result=-1"]);
}

#[test]
fn an_old_version_that_is_no_longer_supported_is_reported_with_the_query_that_finds_its_runs() {
    check_recorded(
        newest_only,
        &recorded(1),
        expect![[r#"
            Fail NonDeterministicError UnsupportedVersion: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: the run has version 1 of `c`
              code now: supports only version 2
              at:       versions.rs `let version = ctx.version("c", 2, 2);`
              next:     restore the code of version 1 and pass 1 as `min`, until the query `TemporalChangeVersion = 'c-1'` finds no open run."#]],
    );
    check_recorded(
        newest_only,
        &unversioned(),
        expect![[r#"
            Fail NonDeterministicError UnsupportedVersion: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: the run has version -1 of `c`: it passed this place before the call was there
              code now: supports only version 2
              at:       versions.rs `let version = ctx.version("c", 2, 2);`
              next:     restore the code from before the change and pass `DEFAULT_VERSION` as `min`, until no run without a version of `c` is left."#]],
    );
}

#[test]
fn a_version_from_newer_code_is_reported() {
    check_recorded(
        once_changed,
        &recorded(2),
        expect![[r#"
        Fail NonDeterministicError UnsupportedVersion: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 3 WorkflowTaskStarted: the run has version 2 of `c`
          code now: supports the versions from -1 to 1
          at:       versions.rs `let version = ctx.version("c", DEFAULT_VERSION, 1);`
          next:     deploy the code that recorded version 2: this code knows no version above 1."#]],
    );
}

#[test]
fn a_marker_that_nothing_asks_for_is_skipped_with_its_upsert() {
    check_recorded(without_call, &recorded(2), expect!["CompleteWorkflowExecution result=null"]);
}

#[test]
fn a_call_after_a_skipped_marker_gets_the_recorded_version_and_writes_nothing() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            ctx.timer(secs(2)).await?;
            Ok(vec![ctx.version("c", DEFAULT_VERSION, 3), ctx.version("d", DEFAULT_VERSION, 3)])
        },
        &recorded(2),
        expect![[r#"
            RecordMarker name=Version details.change-id="d" details.changeId="d" details.version=3 details.versionSearchAttributeUpdated=true
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["c-2","d-3"]
            CompleteWorkflowExecution result=[2,3]"#]],
    );
}

#[test]
fn a_call_that_moved_before_the_commands_of_an_earlier_task_is_reported() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            ctx.version("c", DEFAULT_VERSION, 2);
            ctx.timer(secs(1)).await?;
            ctx.timer(secs(2)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 MarkerRecorded name=Version details.change-id=\"c\" details.version=2
             11 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"c-2\"]
             12 TimerStarted
             13 TimerFired
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 10 MarkerRecorded: the marker of change `c`, which the code does not ask for here
              code now: StartTimer id=2
              at:       versions.rs `ctx.timer(secs(2)).await?;`
              next:     the code asks for `c` at another place: move the call back to its old place, before or after the same commands."#]],
    );
}

#[test]
fn one_id_has_one_version_whatever_a_later_call_asks_for() {
    check(
        |ctx: WorkflowContext| async move {
            let first = ctx.version("c", DEFAULT_VERSION, 1);
            ctx.timer(secs(1)).await?;
            Ok(vec![first, ctx.version("c", 1, 9)])
        },
        &after_first_task(
            "5 MarkerRecorded name=Version details.change-id=\"c\" details.changeId=\"c\" details.version=1 \
             details.versionSearchAttributeUpdated=true
             6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"c-1\"]
             7 TimerStarted
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[1,1]"],
    );
}

#[test]
fn patches_and_versions_stand_in_one_list() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.version("c", DEFAULT_VERSION, 3);
            ctx.patched("p");
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            RecordMarker name=Version details.change-id="c" details.changeId="c" details.version=3 details.versionSearchAttributeUpdated=true
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["c-3"]
            RecordMarker name=core_patch details.patch-data={"id":"p","deprecated":false}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["c-3","p"]
            CompleteWorkflowExecution result=null"#]],
    );
}

#[test]
fn a_patch_counts_as_version_one() {
    check_recorded(
        twice_changed,
        &after_first_task(
            "5 MarkerRecorded name=core_patch details.patch-data={\"id\":\"c\",\"deprecated\":false}
             6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"c\"]
             7 TimerStarted
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=1"],
    );
}

#[test]
fn a_version_of_go_without_its_upsert_and_one_of_java_are_read() {
    check_recorded(
        twice_changed,
        &after_first_task(
            "5 MarkerRecorded name=Version details.change-id=\"c\" details.version=1 \
             details.version-search-attribute-updated=false
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=1"],
    );
    check_recorded(
        twice_changed,
        &after_first_task(
            "5 MarkerRecorded name=Version details.changeId=\"c\" details.version=1
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=1"],
    );
}

#[test]
fn a_range_that_is_upside_down_fails_the_task() {
    check(
        |ctx: WorkflowContext| async move { Ok(ctx.version("c", 3, 2)) },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at versions.rs `|ctx: WorkflowContext| async move { Ok(ctx.version("c", 3, 2)) },`: version("c", 3, 2): `min` is greater than `max`; pass the oldest version first"#
        ]],
    );
}

#[test]
fn a_marker_without_a_version_is_refused() {
    check_recorded(
        twice_changed,
        &after_first_task(
            "5 MarkerRecorded name=Version details.change-id=\"c\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted",
        ),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 5 (MarkerRecorded Version): expected the id of a patch, or the id and the number of a version, in its details; found none"
        ],
    );
}
