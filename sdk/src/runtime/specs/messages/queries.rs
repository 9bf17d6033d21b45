//! Queries: inside a task's completion, and alone.

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use expect_test::{Expect, expect};

use crate::converter::to_payload;
use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::replay::{HistoryPage, Input, Output, Until, WorkflowTask};
use crate::runtime::specs::harness::{
    FIRST_TASK, after_first_task, new_run, query_answer, registry, run_of, task, text,
};
use crate::workflow::TimerHandle;
use crate::{ApplicationFailure, State, WorkflowContext, WorkflowError, workflow, workflow_methods};

/// Counts, and answers queries.
#[workflow(name = "wf")]
#[derive(Default)]
struct Counter {
    total: State<u32>,
    timer: State<Option<TimerHandle>>,
}

#[workflow_methods]
impl Counter {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.total.set(100);
        self.timer.set(Some(ctx.timer(secs(60)).start()));
        ctx.wait_until(|| self.total.get() > 1000).await?;
        Ok(())
    }

    #[signal]
    fn add(&self, amount: u32) {
        self.total.update(|total| *total += amount);
    }

    #[query]
    fn total(&self, plus: u32) -> u32 {
        self.total.get() + plus
    }

    #[query]
    fn refuse(&self) -> Result<u32, WorkflowError> {
        Err(ApplicationFailure::new("not for you").error_type("Private").into())
    }

    #[query]
    fn broken(&self) -> u32 {
        self.total.get() / u32::from(self.total.get() == u32::MAX)
    }

    #[query]
    fn meddling(&self, ctx: &WorkflowContext) -> u32 {
        let _timer = ctx.timer(secs(1)).start();
        1
    }

    #[query]
    fn overwriting(&self) -> u32 {
        self.total.set(0);
        self.timer.set(None);
        0
    }

    #[query]
    fn cancelling(&self) -> u32 {
        self.timer.with(|timer| timer.as_ref().inspect(|timer| timer.cancel()).is_some().into())
    }
}

fn query(name: &str) -> WorkflowQuery {
    let query_args = (name == "total").then(|| Payloads { payloads: vec![to_payload(&7_u32).unwrap()] });
    WorkflowQuery { query_type: name.to_string(), query_args, header: None }
}

const ALL: [&str; 8] = ["total", "refuse", "broken", "meddling", "overwriting", "cancelling", "nosuch", "total"];

/// Sends all queries at once, with the last task, and shows its commands and the answers.
#[track_caller]
fn check_in_task(history: &str, expected: Expect) {
    let queries = ALL.iter().enumerate().map(|(index, name)| (index.to_string(), query(name))).collect();
    let task = WorkflowTask { queries, ..task(&parse_history(history).unwrap()) };
    let mut run = new_run(&registry(Counter::run), None);
    let output = run.handle(Input::WorkflowTask(Box::new(task)));
    let mut lines = vec![text(&output)];
    if let Output::Complete(completion) = &output {
        for (index, name) in ALL.iter().enumerate() {
            lines.push(format!("{name}: {}", query_answer(&completion.query_results[&index.to_string()])));
        }
    }
    expected.assert_eq(&lines.join("\n"));
}

/// Returns a task that consists of one query.
fn alone(history: &str, name: &str) -> Input {
    let events = parse_history(history).unwrap();
    Input::WorkflowTask(Box::new(WorkflowTask { until: Until::End, query: Some(query(name)), ..task(&events) }))
}

#[track_caller]
fn check_alone(history: &str, name: &str, expected: Expect) {
    let mut run = new_run(&registry(Counter::run), None);
    expected.assert_eq(&text(&run.handle(alone(history, name))));
}

#[test]
fn queries_in_a_task_see_the_state_after_it_and_change_nothing() {
    check_in_task(
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowExecutionSignaled name=add input=5
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            StartTimer id=2 after=1m
            total: answer 107
            refuse: failed: not for you
            broken: failed: the query handler panicked at queries.rs `self.total.get() / u32::from(self.total.get() == u32::MAX)`: attempt to divide by zero
            meddling: failed: the query handler panicked at queries.rs `let _timer = ctx.timer(secs(1)).start();`: a timer in a query handler: a query must not change the workflow; use a signal or an update for that
            overwriting: failed: the query handler panicked at queries.rs `self.total.set(0);`: State<u32> is changed at queries.rs `self.total.set(0);` by a query handler: a query must not change the workflow; use a signal or an update for that
            cancelling: failed: the query handler panicked at queries.rs `self.timer.with(|timer| timer.as_ref().inspect(|timer| timer.cancel()).is_some().into())`: a cancellation in a query handler: a query must not change the workflow; use a signal or an update for that
            nosuch: failed: unknown query `nosuch`; this workflow's queries: total, refuse, broken, meddling, overwriting, cancelling
            total: answer 107"#]],
    );
}

#[test]
fn queries_in_the_first_task_see_the_state_after_it() {
    check_in_task(
        FIRST_TASK,
        expect![[r#"
            StartTimer id=1 after=1s
            total: answer 7
            refuse: failed: not for you
            broken: failed: the query handler panicked at queries.rs `self.total.get() / u32::from(self.total.get() == u32::MAX)`: attempt to divide by zero
            meddling: failed: the query handler panicked at queries.rs `let _timer = ctx.timer(secs(1)).start();`: a timer in a query handler: a query must not change the workflow; use a signal or an update for that
            overwriting: failed: the query handler panicked at queries.rs `self.total.set(0);`: State<u32> is changed at queries.rs `self.total.set(0);` by a query handler: a query must not change the workflow; use a signal or an update for that
            cancelling: answer 0
            nosuch: failed: unknown query `nosuch`; this workflow's queries: total, refuse, broken, meddling, overwriting, cancelling
            total: answer 7"#]],
    );
}

const ANSWERED: &str = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted\n9 WorkflowTaskCompleted\n10 TimerStarted id=2";

#[test]
fn a_query_alone_is_answered_after_a_replay() {
    check_alone(&after_first_task(ANSWERED), "total", expect!["answer 107"]);
    check_alone(&after_first_task("5 TimerStarted"), "total", expect!["answer 7"]);
}

#[test]
fn a_query_of_a_workflow_without_any_says_so() {
    let mut run = run_of(|ctx| async move { Ok(ctx.timer(secs(1)).await?) });
    let answer = text(&run.handle(alone(&after_first_task("5 TimerStarted"), "nosuch")));
    assert_eq!(answer, "failed: unknown query `nosuch`; this workflow has no queries");
}

#[test]
fn a_query_alone_of_an_unknown_name_lists_the_known_ones() {
    check_alone(
        &after_first_task(ANSWERED),
        "nosuch",
        expect![
            "failed: unknown query `nosuch`; this workflow's queries: total, refuse, broken, meddling, overwriting, cancelling"
        ],
    );
}

#[test]
fn a_query_of_a_closed_run_is_answered() {
    check_alone(&after_first_task("5 TimerStarted\n6 WorkflowExecutionTerminated"), "total", expect!["answer 7"]);
}

#[test]
fn a_query_before_the_first_task_is_over_says_that_nothing_has_begun() {
    check_alone(
        "1 WorkflowExecutionStarted type=wf\n2 WorkflowTaskScheduled",
        "total",
        expect!["failed: the workflow has not begun: none of its workflow tasks has been processed yet"],
    );
}

#[test]
fn a_cached_run_answers_queries_between_its_tasks() {
    let history = after_first_task(ANSWERED);
    let events = parse_history(&history).unwrap();
    let mut run = new_run(&registry(Counter::run), None);
    let mut told = vec![text(&run.handle(Input::WorkflowTask(Box::new(task(&events[..3])))))];
    told.push(text(&run.handle(alone("", "total"))));
    told.push(text(&run.handle(Input::WorkflowTask(Box::new(task(&events[3..8]))))));
    told.push(text(&run.handle(alone("", "total"))));
    told.push(text(&run.handle(alone(&history, "total"))));
    expect![[r#"
        StartTimer id=1 after=1s
        answer 7
        StartTimer id=2 after=1m
        answer 107
        answer 107"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_query_whose_history_ends_with_a_task_in_hand_leaves_that_task_to_come() {
    // The history that comes with a query may already hold a task that this worker gets next.
    let events = parse_history(&after_first_task(ANSWERED)).unwrap();
    let mut run = new_run(&registry(Counter::run), None);
    let query = WorkflowTask { until: Until::End, query: Some(query("total")), ..task(&events[..8]) };
    assert_eq!(text(&run.handle(Input::WorkflowTask(Box::new(query)))), "answer 7");
    let commands = text(&run.handle(Input::WorkflowTask(Box::new(task(&events[4..8])))));
    assert_eq!(commands, "StartTimer id=2 after=1m");
}

#[test]
fn a_query_leaves_the_open_task_to_come_wherever_a_page_ends() {
    let events = parse_history(&after_first_task(ANSWERED)).unwrap();
    for size in 1..8 {
        let mut pages = events[..8].chunks(size).map(<[_]>::to_vec);
        let mut left = 8;
        let mut page = || {
            let events = pages.next().unwrap_or_default();
            left -= events.len();
            HistoryPage { events, next_page_token: if left > 0 { b"more".to_vec() } else { Vec::new() } }
        };
        let mut run = new_run(&registry(Counter::run), None);
        let first = WorkflowTask { until: Until::End, query: Some(query("total")), history: page(), ..task(&events) };
        let mut output = run.handle(Input::WorkflowTask(Box::new(first)));
        while let Output::NeedHistory { .. } = output {
            output = run.handle(Input::HistoryPage(page()));
        }
        assert_eq!(text(&output), "answer 7", "in pages of {size}");
        let commands = text(&run.handle(Input::WorkflowTask(Box::new(task(&events[4..8])))));
        assert_eq!(commands, "StartTimer id=2 after=1m", "in pages of {size}");
    }
}

#[test]
fn a_query_that_meets_nondeterminism_is_answered_with_it_and_the_run_is_read_anew() {
    let broken = parse_history(&after_first_task("5 ActivityTaskScheduled")).unwrap();
    let sound = parse_history(&after_first_task(ANSWERED)).unwrap();
    let mut run = new_run(&registry(Counter::run), None);
    let query = WorkflowTask { until: Until::End, query: Some(query("total")), ..task(&broken) };
    let answer = text(&run.handle(Input::WorkflowTask(Box::new(query))));
    assert!(answer.starts_with("failed: [TMPRL1100]"), "{answer}");
    let more = text(&run.handle(Input::WorkflowTask(Box::new(task(&sound[5..8])))));
    assert_eq!(more, "NeedHistory []");
}
