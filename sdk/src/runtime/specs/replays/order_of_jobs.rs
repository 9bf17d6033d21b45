//! The order in which code gets its jobs.

use expect_test::expect;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::duration::secs;
use crate::runtime::specs::harness::{after_first_task, check, check_workflow, check_workflow_recorded};
use crate::runtime::{Grouping, QueueOrder, RunOrder};
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

/// Main routine and handler each record their turn. A signal follows the firing of a timer.
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
        // Gives the others a turn, without an event.
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
        Some(RunOrder { grouping: Grouping::Batch, ..RunOrder::OURS }),
        expect![[r#"CompleteWorkflowExecution result=["handler begins","main","handler ends"]"#]],
    );
}

#[test]
fn by_rank_handlers_come_to_rest_before_the_rest() {
    check_workflow(
        Turns::run,
        &after_first_task(FIRED_AND_POKED),
        Some(RunOrder { grouping: Grouping::ByRank, ..RunOrder::OURS }),
        expect![[r#"CompleteWorkflowExecution result=["handler begins","handler ends","main"]"#]],
    );
}

/// A live task, and the same task on replay.
#[test]
fn a_task_that_is_run_here_is_run_in_our_order_whoever_recorded_those_before_it() {
    for recorder in ["", "sdk=temporal-python", "sdk=temporal-typescript", "sdk=temporal-rust"] {
        let recorded =
            |history: &str| history.replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted {recorder}"));
        let live = recorded(&after_first_task(FIRED_AND_POKED));
        check_workflow(
            Racers::run,
            &live,
            None,
            expect![[r#"
            StartTimer id=2 after=10s
            StartTimer id=3 after=20s"#]],
        );
        let replayed = format!(
            "{live}
            10 WorkflowTaskCompleted sdk=abide lang=2
            11 TimerStarted id=2
            12 TimerStarted id=3
            13 TimerFired started=11
            14 WorkflowTaskScheduled
            15 WorkflowTaskStarted"
        );
        check_workflow(Racers::run, &replayed, None, expect![[r#"CompleteWorkflowExecution result="main""#]]);
    }
}

/// Main routine and handler each start a timer in the same task. The first one gets the first id.
#[workflow(name = "wf")]
#[derive(Default)]
struct Racers {
    ended: State<bool>,
}

#[workflow_methods]
impl Racers {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.timer(secs(1)).await?;
        let own = ctx.timer(secs(10));
        let first = abide::select! {
            fired = own => fired.map(|()| "main"),
            ended = ctx.wait_until(|| self.ended.get()) => ended.map(|()| "handler"),
        };
        Ok(first?.to_string())
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.spawn(async {}).await;
        ctx.timer(secs(20)).await?;
        self.ended.set(true);
        Ok(())
    }
}

/// The handler starts the first timer if its code ran alone, otherwise the main routine does.
#[test]
fn the_recorder_decides_the_order_unless_the_replayer_is_told_otherwise() {
    let of_handler = || {
        expect![[r#"
        CancelTimer id=2
        CompleteWorkflowExecution result="handler's timer fired""#]]
    };
    let of_main = || expect![""];
    for (recorder, expected) in [
        ("", of_main()),
        ("sdk=temporal-python", of_handler()),
        ("sdk=temporal-python lang=2", of_main()),
        ("sdk=temporal-typescript", of_handler()),
        ("sdk=temporal-typescript sdk_metadata.sdk_version=1.11.1", of_main()),
        ("sdk=temporal-typescript lang=2", of_main()),
        ("sdk=temporal-go", of_main()),
    ] {
        let history =
            FIRST_TASK_POKED.replace("5 WorkflowTaskCompleted", &format!("5 WorkflowTaskCompleted {recorder}"));
        check_workflow_recorded(Early::run, &history, expected);
    }
}

const FIRST_TASK_POKED: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowExecutionSignaled name=poke
    3 WorkflowTaskScheduled
    4 WorkflowTaskStarted
    5 WorkflowTaskCompleted
    6 TimerStarted after=2s
    7 TimerStarted after=1s
    8 TimerFired started=6
    9 WorkflowTaskScheduled
    10 WorkflowTaskStarted";

/// The routine that comes first starts the first timer.
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
            // Spawned before the listener is woken, so it comes first.
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

/// The official Rust SDK's order: in the second task the main routine is woken first, and the handler has its turn
/// first.
#[test]
fn handlers_first_whoever_was_woken_first() {
    for (recorder, expected) in [
        ("abide", expect![""]),
        (
            "temporal-rust",
            expect![[r#"
                CancelTimer id=4
                CompleteWorkflowExecution result="handler's timer fired""#]],
        ),
    ] {
        let history = format!(
            "1 WorkflowExecutionStarted type=wf
             2 WorkflowExecutionSignaled name=poke
             3 WorkflowTaskScheduled
             4 WorkflowTaskStarted
             5 WorkflowTaskCompleted sdk={recorder}
             6 TimerStarted after=2s
             7 TimerStarted after=1s
             8 TimerFired started=7
             9 TimerFired started=6
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted
             12 WorkflowTaskCompleted
             13 TimerStarted
             14 TimerStarted
             15 TimerFired started=13
             16 WorkflowTaskScheduled
             17 WorkflowTaskStarted"
        );
        check_workflow_recorded(Later::run, &history, expected);
    }
}

/// Main routine and handler each wait for a timer, and then start another one.
#[workflow(name = "wf")]
#[derive(Default)]
struct Later {
    ended: State<bool>,
}

#[workflow_methods]
impl Later {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.timer(secs(1)).await?;
        let _own = ctx.timer(secs(10)).start();
        ctx.wait_until(|| self.ended.get()).await?;
        Ok("handler's timer fired".to_string())
    }

    #[signal]
    async fn poke(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(2)).await?;
        ctx.timer(secs(20)).await?;
        self.ended.set(true);
        Ok(())
    }
}

/// Synchronous handlers have ended before an async one begins. A condition is asked in its routine's turn.
#[test]
fn handlers_first_in_passes() {
    let poked = "
        5 WorkflowExecutionSignaled name=slow
        6 WorkflowExecutionSignaled name=quick
        7 WorkflowTaskScheduled
        8 WorkflowTaskStarted";
    for (queue, expected) in [
        (QueueOrder::FirstInFirstOut, expect![[r#"CompleteWorkflowExecution result=["slow","quick","main"]"#]]),
        (QueueOrder::HandlersFirst, expect![[r#"CompleteWorkflowExecution result=["quick","slow","main"]"#]]),
    ] {
        let order = RunOrder { queue, ..RunOrder::OURS };
        check_workflow(Said::run, &after_first_task(poked), Some(order), expected);
    }
}

#[workflow(name = "wf")]
#[derive(Default)]
struct Said {
    words: State<Vec<String>>,
}

#[workflow_methods]
impl Said {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.words.with(Vec::len) >= 2).await?;
        self.words.update(|words| words.push("main".into()));
        Ok(self.words.get())
    }

    #[signal]
    async fn slow(&self) {
        self.words.update(|words| words.push("slow".into()));
    }

    #[signal]
    fn quick(&self) {
        self.words.update(|words| words.push("quick".into()));
    }
}
