//! The interpretation of a history: the boundaries of workflow tasks, new events, workflow time.

use std::time::UNIX_EPOCH;

use abide::prelude::*;
use expect_test::expect;

use crate::harness::{Cached, after_first_task, check};

/// Starts a timer for every signal; ends when told.
#[workflow(name = "wf")]
#[derive(Default)]
struct Naps {
    ended: State<bool>,
}

#[workflow_methods]
impl Naps {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.ended.get()).await?;
        Ok(())
    }

    #[signal]
    async fn nap(&self, ctx: &WorkflowContext, seconds: u64) -> Result<(), WorkflowError> {
        ctx.timer(secs(seconds)).await?;
        Ok(())
    }
}

#[test]
fn b032_failed_attempts_and_heartbeats_are_part_of_the_task_that_succeeds() {
    check(
        Naps::run,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         # It fails, and the next attempt takes too long.
         4 WorkflowTaskFailed
         5 WorkflowTaskScheduled attempt=2
         6 WorkflowTaskStarted
         7 WorkflowTaskTimedOut
         8 WorkflowExecutionSignaled name=nap input=1
         9 WorkflowTaskScheduled attempt=3
         10 WorkflowTaskStarted
         11 WorkflowTaskCompleted
         12 TimerStarted
         # Nobody polls the sticky queue.
         13 WorkflowExecutionSignaled name=unknown
         14 WorkflowTaskScheduled
         15 WorkflowTaskTimedOut timeout=ScheduleToStart started=0
         16 WorkflowTaskScheduled
         17 WorkflowTaskStarted
         # A chain of heartbeats.
         18 WorkflowTaskCompleted
         19 WorkflowTaskScheduled
         20 WorkflowTaskStarted
         21 WorkflowTaskCompleted
         22 WorkflowTaskScheduled
         23 WorkflowTaskStarted
         24 WorkflowTaskCompleted
         25 WorkflowExecutionSignaled name=nap input=2
         26 WorkflowTaskScheduled
         27 WorkflowTaskStarted",
        expect!["StartTimer id=2 after=2s"],
    );
}

#[test]
fn b033_a_history_that_was_closed_from_outside_replays() {
    for closing in ["WorkflowExecutionTerminated", "WorkflowExecutionTimedOut"] {
        for pending in [
            format!("7 {closing}"),
            format!("7 WorkflowTaskScheduled\n8 {closing}"),
            format!("7 WorkflowTaskScheduled\n8 WorkflowTaskStarted\n9 {closing}"),
            format!("7 WorkflowTaskScheduled\n8 WorkflowTaskStarted\n9 WorkflowTaskTimedOut\n10 {closing}"),
        ] {
            let history = format!(
                "5 WorkflowExecutionSignaled name=unknown\n6 WorkflowExecutionSignaled name=nap input=1\n{pending}"
            );
            check(Naps::run, &after_first_task(&history), expect!["Idle"]);
        }
    }
    let open = "5 WorkflowExecutionSignaled name=nap input=1
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted
         8 WorkflowTaskCompleted
         9 TimerStarted";
    check(Naps::run, &after_first_task(open), expect!["Idle"]);
}

#[test]
fn b034_events_that_a_worker_may_ignore_are_skipped_and_unknown_ones_are_fatal() {
    let history = |unknown: &str| {
        after_first_task(&format!(
            "5 WorkflowExecutionSignaled name=nap input=1
             6 UnknownEvent(999){unknown}
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted"
        ))
    };
    check(Naps::run, &history(" worker_may_ignore=true"), expect!["StartTimer id=1 after=1s"]);
    check(
        Naps::run,
        &history(""),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 6 (UnknownEvent(999)) is not known to this version of Abide \
             and must not be ignored; use a newer version"
        ],
    );
}

#[test]
fn b035_event_ids_out_of_order_are_fatal() {
    for ids in [[5, 7, 6], [5, 7, 8], [5, 5, 6]] {
        let history = format!(
            "{} WorkflowExecutionSignaled\n{} WorkflowTaskScheduled\n{} WorkflowTaskStarted",
            ids[0], ids[1], ids[2]
        );
        let mut run = Cached::new(Naps::run, &after_first_task(&history));
        let told = run.task(7);
        assert!(told.starts_with("Fail WorkflowWorkerUnhandledFailure: the history is broken: event "), "{told}");
    }
}

/// Records at every step if it is replaying.
#[workflow(name = "wf")]
#[derive(Default)]
struct Conscious {
    replaying: State<Vec<bool>>,
}

#[workflow_methods]
impl Conscious {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<bool>, WorkflowError> {
        self.note(ctx);
        for _ in 0..3 {
            ctx.timer(secs(1)).await?;
            self.note(ctx);
        }
        Ok(self.replaying.get())
    }

    #[query]
    fn noted(&self) -> Vec<bool> {
        self.replaying.get()
    }

    fn note(&self, ctx: &WorkflowContext) {
        self.replaying.update(|noted| noted.push(ctx.is_replaying()));
    }
}

#[test]
fn b036_code_replays_until_it_comes_to_the_new_events() {
    let history = after_first_task(
        "5 TimerStarted
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 TimerStarted
         11 TimerFired
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted",
    );
    // From scratch: only the last task is live.
    let mut scratch = Cached::new(Conscious::run, &history);
    assert_eq!(scratch.task_with_queries(13, &["noted"]), "StartTimer id=3 after=1s\nnoted: answer [true,true,false]");
    // In memory: every task is live.
    let mut cached = Cached::new(Conscious::run, &history);
    cached.task(3);
    cached.task(8);
    assert_eq!(cached.query(8, "noted"), "answer [false,false]", "a query changes nothing");
    cached.task(13);
    assert_eq!(cached.query(13, "noted"), "answer [false,false,false]");
    // First a query, with a history that ends with a later task: everything in it has already happened.
    let mut asked = Cached::new(Conscious::run, &history);
    assert_eq!(asked.query(9, "noted"), "answer [true,true]");
    assert_eq!(asked.task_with_queries(13, &["noted"]), "StartTimer id=3 after=1s\nnoted: answer [true,true,false]");
}

#[test]
fn b037_the_workflows_time_is_that_of_its_tasks_and_never_goes_back() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
        let mut times = vec![];
        let now = || ctx.now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 1_767_225_600;
        for _ in 0..2 {
            times.push(now());
            ctx.timer(secs(1)).await?;
            times.push(now());
        }
        Ok(times)
    }
    check(
        wf,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted at=10s
         4 WorkflowTaskCompleted
         5 TimerStarted
         6 TimerFired at=60s
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted at=75s
         9 WorkflowTaskCompleted
         10 TimerStarted
         # Another machine of the server, whose clock is behind.
         11 TimerFired at=70s
         12 WorkflowTaskScheduled at=71s
         13 WorkflowTaskStarted at=72s",
        expect![[r#"CompleteWorkflowExecution result=[10,75,75,75]"#]],
    );
}

#[test]
fn b038_length_size_and_suggestion_are_those_of_the_task() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Vec<(u64, u64, bool)>, WorkflowError> {
        let told = || (ctx.history_length(), ctx.history_size_bytes(), ctx.continue_as_new_suggested());
        let mut all = vec![told()];
        for _ in 0..2 {
            ctx.timer(secs(1)).await?;
            all.push(told());
        }
        Ok(all)
    }
    check(
        wf,
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted history_size=300
         4 WorkflowTaskCompleted
         5 TimerStarted
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted history_size=5000000 suggest=true
         9 WorkflowTaskCompleted
         10 TimerStarted
         11 TimerFired
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted history_size=5000700 suggest=true",
        expect![[r#"CompleteWorkflowExecution result=[[3,300,false],[8,5000000,true],[13,5000700,true]]"#]],
    );
}
