//! The transitions of a workflow: to its next run, and to the next version of its code.

use std::collections::HashMap;

use abide::SearchAttributeKey;
use abide::prelude::*;
use abide::workflow::MemoUpdate;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use expect_test::expect;

use crate::harness::{FIRST_TASK, after_first_task, check, check_events, check_recorded, parse};

const PLACE: SearchAttributeKey<String> = SearchAttributeKey::keyword("Place");
const CHANGES: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("TemporalChangeVersion");

#[activity]
async fn old() -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn new() -> Result<(), ActivityError> {
    Ok(())
}

#[test]
fn b095_the_next_run_keeps_what_the_run_has_unless_it_says_otherwise() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext, what: String) -> Result<(), WorkflowError> {
        let next = ctx.continue_as_new(wf, "the next".into());
        match what.as_str() {
            "keep" => next.into(),
            "change" => {
                let policy = RetryPolicy::new().maximum_attempts(2);
                next.task_queue("others")
                    .run_timeout(mins(5))
                    .retry_policy(policy)
                    .memo("note", &"new".to_string())
                    .into()
            }
            _ => {
                ctx.upsert_search_attributes([PLACE.unset()]);
                ctx.upsert_memo(MemoUpdate::new().remove("note"));
                ctx.continue_as_new(wf, "the next".into()).into()
            }
        }
    }
    let history = |what: &str| {
        format!(
            "1 WorkflowExecutionStarted type=wf input=\"{what}\" memo.note=\"old\" search_attributes.Place=\"Oslo\" retry.maximum_attempts=5
             2 WorkflowTaskScheduled
             3 WorkflowTaskStarted"
        )
    };
    check(
        wf,
        &history("keep"),
        expect![[
            r#"ContinueAsNewWorkflowExecution type=wf input="the next" retry.maximum_attempts=5 memo.note="old" search_attributes.Place="Oslo""#
        ]],
    );
    check(
        wf,
        &history("change"),
        expect![[
            r#"ContinueAsNewWorkflowExecution type=wf queue=others input="the next" workflow_run=5m retry.maximum_attempts=2 memo.note="new" search_attributes.Place="Oslo""#
        ]],
    );
    check(
        wf,
        &history("clear"),
        expect![[r#"
        UpsertWorkflowSearchAttributes search_attributes.Place=null
        ModifyWorkflowProperties upserted_memo.note=null
        ContinueAsNewWorkflowExecution type=wf input="the next" retry.maximum_attempts=5"#]],
    );
}

#[test]
fn b096_the_suggestion_comes_with_the_task() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        while !ctx.continue_as_new_suggested() {
            ctx.timer(secs(1)).await?;
        }
        ctx.continue_as_new(wf, ()).into()
    }
    let fired = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";
    check(wf, &after_first_task(fired), expect!["StartTimer id=2 after=1s"]);
    check(wf, &after_first_task(&format!("{fired} suggest=true")), expect!["ContinueAsNewWorkflowExecution type=wf"]);
}

/// The four stages of a change: before it, with both paths, without the old path, and after it.
mod life {
    use super::*;

    #[workflow(name = "wf")]
    pub(super) async fn v1(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.activity(old, ()).start_to_close_timeout(secs(1)).await?)
    }

    #[workflow(name = "wf")]
    pub(super) async fn v2(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        if ctx.patched("p") {
            ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?;
        } else {
            ctx.activity(old, ()).start_to_close_timeout(secs(1)).await?;
        }
        Ok(())
    }

    #[workflow(name = "wf")]
    pub(super) async fn v3(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.deprecate_patch("p");
        Ok(ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?)
    }

    #[workflow(name = "wf")]
    pub(super) async fn v4(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.activity(new, ()).start_to_close_timeout(secs(1)).await?)
    }
}
use life::{v1, v2, v3, v4};

/// Returns the history of v1 or v4: an activity without a marker.
fn unmarked(activity: &str) -> String {
    after_first_task(&format!(
        "5 ActivityTaskScheduled id=1 type={activity}
         6 ActivityTaskStarted
         7 ActivityTaskCompleted
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted"
    ))
}

/// Returns the history of v2 or v3.
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

#[test]
fn b097_a_new_run_takes_the_new_path_and_its_history_says_so() {
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
fn b098_each_life_of_a_change_replays_those_that_may_come_before_it() {
    let fits = || expect!["CompleteWorkflowExecution result=null"];
    check(v1, &unmarked("old"), fits());
    check_recorded(v2, &unmarked("old"), fits());
    for deprecated in [false, true] {
        check_recorded(v2, &marked(deprecated), fits());
        check_recorded(v3, &marked(deprecated), fits());
    }
    check_recorded(v4, &marked(true), fits());
    check(v4, &unmarked("new"), fits());
}

#[test]
fn b099_a_patch_that_is_removed_before_it_was_deprecated_is_nondeterminism() {
    check_recorded(
        v4,
        &marked(false),
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: ScheduleActivityTask type=new id=1
              at:       sdk/tests/behaviours/continue_as_new_and_patches.rs
              next:     let the code ask for `p` here, before it does anything else, until no run with its marker is left."#]],
    );
    check_recorded(
        v1,
        &marked(false),
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: ScheduleActivityTask type=old id=1
              at:       sdk/tests/behaviours/continue_as_new_and_patches.rs
              next:     let the code ask for `p` here, before it does anything else, until no run with its marker is left."#]],
    );
    check_recorded(
        v3,
        &unmarked("old"),
        expect![[r#"
        Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 5 ActivityTaskScheduled: type=old id=1
          code now: ScheduleActivityTask type=new id=1
          at:       sdk/tests/behaviours/continue_as_new_and_patches.rs
          next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn b100_a_patch_asked_for_at_several_places_has_one_answer_and_one_marker() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Vec<bool>, WorkflowError> {
        let mut answers = vec![ctx.patched("p"), ctx.patched("p")];
        ctx.timer(secs(1)).await?;
        answers.push(ctx.patched("p"));
        Ok(answers)
    }
    check(
        wf,
        FIRST_TASK,
        expect![[r#"
        RecordMarker name=core_patch details.patch-data={"id":"p","deprecated":false}
        UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]
        StartTimer id=1 after=1s"#]],
    );
    let marked = "5 MarkerRecorded name=core_patch details.patch-data={\"id\":\"p\",\"deprecated\":false}
         6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]
         7 TimerStarted
         8 TimerFired
         9 WorkflowTaskScheduled
         10 WorkflowTaskStarted";
    check(wf, &after_first_task(marked), expect!["CompleteWorkflowExecution result=[true,true,true]"]);
    // A run in which the patch was false keeps that, although it is live by then.
    let unmarked = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";
    check_recorded(wf, &after_first_task(unmarked), expect!["CompleteWorkflowExecution result=[false,false,false]"]);
}

/// Calls three patches with long ids.
#[workflow(name = "wf")]
async fn long_ids(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    for letter in ["b", "a", "c"] {
        ctx.patched(&letter.repeat(900));
    }
    ctx.timer(secs(1)).await?;
    Ok(())
}

#[test]
fn b101_patches_stand_in_one_sorted_list_up_to_its_size_limit() {
    let long = |text: &str| {
        ["a", "b", "c"].iter().fold(text.to_string(), |text, letter| {
            text.replace(&format!("\"{letter}\""), &format!("\"{}\"", letter.repeat(900)))
        })
    };
    // The third patch would make the list too long for a server: its marker comes without the list, and replays like
    // that.
    let history = "5 MarkerRecorded name=core_patch details.patch-data={\"id\":\"b\",\"deprecated\":false}
         6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"b\"]
         7 MarkerRecorded name=core_patch details.patch-data={\"id\":\"a\",\"deprecated\":false}
         8 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"a\",\"b\"]
         9 MarkerRecorded name=core_patch details.patch-data={\"id\":\"c\",\"deprecated\":false}
         10 TimerStarted
         11 TimerFired
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted";
    check(long_ids, &after_first_task(&long(history)), expect!["CompleteWorkflowExecution result=null"]);
    let mut run = crate::harness::Cached::new(long_ids, FIRST_TASK);
    let commands = run.task(3);
    let short = ["a", "b", "c"].iter().fold(commands, |text, letter| text.replace(&letter.repeat(900), letter));
    expect![[r#"
        RecordMarker name=core_patch details.patch-data={"id":"b","deprecated":false}
        UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["b"]
        RecordMarker name=core_patch details.patch-data={"id":"a","deprecated":false}
        UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["a","b"]
        RecordMarker name=core_patch details.patch-data={"id":"c","deprecated":false}
        StartTimer id=1 after=1s"#]]
    .assert_eq(&short);
}

#[test]
fn b102_a_patch_first_asked_for_in_the_second_task_is_known_from_there() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
        ctx.timer(secs(1)).await?;
        let answer = ctx.patched("p");
        ctx.timer(secs(2)).await?;
        Ok(answer && ctx.patched("p"))
    }
    let fired = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";
    check(
        wf,
        &after_first_task(fired),
        expect![[r#"
        RecordMarker name=core_patch details.patch-data={"id":"p","deprecated":false}
        UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]
        StartTimer id=2 after=2s"#]],
    );
    let rest = "9 WorkflowTaskCompleted
         10 MarkerRecorded name=core_patch details.patch-data={\"id\":\"p\",\"deprecated\":false}
         11 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]
         12 TimerStarted
         13 TimerFired
         14 WorkflowTaskScheduled
         15 WorkflowTaskStarted";
    check(wf, &after_first_task(&format!("{fired}\n{rest}")), expect!["CompleteWorkflowExecution result=true"]);
}

#[test]
fn b103_markers_of_old_cores_are_read() {
    let raw = |bytes: &[u8]| Payloads { payloads: vec![Payload { data: bytes.to_vec(), ..Payload::default() }] };
    for (deprecated, workflow_fits) in [(0, "v2"), (1, "v4")] {
        let mut events = parse(&marked(false));
        let Some(Attributes::MarkerRecordedEventAttributes(marker)) = &mut events[4].attributes else {
            panic!("event 5 is no marker")
        };
        marker.details =
            HashMap::from([("patch_id".to_string(), raw(b"p")), ("deprecated".to_string(), raw(&[deprecated]))]);
        let fits = expect!["CompleteWorkflowExecution result=null"];
        match workflow_fits {
            "v2" => check_events(v2, &events, fits),
            _ => check_events(v4, &events, fits),
        }
    }
}

#[test]
fn b104_the_author_cannot_write_the_list_of_patches() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Option<Vec<String>>, WorkflowError> {
        ctx.upsert_search_attributes([CHANGES.set(vec!["mine".to_string()]), PLACE.set("Oslo")]);
        Ok(ctx.search_attribute(&CHANGES))
    }
    check(
        wf,
        FIRST_TASK,
        expect![[r#"
        UpsertWorkflowSearchAttributes search_attributes.Place="Oslo"
        CompleteWorkflowExecution result=null"#]],
    );
    // Without any change there is no command, which the server would refuse.
    #[workflow(name = "wf")]
    async fn alone(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.upsert_search_attributes([CHANGES.set(vec!["mine".to_string()])]);
        Ok(())
    }
    check(alone, FIRST_TASK, expect!["CompleteWorkflowExecution result=null"]);
}
