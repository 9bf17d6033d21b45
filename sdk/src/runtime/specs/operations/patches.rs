//! Patches: the path that code takes, and its record in the history.

use expect_test::expect;

use crate::duration::secs;
use crate::replay::Input;
use crate::replay::text::parse_history;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded, run_of, task, text};
use crate::{ActivityError, WorkflowContext, WorkflowError, activity};

#[activity]
async fn old() -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn new() -> Result<(), ActivityError> {
    Ok(())
}

/// The four versions of one change.
async fn v1(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(old, ()).start_to_close_timeout(secs(1)).await?;
    Ok(())
}

async fn v2(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    match ctx.patched("p") {
        true => ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?,
        false => ctx.activity(old, ()).start_to_close_timeout(secs(1)).await?,
    }
    Ok(())
}

async fn v3(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.deprecate_patch("p");
    ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?;
    Ok(())
}

async fn v4(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?;
    Ok(())
}

/// Recorded by v1, by v2 and by v3. Each ends with a task in which the activity has completed.
const OF_V1: &str = "
    5 ActivityTaskScheduled id=1 type=old
    6 ActivityTaskStarted
    7 ActivityTaskCompleted
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted";

fn marked(deprecated: bool) -> String {
    after_first_task(&format!(
        "5 MarkerRecorded name=core_patch details.patch-data={{\"id\":\"p\",\"deprecated\":{deprecated}}}
         6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]
         7 ActivityTaskScheduled id=1 type=new
         8 ActivityTaskStarted
         9 ActivityTaskCompleted
         10 WorkflowTaskScheduled
         11 WorkflowTaskStarted"
    ))
}

/// The patch under another id.
async fn renamed(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    match ctx.patched("q") {
        true => ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?,
        false => ctx.activity(old, ()).start_to_close_timeout(secs(1)).await?,
    }
    Ok(())
}

#[test]
fn the_report_of_a_renamed_patch_names_the_line_and_both_ids() {
    check_recorded(
        renamed,
        &marked(false),
        expect![[r#"
        Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
          code now: asked for patch `q`, which has no marker
          at:       patches.rs `match ctx.patched("q") {`
          next:     the code asks for `q` here: if that is the same patch, restore its old id `p`; if not, restore the call for `p`, and keep it until no run with its marker is left."#]],
    );
}

#[test]
fn a_new_run_takes_the_new_path_and_says_so_before_anything_else() {
    check(
        v2,
        FIRST_TASK,
        expect![[r#"
            RecordMarker name=core_patch details.patch-data={"id":"p","deprecated":false}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]
            ScheduleActivityTask id=1 type=new start_to_close=1s"#]],
    );
    check(
        v3,
        FIRST_TASK,
        expect![[r#"
            RecordMarker name=core_patch details.patch-data={"id":"p","deprecated":true}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]
            ScheduleActivityTask id=1 type=new start_to_close=1s"#]],
    );
}

#[test]
fn each_life_replays_the_lives_that_may_come_before_it() {
    let completes = || expect!["CompleteWorkflowExecution result=null"];
    let of_v1 = after_first_task(OF_V1);
    check_recorded(v2, &of_v1, completes());
    check_recorded(v2, &marked(false), completes());
    check_recorded(v2, &marked(true), completes());
    check_recorded(v3, &marked(false), completes());
    check_recorded(v3, &marked(true), completes());
    check_recorded(v4, &marked(true), completes());
    check_recorded(
        v4,
        &after_first_task(
            "5 ActivityTaskScheduled id=1 type=new
             6 ActivityTaskStarted
             7 ActivityTaskCompleted
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        completes(),
    );
}

#[test]
fn versions_that_do_not_fit_are_refused_where_they_differ() {
    let of_v1 = after_first_task(OF_V1);
    check_recorded(
        v3,
        &of_v1,
        expect![[r#"
        Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 5 ActivityTaskScheduled: type=old id=1
          code now: ScheduleActivityTask type=new id=1
          at:       patches.rs `ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?;`
          next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        v1,
        &marked(false),
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: ScheduleActivityTask type=old id=1
              at:       patches.rs `ctx.activity(old, ()).start_to_close_timeout(secs(1)).await?;`
              next:     let the code ask for `p` here, before it does anything else, until no run with its marker is left."#]],
    );
    check_recorded(
        v1,
        &marked(true),
        expect![[r#"
        Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 7 ActivityTaskScheduled: type=new id=1
          code now: ScheduleActivityTask type=old id=1
          at:       patches.rs `ctx.activity(old, ()).start_to_close_timeout(secs(1)).await?;`
          next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        v4,
        &marked(false),
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: ScheduleActivityTask type=new id=1
              at:       patches.rs `ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?;`
              next:     let the code ask for `p` here, before it does anything else, until no run with its marker is left."#]],
    );
}

#[test]
fn one_id_has_one_answer_and_one_marker() {
    check(
        |ctx: WorkflowContext| async move { Ok(vec![ctx.patched("p"), ctx.patched("p"), ctx.patched("q")]) },
        FIRST_TASK,
        expect![[r#"
            RecordMarker name=core_patch details.patch-data={"id":"p","deprecated":false}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]
            RecordMarker name=core_patch details.patch-data={"id":"q","deprecated":false}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p","q"]
            CompleteWorkflowExecution result=[true,true,true]"#]],
    );
}

#[test]
fn a_patch_that_replay_denied_stays_denied_when_the_run_becomes_live() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            let before = ctx.patched("p");
            ctx.timer(secs(1)).await?;
            Ok(vec![before, ctx.patched("p"), ctx.patched("q")])
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            RecordMarker name=core_patch details.patch-data={"id":"q","deprecated":false}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["q"]
            CompleteWorkflowExecution result=[false,false,true]"#]],
    );
}

#[test]
fn a_first_call_in_a_later_task_is_known_from_that_task() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.timer(secs(1)).await?;
            let second = ctx.patched("p");
            ctx.timer(secs(1)).await?;
            Ok(second)
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 MarkerRecorded name=core_patch details.patch-data={\"id\":\"p\",\"deprecated\":false}
             11 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]
             12 TimerStarted
             13 TimerFired
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=true"],
    );
}

#[test]
fn all_patches_stand_in_one_sorted_list() {
    check(
        |ctx: WorkflowContext| async move {
            ctx.patched("b");
            ctx.patched("a");
            ctx.timer(secs(1)).await?;
            ctx.patched("aa");
            Ok(())
        },
        &after_first_task(
            "5 MarkerRecorded name=core_patch details.patch-data={\"id\":\"b\",\"deprecated\":false}
             6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"b\"]
             7 MarkerRecorded name=core_patch details.patch-data={\"id\":\"a\",\"deprecated\":false}
             8 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"a\",\"b\"]
             9 TimerStarted
             10 TimerFired
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect![[r#"
            RecordMarker name=core_patch details.patch-data={"id":"aa","deprecated":false}
            UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["a","aa","b"]
            CompleteWorkflowExecution result=null"#]],
    );
}

/// Asks for three patches with long ids: the third would make the list longer than the server accepts.
async fn long_ids(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    for letter in ["a", "b", "c"] {
        ctx.patched(&letter.repeat(900));
    }
    ctx.timer(secs(1)).await?;
    Ok(())
}

#[test]
fn a_list_that_is_too_long_is_left_out_and_the_next_one_too() {
    let short = |text: &str| {
        ["a", "b", "c"].iter().fold(text.to_string(), |text, letter| text.replace(&letter.repeat(900), letter))
    };
    let mut run = run_of(long_ids);
    let events = parse_history(FIRST_TASK).unwrap();
    let output = run.handle(Input::WorkflowTask(Box::new(task(&events))));
    expect![[r#"
        RecordMarker name=core_patch details.patch-data={"id":"a","deprecated":false}
        UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["a"]
        RecordMarker name=core_patch details.patch-data={"id":"b","deprecated":false}
        UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["a","b"]
        RecordMarker name=core_patch details.patch-data={"id":"c","deprecated":false}
        StartTimer id=1 after=1s"#]]
    .assert_eq(&short(&text(&output)));
}

#[test]
fn an_upsert_that_was_left_out_is_left_out_on_replay() {
    let marker = |letter: &str| {
        format!(
            "MarkerRecorded name=core_patch details.patch-data={{\"id\":\"{}\",\"deprecated\":false}}",
            letter.repeat(900)
        )
    };
    let list = |letters: &[&str]| {
        let ids: Vec<String> = letters.iter().map(|letter| format!("\"{}\"", letter.repeat(900))).collect();
        format!("UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[{}]", ids.join(","))
    };
    check(
        long_ids,
        &after_first_task(&format!(
            "5 {}\n6 {}\n7 {}\n8 {}\n9 {}\n10 TimerStarted\n11 TimerFired\n12 WorkflowTaskScheduled\n13 WorkflowTaskStarted",
            marker("a"),
            list(&["a"]),
            marker("b"),
            list(&["a", "b"]),
            marker("c"),
        )),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn history_without_the_upsert_flag_has_markers_only() {
    check_recorded(
        v2,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted flags=1
         5 MarkerRecorded name=core_patch details.patch-data={\"id\":\"p\",\"deprecated\":false}
         6 ActivityTaskScheduled id=1 type=new
         7 ActivityTaskStarted
         8 ActivityTaskCompleted
         9 WorkflowTaskScheduled
         10 WorkflowTaskStarted",
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_version_marker_of_the_go_sdk_is_a_patch() {
    check_recorded(
        v2,
        &after_first_task(
            "5 MarkerRecorded name=Version details.change-id=\"p\" details.version=1
             6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p-1\"]
             7 ActivityTaskScheduled id=1 type=new
             8 ActivityTaskStarted
             9 ActivityTaskCompleted
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_version_marker_for_the_code_from_before_is_the_old_path_of_a_patch() {
    check_recorded(
        v2,
        &after_first_task(
            "5 MarkerRecorded name=Version details.change-id=\"p\" details.version=-1
             6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p--1\"]
             7 ActivityTaskScheduled id=1 type=old
             8 ActivityTaskStarted
             9 ActivityTaskCompleted
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_marker_of_another_kind_is_refused_by_name() {
    check_recorded(
        v2,
        &after_first_task(
            "5 MarkerRecorded name=LocalActivity
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted",
        ),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 5 (MarkerRecorded LocalActivity): Abide replays patches, \
             versions, side effects, and the local activities of SDKs based on Core; it cannot replay the local \
             activities of the Go and Java SDKs: let workers of that SDK finish the run"
        ],
    );
}
