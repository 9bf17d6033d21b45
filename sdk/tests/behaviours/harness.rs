//! Runs a workflow on a history written as text, and returns its commands at the last workflow task.
//!
//! Every check processes the history in three ways, which must give the same result: replayed from scratch, replayed
//! from pages of one event each, and task by task with a run that stays in memory.

use std::sync::Arc;

use abide::Workflow;
use abide::replay::text::{RUN_ID, TASK_QUEUE, command_line, parse_history};
use abide::replay::{HistoryPage, Input, Output, Until, WorkflowTask};
use abide::runtime::{RunOptions, WorkflowRegistry, WorkflowRun};
use abide::workflow::WorkflowImplementation;
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use expect_test::Expect;

/// The history of a workflow that has just started.
pub(crate) const FIRST_TASK: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted";

/// Returns the history of a workflow after its first task; `rest` follows event 4.
pub(crate) fn after_first_task(rest: &str) -> String {
    format!("{FIRST_TASK}\n4 WorkflowTaskCompleted\n{rest}")
}

/// Checks the commands that `workflow` issues at the last workflow task of `history`.
#[track_caller]
pub(crate) fn check<Kind, W>(workflow: W, history: &str, expected: Expect)
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation,
{
    let (workflow, events) = (workflow.definition(), parse(history));
    let scratch = replayed(workflow.clone(), &events, events.len());
    assert_eq!(scratch, fed(workflow.clone(), &events), "left: replayed from scratch; right: fed task by task");
    check_recorded(workflow, history, expected);
}

/// Like [`check`], for histories that this version could not have recorded: they are only replayed.
#[track_caller]
pub(crate) fn check_recorded<Kind, W>(workflow: W, history: &str, expected: Expect)
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation,
{
    check_events(workflow, &parse(history), expected);
}

/// Like [`check_recorded`], for events that cannot be written as text.
#[track_caller]
pub(crate) fn check_events<Kind, W>(workflow: W, events: &[HistoryEvent], expected: Expect)
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation,
{
    let workflow = workflow.definition();
    let scratch = replayed(workflow.clone(), events, events.len());
    assert_eq!(scratch, replayed(workflow, events, 1), "left: read at once; right: read in pages of one event");
    expected.assert_eq(&scratch);
}

pub(crate) fn parse(history: &str) -> Vec<HistoryEvent> {
    parse_history(history).unwrap_or_else(|error| panic!("the test's history is wrong: {error}"))
}

/// A run that stays in memory, to be given its tasks one by one.
pub(crate) struct Cached {
    run: WorkflowRun,
    events: Vec<HistoryEvent>,
    seen: usize,
}

impl Cached {
    pub(crate) fn new<Kind, W>(workflow: W, history: &str) -> Self
    where
        W: Workflow<Kind>,
        W::Definition: WorkflowImplementation,
    {
        Self { run: new_run(workflow), events: parse(history), seen: 0 }
    }

    /// Gives the run its history up to an event, which starts its next task. Returns the commands as text.
    pub(crate) fn task(&mut self, until: usize) -> String {
        text(&self.handle(until, &[]))
    }

    /// Like [`task`](Self::task), with queries that are answered in the same completion.
    pub(crate) fn task_with_queries(&mut self, until: usize, queries: &[&str]) -> String {
        let output = self.handle(until, queries);
        let mut lines = vec![text(&output)];
        if let Output::Complete(completion) = &output {
            lines.extend(queries.iter().map(|name| format!("{name}: {}", answer(&completion.query_results[*name]))));
        }
        lines.join("\n")
    }

    /// Sends a query on its own, with the history up to an event.
    pub(crate) fn query(&mut self, until: usize, name: &str) -> String {
        let task = WorkflowTask { query: Some(query(name)), ..self.next(until) };
        text(&self.run.handle(Input::WorkflowTask(Box::new(task))))
    }

    fn handle(&mut self, until: usize, queries: &[&str]) -> Output {
        let queries = queries.iter().map(|name| (name.to_string(), query(name))).collect();
        let started = Until::Started(i64::try_from(until).unwrap());
        let task = WorkflowTask { until: started, queries, ..self.next(until) };
        self.run.handle(Input::WorkflowTask(Box::new(task)))
    }

    fn next(&mut self, until: usize) -> WorkflowTask {
        let events = self.events[self.seen..until].to_vec();
        self.seen = until;
        WorkflowTask { attempt: 1, history: page(events, false), ..WorkflowTask::default() }
    }
}

fn query(name: &str) -> WorkflowQuery {
    WorkflowQuery { query_type: name.to_string(), ..WorkflowQuery::default() }
}

pub(crate) fn new_run<Kind, W>(workflow: W) -> WorkflowRun
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation,
{
    let mut registry = WorkflowRegistry::default();
    registry.add(workflow);
    let options = RunOptions::new("default", TASK_QUEUE);
    WorkflowRun::new(Arc::new(registry), Arc::new(options), "wf-id".into(), RUN_ID.into())
}

fn page(events: Vec<HistoryEvent>, more: bool) -> HistoryPage {
    HistoryPage { events, next_page_token: if more { b"more".to_vec() } else { Vec::new() } }
}

/// Returns the output of the last task, after a replay from scratch in pages of this many events.
fn replayed<W: WorkflowImplementation>(workflow: W, events: &[HistoryEvent], size: usize) -> String {
    let mut run = new_run(workflow);
    let last = events.last().expect("a history has events");
    let is_task = last.event_type() == EventType::WorkflowTaskStarted;
    let until = if is_task { Until::Started(last.event_id) } else { Until::End };
    let mut pages = events
        .chunks(size)
        .enumerate()
        .map(|(index, events_of_page)| page(events_of_page.to_vec(), (index + 1) * size < events.len()));
    let history = pages.next().expect("a history has a page");
    let task = WorkflowTask { until, attempt: 1, history, ..WorkflowTask::default() };
    let mut output = run.handle(Input::WorkflowTask(Box::new(task)));
    while let Output::NeedHistory { next_page_token } = &output {
        assert_eq!(next_page_token, b"more", "the run asked for the history from its beginning");
        output = run.handle(Input::HistoryPage(pages.next().expect("the run asks for no page after the last")));
    }
    text(&output)
}

/// Returns the output of the last task of a run that got its tasks one by one, without failed or timed-out tasks.
fn fed<W: WorkflowImplementation>(workflow: W, events: &[HistoryEvent]) -> String {
    let mut run = new_run(workflow);
    let (mut output, mut seen) = (String::new(), 0);
    for (index, event) in events.iter().enumerate() {
        let next = events.get(index + 1).map(HistoryEvent::event_type);
        let answered = matches!(next, None | Some(EventType::WorkflowTaskCompleted));
        let is_task = event.event_type() == EventType::WorkflowTaskStarted && answered;
        let is_end = index + 1 == events.len();
        if !(is_task || is_end) || output.starts_with("Fail") {
            continue;
        }
        let history = page(events[seen..=index].to_vec(), false);
        let until = if is_task { Until::Started(event.event_id) } else { Until::End };
        let task = WorkflowTask { until, attempt: 1, history, ..WorkflowTask::default() };
        output = text(&run.handle(Input::WorkflowTask(Box::new(task))));
        seen = index + 1;
    }
    output
}

pub(crate) fn text(output: &Output) -> String {
    match output {
        Output::Complete(completion) => {
            completion.commands.iter().map(command_line).collect::<Vec<String>>().join("\n")
        }
        Output::Fail(failure) => {
            let kind = failure.nondeterminism.as_ref().map(|error| format!(" {:?}", error.kind())).unwrap_or_default();
            format!("Fail {:?}{kind}: {}", failure.cause, without_places(&failure.failure.message))
        }
        Output::RunLocalActivities { start, .. } => {
            let ids: Vec<&str> = start.iter().map(|task| task.activity_id.as_str()).collect();
            format!("RunLocalActivities {}", ids.join(" "))
        }
        Output::Idle => "Idle".into(),
        Output::NeedHistory { next_page_token } => {
            format!("NeedHistory {:?}", String::from_utf8_lossy(next_page_token))
        }
        Output::AnswerQuery(result) => answer(result),
    }
}

fn answer(result: &WorkflowQueryResult) -> String {
    match &result.answer {
        Some(answer) => format!("answer {}", String::from_utf8_lossy(&answer.payloads[0].data)),
        None => format!("failed: {}", without_places(&result.error_message)),
    }
}

/// Removes lines and columns from source positions (`messages.rs:12:5`).
fn without_places(text: &str) -> String {
    let mut parts = text.split(".rs:");
    let mut shown = parts.next().unwrap_or_default().to_string();
    for part in parts {
        shown += ".rs";
        shown += part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
    }
    shown
}
