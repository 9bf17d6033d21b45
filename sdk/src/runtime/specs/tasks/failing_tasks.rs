//! Errors that fail a workflow task and not the workflow: bugs, and data of the wrong type.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use expect_test::expect;

use crate::duration::secs;
use crate::replay::Input;
use crate::replay::text::parse_history;
use crate::runtime::WorkflowRegistry;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_workflow, new_run, task, text};
use crate::{ActivityError, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods};

/// JSON has no maps with pairs as keys.
pub(crate) type Unwritable = BTreeMap<(u32, u32), u32>;

pub(crate) fn unwritable() -> Unwritable {
    BTreeMap::from([((1, 2), 3)])
}

#[activity]
async fn sum(of: Unwritable) -> Result<u32, ActivityError> {
    Ok(of.values().sum())
}

#[activity]
async fn charge(cents: u64) -> Result<u64, ActivityError> {
    Ok(cents)
}

#[test]
fn an_activity_whose_only_timeout_is_zero_fails_the_task_at_its_statement() {
    check(
        |ctx| async move { Ok(ctx.activity(sum, Unwritable::new()).start_to_close_timeout(secs(0)).await?) },
        FIRST_TASK,
        expect![
            r#"Fail WorkflowWorkerUnhandledFailure: activity `sum` has no timeout, because zero means none: set `start_to_close_timeout(..)` or `schedule_to_close_timeout(..)` to more than zero (at failing_tasks.rs `|ctx| async move { Ok(ctx.activity(sum, Unwritable::new()).start_to_close_timeout(secs(0)).await?) },`)"#
        ],
    );
    check(
        |ctx| async move { Ok(ctx.local_activity(sum, Unwritable::new()).start_to_close_timeout(secs(0)).await?) },
        FIRST_TASK,
        expect![
            r#"Fail WorkflowWorkerUnhandledFailure: local activity `sum` has no timeout, because zero means none: set `start_to_close_timeout(..)` or `schedule_to_close_timeout(..)` to more than zero (at failing_tasks.rs `|ctx| async move { Ok(ctx.local_activity(sum, Unwritable::new()).start_to_close_timeout(secs(0)).await?) },`)"#
        ],
    );
}

#[test]
fn a_panic_fails_the_task_with_its_place() {
    check(
        |ctx| async move {
            assert!(ctx.info().attempt > 5, "too early");
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at failing_tasks.rs `assert!(ctx.info().attempt > 5, "too early");`: too early"#
        ]],
    );
}

#[test]
fn a_panic_in_a_branch_fails_the_task() {
    check(
        |ctx| async move {
            let branch = ctx.clone();
            ctx.spawn(async move {
                branch.timer(secs(1)).await.unwrap();
                panic!("nothing there");
            })
            .await;
            Ok(())
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at failing_tasks.rs `panic!("nothing there");`: nothing there"#
        ]],
    );
}

/// Does not begin, or panics in a handler.
#[workflow(name = "wf")]
struct Fragile {
    held: State<u32>,
}

#[workflow_methods]
impl Fragile {
    #[init]
    fn new(first: u32) -> Self {
        Self { held: State::new(100 / first) }
    }

    #[run]
    async fn run(&self, ctx: &WorkflowContext, first: u32) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.held.get() == first).await?;
        Ok(first)
    }

    #[signal]
    fn borrow_twice(&self) {
        let guard = self.held.read();
        self.held.set(*guard + 1);
    }
}

#[test]
fn a_panic_in_a_handler_fails_the_task() {
    check_workflow(
        Fragile::run,
        "1 WorkflowExecutionStarted type=wf input=5
         2 WorkflowExecutionSignaled name=borrow_twice
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted",
        None,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at failing_tasks.rs `self.held.set(*guard + \
             1);`: State<u32> is changed at failing_tasks.rs `self.held.set(*guard + 1);` while it is borrowed: end \
             the statement with `read` or `write` first (their guards must not live across an `.await`, and in the \
             head of a `while let` or `match` they live to the end of the body), and do not use the same field inside \
             the closure of its `with` or `update`"
        ],
    );
}

#[test]
fn a_panic_while_the_state_is_made_fails_the_task() {
    check_workflow(
        Fragile::run,
        "1 WorkflowExecutionStarted type=wf input=0\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted",
        None,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at failing_tasks.rs `Self { held: State::new(100 / first) }`: attempt to divide by zero"
        ],
    );
}

#[test]
fn arguments_that_do_not_fit_fail_the_task() {
    for (input, expected) in [
        (
            "",
            expect![
                "Fail WorkflowWorkerUnhandledFailure: workflow `wf` cannot be started: argument 1 is missing: expected `u32`, found 0 arguments; correct the parameters of its code, or terminate it and start it with other arguments"
            ],
        ),
        (
            "input=\"seven\"",
            expect![[
                r#"Fail WorkflowWorkerUnhandledFailure: workflow `wf` cannot be started: argument 1: expected `u32`, found JSON: a string of 5 characters; correct the parameters of its code, or terminate it and start it with other arguments"#
            ]],
        ),
    ] {
        let history = format!("1 WorkflowExecutionStarted {input}\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted");
        check_workflow(Fragile::run, &history, None, expected);
    }
}

#[test]
fn an_unknown_workflow_type_of_a_worker_without_any_says_so() {
    let history = "1 WorkflowExecutionStarted type=other\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted";
    let mut run = new_run(&Arc::new(WorkflowRegistry::default()), None);
    let told = text(&run.handle(Input::WorkflowTask(Box::new(task(&parse_history(history).unwrap())))));
    assert!(told.contains("(task queue `queue`); no workflow is registered. Add it with `.workflow(other)`"), "{told}");
}

#[test]
fn an_unknown_workflow_type_fails_the_task_and_says_which_are_known() {
    check(
        |_| async move { Ok(()) },
        "1 WorkflowExecutionStarted type=other\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted",
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow type `other` is not registered with this worker (task queue `queue`); registered: wf. Add it with `.workflow(other)`, or start the workflow on the task queue of a worker that has it"
        ],
    );
}

#[test]
fn activity_arguments_that_cannot_be_written_fail_the_task() {
    check(
        |ctx| async move { Ok(ctx.activity(sum, unwritable()).start_to_close_timeout(secs(5)).await?) },
        FIRST_TASK,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: the arguments of activity `sum` cannot be written: argument 1: `BTreeMap<(u32, u32), u32>` cannot be written as JSON: key must be a string (at failing_tasks.rs `|ctx| async move { Ok(ctx.activity(sum, unwritable()).start_to_close_timeout(secs(5)).await?) },`)"
        ],
    );
}

#[test]
fn an_activity_result_that_cannot_be_read_fails_the_task() {
    check(
        |ctx| async move { Ok(ctx.activity(sum, Unwritable::new()).start_to_close_timeout(secs(5)).await?) },
        &after_first_task(
            "5 ActivityTaskScheduled type=sum
             6 ActivityTaskStarted
             7 ActivityTaskCompleted result=\"three\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the result of activity `sum` cannot be read: expected `u32`, found JSON: a string of 5 characters (at failing_tasks.rs `|ctx| async move { Ok(ctx.activity(sum, Unwritable::new()).start_to_close_timeout(secs(5)).await?) },`)"#
        ]],
    );
}

#[test]
fn a_result_that_cannot_be_written_fails_the_task() {
    check_workflow(
        UnwritableResultWorkflow {},
        FIRST_TASK,
        None,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: the workflow's result cannot be written: `BTreeMap<(u32, u32), u32>` cannot be written as JSON: key must be a string"
        ],
    );
}

#[workflow(name = "wf")]
async fn unwritable_result(ctx: &WorkflowContext) -> Result<Unwritable, WorkflowError> {
    assert!(!ctx.is_cancelled());
    Ok(unwritable())
}

#[test]
fn tokios_clock_is_refused_with_the_name_of_its_replacement() {
    check(
        |_| async move {
            #[expect(clippy::disallowed_methods, reason = "that it is refused is what is shown")]
            tokio::time::sleep(secs(1)).await;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: workflow code runs outside tokio
              code now: used tokio's clock, tasks or I/O at failing_tasks.rs `tokio::time::sleep(secs(1)).await;`
              next:     await only what the context offers (ctx.timer, ctx.activity, ctx.wait_until); do I/O in an activity."#]],
    );
}

#[test]
fn tokios_tasks_are_refused() {
    check(
        |_| async move {
            #[expect(clippy::disallowed_methods, reason = "that it is refused is what is shown")]
            let task = tokio::spawn(async { 1 });
            Ok(task.await.unwrap())
        },
        FIRST_TASK,
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: workflow code runs outside tokio
              code now: used tokio's clock, tasks or I/O at failing_tasks.rs `let task = tokio::spawn(async { 1 });`
              next:     await only what the context offers (ctx.timer, ctx.activity, ctx.wait_until); do I/O in an activity."#]],
    );
}

#[test]
fn a_wake_up_from_another_thread_is_refused() {
    check(
        |_| async move { Ok(woken_by_a_thread().await) },
        FIRST_TASK,
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: only events of the workflow's history may wake its code
              code now: awaited a future that another thread or a timer of the process woke
              next:     await only what the context offers (ctx.timer, ctx.activity, ctx.wait_until); do I/O in an activity."#]],
    );
}

/// A future that a thread wakes as soon as it is polled.
fn woken_by_a_thread() -> impl Future<Output = u32> {
    let (tx, mut rx) = tokio::sync::oneshot::channel();
    let mut tx = Some(tx);
    poll_fn(move |cx| {
        let polled = Pin::new(&mut rx).poll(cx);
        if let (Poll::Pending, Some(tx)) = (&polled, tx.take()) {
            // Joined at once, so that the spec does not depend on thread scheduling.
            #[expect(clippy::disallowed_methods, reason = "a foreign thread is what is shown")]
            std::thread::spawn(move || tx.send(7_u32)).join().unwrap().unwrap();
        }
        polled.map(|sent| sent.unwrap())
    })
}

#[test]
fn a_wake_up_from_another_thread_names_what_is_known_of_its_place() {
    check(
        |ctx| async move {
            ctx.activity(charge, 5).start_to_close_timeout(secs(5)).start().detach();
            Ok(woken_by_a_thread().await)
        },
        FIRST_TASK,
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: only events of the workflow's history may wake its code
              code now: awaited a future that another thread or a timer of the process woke; the workflow's last command was issued here
              at:       failing_tasks.rs `ctx.activity(charge, 5).start_to_close_timeout(secs(5)).start().detach();`
              next:     await only what the context offers (ctx.timer, ctx.activity, ctx.wait_until); do I/O in an activity."#]],
    );
    check(
        |ctx| async move {
            let elsewhere = ctx.spawn(woken_by_a_thread());
            ctx.timer(secs(1)).await?;
            Ok(elsewhere.await)
        },
        FIRST_TASK,
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: only events of the workflow's history may wake its code
              code now: awaited a future that another thread or a timer of the process woke; the workflow also waits for timer id=1
              at:       failing_tasks.rs `ctx.timer(secs(1)).await?;`
              next:     await only what the context offers (ctx.timer, ctx.activity, ctx.wait_until); do I/O in an activity."#]],
    );
}
