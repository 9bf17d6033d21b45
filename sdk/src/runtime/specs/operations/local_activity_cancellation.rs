//! Cancelled local activities: before they start, while they run, and between two attempts.

use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use expect_test::expect;

use super::local_activities::{begin, call, completed, completion, marker_data, resolve, waits};
use crate::RetryPolicy;
use crate::duration::secs;
use crate::replay::LocalActivityResult;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, run_of};
use crate::workflow::ActivityCancellationType::{Abandon, TryCancel, WaitCancellationCompleted};
use crate::workflow::WorkflowContext;

#[test]
fn b079_cancelled_before_it_starts() {
    check(
        |ctx| async move {
            for kind in [TryCancel, WaitCancellationCompleted, Abandon] {
                let call = call(&ctx, "never").cancellation_type(kind).start();
                call.cancel();
                assert!(call.await.is_err_and(|failure| failure.is_cancelled()));
            }
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            RecordMarker name=core_local_activity details.data={"seq":1,"attempt":0,"activity_id":"1","activity_type":"echo","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1} message="Activity cancelled" cancelled=true
            RecordMarker name=core_local_activity details.data={"seq":2,"attempt":0,"activity_id":"2","activity_type":"echo","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":2} message="Activity cancelled" cancelled=true
            RecordMarker name=core_local_activity details.data={"seq":3,"attempt":0,"activity_id":"3","activity_type":"echo","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":3} message="Activity cancelled" cancelled=true
            CompleteWorkflowExecution result=null"#]],
    );
}

#[test]
fn a_cancelled_local_activity_tells_the_reason() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let begun = scope.run(async {
                let begun = call(&ctx, "never").start();
                scope.cancel_with_reason("enough");
                begun.await
            });
            let begun = begun.await.unwrap_err();
            let late = scope.run(call(&ctx, "never")).await.unwrap_err();
            Ok(format!("{begun} | {late}"))
        },
        FIRST_TASK,
        expect![[r#"
            RecordMarker name=core_local_activity details.data={"seq":1,"attempt":0,"activity_id":"1","activity_type":"echo","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1} message="Activity cancelled" cancelled=true
            CompleteWorkflowExecution result="activity echo (id 1): Local activity cancelled: enough | activity echo (id 2): Local activity cancelled: enough""#]],
    );
}

#[test]
fn b079_cancelled_while_it_runs() {
    let workflow = |ctx: WorkflowContext| async move {
        let running = [TryCancel, WaitCancellationCompleted, Abandon]
            .map(|kind| call(&ctx, "long").cancellation_type(kind).start());
        let first = call(&ctx, "short").await?;
        running.iter().for_each(|running| running.cancel());
        for running in running {
            assert!(running.await.is_err());
        }
        Ok(first)
    };
    let mut run = run_of(workflow);
    begin(&mut run);
    waits(
        &completed(&mut run, 4, "short"),
        expect![[r#"
            cancel local_activity=1
            cancel local_activity=2"#]],
    );
    let failure = Box::new(FailureProto { message: "stopped".into(), ..Default::default() });
    let completion = completion(resolve(&mut run, 2, LocalActivityResult::Failed(failure)));
    let markers: Vec<String> = completion.commands[..4].iter().map(marker_data).collect();
    let shown: Vec<&str> = markers.iter().map(|data| &data[..8]).collect();
    assert_eq!(shown, ["{\"seq\":4", "{\"seq\":1", "{\"seq\":3", "{\"seq\":2"]);
    // The recorded history replays the same way.
    check(
        workflow,
        &after_first_task(
            "5 MarkerRecorded local_activity=4 activity=echo index=1 result=\"short\"
             6 MarkerRecorded local_activity=1 activity=echo index=2 attempt=0 cancelled=true
             7 MarkerRecorded local_activity=3 activity=echo index=2 attempt=0 cancelled=true
             8 MarkerRecorded local_activity=2 activity=echo index=3 message=\"stopped\"
             9 WorkflowExecutionCompleted result=\"short\"",
        ),
        expect!["Idle"],
    );
}

#[test]
fn dropped_while_it_runs_it_is_cancelled_and_detached_it_runs_on() {
    let mut run = run_of(|ctx| async move {
        let (dropped, detached) = (call(&ctx, "dropped").start(), call(&ctx, "detached").start());
        call(&ctx, "short").await?;
        drop(dropped);
        detached.detach();
        ctx.timer(secs(1)).await?;
        Ok(())
    });
    begin(&mut run);
    waits(&completed(&mut run, 3, "short"), expect!["cancel local_activity=1"]);
    let failure = Box::new(FailureProto { message: "stopped".into(), ..Default::default() });
    waits(&resolve(&mut run, 1, LocalActivityResult::Failed(failure)), expect!["wait for local activities"]);
    let completion = completion(completed(&mut run, 2, "done all the same"));
    let markers: Vec<String> = completion
        .commands
        .iter()
        .filter(|one| one.command_type() == CommandType::RecordMarker)
        .map(marker_data)
        .collect();
    let shown: Vec<&str> = markers.iter().map(|data| &data[..8]).collect();
    assert_eq!(shown, ["{\"seq\":3", "{\"seq\":1", "{\"seq\":2"]);
}

#[test]
fn b079_cancelled_between_two_attempts() {
    check(
        |ctx| async move {
            let policy = RetryPolicy::new().initial_interval(secs(90));
            let scope = ctx.cancellation_scope();
            let running = scope.run(async { call(&ctx, "hi").retry_policy(policy).await });
            let soon = async {
                ctx.timer(secs(5)).await?;
                scope.cancel_with_reason("enough");
                Ok::<_, crate::Cancelled>(())
            };
            let (outcome, _) = crate::join!(running, soon);
            let failure = outcome.unwrap_err();
            assert!(failure.is_cancelled());
            assert_eq!(failure.to_string(), "activity echo (id 1): Local activity cancelled: enough");
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted id=1
             6 MarkerRecorded local_activity=1 activity=echo index=1 backoff=90s message=\"busy\"
             7 TimerStarted id=2
             8 TimerFired id=1
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=2
            CompleteWorkflowExecution result=null"#]],
    );
}
