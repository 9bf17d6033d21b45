//! Activity functions that a workflow calls like any Rust function: their code runs in the workflow.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use expect_test::expect;

use crate::duration::secs;
use crate::replay::Input;
use crate::replay::text::parse_history;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, run_of, task};
use crate::runtime::specs::log::Log;
use crate::{ApplicationError, WorkflowContext, activity};

#[derive(Debug, ApplicationError)]
#[error("declined")]
struct Declined;

#[activity(blocking)]
fn add(number: u32) -> Result<u32, Declined> {
    if number == 0 { Err(Declined) } else { Ok(number + 1) }
}

#[activity]
async fn sleep() -> Result<(), Declined> {
    #[expect(clippy::disallowed_methods, reason = "it is an activity, in the wrong place")]
    tokio::time::sleep(secs(1)).await;
    Ok(())
}

#[activity]
async fn asks_a_thread() -> Result<u32, Declined> {
    let (tx, mut rx) = tokio::sync::oneshot::channel();
    let mut tx = Some(tx);
    let answer = poll_fn(move |cx| {
        let polled = Pin::new(&mut rx).poll(cx);
        if let (Poll::Pending, Some(tx)) = (&polled, tx.take()) {
            // Joined at once, so that the spec does not depend on thread scheduling.
            #[expect(clippy::disallowed_methods, reason = "a foreign thread is what is shown")]
            std::thread::spawn(move || tx.send(7)).join().unwrap().unwrap();
        }
        polled
    });
    Ok(answer.await.unwrap())
}

#[activity]
async fn has_a_bug() -> Result<(), Declined> {
    panic!("no such card");
}

#[test]
fn its_code_is_a_part_of_the_workflows() {
    check(|_| async move { Ok(add(6).await?) }, FIRST_TASK, expect!["CompleteWorkflowExecution result=7"]);
}

#[test]
fn an_error_names_the_call_and_what_to_write_instead() {
    check(
        |_| async move {
            sleep().await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: workflow code runs outside tokio
              code now: used tokio's clock, tasks or I/O at direct_calls.rs `tokio::time::sleep(secs(1)).await;`
              at:       direct_calls.rs `sleep().await?;`
              next:     the activity `sleep` is called like a Rust function (at direct_calls.rs `sleep().await?;`), so its code runs in the workflow; to run it as an activity, write `ctx.activity(sleep, ..)`"#]],
    );
    check(
        |_| async move { Ok(asks_a_thread().await?) },
        FIRST_TASK,
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: only events of the workflow's history may wake its code
              code now: awaited a future that another thread or a timer of the process woke
              next:     the activity `asks_a_thread` is called like a Rust function (at direct_calls.rs `|_| async move { Ok(asks_a_thread().await?) },`), so its code runs in the workflow; to run it as an activity, write `ctx.activity(asks_a_thread, ..)`"#]],
    );
    check(
        |_| async move {
            has_a_bug().await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at direct_calls.rs `panic!("no such card");`: no such card; the activity `has_a_bug` is called like a Rust function (at direct_calls.rs `has_a_bug().await?;`), so its code runs in the workflow; to run it as an activity, write `ctx.activity(has_a_bug, ..)`"#
        ]],
    );
    // The report names no call that has ended.
    check(
        |_| async move {
            add(6).await?;
            panic!("a bug of the workflow");
            #[expect(unreachable_code, reason = "it gives the closure its type")]
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: workflow code panicked at direct_calls.rs `panic!("a bug of the workflow");`: a bug of the workflow"#
        ]],
    );
}

#[test]
fn the_log_warns_of_it_once_and_not_on_replay() {
    let calls_twice = |ctx: WorkflowContext| async move {
        let sum = add(1).await? + add(2).await?;
        ctx.timer(secs(1)).await?;
        Ok(sum + add(3).await?)
    };
    let log = Log::default();
    let history = |text: &str| Input::WorkflowTask(Box::new(task(&parse_history(text).unwrap())));
    let fired = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";
    log.of(|| {
        run_of(calls_twice).handle(history(FIRST_TASK));
        let live = log.take();
        assert_eq!(live.len(), 1, "{live:?}");
        assert!(live[0].contains("the activity `add` is called like a Rust function"), "{live:?}");
        assert!(live[0].ends_with("write `ctx.activity(add, ..)`"), "{live:?}");
        run_of(calls_twice).handle(history(&(after_first_task(fired) + "\n9 WorkflowTaskCompleted")));
        assert_eq!(log.take(), Vec::<String>::new());
    });
}
