//! Moments at which conditions are asked, and precedence within one workflow task, for each SDK that recorded a
//! history.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded, check_workflow_recorded};
use crate::{ActivityError, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods};

const OURS: &str = "sdk=abide sdk_version=0.2.0 lang=2";
const PYTHON: &str = "sdk=temporal-python";
const PYTHON_2: &str = "sdk=temporal-python lang=1,2";
const TYPESCRIPT: &str = "sdk=temporal-typescript sdk_version=1.13.0 lang=2";
const TYPESCRIPT_OLD: &str = "sdk=temporal-typescript sdk_version=1.9.0";
const DOTNET_OLD: &str = "sdk=temporal-dotnet lang=1";
const DOTNET: &str = "sdk=temporal-dotnet lang=1,2";
const RUBY: &str = "sdk=temporal-ruby";

#[activity]
async fn first() -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn second() -> Result<(), ActivityError> {
    Ok(())
}

/// Returns a history whose first task was recorded by this SDK.
fn recorded(recorder: &str, rest: &str) -> String {
    after_first_task(rest).replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted {recorder}"))
}

async fn call(ctx: &WorkflowContext, is_first: bool) -> Result<(), WorkflowError> {
    match is_first {
        true => ctx.activity(first, ()).start_to_close_timeout(secs(5)).await?,
        false => ctx.activity(second, ()).start_to_close_timeout(secs(5)).await?,
    }
    Ok(())
}

/// Two branches wait for one flag. Each resets it when it goes on, and calls an activity.
async fn gate(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    let open = Rc::new(Cell::new(true));
    let branch = |is_first| {
        let (ctx, open) = (ctx.clone(), open.clone());
        async move {
            ctx.wait_until(|| open.get()).await?;
            open.set(false);
            call(&ctx, is_first).await
        }
    };
    let branches = (ctx.spawn(branch(true)), ctx.spawn(branch(false)));
    branches.0.await?;
    branches.1.await
}

#[test]
fn all_who_wait_for_what_is_true_go_on_or_only_the_first() {
    let both = "5 ActivityTaskScheduled id=1 type=first
                6 ActivityTaskScheduled id=2 type=second
                7 ActivityTaskStarted id=1
                8 ActivityTaskCompleted id=1
                9 WorkflowTaskScheduled
                10 WorkflowTaskStarted";
    // Python with flag 2 and TypeScript: `replay_histories/inputs.rs`.
    for recorder in [PYTHON, TYPESCRIPT_OLD, DOTNET_OLD] {
        check_recorded(gate, &recorded(recorder, both), expect![""]);
    }
    check(gate, FIRST_TASK, expect!["ScheduleActivityTask id=1 type=first start_to_close=5s"]);
    let only_first = "5 ActivityTaskScheduled id=1 type=first
                      6 ActivityTaskStarted id=1
                      7 ActivityTaskCompleted id=1
                      8 WorkflowTaskScheduled
                      9 WorkflowTaskStarted";
    for recorder in [OURS, DOTNET, RUBY, "sdk=temporal-rust"] {
        check_recorded(gate, &recorded(recorder, only_first), expect![""]);
    }
}

/// The first branch waits for a condition that is already true, the second does not wait.
async fn yields(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    let waits = {
        let ctx = ctx.clone();
        ctx.clone().spawn(async move {
            ctx.wait_until(|| true).await?;
            call(&ctx, true).await
        })
    };
    let calls = {
        let ctx = ctx.clone();
        ctx.clone().spawn(async move { call(&ctx, false).await })
    };
    waits.await?;
    calls.await
}

#[test]
fn a_wait_for_what_is_true_already_gives_way_or_does_not() {
    let second_comes_first = "5 ActivityTaskScheduled id=1 type=second
                              6 ActivityTaskScheduled id=2 type=first
                              7 ActivityTaskStarted id=1
                              8 ActivityTaskCompleted id=1
                              9 WorkflowTaskScheduled
                              10 WorkflowTaskStarted";
    for recorder in [PYTHON, TYPESCRIPT_OLD, DOTNET, DOTNET_OLD, RUBY] {
        check_recorded(yields, &recorded(recorder, second_comes_first), expect![""]);
    }
    check(
        yields,
        FIRST_TASK,
        expect![[r#"
            ScheduleActivityTask id=1 type=first start_to_close=5s
            ScheduleActivityTask id=2 type=second start_to_close=5s"#]],
    );
}

/// TypeScript gives way only once. Python waits until nothing else makes progress.
#[test]
fn giving_way_once_is_less_than_waiting_for_rest() {
    let races = |ctx: WorkflowContext| async move {
        let (order, other) = (Rc::new(RefCell::new(Vec::new())), ctx.clone());
        let (noted, also_noted) = (order.clone(), order.clone());
        let waits =
            ctx.spawn(async move { other.wait_until(|| true).await.map(|()| noted.borrow_mut().push("waited")) });
        let other = ctx.clone();
        let turns = ctx.spawn(async move {
            other.spawn(async {}).await;
            other.spawn(async {}).await;
            also_noted.borrow_mut().push("took turns");
        });
        waits.await?;
        turns.await;
        Ok(order.borrow().join(", "))
    };
    let ended =
        |recorder, result: &str| recorded(recorder, &format!("5 WorkflowExecutionCompleted result=\"{result}\""));
    check_recorded(races, &ended(TYPESCRIPT, "waited, took turns"), expect!["Idle"]);
    check_recorded(races, &ended(PYTHON_2, "took turns, waited"), expect!["Idle"]);
}

/// Waits for a signal, for three seconds at most.
#[workflow(name = "wf")]
#[derive(Default)]
struct Patient {
    told: State<bool>,
}

#[workflow_methods]
impl Patient {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
        Ok(ctx.wait_until(|| self.told.get()).timeout(secs(3)).await?)
    }

    #[signal]
    fn go(&self) {
        self.told.set(true);
    }

    #[signal]
    async fn go_later(&self, ctx: &WorkflowContext) {
        ctx.spawn(async {}).await;
        self.told.set(true);
    }
}

/// Checks a signal that makes the condition true and a fired timer, in one task and in either order.
#[track_caller]
fn check_told_and_fired(signal: &str, recorders: &[&str], is_met: bool) {
    for recorder in recorders {
        for events in [
            format!("6 TimerFired\n7 WorkflowExecutionSignaled name={signal}"),
            format!("6 WorkflowExecutionSignaled name={signal}\n7 TimerFired"),
        ] {
            let rest = format!("5 TimerStarted\n{events}\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted\n");
            let end = format!("10 WorkflowTaskCompleted\n11 WorkflowExecutionCompleted result={is_met}");
            check_workflow_recorded(Patient::run, &recorded(recorder, &(rest + &end)), expect!["Idle"]);
        }
    }
}

#[test]
fn a_timer_that_fired_beats_a_condition_where_conditions_are_asked_at_rest() {
    check_told_and_fired("go", &[PYTHON_2, DOTNET, RUBY], false);
    // TypeScript asks between the messages and the rest, so a handler's code before its first wait counts.
    check_told_and_fired("go", &[OURS, PYTHON, TYPESCRIPT, TYPESCRIPT_OLD, DOTNET_OLD], true);
    check_told_and_fired("go_later", &[PYTHON_2, DOTNET, RUBY, TYPESCRIPT], false);
    check_told_and_fired("go_later", &[PYTHON, TYPESCRIPT_OLD, DOTNET_OLD], true);
}

/// Returns the outcome of a timer.
async fn naps(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    Ok(if ctx.timer(secs(3)).await.is_ok() { "fired" } else { "cancelled" }.to_string())
}

/// Returns the outcome of an activity.
async fn calls(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let called = ctx.activity(first, ()).start_to_close_timeout(secs(5)).await;
    Ok(called.map_or_else(|error| if error.is_cancelled() { "cancelled" } else { "failed" }, |()| "done").to_string())
}

#[test]
fn a_timer_that_fires_in_the_task_of_a_request_to_cancel() {
    let cancel_first = "6 WorkflowExecutionCancelRequested\n7 WorkflowTaskScheduled\n8 TimerFired";
    let fire_first = "6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowExecutionCancelRequested";
    for (recorders, events, result) in [
        (&[PYTHON][..], cancel_first, "cancelled"),
        (&[PYTHON], fire_first, "cancelled"),
        (&[OURS, TYPESCRIPT, TYPESCRIPT_OLD, "sdk=temporal-rust"], cancel_first, "fired"),
        (&[OURS, TYPESCRIPT, TYPESCRIPT_OLD, "sdk=temporal-rust"], fire_first, "fired"),
        (&[DOTNET, DOTNET_OLD, RUBY], cancel_first, "cancelled"),
        (&[DOTNET, DOTNET_OLD, RUBY], fire_first, "fired"),
    ] {
        for recorder in recorders {
            let end = format!("10 WorkflowTaskCompleted\n11 WorkflowExecutionCompleted result=\"{result}\"");
            let rest = format!("5 TimerStarted\n{events}\n9 WorkflowTaskStarted\n{end}");
            check_recorded(naps, &recorded(recorder, &rest), expect!["Idle"]);
        }
    }
}

#[test]
fn an_activity_that_completes_in_the_task_of_a_request_to_cancel() {
    let (cancelled, completed) = ("7 WorkflowExecutionCancelRequested", "7 ActivityTaskCompleted id=1");
    let twice = |events: [&str; 2]| events.map(|event| event[2..].to_string()).join("\n8 ");
    for (recorders, result) in [
        (&["sdk=temporal-python lang=1", PYTHON_2][..], "cancelled"),
        (&[OURS, PYTHON, TYPESCRIPT, DOTNET, DOTNET_OLD, RUBY], "done"),
    ] {
        for recorder in recorders {
            for events in [twice([cancelled, completed]), twice([completed, cancelled])] {
                let end = format!("11 WorkflowTaskCompleted\n12 WorkflowExecutionCompleted result=\"{result}\"");
                let rest = format!(
                    "5 ActivityTaskScheduled id=1 type=first\n6 ActivityTaskStarted id=1\n7 {events}\n\
                     9 WorkflowTaskScheduled\n10 WorkflowTaskStarted\n{end}"
                );
                check_recorded(calls, &recorded(recorder, &rest), expect!["Idle"]);
            }
        }
    }
}

/// Returns the outcome of a child.
async fn raises(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let ended = ctx.child_workflow(raised, ()).id("c").await;
    Ok(ended.map_or_else(|error| if error.is_cancelled() { "cancelled" } else { "failed" }, |()| "done").to_string())
}

#[workflow(name = "child")]
async fn raised(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

/// Python's flag 1 concerns activities; its flag 2 concerns everything that has an end.
#[test]
fn a_child_that_ends_in_the_task_of_a_request_to_cancel() {
    let (cancelled, completed) = ("WorkflowExecutionCancelRequested", "ChildWorkflowExecutionCompleted");
    for (recorders, result) in [
        (&[PYTHON_2][..], "cancelled"),
        (&["sdk=temporal-python lang=1", OURS, PYTHON, TYPESCRIPT, DOTNET, DOTNET_OLD, RUBY], "done"),
    ] {
        for recorder in recorders {
            for [first, second] in [[cancelled, completed], [completed, cancelled]] {
                let rest = format!(
                    "5 StartChildWorkflowExecutionInitiated workflow_id=c type=child
                     6 ChildWorkflowExecutionStarted
                     7 WorkflowTaskScheduled
                     8 WorkflowTaskStarted
                     9 WorkflowTaskCompleted
                     10 {first}
                     11 {second}
                     12 WorkflowTaskScheduled
                     13 WorkflowTaskStarted
                     14 WorkflowTaskCompleted
                     15 WorkflowExecutionCompleted result=\"{result}\""
                );
                check_recorded(raises, &recorded(recorder, &rest), expect!["Idle"]);
            }
        }
    }
}

/// Three waits, in the order in which they began.
async fn three_waits(ctx: WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let log = Rc::new(RefCell::new(Vec::<&str>::new()));
    let wait = |only_after_another: bool, push: &'static str| {
        let (ctx, log) = (ctx.clone(), log.clone());
        async move {
            ctx.wait_until(|| log.borrow().last().is_some_and(|last| !only_after_another || *last != "one")).await?;
            log.borrow_mut().push(push);
            Ok::<(), WorkflowError>(())
        }
    };
    let waits = [ctx.spawn(wait(true, "three")), ctx.spawn(wait(false, "two")), ctx.spawn(wait(false, "four"))];
    log.borrow_mut().push("one");
    for wait in waits {
        wait.await?;
    }
    let log = log.borrow();
    Ok(log.iter().map(ToString::to_string).collect())
}

#[test]
fn conditions_that_are_met_one_at_a_time_are_asked_from_the_first_again() {
    let ended = |recorder, log| recorded(recorder, &format!("5 WorkflowExecutionCompleted result={log}"));
    check_recorded(three_waits, &ended(PYTHON_2, r#"["one","two","four","three"]"#), expect!["Idle"]);
    for recorder in [DOTNET, RUBY] {
        check_recorded(three_waits, &ended(recorder, r#"["one","two","three","four"]"#), expect!["Idle"]);
    }
}

/// Ends once a signal has come and no handler runs.
#[workflow(name = "wf")]
#[derive(Default)]
struct Listener {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Listener {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| ctx.all_handlers_finished() && self.heard.with(|heard| !heard.is_empty())).await?;
        Ok(self.heard.get())
    }

    #[signal]
    fn hear(&self, text: String) {
        self.heard.update(|heard| heard.push(text));
    }
}

/// .NET decides on its flag in the first task of a run and keeps the decision. Abide writes the flag in any task.
#[test]
fn dotnet_stays_with_what_a_runs_first_task_says() {
    for (first, heard) in [("temporal-dotnet lang=1", r#"["one"]"#), ("temporal-dotnet lang=1,2", r#"["one","two"]"#)] {
        let history = after_first_task(&format!(
            "5 WorkflowExecutionSignaled name=unheard
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted {OURS}
             9 WorkflowExecutionSignaled name=hear input=\"one\"
             10 WorkflowExecutionSignaled name=hear input=\"two\"
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted
             13 WorkflowTaskCompleted sdk=temporal-dotnet sdk_version=1.9.0
             14 WorkflowExecutionCompleted result={heard}"
        ));
        let history = history.replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted sdk={first}"));
        check_workflow_recorded(Listener::run, &history, expect!["Idle"]);
    }
}

/// Ruby resumes the fiber of a timer as soon as the job comes; a handler's fiber is only queued then.
#[test]
fn ruby_goes_on_with_outcomes_before_handlers() {
    for (recorder, result) in [(RUBY, r#"["main","handler"]"#), (OURS, r#"["handler","main"]"#)] {
        let rest = format!(
            "5 TimerStarted
             6 WorkflowExecutionSignaled name=poke
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 WorkflowExecutionCompleted result={result}"
        );
        check_workflow_recorded(Turns::run, &recorded(recorder, &rest), expect!["Idle"]);
    }
}

/// Main routine and handler each record their turn.
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
        ctx.wait_until(|| self.turns.with(|turns| turns.len() == 2)).await?;
        Ok(self.turns.get())
    }

    #[signal]
    fn poke(&self) {
        self.turns.update(|turns| turns.push("handler".into()));
    }
}

/// Python begins no timer for it and asks no condition: the wait is over at once.
#[test]
fn a_timeout_of_zero_is_no_command_in_python() {
    let waits = |ctx: WorkflowContext| async move {
        let met = ctx.wait_until(|| true).timeout(secs(0)).await?;
        ctx.timer(secs(1)).await?;
        Ok(met)
    };
    let rest = "5 TimerStarted after=1s
                6 TimerFired
                7 WorkflowTaskScheduled
                8 WorkflowTaskStarted
                9 WorkflowTaskCompleted
                10 WorkflowExecutionCompleted result=false";
    check_recorded(waits, &recorded(PYTHON, rest), expect!["Idle"]);
}
