//! Scripts: one request per line, to one server with a standing clock. The transcript shows the responses.
//!
//! ```text
//! start [wf] [run_timeout=5s] [execution_timeout=..] [task_timeout=..] [delay=..] [retry=3] [cron=@daily] [request=..]
//!       [conflict=fail|use|terminate] [reuse=failed|reject|terminate]        retry: attempts, 1 s apart; cron: `_` for a space
//! signal NAME [request=..] · signal-with-start NAME · cancel · terminate · query NAME
//! of=ID with any of these selects another workflow than `wf`
//! poll [sticky]                            a worker takes the next workflow task
//! respond [of=ID] [sticky] [force] [inline] [answer=..] [old-worker] [commanded] [build=..] [page=N [more]]: COMMAND; ..
//!     timer ID 5s · cancel-timer ID · activity ID [s2c=..] [s2s=..] [stc=..] [hb=..] [retry=3] [eager]
//!     child ID [policy=abandon|cancel] [reuse=..] [retry=3] [run_timeout=..] [execution_timeout=..] [cron=..]
//!     signal-workflow ID NAME [child] · cancel-workflow ID [child]
//!     nexus OPERATION [endpoint=..] [s2c=..] [s2s=..] [stc=..] · cancel-nexus EVENT
//!     cancel-activity EVENT · marker NAME · complete [RESULT] · fail [non-retryable] · cancelled · continue-as-new
//! fail-task                                the worker reports that the workflow task failed
//! take [commanded]                         a worker takes the next activity; `commanded`, also in a respond: it accepts commands
//! done ID · failed ID [non-retryable] [delay=..] · cancelled ID · beat ID DETAILS
//! command · obeyed                         it takes the next command; it answers it
//! answer TEXT                              the worker answers the query it has polled
//! endpoint NAME                            creates a Nexus endpoint for the task queue
//! ask                                      a worker takes the next request to a Nexus handler
//! tell sync RESULT | async TOKEN | fail | canceled | handler TYPE [final] | ok          and answers it
//! back ID                                  the handler starts a workflow, whose end is the end of the operation
//! update ID [wait=accepted] · poll-update ID [wait=admitted|accepted|completed] · update-with-start ID, like start
//! give-up                                  the clients that wait for updates time out
//!     accept ID [at=EVENT] · update-completed ID RESULT · reject ID: answers in a respond
//! reset EVENT [first] [exclude=signals|updates]
//! wait 5s                                  time passes
//! history [first] [from=EVENT] · count [QUERY] · busy · points
//! ```
//!
//! `from` leaves out the events before it. They must be those that the script has shown before of this run, or the usual
//! [`BEGINNING`], so nothing goes unchecked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::api::{command, common, enums, failure, query, service, taskqueue};
use super::super::errors::Error;
use super::super::time::{self, Now, Time};
use super::super::waiters::{Step, WaiterId};
use super::super::{Engine, Options};
use super::print;
use super::spec_updates::Asking;
use crate::engine::activities::Reporter;
use crate::engine::workflow::ExecutionId;

/// Compares the transcript of a script with the expected one.
pub(super) fn check(script: &str, expected: &expect_test::Expect) {
    expected.assert_eq(&transcript(script));
}

pub(super) fn transcript(script: &str) -> String {
    let mut spec = Spec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        spec.run(line);
    }
    spec.out
}

/// A server, its clock, and the tasks that workers have.
pub(super) struct Spec {
    pub(super) engine: Engine,
    pub(super) now: Now,
    pub(super) out: String,
    pub(super) task: Vec<u8>,
    /// The last polled task of each workflow.
    tasks: BTreeMap<String, Vec<u8>>,
    pub(super) queries: Vec<String>,
    pub(super) activities: BTreeMap<String, Vec<u8>>,
    pub(super) nexus: super::nexus::Asked,
    pub(super) first_run: String,
    asked: Option<WaiterId>,
    requests: u32,
    pub(super) updates: Vec<Asking>,
    /// The events that were shown of each run.
    shown: BTreeMap<ExecutionId, Vec<String>>,
    /// The event after which each update of a task takes effect.
    pub(super) sequencing: BTreeMap<String, i64>,
}

pub(super) const QUEUE: &str = "tq";
const STICKY: &str = "sticky";
const WORKFLOW: &str = "wf";

/// The events of a run whose first workflow task has completed.
const BEGINNING: [&str; 4] = [
    "1 WorkflowExecutionStarted attempt 1",
    "2 WorkflowTaskScheduled on tq, attempt 1",
    "3 WorkflowTaskStarted of 2",
    "4 WorkflowTaskCompleted of 2, 3",
];

impl Spec {
    pub(super) fn new() -> Self {
        let start = Time::from_nanos(1_700_000_000_000_000_000);
        Self {
            engine: Engine::new(Options { namespaces: vec!["default".into(), "other".into()], ..Options::default() }),
            now: Now { time: start, wall: start },
            out: String::new(),
            task: Vec::new(),
            tasks: BTreeMap::new(),
            queries: Vec::new(),
            activities: BTreeMap::new(),
            nexus: super::nexus::Asked::default(),
            first_run: String::new(),
            asked: None,
            requests: 0,
            updates: Vec::new(),
            shown: BTreeMap::new(),
            sequencing: BTreeMap::new(),
        }
    }

    pub(super) fn run(&mut self, line: &str) {
        let (head, tail) = line.split_once(':').unwrap_or((line, ""));
        let words: Vec<&str> = head.split_whitespace().collect();
        let arguments = Arguments(&words[1..]);
        let result = match words[0] {
            "start" => self.start(&arguments),
            "signal-with-start" => self.signal_with_start(&arguments),
            "signal" => self.signal(&arguments),
            "cancel" => self.cancel(&arguments),
            "terminate" => self.terminate(&arguments),
            "query" => self.query(&arguments),
            "poll" => self.poll(arguments.has("sticky")),
            "respond" => self.respond(&arguments, tail),
            "fail-task" => self.fail_task(),
            "take" => self.take(&arguments),
            "points" => self.points(),
            "command" | "obeyed" => self.about_commands(words[0]),
            "done" | "failed" | "cancelled" | "beat" => self.about_activity(words[0], &arguments),
            "answer" => self.answer(&arguments),
            "update" => self.update(&arguments),
            "poll-update" => self.poll_update(&arguments),
            "update-with-start" => self.update_with_start(&arguments),
            "reset" => self.reset(&arguments),
            "give-up" => {
                self.give_up_updates();
                Ok(())
            }
            "wait" => {
                self.wait(duration(words[1]));
                Ok(())
            }
            "history" => self.history(&arguments),
            "count" => self.count(line),
            "endpoint" | "ask" | "tell" | "back" | "busy" => self.about_nexus(words[0], &arguments),
            other => panic!("unknown request {other:?} in {line:?}"),
        };
        if let Err(error) = result {
            let _ = writeln!(self.out, "{}: {:?} {}", words[0], error.code, error.message);
        }
        self.look();
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        self.now = Now { time: self.now.time.plus(duration), wall: self.now.wall.plus(duration) };
        self.engine.run_until(self.now);
    }

    /// Lets the querying client check for its answer.
    fn look(&mut self) {
        let woken = self.engine.take_wakeups();
        self.look_at_updates(&woken);
        let Some(waiter) = self.asked.filter(|waiter| woken.contains(waiter)) else { return };
        self.asked = None;
        let text = match self.engine.resume_query(waiter) {
            Ok(Step::Done(response)) => print::payloads(response.query_result.as_ref()),
            Ok(Step::Wait(waiter)) => {
                self.asked = Some(waiter);
                return;
            }
            Err(error) => format!("{:?} {}", error.code, error.message),
        };
        let _ = writeln!(self.out, "answered: {text}");
    }

    pub(super) fn start_request(&mut self, arguments: &Arguments<'_>) -> service::StartWorkflowExecutionRequest {
        use enums::{WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse};
        let conflict = match arguments.value("conflict") {
            Some("fail") => Conflict::Fail,
            Some("use") => Conflict::UseExisting,
            Some("terminate") => Conflict::TerminateExisting,
            _ => Conflict::Unspecified,
        };
        let reuse = match arguments.value("reuse") {
            Some("failed") => Reuse::AllowDuplicateFailedOnly,
            Some("reject") => Reuse::RejectDuplicate,
            _ => Reuse::Unspecified,
        };
        service::StartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: arguments.workflow().to_owned(),
            workflow_type: Some(common::WorkflowType { name: "Workflow".to_owned() }),
            task_queue: Some(taskqueue::TaskQueue { name: QUEUE.to_owned(), ..Default::default() }),
            workflow_execution_timeout: arguments.duration("execution_timeout"),
            workflow_run_timeout: arguments.duration("run_timeout"),
            workflow_task_timeout: arguments.duration("task_timeout"),
            workflow_start_delay: arguments.duration("delay"),
            retry_policy: arguments.value("retry").map(retry_policy),
            cron_schedule: arguments.cron(),
            request_id: self.request_id(arguments),
            workflow_id_conflict_policy: conflict.into(),
            workflow_id_reuse_policy: reuse.into(),
            request_eager_execution: arguments.has("eager"),
            identity: "client".to_owned(),
            ..Default::default()
        }
    }

    fn request_id(&mut self, arguments: &Arguments<'_>) -> String {
        self.requests += 1;
        arguments.value("request").map_or_else(|| format!("request-{}", self.requests), str::to_owned)
    }

    fn start(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = self.start_request(arguments);
        let response = self.engine.at(self.now).start_workflow_execution(request)?;
        if self.first_run.is_empty() {
            self.first_run.clone_from(&response.run_id);
        }
        let same = if response.run_id == self.first_run { "first run" } else { "another run" };
        let _ = writeln!(self.out, "start: {same}, started {}", response.started);
        if let Some(task) = response.eager_workflow_task {
            self.received(task);
        }
        Ok(())
    }

    fn signal_with_start(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let start = self.start_request(arguments);
        let request = service::SignalWithStartWorkflowExecutionRequest {
            namespace: start.namespace,
            workflow_id: start.workflow_id,
            workflow_type: start.workflow_type,
            task_queue: start.task_queue,
            request_id: start.request_id,
            workflow_start_delay: start.workflow_start_delay,
            signal_name: arguments.0[0].to_owned(),
            ..Default::default()
        };
        let response = self.engine.at(self.now).signal_with_start_workflow_execution(request)?;
        let _ = writeln!(self.out, "signal-with-start: started {}", response.started);
        Ok(())
    }

    fn signal(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = service::SignalWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(arguments.execution()),
            signal_name: arguments.0[0].to_owned(),
            request_id: self.request_id(arguments),
            ..Default::default()
        };
        self.engine.at(self.now).signal_workflow_execution(request).map(drop)
    }

    fn cancel(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = service::RequestCancelWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(arguments.execution()),
            ..Default::default()
        };
        self.engine.at(self.now).request_cancel_workflow_execution(request).map(drop)
    }

    fn terminate(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = service::TerminateWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(arguments.execution()),
            ..Default::default()
        };
        self.engine.at(self.now).terminate_workflow_execution(request).map(drop)
    }

    fn query(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = service::QueryWorkflowRequest {
            namespace: "default".to_owned(),
            execution: Some(execution("")),
            query: Some(query::WorkflowQuery { query_type: arguments.0[0].to_owned(), ..Default::default() }),
            query_reject_condition: if arguments.has("open") { 2 } else { 0 },
        };
        match self.engine.at(self.now).query_workflow(request, Duration::from_secs(10))? {
            Step::Wait(waiter) => self.asked = Some(waiter),
            Step::Done(response) => {
                let _ = writeln!(self.out, "query: rejected {}", response.query_rejected.is_some());
            }
        }
        Ok(())
    }

    fn poll(&mut self, sticky: bool) -> Result<(), Error> {
        let task_queue = taskqueue::TaskQueue {
            name: if sticky { STICKY } else { QUEUE }.to_owned(),
            kind: if sticky { enums::TaskQueueKind::Sticky } else { enums::TaskQueueKind::Normal }.into(),
            normal_name: String::new(),
        };
        let request = service::PollWorkflowTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(task_queue),
            identity: "worker".to_owned(),
            ..Default::default()
        };
        match self.engine.at(self.now).poll_workflow_task_queue(request)? {
            Step::Done(task) => self.received(task),
            Step::Wait(waiter) => {
                self.engine.withdraw(waiter);
                let _ = writeln!(self.out, "poll: nothing");
            }
        }
        Ok(())
    }

    fn received(&mut self, task: service::PollWorkflowTaskQueueResponse) {
        let events = task.history.as_ref().map(|history| history.events.as_slice()).unwrap_or_default();
        let ids = match events {
            [] => "no events".to_owned(),
            [first, .., last] => format!("events {}-{}", first.event_id, last.event_id),
            [one] => format!("event {}", one.event_id),
        };
        self.queries = task.queries.keys().cloned().collect();
        let what = match &task.query {
            Some(query) => format!("query {}", query.query_type),
            None => format!("task, attempt {}", task.attempt),
        };
        let with = if self.queries.is_empty() { String::new() } else { format!(", {} query", self.queries.len()) };
        let updates = self.received_updates(&task.messages);
        let workflow_id = task.workflow_execution.unwrap_or_default().workflow_id;
        let of = if workflow_id == WORKFLOW { String::new() } else { format!(" of {workflow_id}") };
        let _ = writeln!(self.out, "poll: {what}{of}, {ids}{with}{updates}");
        self.tasks.insert(workflow_id, task.task_token.clone());
        self.task = task.task_token;
    }

    #[expect(deprecated, reason = "workers without a deployment tell their build in an older field")]
    fn respond(&mut self, arguments: &Arguments<'_>, commands: &str) -> Result<(), Error> {
        let (mut messages, mut given) = (Vec::new(), Vec::new());
        for text in commands.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            match self.update_answer(text) {
                Some((message, command)) => {
                    messages.push(message);
                    given.extend(command);
                }
                None => given.push(command_of(text)),
            }
        }
        let old = arguments.has("old-worker");
        let capabilities = service::respond_workflow_task_completed_request::Capabilities {
            discard_speculative_workflow_task_with_events: !old,
        };
        let sticky = taskqueue::StickyExecutionAttributes {
            worker_task_queue: Some(taskqueue::TaskQueue { name: STICKY.to_owned(), ..Default::default() }),
            schedule_to_start_timeout: Some(time::proto(Duration::from_secs(5))),
        };
        let answer = arguments.value("answer").map(|text| query::WorkflowQueryResult {
            result_type: enums::QueryResultType::Answered.into(),
            answer: Some(print::text_payloads(text)),
            ..Default::default()
        });
        let answers = self.queries.drain(..).zip(std::iter::repeat(answer));
        let named = arguments.value("of").and_then(|workflow| self.tasks.get(workflow));
        let request = service::RespondWorkflowTaskCompletedRequest {
            task_token: named.unwrap_or(&self.task).clone(),
            commands: given,
            messages,
            capabilities: Some(capabilities),
            identity: "worker".to_owned(),
            sticky_attributes: arguments.has("sticky").then_some(sticky),
            force_create_new_workflow_task: arguments.has("force"),
            return_new_workflow_task: arguments.has("inline"),
            query_results: answers.filter_map(|(id, answer)| Some((id, answer?))).collect(),
            namespace: "default".to_owned(),
            worker_control_task_queue: control_task_queue(arguments),
            worker_version_stamp: arguments
                .value("build")
                .map(|build| common::WorkerVersionStamp { build_id: build.to_owned(), ..Default::default() }),
            page_number: arguments.value("page").map_or(0, |number| number.parse().expect("page takes a number")),
            intermediate_page: arguments.has("more"),
            ..Default::default()
        };
        let response = self.engine.at(self.now).respond_workflow_task_completed(request)?;
        if response.reset_history_event_id != 0 {
            let _ = writeln!(self.out, "respond: back to {}", response.reset_history_event_id);
        }
        for task in response.activity_tasks {
            let _ = writeln!(self.out, "eager activity {}", task.activity_id);
            self.activities.insert(task.activity_id, task.task_token);
        }
        if let Some(task) = response.workflow_task {
            self.received(task);
        }
        Ok(())
    }

    fn fail_task(&mut self) -> Result<(), Error> {
        let request = service::RespondWorkflowTaskFailedRequest {
            task_token: self.task.clone(),
            cause: enums::WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure.into(),
            ..Default::default()
        };
        self.engine.at(self.now).respond_workflow_task_failed(request).map(drop)
    }

    fn take(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = service::PollActivityTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(taskqueue::TaskQueue { name: QUEUE.to_owned(), ..Default::default() }),
            identity: "worker".to_owned(),
            worker_control_task_queue: control_task_queue(arguments),
            ..Default::default()
        };
        match self.engine.at(self.now).poll_activity_task_queue(request)? {
            Step::Done(task) => {
                let details = print::payloads(task.heartbeat_details.as_ref());
                let details = if details.is_empty() { details } else { format!(", heartbeat {details}") };
                let _ = writeln!(self.out, "take: activity {}, attempt {}{details}", task.activity_id, task.attempt);
                self.activities.insert(task.activity_id, task.task_token);
            }
            Step::Wait(waiter) => {
                self.engine.withdraw(waiter);
                let _ = writeln!(self.out, "take: nothing");
            }
        }
        Ok(())
    }

    fn about_activity(&mut self, what: &str, arguments: &Arguments<'_>) -> Result<(), Error> {
        let token = self.activities.get(arguments.0[0]).cloned().unwrap_or_default();
        let engine = self.engine.at(self.now);
        let target = engine.activity_of_token(&token)?;
        let identity = "worker".to_owned();
        let by = Reporter::without_version(identity.clone());
        match what {
            "done" => engine.complete_activity(target, Some(print::text_payloads("done")), by)?,
            "failed" => {
                let failure = application_failure(arguments);
                engine.fail_activity(target, Some(failure), None, by)?;
            }
            "cancelled" => engine.cancel_activity(target, None, identity)?,
            _ => {
                let details = Some(print::text_payloads(arguments.0[1]));
                let cancelled = engine.heartbeat_activity(target, details)?;
                let _ = writeln!(self.out, "beat: cancel requested {cancelled}");
            }
        }
        Ok(())
    }

    fn answer(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let request = service::RespondQueryTaskCompletedRequest {
            task_token: self.task.clone(),
            completed_type: enums::QueryResultType::Answered.into(),
            query_result: Some(print::text_payloads(arguments.0[0])),
            ..Default::default()
        };
        self.engine.at(self.now).respond_query_task_completed(request).map(drop)
    }

    fn history(&mut self, arguments: &Arguments<'_>) -> Result<(), Error> {
        let run_id = if arguments.has("first") { self.first_run.clone() } else { String::new() };
        let workflow_id = arguments.workflow();
        let execution = common::WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id };
        let events = read_all(self.engine.at(self.now), execution.clone())?;
        let of = if workflow_id == WORKFLOW { String::new() } else { format!(" of {workflow_id}") };
        let _ = writeln!(self.out, "history{of}:");
        let lines: Vec<String> = events.iter().map(print::event).collect();
        let run = self.engine.find("default", Some(&execution))?;
        for line in &lines[self.left_out(run, &lines, arguments.value("from"))..] {
            let _ = writeln!(self.out, "  {line}");
        }
        self.shown.insert(run, lines);
        Ok(())
    }

    /// Returns the number of events before `from`, all of which are known.
    fn left_out(&self, run: ExecutionId, lines: &[String], from: Option<&str>) -> usize {
        let from: usize = from.map_or(1, |from| from.parse().expect("from takes an event id"));
        let known = self.shown.get(&run).cloned().unwrap_or_else(|| BEGINNING.map(str::to_owned).into());
        let count = from - 1;
        for (index, line) in lines[..count].iter().enumerate() {
            assert_eq!(Some(line), known.get(index), "history from={from} leaves out an event that is not known");
        }
        count
    }

    fn count(&mut self, line: &str) -> Result<(), Error> {
        let query = line.trim_start_matches("count").to_owned();
        let request = service::CountWorkflowExecutionsRequest { namespace: "default".to_owned(), query };
        let count = self.engine.count_workflow_executions(&request)?.count;
        let _ = writeln!(self.out, "count: {count}");
        Ok(())
    }
}

/// Returns the whole written history of a run (without virtual events).
pub(super) fn read_all(
    engine: &mut Engine,
    execution: common::WorkflowExecution,
) -> Result<Vec<super::super::api::HistoryEvent>, Error> {
    let request = service::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: Some(execution),
        ..Default::default()
    };
    match engine.get_workflow_execution_history(&request, false)? {
        Step::Done(response) => Ok(response.history.unwrap_or_default().events),
        Step::Wait(_) => unreachable!("the request does not ask to wait"),
    }
}

pub(super) fn execution(run_id: &str) -> common::WorkflowExecution {
    common::WorkflowExecution { workflow_id: WORKFLOW.to_owned(), run_id: run_id.to_owned() }
}

fn application_failure(arguments: &Arguments<'_>) -> failure::Failure {
    let info = failure::ApplicationFailureInfo {
        r#type: "Failure".to_owned(),
        non_retryable: arguments.has("non-retryable"),
        next_retry_delay: arguments.duration("delay"),
        ..Default::default()
    };
    failure::Failure {
        message: "no".to_owned(),
        failure_info: Some(failure::failure::FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    }
}

fn command_of(text: &str) -> command::Command {
    use command::command::Attributes;
    use enums::CommandType as Kind;
    let words: Vec<&str> = text.split_whitespace().collect();
    let arguments = Arguments(&words[1..]);
    let id = arguments.0.first().copied().unwrap_or_default().to_owned();
    let (kind, attributes) = match words[0] {
        "timer" => (Kind::StartTimer, {
            let start_to_fire_timeout = arguments.0.get(1).map(|text| time::proto(duration(text)));
            let attributes = command::StartTimerCommandAttributes { timer_id: id, start_to_fire_timeout };
            Attributes::StartTimerCommandAttributes(attributes)
        }),
        "cancel-timer" => (Kind::CancelTimer, command::CancelTimerCommandAttributes { timer_id: id }.into_attributes()),
        "activity" => (Kind::ScheduleActivityTask, schedule(id, &arguments).into_attributes()),
        "cancel-activity" => (Kind::RequestCancelActivityTask, {
            let scheduled_event_id = id.parse().expect("cancel-activity takes an event id");
            command::RequestCancelActivityTaskCommandAttributes { scheduled_event_id }.into_attributes()
        }),
        "marker" => (Kind::RecordMarker, {
            command::RecordMarkerCommandAttributes { marker_name: id, ..Default::default() }.into_attributes()
        }),
        "complete" => (Kind::CompleteWorkflowExecution, {
            let result = (!id.is_empty()).then(|| print::text_payloads(&id));
            command::CompleteWorkflowExecutionCommandAttributes { result }.into_attributes()
        }),
        "fail" => (Kind::FailWorkflowExecution, {
            let failure = Some(application_failure(&arguments));
            command::FailWorkflowExecutionCommandAttributes { failure }.into_attributes()
        }),
        "cancelled" => (Kind::CancelWorkflowExecution, {
            command::CancelWorkflowExecutionCommandAttributes::default().into_attributes()
        }),
        "continue-as-new" => (Kind::ContinueAsNewWorkflowExecution, {
            command::ContinueAsNewWorkflowExecutionCommandAttributes::default().into_attributes()
        }),
        "child" => (Kind::StartChildWorkflowExecution, start_child(id, &arguments).into_attributes()),
        "signal-workflow" => (Kind::SignalExternalWorkflowExecution, {
            let attributes = command::SignalExternalWorkflowExecutionCommandAttributes {
                execution: Some(common::WorkflowExecution { workflow_id: id, run_id: String::new() }),
                signal_name: arguments.0[1].to_owned(),
                child_workflow_only: arguments.has("child"),
                ..Default::default()
            };
            attributes.into_attributes()
        }),
        "cancel-workflow" => (Kind::RequestCancelExternalWorkflowExecution, {
            let attributes = command::RequestCancelExternalWorkflowExecutionCommandAttributes {
                workflow_id: id,
                child_workflow_only: arguments.has("child"),
                reason: "enough".to_owned(),
                ..Default::default()
            };
            attributes.into_attributes()
        }),
        "nexus" => (Kind::ScheduleNexusOperation, schedule_nexus(id, &arguments).into_attributes()),
        "cancel-nexus" => (Kind::RequestCancelNexusOperation, {
            let scheduled_event_id = id.parse().expect("cancel-nexus takes an event id");
            command::RequestCancelNexusOperationCommandAttributes { scheduled_event_id }.into_attributes()
        }),
        "upsert-attributes" => (Kind::UpsertWorkflowSearchAttributes, {
            let search_attributes = Some(common::SearchAttributes::default());
            command::UpsertWorkflowSearchAttributesCommandAttributes { search_attributes }.into_attributes()
        }),
        "upsert-memo" => (Kind::ModifyWorkflowProperties, {
            let upserted_memo = Some(common::Memo::default());
            command::ModifyWorkflowPropertiesCommandAttributes { upserted_memo }.into_attributes()
        }),
        other => panic!("unknown command {other:?}"),
    };
    command::Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() }
}

/// Converts attributes of any kind to those of a command.
trait IntoAttributes {
    fn into_attributes(self) -> command::command::Attributes;
}

macro_rules! into_attributes {
    ($($name:ident),*) => {
        $(impl IntoAttributes for command::$name {
            fn into_attributes(self) -> command::command::Attributes {
                command::command::Attributes::$name(self)
            }
        })*
    };
}

into_attributes!(
    CancelTimerCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    RequestCancelActivityTaskCommandAttributes,
    RecordMarkerCommandAttributes,
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    CancelWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes,
    ScheduleNexusOperationCommandAttributes,
    RequestCancelNexusOperationCommandAttributes,
    UpsertWorkflowSearchAttributesCommandAttributes,
    ModifyWorkflowPropertiesCommandAttributes
);

fn control_task_queue(arguments: &Arguments<'_>) -> String {
    let queue = arguments.has("commanded").then_some(super::cancel_commands::CONTROL_QUEUE);
    queue.unwrap_or_default().to_owned()
}

fn schedule_nexus(operation: String, arguments: &Arguments<'_>) -> command::ScheduleNexusOperationCommandAttributes {
    command::ScheduleNexusOperationCommandAttributes {
        endpoint: arguments.value("endpoint").unwrap_or("endpoint").to_owned(),
        service: "Service".to_owned(),
        operation,
        schedule_to_close_timeout: arguments.duration("s2c"),
        schedule_to_start_timeout: arguments.duration("s2s"),
        start_to_close_timeout: arguments.duration("stc"),
        nexus_header: [("Trace".to_owned(), "x".to_owned())].into(),
        ..Default::default()
    }
}

fn schedule(activity_id: String, arguments: &Arguments<'_>) -> command::ScheduleActivityTaskCommandAttributes {
    let to_close = arguments.duration("s2c");
    let default = to_close.is_none().then(|| time::proto(Duration::from_secs(10)));
    command::ScheduleActivityTaskCommandAttributes {
        activity_id,
        activity_type: Some(common::ActivityType { name: "Activity".to_owned() }),
        task_queue: Some(taskqueue::TaskQueue { name: QUEUE.to_owned(), ..Default::default() }),
        schedule_to_close_timeout: to_close,
        schedule_to_start_timeout: arguments.duration("s2s"),
        start_to_close_timeout: arguments.duration("stc").or(default),
        heartbeat_timeout: arguments.duration("hb"),
        retry_policy: arguments.value("retry").map(retry_policy),
        request_eager_execution: arguments.has("eager"),
        ..Default::default()
    }
}

fn start_child(
    workflow_id: String,
    arguments: &Arguments<'_>,
) -> command::StartChildWorkflowExecutionCommandAttributes {
    use enums::{ParentClosePolicy as Policy, WorkflowIdReusePolicy as Reuse};
    let policy = match arguments.value("policy") {
        Some("abandon") => Policy::Abandon,
        Some("cancel") => Policy::RequestCancel,
        _ => Policy::Unspecified,
    };
    #[expect(deprecated, reason = "workers of older SDKs still send it")]
    let reuse = match arguments.value("reuse") {
        Some("reject") => Reuse::RejectDuplicate,
        Some("terminate") => Reuse::TerminateIfRunning,
        _ => Reuse::Unspecified,
    };
    #[expect(deprecated, reason = "workers still send the namespace")]
    command::StartChildWorkflowExecutionCommandAttributes {
        workflow_id,
        workflow_type: Some(common::WorkflowType { name: "Child".to_owned() }),
        workflow_run_timeout: arguments.duration("run_timeout"),
        workflow_execution_timeout: arguments.duration("execution_timeout"),
        parent_close_policy: policy.into(),
        workflow_id_reuse_policy: reuse.into(),
        retry_policy: arguments.value("retry").map(retry_policy),
        cron_schedule: arguments.cron(),
        namespace: arguments.value("namespace").unwrap_or_default().to_owned(),
        ..Default::default()
    }
}

/// Returns a policy with this many attempts, one second apart.
fn retry_policy(attempts: &str) -> common::RetryPolicy {
    common::RetryPolicy {
        initial_interval: Some(time::proto(Duration::from_secs(1))),
        backoff_coefficient: 1.0,
        maximum_attempts: attempts.parse().expect("retry takes a number of attempts"),
        ..Default::default()
    }
}

/// The words after a request's name.
pub(super) struct Arguments<'a>(pub(super) &'a [&'a str]);

impl<'a> Arguments<'a> {
    pub(super) fn has(&self, flag: &str) -> bool {
        self.0.contains(&flag)
    }

    /// Returns the workflow that the request is for.
    fn workflow(&self) -> &'a str {
        self.value("of").unwrap_or(WORKFLOW)
    }

    pub(super) fn execution(&self) -> common::WorkflowExecution {
        common::WorkflowExecution { workflow_id: self.workflow().to_owned(), run_id: String::new() }
    }

    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn cron(&self) -> String {
        self.value("cron").unwrap_or_default().replace('_', " ")
    }

    fn duration(&self, name: &str) -> Option<abide_protos::Duration> {
        self.value(name).map(|text| time::proto(duration(text)))
    }
}

/// Parses `5s`, `1.5s`, `2m`.
fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: f64 = number.parse().unwrap_or_else(|_| panic!("not a duration: {text}"));
    Duration::from_secs_f64(if unit == "m" { number * 60.0 } else { number })
}
