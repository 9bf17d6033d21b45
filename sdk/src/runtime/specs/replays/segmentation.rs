//! Ends of workflow tasks on replay: merging of attempts, and closing from outside.

use expect_test::{Expect, expect};

use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::replay::{HistoryPage, Input, WorkflowTask};
use crate::runtime::specs::harness::{after_first_task, check, check_workflow, new_run, registry, task, text};
use crate::{State, WorkflowContext, WorkflowError, workflow, workflow_methods};

/// Starts a timer for every signal, with the length that the signal gives. Ends when told to.
#[workflow(name = "wf")]
#[derive(Default)]
struct Naps {
    ended: State<bool>,
}

#[workflow_methods]
impl Naps {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u64, WorkflowError> {
        ctx.wait_until(|| self.ended.get()).await?;
        Ok(ctx.history_length())
    }

    #[signal]
    async fn nap(&self, ctx: &WorkflowContext, seconds: u64) -> Result<(), WorkflowError> {
        ctx.timer(secs(seconds)).await?;
        Ok(())
    }

    #[signal]
    fn end(&self) {
        self.ended.set(true);
    }
}

/// Ends with its second signal.
#[workflow(name = "wf")]
#[derive(Default)]
struct Twice {
    poked: State<u32>,
}

#[workflow_methods]
impl Twice {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.poked.get() == 2).await?;
        Ok(2)
    }

    #[signal]
    fn poke(&self) {
        self.poked.update(|poked| *poked += 1);
    }
}

#[track_caller]
fn check_naps(history: &str, expected: Expect) {
    check_workflow(Naps::run, history, None, expected);
}

#[test]
fn a_failed_attempt_merges_with_the_next() {
    check_naps(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=nap input=1
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskFailed
             9 WorkflowExecutionSignaled name=nap input=2
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect![[r#"
            StartTimer id=1 after=1s
            StartTimer id=2 after=2s"#]],
    );
}

#[test]
fn a_timed_out_attempt_merges_with_the_next() {
    check_naps(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=nap input=1
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskTimedOut
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 TimerStarted
             13 WorkflowExecutionSignaled name=nap input=2
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect!["StartTimer id=2 after=2s"],
    );
}

#[test]
fn failed_first_attempts_begin_the_run_once() {
    check_naps(
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskFailed
         5 WorkflowTaskScheduled attempt=1
         6 WorkflowTaskStarted
         7 WorkflowTaskFailed
         8 WorkflowTaskScheduled attempt=3
         9 WorkflowTaskStarted
         10 WorkflowTaskCompleted
         11 WorkflowExecutionSignaled name=nap input=1
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted",
        expect!["StartTimer id=1 after=1s"],
    );
}

#[test]
fn a_sticky_queue_that_nobody_polls_is_no_attempt() {
    check_naps(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=nap input=1
             6 WorkflowTaskScheduled
             7 WorkflowTaskTimedOut timeout=ScheduleToStart started=0
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect!["StartTimer id=1 after=1s"],
    );
}

#[test]
fn a_heartbeat_chain_is_one_task() {
    check_workflow(
        Twice::run,
        &after_first_task(
            "5 WorkflowExecutionSignaled name=poke
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 WorkflowTaskScheduled
             13 WorkflowExecutionSignaled name=poke
             14 WorkflowTaskStarted
             15 WorkflowTaskCompleted
             16 WorkflowExecutionCompleted result=2",
        ),
        None,
        expect!["Idle"],
    );
}

#[test]
fn a_task_completed_without_commands_is_a_task_of_its_own_if_something_happened() {
    check_naps(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=unknown
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 WorkflowExecutionSignaled name=end
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=11"],
    );
}

#[test]
fn a_history_closed_from_outside_replays_although_its_commands_are_pending() {
    for closing in ["WorkflowExecutionTerminated", "WorkflowExecutionTimedOut"] {
        // At rest, with a scheduled task, and with a started task.
        for (id, task) in
            [(7, ""), (8, "7 WorkflowTaskScheduled"), (9, "7 WorkflowTaskScheduled\n8 WorkflowTaskStarted")]
        {
            check_naps(
                &after_first_task(&format!(
                    "5 WorkflowExecutionSignaled name=nap input=1
                     6 WorkflowExecutionSignaled name=end
                     {task}
                     {id} {closing}"
                )),
                expect!["Idle"],
            );
        }
    }
}

#[test]
fn a_run_closed_with_a_pending_timer_replays() {
    check_naps(
        &after_first_task(
            "5 WorkflowExecutionSignaled name=nap input=1
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 TimerStarted
             10 WorkflowExecutionTimedOut",
        ),
        expect!["Idle"],
    );
}

#[test]
fn events_that_a_worker_may_ignore_are_skipped() {
    check_naps(
        &after_first_task(
            "5 WorkflowExecutionPaused
             6 WorkflowExecutionSignaled name=nap input=1
             7 UnknownEvent(999) worker_may_ignore=true
             8 WorkflowExecutionUnpaused
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["StartTimer id=1 after=1s"],
    );
}

#[test]
fn a_reset_changes_the_seed_and_keeps_the_rest() {
    check(
        |ctx| async move {
            let before = ctx.random_seed();
            ctx.timer(secs(1)).await?;
            Ok((before != 0, ctx.random_seed() == before))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskFailed cause=ResetWorkflow new_run_id=98765432-89ab-4def-8123-456789abcdef
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[true,false]"],
    );
}

#[test]
fn empty_pages_with_tokens_are_followed() {
    let events = parse_history(&after_first_task(
        "5 WorkflowExecutionSignaled name=nap input=1
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted",
    ))
    .unwrap();
    let page = |from: usize, to: usize, token: &str| HistoryPage {
        events: events[from..to].to_vec(),
        next_page_token: token.as_bytes().to_vec(),
    };
    let mut run = new_run(&registry(Naps::run), None);
    let mut told = vec![text(
        &run.handle(Input::WorkflowTask(Box::new(WorkflowTask { history: page(0, 0, "a"), ..task(&events) }))),
    )];
    for page in [page(0, 3, "b"), page(3, 3, "c"), page(3, 5, "d"), page(5, 7, "e"), page(7, 7, "")] {
        told.push(text(&run.handle(Input::HistoryPage(page))));
    }
    expect![[r#"
        NeedHistory [97]
        NeedHistory [98]
        NeedHistory [99]
        NeedHistory [100]
        NeedHistory [101]
        StartTimer id=1 after=1s"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_run_that_knows_too_little_asks_for_the_whole_history_and_goes_on_from_there() {
    let events = parse_history(&after_first_task(
        "5 WorkflowExecutionSignaled name=nap input=1
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted
         8 WorkflowTaskCompleted
         9 TimerStarted
         10 TimerFired
         11 WorkflowExecutionSignaled name=end
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted",
    ))
    .unwrap();
    let page = |from: usize, to: usize, token: &str| HistoryPage {
        events: events[from..to].to_vec(),
        next_page_token: token.as_bytes().to_vec(),
    };
    // A new run, and one whose cached part ends too early.
    for seen in [0, 3] {
        let mut run = new_run(&registry(Naps::run), None);
        if seen > 0 {
            assert_eq!(text(&run.handle(Input::WorkflowTask(Box::new(task(&events[..seen]))))), "");
        }
        let sticky = WorkflowTask { history: page(8, 13, ""), ..task(&events) };
        let mut told = vec![text(&run.handle(Input::WorkflowTask(Box::new(sticky))))];
        for page in [page(0, 0, "b"), page(0, 6, "c"), page(6, 13, "")] {
            told.push(text(&run.handle(Input::HistoryPage(page))));
        }
        expect![[r#"
            NeedHistory []
            NeedHistory [98]
            NeedHistory [99]
            CompleteWorkflowExecution result=13"#]]
        .assert_eq(&told.join("\n"));
    }
}
