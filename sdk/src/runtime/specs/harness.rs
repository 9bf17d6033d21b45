//! Runs a workflow over a history that is written as text.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::protocol::v1::Message;
use abide_protos::temporal::api::query::v1::{WorkflowQuery, WorkflowQueryResult};
use expect_test::Expect;

use crate::converter::{PayloadError, PayloadReader, PayloadWriter, to_payload};
use crate::definition::{Arguments, PayloadValue, Workflow, WorkflowDefinition};
use crate::failure::WorkflowError;
use crate::history::payload_text;
use crate::interceptor::WorkflowInterceptor;
use crate::replay::machines::local_activity_marker::RecordedMarker;
use crate::replay::text::{command_line, message_line, parse_task, update_request};
use crate::replay::{
    HistoryPage, Input, LocalActivityResolution, LocalActivityResult, LocalActivityTask, Output, Until, WorkflowTask,
};
use crate::runtime::{ReplayedOutcome, RunOptions, RunOrder, WorkflowRegistry, WorkflowRun};
use crate::workflow::{RoutineFuture, WorkflowContext, WorkflowImplementation, WorkflowInstance};

/// History of a workflow that has just begun.
pub(crate) const FIRST_TASK: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted";

/// Checks the commands that `workflow` issues at the last workflow task of `history`.
#[track_caller]
pub(crate) fn check<F, Fut, T>(workflow: F, history: &str, expected: Expect)
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    check_workflow(Closure { code: workflow }, history, None, expected);
}

/// Like [`check`], for a workflow with handlers.
#[track_caller]
pub(crate) fn check_workflow<W: WorkflowImplementation>(
    workflow: W,
    history: &str,
    order: Option<RunOrder>,
    expected: Expect,
) {
    let registry = registry(workflow);
    let history = parse_task(history).unwrap_or_else(|error| panic!("the spec's history is wrong: {error}"));
    let (scratch, told) = (replay(&registry, &history, order, usize::MAX), tell_apart(&registry, &history, order));
    check_paged(&registry, &history, order, &scratch);
    assert_eq!(scratch, told, "left: replayed from scratch; right: fed task by task to a cached run");
    check_intercepted(&registry, &history, order, &scratch);
    expected.assert_eq(&scratch);
}

/// Like [`check`], for histories that a live run of this version could not record (other flags, other code). They are
/// only replayed from scratch.
#[track_caller]
pub(crate) fn check_recorded<F, Fut, T>(workflow: F, history: &str, expected: Expect)
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    check_workflow_recorded(Closure { code: workflow }, history, expected);
}

/// Like [`check_recorded`], for a workflow with handlers.
#[track_caller]
pub(crate) fn check_workflow_recorded<W: WorkflowImplementation>(workflow: W, history: &str, expected: Expect) {
    let registry = registry(workflow);
    let history = parse_task(history).unwrap_or_else(|error| panic!("the spec's history is wrong: {error}"));
    let scratch = replay(&registry, &history, None, usize::MAX);
    check_paged(&registry, &history, None, &scratch);
    let intercepted = with_interceptors(&registry, [Arc::new(PassesOn) as Arc<dyn WorkflowInterceptor>]);
    let intercepted = replay(&intercepted, &history, None, usize::MAX);
    // An update that does not fit has another text there, because its arguments are read later.
    if !(scratch.starts_with("Fail") && intercepted.starts_with("Fail")) {
        assert_eq!(scratch, intercepted, "left: without interceptors; right: with one that only passes on");
    }
    expected.assert_eq(&scratch);
}

/// Checks the commands with these interceptors, replayed from scratch and fed task by task to a cached run.
#[track_caller]
pub(crate) fn check_with<Kind, W: Workflow<Kind>>(
    interceptors: &[Arc<dyn WorkflowInterceptor>],
    workflow: W,
    history: &str,
    expected: Expect,
) where
    W::Definition: WorkflowImplementation,
{
    let registry = with_interceptors(&registry(workflow.definition()), interceptors.iter().cloned());
    let history = parse_task(history).unwrap_or_else(|error| panic!("the spec's history is wrong: {error}"));
    let (scratch, told) = (replay(&registry, &history, None, usize::MAX), tell_apart(&registry, &history, None));
    check_paged(&registry, &history, None, &scratch);
    assert_eq!(scratch, told, "left: replayed from scratch; right: fed task by task to a cached run");
    expected.assert_eq(&scratch);
}

/// Replays a history of a closure, without interceptors.
#[track_caller]
pub(crate) fn check_replayed_plainly<F, Fut, T>(workflow: F, history: &str, expected: Expect)
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    let history = parse_task(history).unwrap_or_else(|error| panic!("the spec's history is wrong: {error}"));
    expected.assert_eq(&replay(&registry(Closure { code: workflow }), &history, None, usize::MAX));
}

/// Returns a workflow of a closure, for [`check_with`].
pub(crate) fn closure<F, Fut, T>(code: F) -> impl WorkflowImplementation
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    Closure { code }
}

/// Checks that pages may end anywhere: within a task, after its last event, among the markers that are read ahead.
#[track_caller]
fn check_paged(registry: &Arc<WorkflowRegistry>, history: &TaskHistory, order: Option<RunOrder>, scratch: &str) {
    for page in [1, 2, 3, 5] {
        let paged = replay(registry, history, order, page);
        assert_eq!(scratch, paged, "left: read at once; right: read in pages of {page} events");
    }
}

/// Checks that an interceptor that only passes on changes nothing.
#[track_caller]
fn check_intercepted(registry: &Arc<WorkflowRegistry>, history: &TaskHistory, order: Option<RunOrder>, scratch: &str) {
    let registry = &with_interceptors(registry, [Arc::new(PassesOn) as Arc<dyn WorkflowInterceptor>]);
    let (replayed, told) = (replay(registry, history, order, usize::MAX), tell_apart(registry, history, order));
    assert_eq!(scratch, replayed, "left: without interceptors; right: with one that only passes on");
    assert_eq!(scratch, told, "left: without interceptors; right: with one, fed task by task to a cached run");
}

/// Has the methods that every interceptor has.
pub(crate) struct PassesOn;

impl WorkflowInterceptor for PassesOn {}

pub(crate) fn with_interceptors(
    registry: &Arc<WorkflowRegistry>,
    interceptors: impl IntoIterator<Item = Arc<dyn WorkflowInterceptor>>,
) -> Arc<WorkflowRegistry> {
    let mut registry = WorkflowRegistry::clone(registry);
    interceptors.into_iter().for_each(|interceptor| registry.add_interceptor(interceptor));
    Arc::new(registry)
}

/// Creates a run of a closure, for specs that give it its inputs themselves.
pub(crate) fn run_of<F, Fut, T>(workflow: F) -> WorkflowRun
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    new_run(&registry(Closure { code: workflow }), None)
}

/// Returns the history of a workflow whose first task is over. `rest` follows event 4.
pub(crate) fn after_first_task(rest: &str) -> String {
    format!("{FIRST_TASK}\n4 WorkflowTaskCompleted\n{rest}")
}

/// Returns a workflow task with these events, the last of which is its WorkflowTaskStarted.
pub(crate) fn task(events: &[HistoryEvent]) -> WorkflowTask {
    WorkflowTask {
        until: tip(events),
        attempt: 1,
        history: HistoryPage { events: events.to_vec(), next_page_token: Vec::new() },
        ..WorkflowTask::default()
    }
}

pub(crate) fn registry<W: WorkflowImplementation>(workflow: W) -> Arc<WorkflowRegistry> {
    let mut registry = WorkflowRegistry::default();
    registry.add(workflow);
    Arc::new(registry)
}

pub(crate) fn new_run(registry: &Arc<WorkflowRegistry>, order: Option<RunOrder>) -> WorkflowRun {
    let options = RunOptions { order, ..RunOptions::new("default", crate::replay::text::TASK_QUEUE) };
    WorkflowRun::new(registry.clone(), Arc::new(options), "wf-id".into(), String::new())
}

/// A history, and the updates that come with its last task.
type TaskHistory = (Vec<HistoryEvent>, Vec<Message>);

/// Returns the output of the last task, after a replay from scratch.
fn replay(
    registry: &Arc<WorkflowRegistry>,
    (events, messages): &TaskHistory,
    order: Option<RunOrder>,
    page: usize,
) -> String {
    let mut run = new_run(registry, order);
    let mut pages = events.chunks(page.min(events.len())).map(<[HistoryEvent]>::to_vec);
    let first = pages.next().unwrap_or_default();
    let token = |more: bool| if more { b"more".to_vec() } else { Vec::new() };
    let mut left = events.len() - first.len();
    let task = WorkflowTask {
        until: tip(events),
        attempt: 1,
        history: HistoryPage { events: first, next_page_token: token(left > 0) },
        messages: messages.clone(),
        ..WorkflowTask::default()
    };
    let mut output = run.handle(Input::WorkflowTask(Box::new(task)));
    while let Output::NeedHistory { next_page_token } = &output {
        assert_eq!(next_page_token, b"more", "the run asked for the history from its beginning");
        let events = pages.next().expect("the run asks for no page after the last");
        left -= events.len();
        output = run.handle(Input::HistoryPage(HistoryPage { events, next_page_token: token(left > 0) }));
    }
    if matches!(output, Output::Idle) {
        check_result(&run, events);
    }
    text(&output)
}

/// Checks the result, which the core does not compare: if the history of a spec holds a result, the code has to return
/// it.
#[track_caller]
fn check_result(run: &WorkflowRun, events: &[HistoryEvent]) {
    let last = events.last().and_then(|event| event.attributes.as_ref());
    let Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) = last else { return };
    let shown = |payloads: &Payloads| {
        payloads.payloads.iter().map(|payload| payload_text(payload, 200)).collect::<Vec<String>>().join(",")
    };
    if let (Some(recorded), Some(ReplayedOutcome::Completed(now))) = (&completed.result, run.replayed_outcome()) {
        let now = now.as_ref().map(shown).unwrap_or_default();
        assert_eq!(now, shown(recorded), "left: what the code comes to; right: the history's result");
    }
}

/// Returns the output of the last task of a cached run that gets its tasks one by one, each with the history since the
/// last one.
///
/// Tasks that failed or timed out are skipped, as they are for a worker that dropped the run. Updates come with the
/// task that accepted them.
fn tell_apart(registry: &Arc<WorkflowRegistry>, (events, messages): &TaskHistory, order: Option<RunOrder>) -> String {
    let mut run = new_run(registry, order);
    let mut output = String::new();
    let mut seen = 0;
    for (index, event) in events.iter().enumerate() {
        let next = events.get(index + 1).map(HistoryEvent::event_type);
        let answered = matches!(next, None | Some(EventType::WorkflowTaskCompleted));
        if event.event_type() != EventType::WorkflowTaskStarted || !answered {
            continue;
        }
        let task = WorkflowTask {
            until: Until::Started(event.event_id),
            attempt: 1,
            history: HistoryPage { events: events[seen..=index].to_vec(), next_page_token: Vec::new() },
            messages: if next.is_none() { messages.clone() } else { accepted_next(&events[index + 1..]) },
            ..WorkflowTask::default()
        };
        seen = index + 1;
        let told = run.handle(Input::WorkflowTask(Box::new(task)));
        output = text(&with_local_activities(&mut run, told, &events[seen..]));
        if output.starts_with("Fail") {
            break;
        }
    }
    if seen < events.len() && !output.starts_with("Fail") {
        let rest = HistoryPage { events: events[seen..].to_vec(), next_page_token: Vec::new() };
        let task = WorkflowTask { until: Until::End, history: rest, ..WorkflowTask::default() };
        output = text(&run.handle(Input::WorkflowTask(Box::new(task))));
    }
    output
}

/// Continues a task that waits for local activities with the outcomes that the history recorded, one at a time, and
/// then with a heartbeat. `rest` follows the task's start.
fn with_local_activities(run: &mut WorkflowRun, mut output: Output, rest: &[HistoryEvent]) -> Output {
    let of_task = rest.iter().take_while(|event| event.event_type() != EventType::WorkflowTaskStarted);
    let mut markers = of_task.filter_map(recorded_resolution).collect::<VecDeque<_>>();
    while !rest.is_empty() && matches!(output, Output::RunLocalActivities { .. }) {
        output = run.handle(match markers.pop_front() {
            Some(resolution) => Input::LocalActivityResolved(Box::new(resolution)),
            None => Input::HeartbeatDue,
        });
    }
    output
}

/// Returns the outcome that a local activity's marker records; `None` for one that was cancelled at once.
pub(crate) fn recorded_resolution(event: &HistoryEvent) -> Option<LocalActivityResolution> {
    let Some(Attributes::MarkerRecordedEventAttributes(marker)) = &event.attributes else { return None };
    let marker = RecordedMarker::take(0, &mut marker.clone()).ok()?;
    let result = match (marker.outcome, marker.data.backoff) {
        (Ok(result), _) => LocalActivityResult::Completed(result.unwrap_or_default()),
        (Err(failure), Some(delay)) => LocalActivityResult::BackOff { failure, delay },
        (Err(failure), None) => LocalActivityResult::Failed(failure),
    };
    let (seq, attempt) = (marker.data.seq, marker.data.attempt);
    let resolution = LocalActivityResolution { seq, result, attempt, run_time: Duration::ZERO, wall_time: None };
    (attempt > 0).then_some(resolution)
}

/// Writes a local activity that is to be run on one line.
fn local_activity_line(task: &LocalActivityTask) -> String {
    let mut line = format!("run local_activity={} type={} id={}", task.seq, task.activity_type, task.activity_id);
    if !task.input.is_empty() {
        let input: Vec<String> = task.input.iter().map(|payload| payload_text(payload, 200)).collect();
        line.push_str(&format!(" input={}", input.join(",")));
    }
    let headers = task.header.iter().flat_map(|header| &header.fields);
    headers.for_each(|(key, value)| line.push_str(&format!(" header.{key}={}", payload_text(value, 200))));
    if task.attempt > 1 {
        line.push_str(&format!(" attempt={}", task.attempt));
    }
    line
}

/// Returns the requests of the updates that were accepted before the next task.
fn accepted_next(events: &[HistoryEvent]) -> Vec<Message> {
    let of_task = events.iter().take_while(|event| event.event_type() != EventType::WorkflowTaskStarted);
    let requests = of_task.filter_map(|event| match &event.attributes {
        Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => Some(update_request(
            &accepted.accepted_request_message_id,
            &accepted.protocol_instance_id,
            accepted.accepted_request_sequencing_event_id,
            accepted.accepted_request.as_ref()?,
        )),
        _ => None,
    });
    requests.collect()
}

/// Returns the live task: the last one, unless it was answered already.
fn tip(events: &[HistoryEvent]) -> Until {
    match events.last() {
        Some(last) if last.event_type() == EventType::WorkflowTaskStarted => Until::Started(last.event_id),
        _ => Until::End,
    }
}

pub(crate) fn text(output: &Output) -> String {
    match output {
        Output::Complete(completion) => {
            let commands = completion.commands.iter().map(command_line);
            commands.chain(completion.messages.iter().map(message_line)).collect::<Vec<String>>().join("\n")
        }
        Output::Fail(failure) => {
            let kind = failure.nondeterminism.as_ref().map(|error| format!(" {:?}", error.kind())).unwrap_or_default();
            format!("Fail {:?}{kind}: {}", failure.cause, with_statements(&failure.failure.message))
        }
        Output::RunLocalActivities { start, cancel } => {
            let start = start.iter().map(local_activity_line);
            let cancel = cancel.iter().map(|seq| format!("cancel local_activity={seq}"));
            let lines = start.chain(cancel).collect::<Vec<String>>().join("\n");
            if lines.is_empty() { "wait for local activities".into() } else { lines }
        }
        Output::Idle => "Idle".into(),
        Output::NeedHistory { next_page_token } => format!("NeedHistory {next_page_token:?}"),
        Output::AnswerQuery(answer) => query_answer(answer),
    }
}

pub(crate) fn query_answer(answer: &WorkflowQueryResult) -> String {
    match &answer.answer {
        Some(answer) => format!("answer {}", payload_text(&answer.payloads[0], 200)),
        None => format!("failed: {}", with_statements(&answer.error_message)),
    }
}

/// Asks queries together with the first task, and returns the answers line by line. `None` is a query without argument.
pub(crate) fn ask_at_the_start(mut run: WorkflowRun, queries: &[(&str, Option<u32>)]) -> String {
    let (events, _) = parse_task(FIRST_TASK).unwrap();
    let query = |(name, arg): &(&str, Option<u32>)| WorkflowQuery {
        query_type: (*name).to_string(),
        query_args: arg.map(|arg| Payloads { payloads: vec![to_payload(&arg).unwrap()] }),
        header: None,
    };
    let queries: Vec<_> = queries.iter().enumerate().map(|(index, one)| (index.to_string(), query(one))).collect();
    let asked = queries.len();
    let output = run.handle(Input::WorkflowTask(Box::new(WorkflowTask { queries, ..task(&events) })));
    let Output::Complete(completion) = output else { panic!("{output:?}") };
    let answers = (0..asked).map(|index| {
        let answer = &completion.query_results[&index.to_string()];
        answer.answer.as_ref().map_or_else(|| query_answer(answer), |found| payload_text(&found.payloads[0], 2000))
    });
    answers.collect::<Vec<_>>().join("\n")
}

/// Replaces locations (`specs/timers.rs:12:5`) with the statements at these locations. Specs then do not depend on line
/// numbers, and show that the location is right.
pub(crate) fn with_statements(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(end) = rest.find(".rs:") {
        let (before, after) = rest.split_at(end + ".rs:".len());
        let start = before.rfind([' ', '(']).map_or(0, |start| start + 1);
        let path = before[start..].trim_end_matches(':');
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (line, after) = after.split_at(digits(after));
        let after = &after[1 + digits(&after[1..])..];
        let source = std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let statement = source.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap().trim();
        let name = path.rsplit('/').next().unwrap();
        shown += &format!("{}{name} `{statement}`", &before[..start]);
        rest = after;
    }
    shown + rest
}

/// A workflow made of a closure.
#[derive(Clone, Copy)]
struct Closure<F> {
    code: F,
}

impl<F: Copy> Arguments for Closure<F> {
    type Args = ();

    fn write_args((): &(), _: &mut PayloadWriter) -> Result<(), PayloadError> {
        Ok(())
    }

    fn read_args(_: &mut PayloadReader<'_>) -> Result<(), PayloadError> {
        Ok(())
    }
}

impl<F: Copy + Send + Sync + 'static> WorkflowDefinition for Closure<F> {
    type Output = ();
    type Workflow = Self;

    fn name(&self) -> Cow<'static, str> {
        "wf".into()
    }
}

impl<F, Fut, T> WorkflowImplementation for Closure<F>
where
    F: Fn(WorkflowContext) -> Fut + Copy + Send + Sync + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    fn instantiate(
        &self,
        _: &WorkflowContext,
        _: &mut PayloadReader<'_>,
    ) -> Result<Rc<dyn WorkflowInstance>, PayloadError> {
        Ok(Rc::new(*self))
    }
}

impl<F, Fut, T> WorkflowInstance for Closure<F>
where
    F: Fn(WorkflowContext) -> Fut + Copy + 'static,
    Fut: Future<Output = Result<T, WorkflowError>> + 'static,
    T: PayloadValue,
{
    fn start_main_routine(
        self: Rc<Self>,
        ctx: WorkflowContext,
        _: &mut PayloadReader<'_>,
    ) -> Result<RoutineFuture<Payload>, PayloadError> {
        let routine = (self.code)(ctx);
        Ok(Box::pin(async move { Ok(to_payload(&routine.await?)?) }))
    }
}
