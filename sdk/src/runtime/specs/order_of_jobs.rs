//! In which order code gets its jobs.

use expect_test::expect;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::harness::{after_first_task, check, check_workflow, check_workflow_recorded};
use crate::duration::secs;
use crate::runtime::{Grouping, RunOrder};
use crate::{State, WorkflowContext, WorkflowError, workflow, workflow_methods};

const FORTY_TIMERS_FIRED: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted
    4 WorkflowTaskCompleted";

/// A history in which `n` timers were started in the first task and have fired in the reverse order.
fn fired(n: usize) -> String {
    let mut text = FORTY_TIMERS_FIRED.to_string();
    for i in 0..n {
        text += &format!("\n{} TimerStarted id={}", 5 + i, i + 1);
    }
    for i in (0..n).rev() {
        text += &format!("\n{} TimerFired started={}", 5 + n + (n - 1 - i), 5 + i);
    }
    text + &format!("\n{} WorkflowTaskScheduled\n{} WorkflowTaskStarted", 5 + 2 * n, 6 + 2 * n)
}

#[test]
fn join_all_of_forty_is_woken() {
    check(
        |ctx| async move {
            let all = join_all((0..40).map(|_| ctx.timer(secs(1)))).await;
            Ok(all.len() as u64)
        },
        &fired(40),
        expect!["CompleteWorkflowExecution result=40"],
    );
}

#[test]
fn futures_unordered_is_woken_in_history_order() {
    check(
        |ctx| async move {
            let mut all: FuturesUnordered<_> = (0..5_u32)
                .map(|i| {
                    let timer = ctx.timer(secs(1));
                    async move { timer.await.map(|()| i) }
                })
                .collect();
            let mut order = Vec::new();
            while let Some(i) = all.next().await {
                order.push(i?);
            }
            Ok(format!("{order:?}"))
        },
        &fired(5),
        expect!["CompleteWorkflowExecution result=\"[4, 3, 2, 1, 0]\""],
    );
}

/// The main routine and a handler each say when it is their turn; a signal stands after a timer's firing.
#[workflow(name = "wf")]
#[derive(Default)]
struct Turns {
    turns: State<Vec<String>>,
}

#[workflow_methods]
impl Turns {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.turns.update(|turns| turns.push("main".into()));
        ctx.wait_until(|| ctx.all_handlers_finished()).await?;
        Ok(self.turns.get())
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext) {
        self.turns.update(|turns| turns.push("handler begins".into()));
        // A turn for the others, without an event.
        ctx.spawn(async {}).await;
        self.turns.update(|turns| turns.push("handler ends".into()));
    }
}

const FIRED_AND_POKED: &str = "
    5 TimerStarted
    6 TimerFired
    7 WorkflowExecutionSignaled name=poke
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted";

#[test]
fn in_one_batch_handlers_and_the_rest_take_turns() {
    check_workflow(
        Turns::run,
        &after_first_task(FIRED_AND_POKED),
        Some(RunOrder { grouping: Grouping::Batch }),
        expect![[r#"CompleteWorkflowExecution result=["handler begins","main","handler ends"]"#]],
    );
}

#[test]
fn by_rank_handlers_come_to_rest_before_the_rest() {
    check_workflow(
        Turns::run,
        &after_first_task(FIRED_AND_POKED),
        Some(RunOrder { grouping: Grouping::ByRank }),
        expect![[r#"CompleteWorkflowExecution result=["handler begins","handler ends","main"]"#]],
    );
}

#[test]
fn who_recorded_the_history_decides_unless_told_otherwise() {
    for (completed, expected) in [
        ("", expect![[r#"CompleteWorkflowExecution result=["handler begins","main","handler ends"]"#]]),
        (
            "sdk=temporal-python",
            expect![[r#"CompleteWorkflowExecution result=["handler begins","handler ends","main"]"#]],
        ),
        (
            "sdk=temporal-python lang=2",
            expect![[r#"CompleteWorkflowExecution result=["handler begins","main","handler ends"]"#]],
        ),
    ] {
        let history = after_first_task(FIRED_AND_POKED);
        let history = history.replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted {completed}"));
        check_workflow(Turns::run, &history, None, expected);
    }
}

#[test]
fn who_recorded_the_history_counts_for_its_first_task_too() {
    // Signals before the first task: by rank their handler comes to rest before the main routine begins.
    check_workflow_recorded(
        Early::run,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowExecutionSignaled name=poke
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted
         5 WorkflowTaskCompleted sdk=temporal-python
         6 TimerStarted after=2s
         7 TimerStarted after=1s
         8 TimerFired started=6
         9 WorkflowTaskScheduled
         10 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=2
            CompleteWorkflowExecution result="handler's timer fired""#]],
    );
}

/// Whichever routine comes first starts the first timer.
#[workflow(name = "wf")]
#[derive(Default)]
struct Early {
    ended: State<Option<String>>,
}

#[workflow_methods]
impl Early {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let _main = ctx.timer(secs(1)).start();
        ctx.wait_until(|| self.ended.with(Option::is_some)).await?;
        Ok(self.ended.get().unwrap_or_default())
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.spawn(async {}).await;
        ctx.timer(secs(2)).await?;
        self.ended.set(Some("handler's timer fired".into()));
        Ok(())
    }
}

#[test]
fn routines_take_their_turns_in_the_order_in_which_they_were_woken() {
    check(
        |ctx| async move {
            let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
            let say = |text: &'static str| {
                let tx = tx.clone();
                async move { tx.send(text).unwrap() }
            };
            let (wake, woken) = tokio::sync::oneshot::channel::<()>();
            let listener = {
                let said = say("listener");
                ctx.spawn(async move {
                    woken.await.unwrap();
                    said.await;
                })
            };
            ctx.timer(secs(1)).await?;
            // Spawned before the listener is woken: it comes first.
            let branch = ctx.spawn(say("branch"));
            wake.send(()).unwrap();
            let (first, second) = (rx.recv().await, rx.recv().await);
            branch.await;
            listener.await;
            Ok(format!("{} {}", first.unwrap(), second.unwrap()))
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"CompleteWorkflowExecution result="branch listener""#]],
    );
}
