//! Every kind of handle, one beside the other: if it is done, and what cancelling, dropping and detaching it does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::child_workflows::{ChoreWorkflow, Listener, chore};
use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::{
    ActivityHandle, ChildWorkflowHandle, ChildWorkflowStart, DeliveryHandle, JoinHandle, LocalActivityHandle,
    NexusOperationHandle, NexusOperationStart, TimerHandle, join_all,
};
use crate::{ActivityError, Cancelled, NexusOperation, WorkflowContext, WorkflowError, activity};

const CHARGE: NexusOperation<u64, String> = NexusOperation::new("service", "operation");

#[activity]
async fn double(n: u32) -> Result<u32, ActivityError> {
    Ok(2 * n)
}

/// One handle of every kind.
struct All {
    timer: TimerHandle,
    activity: ActivityHandle<u32>,
    local_activity: LocalActivityHandle<DoubleActivity>,
    child_start: ChildWorkflowStart<ChoreWorkflow>,
    child: ChildWorkflowHandle<ChoreWorkflow>,
    nexus_start: NexusOperationStart<String>,
    nexus: NexusOperationHandle<String>,
    signal: DeliveryHandle,
    request_to_cancel: DeliveryHandle,
    branch: JoinHandle<Result<(), Cancelled>>,
}

/// Does the same with all of them; yields what each comes to, by its kind. All of them can be borrowed or taken.
macro_rules! each {
    ($all:expr, $handle:ident => $does:expr) => {{
        let All {
            timer,
            activity,
            local_activity,
            child_start,
            child,
            nexus_start,
            nexus,
            signal,
            request_to_cancel,
            branch,
        } = $all;
        each!(@list $handle => $does;
            timer activity local_activity child_start child nexus_start nexus signal request_to_cancel branch)
    }};
    (@list $handle:ident => $does:expr; $($kind:ident)+) => {
        vec![$({
            let $handle = $kind;
            (stringify!($kind), $does)
        }),+]
    };
}

/// A child and a Nexus operation that have started, when the second task begins.
async fn started(
    ctx: &WorkflowContext,
) -> Result<(ChildWorkflowHandle<ChoreWorkflow>, NexusOperationHandle<String>), WorkflowError> {
    let child = ctx.child_workflow(chore, 7).id("child-1").start();
    let nexus = ctx.nexus_operation("payments", CHARGE, 995).start();
    Ok((child.await?, nexus.await?))
}

/// Begins the others beside them.
fn begin(
    ctx: &WorkflowContext,
    (child, nexus): (ChildWorkflowHandle<ChoreWorkflow>, NexusOperationHandle<String>),
) -> All {
    let other = ctx.external_workflow("other");
    All {
        timer: ctx.timer(secs(9)).start(),
        activity: ctx.activity(double, 1).start_to_close_timeout(secs(9)).start(),
        local_activity: ctx.local_activity(double, 1).start_to_close_timeout(secs(9)).start(),
        child_start: ctx.child_workflow(chore, 7).id("child-2").start(),
        child,
        nexus_start: ctx.nexus_operation("payments", CHARGE, 995).start(),
        nexus,
        signal: other.signal(Listener::hear, "hello".into()).start(),
        request_to_cancel: other.cancel().start(),
        branch: ctx.spawn(ctx.timer(secs(8))),
    }
}

/// All of them, begun in the second task; the third has begun.
async fn sent(ctx: &WorkflowContext) -> Result<All, WorkflowError> {
    let started = started(ctx).await?;
    let tick = ctx.timer(secs(1)).start();
    let all = begin(ctx, started);
    tick.await?;
    Ok(all)
}

fn outcome<T>(result: Result<T, impl std::fmt::Display>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "ok".to_string())
}

type ByKind = BTreeMap<String, String>;

/// The names of those of which it is true.
fn names(all: Vec<(&'static str, bool)>) -> String {
    all.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind).collect::<Vec<_>>().join(" ")
}

/// The child and the operation have started, and the second task begins.
const STARTED: &str = "
    5 StartChildWorkflowExecutionInitiated
    6 NexusOperationScheduled
    7 ChildWorkflowExecutionStarted
    8 NexusOperationStarted
    9 WorkflowTaskScheduled
    10 WorkflowTaskStarted";

/// All were begun, and only the local activity has ended, when the third task begins, with the events given.
fn third_task(events: &[&str]) -> String {
    let begun = "
        11 WorkflowTaskCompleted
        12 TimerStarted id=1
        13 TimerStarted id=2
        14 ActivityTaskScheduled type=double
        15 StartChildWorkflowExecutionInitiated
        16 NexusOperationScheduled
        17 SignalExternalWorkflowExecutionInitiated name=hear
        18 RequestCancelExternalWorkflowExecutionInitiated workflow=other
        19 TimerStarted id=3
        20 MarkerRecorded local_activity=2 activity=double index=2 result=2";
    let task = ["TimerFired id=1", "WorkflowTaskScheduled", "WorkflowTaskStarted"];
    let rest = events.iter().chain(&task).enumerate().map(|(at, event)| format!("\n{} {event}", 21 + at));
    after_first_task(&format!("{STARTED}{begun}{}", rest.collect::<String>()))
}

/// The end of each of them, and the beginning of the two starts.
const ENDS: &[&str] = &[
    "TimerFired id=3",
    "TimerFired id=2",
    "ActivityTaskCompleted scheduled=14 result=2",
    "ChildWorkflowExecutionStarted initiated=15",
    "ChildWorkflowExecutionCompleted initiated=5 started=7 result=\"child 7\"",
    "NexusOperationStarted scheduled=16",
    "NexusOperationCompleted scheduled=6 result=\"paid\"",
    "ExternalWorkflowExecutionSignaled",
    "ExternalWorkflowExecutionCancelRequested",
];

#[test]
fn a_handle_is_done_once_awaiting_it_does_not_wait() {
    let code = |ctx: WorkflowContext| async move {
        let started = started(&ctx).await?;
        let tick = ctx.timer(secs(1)).start();
        let all = begin(&ctx, started);
        let before = names(each!(&all, handle => handle.is_done()));
        tick.await?;
        let after = names(each!(&all, handle => !handle.is_done()));
        each!(all, handle => handle.detach());
        Ok(format!("done at first: [{before}], not done at last: [{after}]"))
    };
    check(
        code,
        &third_task(&[]),
        expect![[
            r#"CompleteWorkflowExecution result="done at first: [], not done at last: [timer activity child_start child nexus_start nexus signal request_to_cancel branch]""#
        ]],
    );
    check(
        code,
        &third_task(ENDS),
        expect![[r#"CompleteWorkflowExecution result="done at first: [], not done at last: []""#]],
    );
}

#[test]
fn an_ended_operation_yields_its_outcome_and_stays_done() {
    check(
        |ctx| async move {
            let mut all = sent(&ctx).await?;
            let outcomes = each!(&mut all, handle => outcome(handle.await));
            // The handle of a start is gone with what it yields.
            let done = names(each!(&all, handle => handle.is_done()));
            each!(&all, handle => handle.cancel());
            each!(all, handle => handle.detach());
            let outcomes = outcomes.into_iter().map(|(kind, outcome)| (kind.to_string(), outcome));
            Ok((outcomes.collect::<ByKind>(), done))
        },
        &third_task(ENDS),
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=child-2 child_workflow_only=true
            RequestCancelNexusOperation scheduled=16
            CompleteWorkflowExecution result=[{"activity":"ok","branch":"ok","child":"ok","child_start":"ok","local_activity":"ok","nexus":"ok","nexus_start":"ok","request_to_cancel":"ok","signal":"ok","timer":"ok"},"timer activity local_activity child_start child nexus_start nexus signal request_to_cancel branch"]"#]],
    );
}

#[test]
fn an_operation_cancelled_before_it_was_sent_leaves_no_command_but_a_request_to_cancel_stands() {
    check(
        |ctx| async move {
            let mut all = begin(&ctx, started(&ctx).await?);
            each!(&all, handle => handle.cancel());
            let done = names(each!(&all, handle => handle.is_done()));
            let All { timer, activity, local_activity, child_start, nexus_start, signal, .. } = &mut all;
            let outcomes = [
                outcome(timer.await),
                outcome(activity.await),
                outcome(local_activity.await),
                outcome(child_start.await.map(drop)),
                outcome(nexus_start.await.map(drop)),
                outcome(signal.await),
                outcome((&mut all.branch).await),
            ];
            each!(all, handle => handle.detach());
            Ok((done, outcomes))
        },
        &after_first_task(STARTED),
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=other reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: "
            RecordMarker name=core_local_activity details.data={"seq":2,"attempt":0,"activity_id":"2","activity_type":"double","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1} message="Activity cancelled" cancelled=true
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            RequestCancelNexusOperation scheduled=6
            CompleteWorkflowExecution result=["timer activity child_start nexus_start signal",["Cancelled","activity double (id 1): Activity cancelled before it was scheduled","activity double (id 2): Local activity cancelled","child workflow child (id child-2): Child Workflow Execution cancelled before scheduled","Nexus operation service/operation at payments: Nexus Operation cancelled before scheduled","workflow other: Signal was cancelled before being sent","Cancelled"]]"#]],
    );
}

#[test]
fn an_operation_dropped_before_it_was_sent_leaves_no_command_but_requests_to_cancel_and_branches_go_on() {
    check(
        |ctx| async move {
            let started = started(&ctx).await?;
            drop(begin(&ctx, started));
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(STARTED),
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=other reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: "
            RecordMarker name=core_local_activity details.data={"seq":2,"attempt":0,"activity_id":"2","activity_type":"double","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1} message="Activity cancelled" cancelled=true
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            RequestCancelNexusOperation scheduled=6
            StartTimer id=2 after=1s
            StartTimer id=3 after=8s"#]],
    );
}

#[test]
fn an_operation_cancelled_after_it_was_sent_ends_as_its_kind_does() {
    check(
        |ctx| async move {
            let mut all = sent(&ctx).await?;
            each!(&all, handle => handle.cancel());
            let ended = names(each!(&all, handle => handle.is_done()));
            assert_eq!(ended, "timer activity local_activity");
            let (timer, activity) = ((&mut all.timer).await, (&mut all.activity).await);
            let branch = (&mut all.branch).await;
            ctx.wait_until(|| false).await?;
            each!(all, handle => handle.detach());
            Ok((outcome(timer), outcome(activity), outcome(branch)))
        },
        &third_task(&[]),
        expect![[r#"
            CancelTimer id=2
            RequestCancelActivityTask scheduled=14
            RequestCancelExternalWorkflowExecution id=child-2 child_workflow_only=true
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            RequestCancelNexusOperation scheduled=16
            RequestCancelNexusOperation scheduled=6
            CancelTimer id=3"#]],
    );
}

#[test]
fn an_operation_dropped_after_it_was_sent_is_cancelled_but_signals_requests_and_branches_go_on() {
    check(
        |ctx| async move {
            drop(sent(&ctx).await?);
            ctx.wait_until(|| false).await?;
            Ok(())
        },
        &third_task(&[]),
        expect![[r#"
            CancelTimer id=2
            RequestCancelActivityTask scheduled=14
            RequestCancelExternalWorkflowExecution id=child-2 child_workflow_only=true
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            RequestCancelNexusOperation scheduled=16
            RequestCancelNexusOperation scheduled=6"#]],
    );
}

#[test]
fn a_detached_operation_goes_on_and_only_a_branch_stays_in_its_scope() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let all = scope.run(sent(&ctx)).await?;
            each!(all, handle => handle.detach());
            scope.cancel();
            ctx.wait_until(|| false).await?;
            Ok(())
        },
        &third_task(&[]),
        expect!["CancelTimer id=3"],
    );
}

#[test]
fn an_operation_begun_in_a_cancelled_scope_has_ended() {
    check(
        |ctx| async move {
            let started = started(&ctx).await?;
            let scope = ctx.cancellation_scope();
            scope.cancel_with_reason("enough");
            let all = scope.run(async { begin(&ctx, started) }).await;
            let done = names(each!(&all, handle => handle.is_done()));
            each!(all, handle => handle.detach());
            Ok(done)
        },
        &after_first_task(STARTED),
        expect![[
            r#"CompleteWorkflowExecution result="timer activity local_activity child_start nexus_start signal request_to_cancel""#
        ]],
    );
}

#[test]
fn a_handle_that_lost_a_select_by_reference_is_kept() {
    check(
        |ctx| async move {
            let mut all = sent(&ctx).await?;
            let winners = each!(&mut all, handle => crate::select! {
                _ = handle => "the handle",
                () = std::future::ready(()) => "the other",
            });
            ctx.wait_until(|| false).await?;
            drop((all, winners));
            Ok(())
        },
        &third_task(&[]),
        expect![""],
    );
}

/// The workflow waits for all of a collection, which is begun in the first task.
#[track_caller]
fn joined<C, F>(collection: fn(WorkflowContext) -> C, expected: Expect)
where
    C: IntoIterator<Item = F> + 'static,
    F: Future + 'static,
{
    check(
        move |ctx| async move {
            let all = join_all(collection(ctx)).await;
            Ok(all.len() as u32)
        },
        FIRST_TASK,
        expected,
    );
}

#[test]
fn join_all_takes_calls_and_handles_of_timers_and_activities() {
    joined(
        |ctx| [1, 2].map(|n| ctx.timer(secs(n))),
        expect![[r#"
        StartTimer id=1 after=1s
        StartTimer id=2 after=2s"#]],
    );
    joined(
        |ctx| vec![ctx.timer(secs(1)).start(), ctx.timer(secs(2)).start()],
        expect![[r#"
        StartTimer id=1 after=1s
        StartTimer id=2 after=2s"#]],
    );
    joined(
        |ctx| Some(ctx.activity(double, 1).start_to_close_timeout(secs(9))),
        expect!["ScheduleActivityTask id=1 type=double input=1 start_to_close=9s"],
    );
    joined(
        |ctx| Some(ctx.activity(double, 1).start_to_close_timeout(secs(9)).start()),
        expect!["ScheduleActivityTask id=1 type=double input=1 start_to_close=9s"],
    );
    joined(
        |ctx| Some(ctx.local_activity(double, 1).start_to_close_timeout(secs(9))),
        expect!["run local_activity=1 type=double id=1 input=1"],
    );
    joined(
        |ctx| Some(ctx.local_activity(double, 1).start_to_close_timeout(secs(9)).start()),
        expect!["run local_activity=1 type=double id=1 input=1"],
    );
}

#[test]
fn join_all_takes_calls_and_handles_of_every_other_kind_in_every_collection() {
    joined(
        |ctx| (1..=2).map(move |n| ctx.child_workflow(chore, n).id(format!("child-{n}"))),
        expect![[r#"
        StartChildWorkflowExecution id=child-1 type=child input=1
        StartChildWorkflowExecution id=child-2 type=child input=2"#]],
    );
    joined(
        |ctx| Some(ctx.child_workflow(chore, 7).id("child-1").start()),
        expect!["StartChildWorkflowExecution id=child-1 type=child input=7"],
    );
    joined(
        |ctx| Some(ctx.nexus_operation("payments", CHARGE, 995)),
        expect!["ScheduleNexusOperation endpoint=payments service=service operation=operation input=995"],
    );
    joined(
        |ctx| Some(ctx.nexus_operation("payments", CHARGE, 995).start()),
        expect!["ScheduleNexusOperation endpoint=payments service=service operation=operation input=995"],
    );
    joined(
        |ctx| Some(ctx.external_workflow("other").signal(Listener::hear, "hello".into())),
        expect![[r#"SignalExternalWorkflowExecution workflow=other name=hear input="hello""#]],
    );
    joined(
        |ctx| Some(ctx.external_workflow("other").signal(Listener::hear, "hello".into()).start()),
        expect![[r#"SignalExternalWorkflowExecution workflow=other name=hear input="hello""#]],
    );
    joined(
        |ctx| Some(ctx.external_workflow("other").cancel()),
        expect![[
            r#"RequestCancelExternalWorkflowExecution id=other reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: ""#
        ]],
    );
    joined(
        |ctx| [ctx.external_workflow("other").cancel().start()],
        expect![[
            r#"RequestCancelExternalWorkflowExecution id=other reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: ""#
        ]],
    );
    joined(
        |ctx| [1, 2].map(|n| ctx.spawn(ctx.timer(secs(n)))),
        expect![[r#"
        StartTimer id=1 after=1s
        StartTimer id=2 after=2s"#]],
    );
    joined(|ctx| [true, true].map(|met| ctx.wait_until(move || met)), expect!["CompleteWorkflowExecution result=2"]);
    joined(
        |ctx| [true, false].map(|met| ctx.wait_until(move || met).timeout(secs(1))),
        expect!["StartTimer id=2 after=1s"],
    );
    joined(|ctx| BTreeMap::from([("a", ctx.timer(secs(1)))]).into_values(), expect!["StartTimer id=1 after=1s"]);
}

#[test]
fn join_all_waits_for_started_children_and_operations_too() {
    check(
        |ctx| async move {
            let (child, nexus) = started(&ctx).await?;
            let (children, operations) = crate::join!(join_all([child]), join_all(vec![nexus]));
            assert_eq!((children.len(), operations.len()), (1, 1));
            let children = children.into_iter().collect::<Result<Vec<_>, _>>()?;
            Ok((children, operations.into_iter().collect::<Result<Vec<_>, _>>()?))
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 NexusOperationScheduled
             7 ChildWorkflowExecutionStarted
             8 NexusOperationStarted
             9 NexusOperationCompleted result=\"paid\"
             10 ChildWorkflowExecutionCompleted result=\"child 7\"
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=[["child 7"],["paid"]]"#]],
    );
}

#[test]
fn a_cancelled_branch_can_clean_up_and_ends_with_what_it_says() {
    check(
        |ctx| async move {
            let notes = Rc::new(RefCell::new(Vec::new()));
            let branch = ctx.spawn({
                let (ctx, notes) = (ctx.clone(), notes.clone());
                async move {
                    let first = ctx.timer(secs(60)).await.unwrap_err();
                    let late = ctx.timer(secs(60)).await.unwrap_err();
                    notes.borrow_mut().push((first.to_string(), late.to_string(), ctx.is_cancelled()));
                    ctx.shielded(ctx.timer(secs(5))).await
                }
            });
            let untouched = ctx.timer(secs(30)).start();
            ctx.timer(secs(1)).await?;
            branch.cancel_with_reason("enough");
            assert!(!branch.is_done() && !untouched.is_done() && !ctx.is_cancelled());
            branch.await?;
            untouched.detach();
            Ok(notes.take())
        },
        &after_first_task(
            "5 TimerStarted id=1
             6 TimerStarted id=2
             7 TimerStarted id=3
             8 TimerFired id=2
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 TimerCanceled id=3
             13 TimerStarted id=5
             14 TimerFired id=5
             15 WorkflowTaskScheduled
             16 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result=[["Cancelled: enough","Cancelled: enough",true]]"#]],
    );
}

#[test]
fn a_branch_that_is_awaited_again_fails_the_task() {
    check(
        |ctx| async move {
            let mut branch = ctx.spawn(async { 7_u32 });
            let first = (&mut branch).await;
            Ok(first + branch.await)
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at spawn.rs `None if slot.ended => panic!(`: the handle of a spawned branch was awaited again after it had yielded its result: keep the result of the first await"#
        ]],
    );
}
