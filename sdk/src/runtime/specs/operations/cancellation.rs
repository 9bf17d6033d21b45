//! Requests to cancel the workflow, scopes, and code that is shielded from them.

use std::cell::RefCell;
use std::rc::Rc;

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::{ActivityCancellationType as Type, CancellationScope};
use crate::{ActivityError, activity, workflow};

#[activity]
async fn work(n: u32) -> Result<u32, ActivityError> {
    Ok(n)
}

/// Three pending operations, then a request to cancel.
const PENDING_THEN_CANCELLED: &str = "
    5 TimerStarted
    6 ActivityTaskScheduled type=work
    7 ActivityTaskScheduled type=work
    8 WorkflowExecutionCancelRequested cause=\"had enough\"
    9 WorkflowTaskScheduled
    10 WorkflowTaskStarted";

#[test]
fn a_request_cancels_all_that_is_pending_in_the_order_of_its_beginning() {
    check(
        |ctx| async move {
            let timer = ctx.timer(secs(60)).start();
            let tried = ctx.activity(work, 1).start_to_close_timeout(secs(5)).start();
            let waited = ctx
                .activity(work, 2)
                .start_to_close_timeout(secs(5))
                .cancellation_type(Type::WaitCancellationCompleted)
                .start();
            // Awaited in another order than they began.
            assert!(tried.await.unwrap_err().is_cancelled());
            timer.await.unwrap_err();
            waited.await?;
            Ok(())
        },
        &after_first_task(PENDING_THEN_CANCELLED),
        expect![[r#"
            CancelTimer id=1
            RequestCancelActivityTask scheduled=6
            RequestCancelActivityTask scheduled=7"#]],
    );
}

#[test]
fn a_cancelled_timer_tells_the_reason() {
    check(
        |ctx| async move { Ok(ctx.timer(secs(60)).await.unwrap_err().reason().to_string()) },
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionCancelRequested cause=\"had enough\"
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CompleteWorkflowExecution result="had enough""#]],
    );
}

#[test]
fn a_cancelled_activity_tells_the_reason() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let tried = scope.run(ctx.activity(work, 1).start_to_close_timeout(secs(5)));
            let canceller = async {
                ctx.timer(secs(1)).await.unwrap();
                scope.cancel_with_reason("took too long");
            };
            let (tried, ()) = crate::join!(tried, canceller);
            let late = scope.run(ctx.activity(work, 2).start_to_close_timeout(secs(5))).await;
            let cause = |error: crate::ActivityFailure| format!("{error}; {}", error.cause().unwrap().message());
            Ok(format!("{} | {}", cause(tried.unwrap_err()), cause(late.unwrap_err())))
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=work
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            RequestCancelActivityTask scheduled=5
            CompleteWorkflowExecution result="activity work (id 1): Activity cancelled: took too long; took too long | activity work (id 2): Activity cancelled before it was scheduled: took too long; took too long""#]],
    );
}

#[test]
fn a_request_in_the_first_task_is_there_from_the_beginning() {
    check(
        |ctx| async move {
            // The code is started before it is cancelled, but runs only afterwards.
            let seen = ctx.is_cancelled();
            let reason = ctx.cancelled().await;
            Ok(format!("{seen} {reason}"))
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionCancelRequested cause=\"had enough\"
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result="true Cancelled: had enough""#]],
    );
}

#[test]
fn operations_begun_afterwards_fail_at_once_but_take_their_numbers() {
    check(
        |ctx| async move {
            ctx.timer(secs(1)).await.unwrap_err();
            ctx.wait_until(|| true).await.unwrap_err();
            ctx.wait_until(|| true).timeout(secs(3)).await.unwrap_err();
            let failure = ctx.activity(work, 1).start_to_close_timeout(secs(5)).await.unwrap_err();
            assert!(failure.is_cancelled());
            ctx.shielded(async {
                let timer = ctx.timer(secs(3)).start();
                let activity = ctx.activity(work, 2).start_to_close_timeout(secs(5)).start();
                timer.await?;
                activity.await?;
                Ok(())
            })
            .await
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionCancelRequested
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted",
        expect![[r#"
            StartTimer id=3 after=3s
            ScheduleActivityTask id=2 type=work input=2 start_to_close=5s"#]],
    );
}

#[test]
fn shielded_cleanup_is_not_reached_by_the_request() {
    check(
        |ctx| async move {
            ctx.timer(secs(60)).await.unwrap_err();
            let cleaned = ctx.shielded(async { ctx.activity(work, 9).start_to_close_timeout(secs(5)).await }).await?;
            assert_eq!(cleaned, 9);
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionCancelRequested
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerCanceled
             11 ActivityTaskScheduled type=work
             12 ActivityTaskStarted
             13 ActivityTaskCompleted result=9
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect!["CancelWorkflowExecution"],
    );
}

#[test]
fn shielded_code_goes_on_when_a_cancellation_request_arrives() {
    check(
        |ctx| async move {
            let shielded = ctx.shielded(async { ctx.timer(secs(60)).await });
            let plain = async { ctx.timer(secs(60)).await };
            let (shielded, plain) = crate::join!(shielded, plain);
            Ok(format!("{shielded:?} {}", plain.is_err()))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 WorkflowExecutionCancelRequested
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerCanceled id=2
             12 TimerFired id=1
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="Ok(()) true""#]],
    );
}

#[test]
fn a_second_request_changes_nothing() {
    check(
        |ctx| async move {
            let first = ctx.timer(secs(60)).await.unwrap_err();
            ctx.shielded(ctx.timer(secs(1))).await?;
            Ok(format!("{first}; {}", ctx.cancelled().await))
        },
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionCancelRequested cause=first
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerCanceled
             11 TimerStarted
             12 WorkflowExecutionCancelRequested cause=second
             13 TimerFired
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="Cancelled: first; Cancelled: first""#]],
    );
}

#[test]
fn a_scope_cancels_what_is_in_it_and_nothing_else() {
    check(
        |ctx| async move {
            let outside = ctx.timer(secs(60)).start();
            let scope = ctx.cancellation_scope();
            let inside = scope.run(async { ctx.timer(secs(60)).await });
            let inner = scope.run(async {
                let inner = ctx.cancellation_scope();
                inner.run(ctx.timer(secs(60))).await
            });
            let canceller = async {
                ctx.timer(secs(1)).await.unwrap();
                scope.cancel_with_reason("took too long");
            };
            let (inside, inner, ()) = crate::join!(inside, inner, canceller);
            let seen = format!("{} / {}", inside.unwrap_err(), inner.unwrap_err());
            assert!(scope.is_cancelled() && !ctx.is_cancelled());
            outside.await?;
            Ok(seen)
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerStarted
             9 TimerFired id=4
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=2
            CancelTimer id=3"#]],
    );
}

#[test]
fn a_request_reaches_into_scopes() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            scope.run(ctx.timer(secs(60))).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionCancelRequested
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CancelWorkflowExecution"#]],
    );
}

#[test]
fn one_routine_can_wait_for_the_cancellation_of_two_scopes() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let waiting = ctx.spawn({
                let (ctx, in_scope) = (ctx.clone(), scope.run(ctx.shielded(std::future::pending::<()>())));
                let scoped = scope.run({
                    let ctx = ctx.clone();
                    async move { ctx.cancelled().await }
                });
                async move {
                    abide::select! {
                        root = ctx.cancelled() => format!("root {root}"),
                        scope = scoped => format!("scope {scope}"),
                        () = in_scope => unreachable!(),
                    }
                }
            });
            ctx.timer(secs(1)).await?;
            scope.cancel_with_reason("mine");
            Ok(waiting.await)
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"CompleteWorkflowExecution result="scope Cancelled: mine""#]],
    );
}

#[test]
fn a_wait_for_cancellation_belongs_to_the_scope_of_its_first_await() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let (direct, condition) = (scope.run(ctx.cancelled()), scope.run(ctx.wait_until(|| false)));
            let canceller = async {
                ctx.timer(secs(1)).await.unwrap();
                scope.cancel_with_reason("mine");
            };
            let (direct, condition, ()) = crate::join!(direct, condition, canceller);
            Ok(format!("{direct}; {}", condition.unwrap_err()))
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"CompleteWorkflowExecution result="Cancelled: mine; Cancelled: mine""#]],
    );
}

#[test]
fn a_condition_stays_in_the_scope_of_its_first_await() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let mut condition = Box::pin(ctx.wait_until(|| false));
            abide::select! {
                _ = scope.run(&mut condition) => unreachable!(),
                slept = ctx.timer(secs(1)) => slept?,
            }
            scope.cancel_with_reason("mine");
            // Now awaited outside the scope.
            Ok(condition.await.unwrap_err().to_string())
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"CompleteWorkflowExecution result="Cancelled: mine""#]],
    );
}

#[test]
fn a_branch_belongs_to_the_scope_that_spawned_it() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            #[expect(clippy::async_yields_async, reason = "the branch is awaited outside the scope")]
            let branch = scope
                .run(async {
                    let branch = ctx.clone();
                    ctx.spawn(async move { branch.timer(secs(60)).await })
                })
                .await;
            ctx.timer(secs(1)).await?;
            scope.cancel_with_reason("enough");
            Ok(branch.await.unwrap_err().to_string())
        },
        &after_first_task(
            "5 TimerStarted after=1s
             6 TimerStarted after=60s
             7 TimerFired id=1
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=2
            CompleteWorkflowExecution result="Cancelled: enough""#]],
    );
}

#[test]
fn a_request_that_comes_with_a_completion_leaves_the_completion() {
    check(
        |ctx| async move { Ok(ctx.activity(work, 1).start_to_close_timeout(secs(5)).await?) },
        &after_first_task(
            "5 ActivityTaskScheduled type=work
             6 WorkflowExecutionCancelRequested
             7 ActivityTaskStarted
             8 ActivityTaskCompleted result=1
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=1"],
    );
}

#[test]
fn waiting_for_a_condition_ends_with_the_request() {
    check(
        |ctx| async move {
            ctx.wait_until(|| false).await?;
            Ok(())
        },
        &after_first_task(
            "5 WorkflowExecutionCancelRequested
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted",
        ),
        expect!["CancelWorkflowExecution"],
    );
}

#[test]
fn waits_for_a_scope_go_on_in_the_order_in_which_they_began() {
    check(
        |ctx| async move {
            let (scope, other) = (ctx.cancellation_scope(), ctx.cancellation_scope());
            let order = Rc::new(RefCell::new(Vec::new()));
            let wait = |n: u32, scope: &CancellationScope| {
                let (ctx, order, inner) = (ctx.clone(), order.clone(), ctx.cancelled());
                let inner = scope.run(inner);
                ctx.spawn(async move {
                    inner.await;
                    order.borrow_mut().push(n);
                })
            };
            // The first one leaves, and its place is taken by one that begins last.
            let first = Box::pin(scope.run(ctx.cancelled()));
            abide::select! { _ = first => {}, () = async {} => {} }
            for n in 1..=4 {
                wait(n, if n % 2 == 0 { &scope } else { &other }).detach();
            }
            ctx.timer(secs(1)).await?;
            scope.cancel();
            ctx.wait_until(|| order.borrow().len() == 2).await?;
            other.cancel();
            ctx.wait_until(|| order.borrow().len() == 4).await?;
            let order = order.borrow().clone();
            Ok(order)
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect!["CompleteWorkflowExecution result=[2,4,1,3]"],
    );
}

/// A workflow function instead of a closure, to run the macros' code.
#[workflow(name = "wf")]
async fn patient(ctx: &crate::WorkflowContext) -> Result<String, crate::WorkflowError> {
    Ok(ctx.cancelled().await.to_string())
}

#[test]
fn a_workflow_function_waits_for_its_cancellation() {
    crate::runtime::specs::harness::check_workflow(PatientWorkflow {}, FIRST_TASK, None, expect![[""]]);
    crate::runtime::specs::harness::check_workflow(
        PatientWorkflow {},
        &after_first_task(
            "5 WorkflowExecutionCancelRequested cause=\"had enough\"\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted",
        ),
        None,
        expect![[r#"CompleteWorkflowExecution result="Cancelled: had enough""#]],
    );
}
