//! Side effects: values that are computed once and read from their markers afterwards.

use std::cell::Cell;

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded};
use crate::{State, WorkflowContext, WorkflowError};

thread_local! {
    static NEXT: Cell<u32> = const { Cell::new(100) };
}

/// Another number for each call, as a clock or a file may give it.
fn next() -> u32 {
    NEXT.replace(NEXT.get() + 1)
}

/// Draws a number, and another one after a timer.
async fn draws_twice(ctx: WorkflowContext) -> Result<Vec<u32>, WorkflowError> {
    let first = ctx.side_effect(next);
    ctx.timer(secs(1)).await?;
    Ok(vec![first, ctx.side_effect(|| 9)])
}

/// Looks at a setting four times; a timer passes after the second look.
async fn looks(ctx: WorkflowContext) -> Result<Vec<u32>, WorkflowError> {
    let mut seen = vec![ctx.mutable_side_effect("size", || 1), ctx.mutable_side_effect("size", || 1)];
    ctx.timer(secs(1)).await?;
    seen.push(ctx.mutable_side_effect("size", || 2));
    seen.push(ctx.mutable_side_effect("size", || 2));
    Ok(seen)
}

#[test]
fn a_new_value_is_recorded_as_the_go_sdk_does() {
    check(
        |ctx: WorkflowContext| async move { Ok(ctx.side_effect(|| "drawn".to_string())) },
        FIRST_TASK,
        expect![[r#"
        RecordMarker name=SideEffect details.data="drawn" details.side-effect-id=1
        CompleteWorkflowExecution result="drawn""#]],
    );
}

#[test]
fn a_recorded_value_is_not_computed_again() {
    check_recorded(
        draws_twice,
        &after_first_task(
            "5 MarkerRecorded name=SideEffect details.side-effect-id=1 details.data=7
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            RecordMarker name=SideEffect details.data=9 details.side-effect-id=2
            CompleteWorkflowExecution result=[7,9]"#]],
    );
}

#[test]
fn a_value_of_java_has_no_number() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            let both = vec![ctx.side_effect(next), ctx.side_effect(next)];
            ctx.timer(secs(1)).await?;
            Ok(both)
        },
        &after_first_task(
            "5 MarkerRecorded name=SideEffect details.data=7
             6 MarkerRecorded name=SideEffect details.data=8
             7 TimerStarted
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[7,8]"],
    );
}

#[test]
fn a_side_effect_without_a_value_is_nothing() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            let drawn: Option<u32> = ctx.side_effect(|| Some(next()));
            ctx.timer(secs(1)).await?;
            Ok(drawn)
        },
        &after_first_task(
            "5 MarkerRecorded name=SideEffect
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_call_without_a_marker_and_a_marker_without_a_call_are_reported() {
    check_recorded(
        draws_twice,
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError MissingEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: no marker of a side effect in this workflow task
              code now: asked for a side effect
              at:       side_effects.rs `let first = ctx.side_effect(next);`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |ctx: WorkflowContext| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 MarkerRecorded name=SideEffect details.side-effect-id=1 details.data=7
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of a side effect
              code now: StartTimer id=1
              at:       side_effects.rs `ctx.timer(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_side_effect_that_moved_behind_a_command_is_reported() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            let timer = ctx.timer(secs(1)).start();
            let drawn = ctx.side_effect(next);
            timer.await?;
            Ok(drawn)
        },
        &after_first_task(
            "5 MarkerRecorded name=SideEffect details.side-effect-id=1 details.data=7
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of a side effect
              code now: StartTimer id=1
              at:       side_effects.rs `let timer = ctx.timer(secs(1)).start();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_value_of_another_type_fails_the_task() {
    check_recorded(
        |ctx: WorkflowContext| async move {
            let drawn: Vec<u32> = ctx.side_effect(|| vec![next()]);
            ctx.timer(secs(1)).await?;
            Ok(drawn)
        },
        &after_first_task(
            "5 MarkerRecorded name=SideEffect details.side-effect-id=1 details.data=\"seven\"
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at side_effects.rs `let drawn: Vec<u32> = ctx.side_effect(|| vec![next()]);`: the recorded value of the side effect cannot be read: expected `Vec<u32>`, found JSON: a string of 5 characters; give the call the type that recorded it"
        ],
    );
}

#[test]
fn the_closure_must_not_use_the_context() {
    check(
        |ctx: WorkflowContext| async move { Ok(ctx.side_effect(|| ctx.random::<u32>())) },
        FIRST_TASK,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at side_effects.rs `|ctx: WorkflowContext| async move { Ok(ctx.side_effect(|| ctx.random::<u32>())) },`: a random number in the closure of a side effect: a replay does not call the closure again; use the context before or after the side effect"
        ],
    );
}

#[test]
fn the_closure_must_not_change_the_state() {
    check(
        |ctx: WorkflowContext| async move {
            let drawn = State::new(0);
            ctx.side_effect(|| drawn.set(next()));
            Ok(drawn.get())
        },
        FIRST_TASK,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at side_effects.rs `ctx.side_effect(|| drawn.set(next()));`: State<u32> is changed at side_effects.rs `ctx.side_effect(|| drawn.set(next()));` by the closure of a side effect: a replay does not call it again; change the state with its result"
        ],
    );
}

#[test]
fn a_mutable_value_is_recorded_only_when_it_changes() {
    check(
        looks,
        FIRST_TASK,
        expect![[r#"
        RecordMarker name=MutableSideEffect details.data="size",{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"MQ=="}]} details.mutable-side-effect-call-counter=1 details.side-effect-id="size_5"
        StartTimer id=1 after=1s"#]],
    );
    check(
        looks,
        &after_first_task(
            "5 MarkerRecorded name=MutableSideEffect details.side-effect-id=\"size_5\" \
             details.data=\"size\",{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"}]} \
             details.mutable-side-effect-call-counter=1
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            RecordMarker name=MutableSideEffect details.data="size",{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"Mg=="}]} details.mutable-side-effect-call-counter=3 details.side-effect-id="size_11"
            CompleteWorkflowExecution result=[1,1,2,2]"#]],
    );
}

/// Returns a marker of `size` with a value, as the Go SDK writes it; without a call number, as its old versions do.
fn mutable(event: u32, value: u32, call: Option<u32>) -> String {
    let base64 = ["MA==", "MQ==", "Mg==", "Mw=="][value as usize];
    let call = call.map(|call| format!(" details.mutable-side-effect-call-counter={call}")).unwrap_or_default();
    format!(
        "{event} MarkerRecorded name=MutableSideEffect details.side-effect-id=\"size_{event}\" \
         details.data=\"size\",{{\"payloads\":[{{\"metadata\":{{\"encoding\":\"anNvbi9wbGFpbg==\"}},\"data\":\"{base64}\"\
         }}]}}{call}"
    )
}

/// Looks three times in one task.
async fn looks_thrice(ctx: WorkflowContext) -> Result<Vec<u32>, WorkflowError> {
    let seen = vec![
        ctx.mutable_side_effect("size", next),
        ctx.mutable_side_effect("size", next),
        ctx.mutable_side_effect("size", next),
    ];
    ctx.timer(secs(1)).await?;
    Ok(seen)
}

#[test]
fn each_look_gets_the_value_of_its_own_call() {
    let history = |first: &str, second: &str| {
        after_first_task(&format!(
            "{first}
             {second}
             7 TimerStarted
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted"
        ))
    };
    let go = history(&mutable(5, 1, Some(1)), &mutable(6, 2, Some(3)));
    check_recorded(looks_thrice, &go, expect!["CompleteWorkflowExecution result=[1,1,2]"]);
    let java = history(
        "5 MarkerRecorded name=MutableSideEffect details.id=\"size\" details.data=1 details.skipCount=0",
        "6 MarkerRecorded name=MutableSideEffect details.id=\"size\" details.data=2 details.skipCount=1",
    );
    check_recorded(looks_thrice, &java, expect!["CompleteWorkflowExecution result=[1,1,2]"]);
}

#[test]
fn a_value_of_an_old_go_sdk_belongs_to_the_call_at_the_place_of_its_event() {
    let history = after_first_task(&format!(
        "{}
         6 TimerStarted
         {}
         8 TimerStarted
         9 TimerFired
         10 TimerFired
         11 WorkflowTaskScheduled
         12 WorkflowTaskStarted",
        mutable(5, 1, None),
        mutable(7, 2, None),
    ));
    check_recorded(
        |ctx: WorkflowContext| async move {
            let mut seen = vec![ctx.mutable_side_effect("size", next)];
            let first = ctx.timer(secs(1)).start();
            seen.push(ctx.mutable_side_effect("size", next));
            let second = ctx.timer(secs(1)).start();
            seen.push(ctx.mutable_side_effect("size", next));
            first.await?;
            second.await?;
            Ok(seen)
        },
        &history,
        expect!["CompleteWorkflowExecution result=[1,2,2]"],
    );
}

#[test]
fn a_first_look_without_a_marker_is_reported() {
    check_recorded(
        looks,
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError MissingEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: no marker of a mutable side effect `size` in this workflow task
              code now: asked for a mutable side effect `size`
              at:       side_effects.rs `let mut seen = vec![ctx.mutable_side_effect("size", || 1), ctx.mutable_side_effect("size", || 1)];`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_marker_that_cannot_be_read_is_refused_by_its_key() {
    let refused = |marker: &str, expected| {
        let history = format!("5 MarkerRecorded {marker}\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted");
        check_recorded(looks, &after_first_task(&history), expected);
    };
    refused(
        "name=MutableSideEffect details.side-effect-id=\"size_5\"",
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 5 (MarkerRecorded MutableSideEffect): expected `data` in its details, as the Go and Java SDKs write it; found none"
        ],
    );
    refused(
        "name=MutableSideEffect details.id=\"size\" details.data=1",
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 5 (MarkerRecorded MutableSideEffect): expected `skipCount` in its details, as the Go and Java SDKs write it; found none"
        ],
    );
    refused(
        "name=MutableSideEffect details.data=\"size\",\"secret\"",
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 5 (MarkerRecorded MutableSideEffect): `data` in its details cannot be read: expected `temporal.api.common.v1.Payloads` as JSON: found an error in line 1, column 8"
        ],
    );
}
