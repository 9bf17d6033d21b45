//! Comparisons of a replay: it always compares the type, and an id only if the author chose it or Abide recorded it. At
//! the end of a history it compares all commands that the code has issued by then.

use std::future::Future;

use expect_test::{Expect, expect};

use crate::definition::PayloadValue;
use crate::duration::secs;
use crate::failure::WorkflowError;
use crate::replay::text::parse_history;
use crate::replay::{Input, Output};
use crate::runtime::specs::harness::{run_of, task};
use crate::runtime::specs::operations::child_workflows::Listener;
use crate::workflow::WorkflowContext;
use crate::{ActivityError, activity, workflow};

#[activity]
async fn charge(cents: u64) -> Result<String, ActivityError> {
    Ok(format!("charged {cents}"))
}

#[workflow]
async fn child(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

/// Returns the error, if any, of a history whose first task was completed with these `flags`.
fn verdict<F, Fut, T>(workflow: F, flags: &str, rest: &str) -> String
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    let mut id = 0;
    let first = format!("WorkflowExecutionStarted type=wf; b; c {flags}; {rest}");
    let mut lines = Vec::new();
    let mut line = |event: &str| {
        id += 1;
        lines.push(format!("{id} {event}"));
    };
    for event in first.split(';').map(str::trim).filter(|event| !event.is_empty()) {
        match event.split_once(' ').unwrap_or((event, "")) {
            // Begins a workflow task, or completes it.
            ("b", _) => ["WorkflowTaskScheduled", "WorkflowTaskStarted"].into_iter().for_each(&mut line),
            ("c", flags) => line(&format!("WorkflowTaskCompleted {flags}")),
            _ => line(event),
        }
    }
    let events =
        parse_history(&lines.join("\n")).unwrap_or_else(|error| panic!("the spec's history is wrong: {error}"));
    match run_of(workflow).handle(Input::WorkflowTask(Box::new(task(&events)))) {
        Output::Fail(failure) => match failure.nondeterminism {
            Some(error) => {
                let produced = error.produced_command().unwrap_or("nothing");
                format!("event {} {}: {}, not {produced}", error.event_id(), error.event_type(), error.recorded())
            }
            None => failure.failure.message,
        },
        _ => "fits".to_string(),
    }
}

fn check(verdicts: &[String], expected: Expect) {
    expected.assert_eq(&verdicts.join("\n"));
}

async fn one_timer(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.timer(secs(60)).await?)
}

async fn two_timers(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    let (one, other) = (ctx.timer(secs(60)).start(), ctx.timer(secs(60)).start());
    one.await?;
    Ok(other.await?)
}

// ---- the end of a history --------------------------------------------------------------------------------------------

#[test]
fn an_open_history_holds_all_that_its_answered_tasks_issued() {
    let ends = [
        "",
        "WorkflowExecutionSignaled",
        "WorkflowExecutionSignaled; b",
        "WorkflowExecutionSignaled; b; WorkflowExecutionSignaled",
        "WorkflowExecutionSignaled; b; WorkflowTaskTimedOut",
        "WorkflowExecutionSignaled; b; c",
        "WorkflowExecutionSignaled; b; c; WorkflowExecutionSignaled; b; c",
        "WorkflowExecutionTimedOut",
        "WorkflowExecutionTerminated",
        "WorkflowExecutionSignaled; b; WorkflowExecutionTerminated",
    ];
    for end in ends {
        let history = format!("TimerStarted; {end}");
        assert_eq!(verdict(one_timer, "", &history), "fits", "{end}");
        let error = verdict(two_timers, "", &history);
        assert!(
            error.ends_with(
                "the workflow task of this command was completed, but recorded no event for it, not StartTimer id=2"
            ),
            "{end}: {error}"
        );
    }
}

#[test]
fn commands_of_an_open_task_have_no_events_yet() {
    check(
        &[
            verdict(one_timer, "", ""),
            verdict(|_| async move { Ok(()) }, "", "TimerStarted; TimerFired; b"),
            verdict(one_timer, "", "TimerStarted; TimerFired; b; WorkflowExecutionSignaled"),
        ],
        expect![[r#"
            event 4 the end of the history: the workflow task of this command was completed, but recorded no event for it, not StartTimer id=1
            event 5 TimerStarted: id=1, not CompleteWorkflowExecution: the workflow returned
            fits"#]],
    );
}

#[test]
fn a_history_that_was_cut_off_right_before_its_end_is_taken_as_core_takes_it() {
    let closes = |_| async move { Ok(()) };
    let closes_later = |ctx: WorkflowContext| async move {
        ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start().detach();
        Ok(())
    };
    check(
        &[
            verdict(closes, "", ""),
            verdict(closes, "", "WorkflowExecutionSignaled"),
            verdict(closes, "", "WorkflowExecutionTerminated"),
            verdict(closes_later, "", "ActivityTaskScheduled type=charge"),
        ],
        expect![[r#"
            fits
            event 5 the end of the history: the workflow task of this command was completed, but recorded no event for it, not CompleteWorkflowExecution: the workflow returned
            event 5 the end of the history: the workflow task of this command was completed, but recorded no event for it, not CompleteWorkflowExecution: the workflow returned
            event 5 the end of the history: the workflow task of this command was completed, but recorded no event for it, not CompleteWorkflowExecution: the workflow returned; its last command was issued here"#]],
    );
}

#[test]
fn code_that_issues_something_at_a_heartbeat_does_not_fit_it() {
    // The next task has not begun yet, so nothing joins the two.
    check(
        &[verdict(one_timer, "", "WorkflowTaskScheduled"), verdict(one_timer, "", "b")],
        expect![[r#"
            event 5 the end of the history: the workflow task of this command was completed, but recorded no event for it, not StartTimer id=1
            fits"#]],
    );
}

// ---- activities --------------------------------------------------------------------------------------------------------

async fn unnamed(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(charge, 1).start_to_close_timeout(secs(5)).await?;
    Ok(())
}

async fn named(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(charge, 1).start_to_close_timeout(secs(5)).activity_id("mine").await?;
    Ok(())
}

#[test]
fn an_activitys_type_is_compared_always_and_its_id_if_somebody_chose_it() {
    let mut verdicts = Vec::new();
    for sdk in ["flags=none", "sdk=temporal-go flags=none", "sdk=temporal-python", "sdk=swift-temporal", "sdk=abide"] {
        for event in ["type=charge id=0", "type=charge id=01", "type=charge id=1", "type=refund id=1"] {
            let history = format!("ActivityTaskScheduled {event}");
            verdicts.push(format!("{sdk}: {}", verdict(unnamed, sdk, &history)));
        }
    }
    verdicts.push(verdict(named, "sdk=temporal-go flags=none", "ActivityTaskScheduled type=charge id=5"));
    verdicts.push(verdict(named, "sdk=temporal-go flags=none", "ActivityTaskScheduled type=charge id=mine"));
    check(
        &verdicts,
        expect![[r#"
        flags=none: fits
        flags=none: fits
        flags=none: fits
        flags=none: event 5 ActivityTaskScheduled: type=refund id=1, not ScheduleActivityTask type=charge id=1
        sdk=temporal-go flags=none: fits
        sdk=temporal-go flags=none: fits
        sdk=temporal-go flags=none: fits
        sdk=temporal-go flags=none: event 5 ActivityTaskScheduled: type=refund id=1, not ScheduleActivityTask type=charge id=1
        sdk=temporal-python: fits
        sdk=temporal-python: fits
        sdk=temporal-python: fits
        sdk=temporal-python: event 5 ActivityTaskScheduled: type=refund id=1, not ScheduleActivityTask type=charge id=1
        sdk=swift-temporal: fits
        sdk=swift-temporal: fits
        sdk=swift-temporal: fits
        sdk=swift-temporal: event 5 ActivityTaskScheduled: type=refund id=1, not ScheduleActivityTask type=charge id=1
        sdk=abide: event 5 ActivityTaskScheduled: type=charge id=0, not ScheduleActivityTask type=charge id=1
        sdk=abide: event 5 ActivityTaskScheduled: type=charge id=01, not ScheduleActivityTask type=charge id=1
        sdk=abide: fits
        sdk=abide: event 5 ActivityTaskScheduled: type=refund id=1, not ScheduleActivityTask type=charge id=1
        event 5 ActivityTaskScheduled: type=charge id=5, not ScheduleActivityTask type=charge id=mine
        fits"#]],
    );
}

#[test]
fn a_run_whose_sdk_numbers_activities_from_0_goes_on() {
    // Seen in practice: swift-temporal 1.3.1, as in `replay_histories/inputs.rs`.
    let eight = |ctx: WorkflowContext| async move {
        let activities: Vec<_> =
            (0..8).map(|cents| ctx.activity(charge, cents).start_to_close_timeout(secs(10)).start()).collect();
        for activity in activities {
            activity.await?;
        }
        Ok(())
    };
    let scheduled = |first: u32| {
        let ids = (first..first + 8).map(|id| format!("ActivityTaskScheduled id={id} type=charge"));
        ids.collect::<Vec<_>>().join("; ")
    };
    let rest = "ActivityTaskStarted scheduled=8; ActivityTaskCompleted scheduled=8; b";
    let flags = "flags=1,2,3 sdk=swift-temporal sdk_version=1.3.1";
    for first in [1, 100] {
        assert_eq!(verdict(eight, flags, &format!("{}; {rest}", scheduled(first))), "fits");
    }
    let ours = verdict(eight, "sdk=abide", &format!("{}; {rest}", scheduled(0)));
    assert_eq!(ours, "event 5 ActivityTaskScheduled: type=charge id=0, not ScheduleActivityTask type=charge id=1");
}

#[test]
fn a_local_activity_may_be_numbered_from_0() {
    let two = |ctx: WorkflowContext| async move {
        let call = || ctx.local_activity(charge, 1).start_to_close_timeout(secs(5));
        let (one, other) = (call().start(), call().start());
        let texts = (one.await?, other.await?);
        ctx.wait_until(|| false).await?;
        Ok(texts)
    };
    let marker = |seq: u32, id: &str, activity_type: &str| {
        format!(
            r#"MarkerRecorded name=core_local_activity details.data={{"seq":{seq},"attempt":1,"activity_id":"{id}","activity_type":"{activity_type}","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1}} details.result="done""#
        )
    };
    let both = |one: String, other: String| format!("{one}; {other}");
    let swift = "sdk=swift-temporal";
    check(
        &[
            verdict(two, swift, &both(marker(1, "1", "charge"), marker(2, "2", "charge"))),
            verdict(two, swift, &both(marker(0, "0", "charge"), marker(1, "1", "charge"))),
            verdict(two, swift, &both(marker(1, "1", "charge"), marker(0, "0", "charge"))),
            verdict(two, swift, &both(marker(0, "0", "charge"), marker(1, "1", "refund"))),
            verdict(two, swift, &both(marker(0, "a", "charge"), marker(1, "b", "charge"))),
            verdict(two, "sdk=abide", &both(marker(1, "1", "charge"), marker(2, "b", "charge"))),
        ],
        expect![[r#"
            fits
            fits
            fits
            event 6 MarkerRecorded: local_activity=2 type=refund id=1, not local_activity=2 type=charge id=2
            fits
            event 6 MarkerRecorded: local_activity=2 type=charge id=b, not local_activity=2 type=charge id=2"#]],
    );
}

#[test]
fn a_local_activity_beside_an_activity_may_be_numbered_from_0() {
    let both = |ctx: WorkflowContext| async move {
        let activity = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();
        let local = ctx.local_activity(charge, 2).start_to_close_timeout(secs(5)).await?;
        ctx.timer(secs(1)).await?;
        let later = ctx.local_activity(charge, 3).start_to_close_timeout(secs(5)).await?;
        ctx.wait_until(|| false).await?;
        Ok((local, activity.await?, later))
    };
    let local_first = |ctx: WorkflowContext| async move {
        let local = ctx.local_activity(charge, 2).start_to_close_timeout(secs(5)).start();
        let activity = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();
        local.await?;
        activity.await?;
        Ok(())
    };
    let marker = |seq: u32| {
        format!(
            r#"MarkerRecorded name=core_local_activity details.data={{"seq":{seq},"attempt":1,"activity_id":"{seq}","activity_type":"charge","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1}} details.result="done""#
        )
    };
    let activity = |id: &str| format!("ActivityTaskScheduled type=charge id={id}");
    let beside = |id: &str, one: u32, two: u32| {
        let fired = "TimerStarted; TimerFired; b; c";
        format!("{}; {}; {fired}; {}", activity(id), marker(one), marker(two))
    };
    check(
        &[
            verdict(both, "sdk=swift-temporal", &beside("1", 2, 3)),
            verdict(both, "sdk=swift-temporal", &beside("0", 1, 2)),
            verdict(both, "sdk=swift-temporal", &beside("0", 1, 3)),
            verdict(both, "sdk=abide", &beside("1", 2, 3)),
            verdict(both, "sdk=abide", &beside("0", 1, 2)),
            verdict(local_first, "sdk=swift-temporal", &format!("{}; {}", activity("2"), marker(1))),
            verdict(local_first, "sdk=swift-temporal", &format!("{}; {}", activity("1"), marker(0))),
        ],
        expect![[r#"
            fits
            fits
            event 12 MarkerRecorded: local_activity=4 type=charge id=3, not nothing
            fits
            event 5 ActivityTaskScheduled: type=charge id=0, not ScheduleActivityTask type=charge id=1
            fits
            fits"#]],
    );
}

// ---- everything else ---------------------------------------------------------------------------------------------------

#[test]
fn timers_are_compared_by_number_in_abides_own_histories() {
    check(
        &[
            verdict(one_timer, "sdk=temporal-go flags=none", "TimerStarted id=5"),
            verdict(one_timer, "sdk=abide", "TimerStarted id=1"),
            verdict(one_timer, "sdk=abide", "TimerStarted id=2"),
        ],
        expect![[r#"
            fits
            fits
            event 5 TimerStarted: id=2, not StartTimer id=1"#]],
    );
}

#[test]
fn a_message_to_another_workflow_is_compared_by_what_it_says_and_to_whom() {
    let cancels = |ctx: WorkflowContext| async move { Ok(ctx.external_workflow("other").cancel().await?) };
    let signals = |ctx: WorkflowContext| async move {
        Ok(ctx.external_workflow("other").signal(Listener::hear, "hello".into()).await?)
    };
    let signal = "SignalExternalWorkflowExecutionInitiated";
    check(
        &[
            verdict(signals, "", &format!("{signal} workflow_execution=other name=hear")),
            verdict(signals, "", &format!("{signal} workflow_execution=other name=tell")),
            verdict(signals, "", &format!("{signal} workflow_execution=another name=hear")),
            verdict(signals, "flags=none", &format!("{signal} workflow_execution=other name=tell")),
            verdict(signals, "sdk=temporal-go flags=none", &format!("{signal} workflow_execution=another name=hear")),
            verdict(cancels, "", "RequestCancelExternalWorkflowExecutionInitiated workflow_execution=another"),
            verdict(cancels, "", "RequestCancelExternalWorkflowExecutionInitiated workflow_execution=other"),
            verdict(
                cancels,
                "flags=none",
                "RequestCancelExternalWorkflowExecutionInitiated workflow_execution=another",
            ),
        ],
        expect![[r#"
            fits
            event 5 SignalExternalWorkflowExecutionInitiated: name=tell workflow=other, not SignalExternalWorkflowExecution name=hear workflow=other
            event 5 SignalExternalWorkflowExecutionInitiated: name=hear workflow=another, not SignalExternalWorkflowExecution name=hear workflow=other
            event 5 SignalExternalWorkflowExecutionInitiated: name=tell workflow=other, not SignalExternalWorkflowExecution name=hear workflow=other
            event 5 SignalExternalWorkflowExecutionInitiated: name=hear workflow=another, not SignalExternalWorkflowExecution name=hear workflow=other
            event 5 RequestCancelExternalWorkflowExecutionInitiated: workflow=another, not RequestCancelExternalWorkflowExecution workflow=other
            fits
            event 5 RequestCancelExternalWorkflowExecutionInitiated: workflow=another, not RequestCancelExternalWorkflowExecution workflow=other"#]],
    );
}

#[test]
fn a_childs_type_is_compared_always_and_its_id_if_the_author_chose_it() {
    let unnamed = |ctx: WorkflowContext| async move { Ok(ctx.child_workflow(child, ()).await?) };
    let named = |ctx: WorkflowContext| async move { Ok(ctx.child_workflow(child, ()).id("c").await?) };
    let mut verdicts = Vec::new();
    for sdk in ["flags=none", "sdk=temporal-go flags=none", "sdk=temporal-python"] {
        for event in ["type=child workflow_id=c", "type=other workflow_id=c", "type=child workflow_id=d"] {
            let history = format!("StartChildWorkflowExecutionInitiated {event}");
            verdicts.push(format!(
                "{sdk} {event}: {} / {}",
                verdict(unnamed, sdk, &history),
                verdict(named, sdk, &history)
            ));
        }
    }
    check(
        &verdicts,
        expect![[r#"
            flags=none type=child workflow_id=c: fits / fits
            flags=none type=other workflow_id=c: event 5 StartChildWorkflowExecutionInitiated: type=other id=c, not StartChildWorkflowExecution type=child id=cc02114a-7b97-4608-b833-669af805ea51 / event 5 StartChildWorkflowExecutionInitiated: type=other id=c, not StartChildWorkflowExecution type=child id=c
            flags=none type=child workflow_id=d: fits / event 5 StartChildWorkflowExecutionInitiated: type=child id=d, not StartChildWorkflowExecution type=child id=c
            sdk=temporal-go flags=none type=child workflow_id=c: fits / fits
            sdk=temporal-go flags=none type=other workflow_id=c: event 5 StartChildWorkflowExecutionInitiated: type=other id=c, not StartChildWorkflowExecution type=child id=cc02114a-7b97-4608-b833-669af805ea51 / event 5 StartChildWorkflowExecutionInitiated: type=other id=c, not StartChildWorkflowExecution type=child id=c
            sdk=temporal-go flags=none type=child workflow_id=d: fits / event 5 StartChildWorkflowExecutionInitiated: type=child id=d, not StartChildWorkflowExecution type=child id=c
            sdk=temporal-python type=child workflow_id=c: fits / fits
            sdk=temporal-python type=other workflow_id=c: event 5 StartChildWorkflowExecutionInitiated: type=other id=c, not StartChildWorkflowExecution type=child id=cc02114a-7b97-4608-b833-669af805ea51 / event 5 StartChildWorkflowExecutionInitiated: type=other id=c, not StartChildWorkflowExecution type=child id=c
            sdk=temporal-python type=child workflow_id=d: fits / event 5 StartChildWorkflowExecutionInitiated: type=child id=d, not StartChildWorkflowExecution type=child id=c"#]],
    );
}

#[test]
fn the_requests_to_cancel_of_one_task_have_no_order() {
    let timers = |ctx: WorkflowContext| async move {
        let timers = [ctx.timer(secs(60)).start(), ctx.timer(secs(60)).start(), ctx.timer(secs(60)).start()];
        ctx.timer(secs(1)).await?;
        timers[0].cancel();
        timers[1].cancel();
        Ok(ctx.wait_until(|| false).await?)
    };
    let activities = |ctx: WorkflowContext| async move {
        let call = |cents| ctx.activity(charge, cents).start_to_close_timeout(secs(60));
        let activities = [call(1).start(), call(2).start(), call(3).start()];
        ctx.timer(secs(1)).await?;
        activities[0].cancel();
        activities[1].cancel();
        Ok(ctx.wait_until(|| false).await?)
    };
    let begun = |what: &str| format!("{what}; {what}; {what}; TimerStarted; TimerFired started=8; b; c");
    let cancelled =
        |begun: &str, ids: [&str; 2]| format!("{begun}; {}; {}; WorkflowExecutionSignaled; b", ids[0], ids[1]);
    let (timer, activity) = (begun("TimerStarted"), begun("ActivityTaskScheduled type=charge"));
    check(
        &[
            verdict(timers, "", &cancelled(&timer, ["TimerCanceled started=5", "TimerCanceled started=6"])),
            verdict(timers, "", &cancelled(&timer, ["TimerCanceled started=6", "TimerCanceled started=5"])),
            verdict(timers, "", &cancelled(&timer, ["TimerCanceled started=5", "TimerCanceled started=7"])),
            verdict(
                activities,
                "",
                &cancelled(
                    &activity,
                    ["ActivityTaskCancelRequested scheduled=6", "ActivityTaskCancelRequested scheduled=5"],
                ),
            ),
            verdict(
                activities,
                "",
                &cancelled(
                    &activity,
                    ["ActivityTaskCancelRequested scheduled=6", "ActivityTaskCancelRequested scheduled=7"],
                ),
            ),
        ],
        expect![[r#"
            fits
            fits
            event 14 TimerCanceled: the timer of event 7, not CancelTimer of the timer of event 6
            fits
            event 14 ActivityTaskCancelRequested: activity type=charge id=3, not RequestCancelActivityTask type=charge id=1"#]],
    );
}

#[test]
fn a_patchs_marker_is_followed_by_the_list_of_patches_if_the_flag_says_so() {
    let patched = |ctx: WorkflowContext| async move {
        ctx.patched("p");
        one_timer(ctx).await
    };
    let marker = r#"MarkerRecorded name=core_patch details.patch-data={"id":"p","deprecated":false}"#;
    let upsert = r#"UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]"#;
    check(
        &[
            verdict(patched, "", &format!("{marker}; {upsert}; TimerStarted")),
            verdict(patched, "", &format!("{marker}; TimerStarted")),
            verdict(patched, "flags=1", &format!("{marker}; TimerStarted")),
            verdict(patched, "", &format!("{upsert}; TimerStarted")),
            verdict(patched, "", "TimerStarted"),
        ],
        expect![[r#"
            fits
            event 6 TimerStarted: id=1, not UpsertWorkflowSearchAttributes of TemporalChangeVersion
            fits
            event 5 UpsertWorkflowSearchAttributes: of TemporalChangeVersion, not StartTimer id=1
            fits"#]],
    );
}
