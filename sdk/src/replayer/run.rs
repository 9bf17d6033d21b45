//! Replays one history through one run, on a thread outside tokio and with a time limit.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use super::WorkflowReplayer;
use super::outcome::{ReplayError, Replayed, RunOutcome};
use crate::History;
use crate::converter::{OwnerRef, Whose};
use crate::duration;
use crate::metrics::Metrics;
use crate::replay::{HistoryPage, Input, Output, Until, WorkflowTask, WorkflowTaskFailure};
use crate::runtime::{RunOptions, WorkflowRegistry, WorkflowRun};

/// Number of events in a page, as from a server. The deadlock limit applies to each page.
const PAGE_SIZE: usize = 256;

/// A message from the thread that runs the code.
enum Progress {
    /// A page is processed.
    Page,
    /// All pages are processed.
    Done(Box<Result<RunOutcome, ReplayError>>),
}

pub(super) fn replay(replayer: &WorkflowReplayer, history: &History) -> Result<Replayed, ReplayError> {
    let workflow_type = known_type(&replayer.registry, history)?;
    let options = Arc::new(RunOptions {
        namespace: replayer.namespace.clone(),
        task_queue: task_queue(history).into(),
        sdk_metadata: true,
        deployment_version: None,
        order: replayer.order,
        data_converter: replayer.data_converter.clone(),
        // A replay records nothing.
        metrics: Metrics::default(),
    });
    let (workflow_id, run_id) = (history.workflow_id().unwrap_or_default(), history.run_id().unwrap_or_default());
    let (workflow_id, run_id) = (workflow_id.to_string(), run_id.to_string());
    let (registry, events) = (replayer.registry.clone(), decoded(replayer, history)?);
    let recorded = RunOutcome::recorded(&events);
    let (sender, receiver) = channel();
    let code = move || {
        let run = WorkflowRun::new(registry, options, workflow_id, run_id);
        let outcome = run_pages(run, events, &sender);
        // If this took longer than the deadlock limit, there is no receiver any more.
        let _ = sender.send(Progress::Done(Box::new(outcome)));
    };
    // Outside tokio on purpose, so that `tokio::time::sleep` in workflow code fails instead of hanging.
    let thread = thread::Builder::new().name("abide-replay".into()).spawn(code);
    let thread = thread.map_err(|error| ReplayError::TaskFailed {
        message: format!("the thread that runs workflow code could not be started: {error}"),
    })?;
    match wait(&receiver, replayer.deadlock_limit) {
        Ok(outcome) => Ok(Replayed { workflow_type, outcome: outcome?, recorded, events: history.len() }),
        // The thread has ended or is about to end.
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            // Authors' panics are caught in the run. This is a bug of Abide and is passed on.
            Err(panic) => resume_unwind(panic),
            Ok(()) => Err(ReplayError::TaskFailed { message: "the replay ended without a result".into() }),
        },
        // The thread cannot be stopped, so it is left behind.
        Err(RecvTimeoutError::Timeout) => Err(ReplayError::TaskFailed {
            message: format!(
                "[TMPRL1101] Potential deadlock: the workflow's code did not yield within {}; look for a loop without \
                 an `.await`, or a call that blocks",
                duration::text(replayer.deadlock_limit)
            ),
        }),
    }
}

/// Returns the decoded events. A codec may need a runtime, and the caller may be on one that it must not block. So
/// decoding gets its own runtime, on its own thread.
fn decoded(replayer: &WorkflowReplayer, history: &History) -> Result<Vec<HistoryEvent>, ReplayError> {
    let converter = &replayer.data_converter;
    let owner = OwnerRef::Workflow(history.workflow_id().unwrap_or_default());
    let whose = Whose { namespace: &replayer.namespace, owner };
    let mut events = history.events().to_vec();
    if !converter.has_codecs() {
        return Ok(events);
    }
    let decode = || -> Result<Vec<HistoryEvent>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime
            .map_err(|error| format!("the async runtime for the payload codec could not be started: {error}"))?;
        for page in events.chunks_mut(PAGE_SIZE) {
            runtime.block_on(converter.decode(page, whose)).map_err(|error| error.to_string())?;
        }
        Ok(events)
    };
    let decoded = thread::scope(|scope| scope.spawn(decode).join()).unwrap_or_else(|panic| resume_unwind(panic));
    decoded.map_err(|message| ReplayError::InvalidHistory { message })
}

/// Waits for the result. Returns an error if the code is stuck, or its thread dies.
fn wait(receiver: &Receiver<Progress>, limit: Duration) -> Result<Result<RunOutcome, ReplayError>, RecvTimeoutError> {
    loop {
        match receiver.recv_timeout(limit)? {
            Progress::Page => {}
            Progress::Done(outcome) => return Ok(*outcome),
        }
    }
}

fn run_pages(
    mut run: WorkflowRun,
    events: Vec<HistoryEvent>,
    progress: &Sender<Progress>,
) -> Result<RunOutcome, ReplayError> {
    let mut events = events.into_iter();
    let mut next_page = || {
        let page: Vec<HistoryEvent> = events.by_ref().take(PAGE_SIZE).collect();
        let next_page_token = if events.len() == 0 { Vec::new() } else { b"more".to_vec() };
        HistoryPage { events: page, next_page_token }
    };
    // With a started event behind the end of the history nothing in it is new, so all of it is replayed.
    let task = WorkflowTask { until: Until::End, attempt: 1, history: next_page(), ..WorkflowTask::default() };
    let mut input = Input::WorkflowTask(Box::new(task));
    loop {
        match run.handle(input) {
            Output::Idle => return Ok(RunOutcome::replayed(&run)),
            Output::NeedHistory { next_page_token } if !next_page_token.is_empty() => {
                let _ = progress.send(Progress::Page);
                input = Input::HistoryPage(next_page());
            }
            Output::NeedHistory { .. } => {
                let message = "events are missing: the history does not begin with event 1, or has a gap".into();
                return Err(ReplayError::InvalidHistory { message });
            }
            Output::Fail(failure) => return Err(failed(*failure)),
            // Not shown: what the run has to say may contain payloads.
            Output::Complete(_) | Output::AnswerQuery(_) | Output::RunLocalActivities { .. } => {
                let message = "the replay did not reach the end of the history: this is a bug in abide".into();
                return Err(ReplayError::TaskFailed { message });
            }
        }
    }
}

fn failed(failure: WorkflowTaskFailure) -> ReplayError {
    if let Some(nondeterminism) = failure.nondeterminism {
        return ReplayError::Nondeterminism(nondeterminism);
    }
    let message = failure.failure.message;
    match failure.failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) if info.r#type == "MalformedHistory" => {
            ReplayError::InvalidHistory { message }
        }
        _ => ReplayError::TaskFailed { message },
    }
}

fn known_type(registry: &WorkflowRegistry, history: &History) -> Result<String, ReplayError> {
    let Some(name) = history.workflow_type() else {
        let first = history.events().first().map_or("no event", |event| event.event_type().as_str_name());
        let first = first.trim_start_matches("EVENT_TYPE_");
        let message = format!("expected WORKFLOW_EXECUTION_STARTED with a workflow type as event 1, found {first}");
        return Err(ReplayError::InvalidHistory { message });
    };
    match registry.has(name) {
        true => Ok(name.to_string()),
        false => Err(ReplayError::UnknownWorkflow {
            name: name.to_string(),
            known: registry.names().map(String::from).collect(),
        }),
    }
}

fn task_queue(history: &History) -> String {
    match history.events().first().and_then(|event| event.attributes.as_ref()) {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            started.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default()
        }
        _ => String::new(),
    }
}
