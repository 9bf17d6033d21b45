//! A cached workflow run: the one entry into the pure core.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::WorkflowExecutionStartedEventAttributes;
use abide_protos::temporal::api::protocol::v1::message::SequencingId;

use super::built_in_queries::waits_for;
use super::failures::{CodePlace, TaskError, cannot_be_started, fail_workflow, unknown_workflow};
use super::intercepted;
use super::logs::CodeLog;
use super::order::{QueueOrder, RunOrder};
use super::panics;
use super::queries::{answer_one, query_failed};
use super::ready_queue::{ReadyQueue, RunName};
use super::registry::{WorkflowErrorType, WorkflowRegistry};
use super::routines::{RoutineResult, Routines};
use crate::converter::DataConverter;
use crate::converter::{PayloadError, PayloadReader};
use crate::metrics::Metrics;
use crate::replay::event_cursor::{EventCursor, Next, NextTask};
use crate::replay::event_type::closes_workflow;
use crate::replay::flags::Flags;
use crate::replay::state_machines::StateMachines;
use crate::replay::{HistoryPage, Input, Nondeterminism, NondeterminismKind, Output, Until, WorkflowTask};
use crate::versioning::DeploymentVersion;
use crate::workflow::run_state::RunState;
use crate::workflow::{WorkflowContext, WorkflowInfo, WorkflowInstance, event_time};

/// Options shared by all runs of a worker.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Namespace of the runs.
    pub namespace: Arc<str>,
    /// Task queue that the worker polls, which is also the default task queue of activities.
    pub task_queue: Arc<str>,
    /// True if the server stores SDK flags (capability `sdk_metadata`).
    pub sdk_metadata: bool,
    /// Version of the program that answers live tasks.
    pub deployment_version: Option<Arc<DeploymentVersion>>,
    /// Order in which code gets its jobs; `None` derives it from the SDK that recorded each history.
    pub order: Option<RunOrder>,
    /// Converts errors to failures, and failures to errors. Payloads and failures are decoded before they come here,
    /// and encoded after they have left.
    pub data_converter: DataConverter,
    /// Metrics that the workflows' own code records into.
    pub metrics: Metrics,
}

impl RunOptions {
    /// Options of runs that are answered without a deployment, on a server that stores SDK flags.
    pub fn new(namespace: impl Into<Arc<str>>, task_queue: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            task_queue: task_queue.into(),
            sdk_metadata: true,
            deployment_version: None,
            order: None,
            data_converter: DataConverter::default(),
            metrics: Metrics::default(),
        }
    }
}

/// One run of a workflow: its machines and its code.
///
/// A run performs nothing itself. Its caller (a worker, the replayer, the specs) gives it an [`Input`], does what the
/// [`Output`] says, and comes back with the next input. [Driving the core](crate::guide::driving_the_core) has examples
/// and says what the caller must promise. It calls the methods in this order:
///
/// 1. [`new`](Self::new) creates a run before its first workflow task.
/// 2. [`last_processed_started_event_id`](Self::last_processed_started_event_id) says whether a cached run fits the
///    next task. If it does not, the run has missed a task: drop it, and handle the task with a new run and the whole
///    history.
/// 3. [`take_back_task`](Self::take_back_task) undoes a task that the server has forgotten, before the next one.
/// 4. [`handle`](Self::handle) begins a task, and goes on with it after [`Output::NeedHistory`] and
///    [`Output::RunLocalActivities`]. Every other output ends the task. After [`Output::Fail`] the run has forgotten
///    its history.
/// 5. [`replayed_outcome`](Self::replayed_outcome) says how the code ended, after a replay.
///
/// A run is not `Send`, because authors' code may hold an `Rc` or a `RefCell`. It stays on the thread that created it.
pub struct WorkflowRun {
    registry: Arc<WorkflowRegistry>,
    options: Arc<RunOptions>,
    cursor: EventCursor,
    ready: Arc<ReadyQueue>,
    routines: Routines,
    shared: Rc<RunState>,
    pub(super) instance: Option<Rc<dyn WorkflowInstance>>,
    /// Outcome of the run's code, once it has ended.
    pub(super) outcome: Option<ReplayedOutcome>,
    pub(super) task: Option<Box<WorkflowTask>>,
    /// True after the whole history was requested, because the cached part of the run is useless.
    rebuilding: bool,
    /// True if all events of a workflow task have been applied and its code has not run yet.
    looks_ahead: bool,
}

/// Outcome of a run's code, to be compared with the history (by the replayer).
#[derive(Clone, PartialEq)]
pub enum ReplayedOutcome {
    /// The workflow completed with this result.
    Completed(Option<Payloads>),
    /// The workflow failed.
    Failed(crate::Failure),
    /// The workflow ended as cancelled.
    Cancelled,
    /// The workflow continued as new.
    ContinuedAsNew,
}

/// A result is a payload, whose value is not shown.
impl std::fmt::Debug for ReplayedOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Completed(_) => f.write_str("Completed(..)"),
            Self::Failed(failure) => f.debug_tuple("Failed").field(failure).finish(),
            Self::Cancelled => f.write_str("Cancelled"),
            Self::ContinuedAsNew => f.write_str("ContinuedAsNew"),
        }
    }
}

impl WorkflowRun {
    /// Creates a run without any history.
    pub fn new(registry: Arc<WorkflowRegistry>, options: Arc<RunOptions>, workflow_id: String, run_id: String) -> Self {
        let ready = ReadyQueue::new(RunName::new(workflow_id, run_id));
        let shared = new_shared(&options, &ready, &registry);
        Self {
            routines: Routines::new(ready.clone()),
            ready,
            registry,
            options,
            cursor: EventCursor::default(),
            shared,
            instance: None,
            outcome: None,
            task: None,
            rebuilding: false,
            looks_ahead: false,
        }
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.ready.name().run_id
    }

    /// The run's workflow type; `None` before its first event.
    #[cfg(feature = "worker")]
    pub(crate) fn workflow_type(&self) -> Option<&str> {
        self.shared.info.get().map(|info| info.workflow_type.as_str())
    }

    /// Id of the last WorkflowTaskStarted event that the run has processed; 0 before the first.
    pub fn last_processed_started_event_id(&self) -> i64 {
        self.shared.operation_state.borrow().machines.last_started_event_id
    }

    /// Undoes the last workflow task, with the started event `dropped`: the server has forgotten it, and the task
    /// started at `last_started_event_id` is the last one again. Returns false, and does nothing, if `dropped` is not
    /// the last task.
    ///
    /// The server forgets a task that brought only updates that were rejected, so it changed nothing. The next task
    /// reuses the ids of its two events: a run that kept them would take the new events for those and skip them.
    pub fn take_back_task(&mut self, dropped: i64, last_started_event_id: i64) -> bool {
        let is_last = self.last_processed_started_event_id() == dropped && self.cursor.take_back_task(dropped);
        if is_last {
            self.shared.operation_state.borrow_mut().machines.take_back_task(last_started_event_id);
        }
        is_last
    }

    /// Processes one input: synchronous, deterministic, without side effects.
    ///
    /// A failed task leaves code and machines in an unknown state. So the run then forgets everything, and its next
    /// task begins with the first event.
    pub fn handle(&mut self, input: Input) -> Output {
        self.handle_watched(input, &mut || {})
    }

    /// Like [`handle`](Self::handle); calls `replayed` when a replay has ended and the code of a live task is about to run,
    /// so that a caller with a clock can tell how long the replay took.
    pub(crate) fn handle_watched(&mut self, input: Input, replayed: &mut dyn FnMut()) -> Output {
        let _running = self.ready.enter();
        let output = match input {
            Input::WorkflowTask(mut task) => {
                let page = std::mem::take(&mut task.history);
                self.task = Some(task);
                self.follow(page, true, replayed)
            }
            Input::HistoryPage(page) => self.follow(page, false, replayed),
            Input::LocalActivityResolved(resolution) => self.local_activity_resolved(*resolution),
            Input::HeartbeatDue => self.heartbeat_due(),
        };
        match output {
            Ok(output) => output,
            Err(mut error) => {
                if let TaskError::Nondeterminism(found) = &mut error {
                    self.say_where(found);
                }
                let task = self.task.take();
                let is_query = task.as_ref().is_some_and(|task| task.query.is_some());
                let is_replay_only = task.is_none_or(|task| task.until == Until::End);
                let closes = !is_query && !is_replay_only && self.fails_workflow(&error);
                let sdk_metadata = self.shared.operation_state.borrow().machines.flags.to_record();
                let start_time = self.shared.info.get().map(|info| info.start_time);
                self.forget();
                match error {
                    error if is_query => query_failed(&error),
                    error if closes => fail_workflow(error, sdk_metadata, start_time),
                    error => error.into_output(),
                }
            }
        }
    }

    /// Outcome of the run's code; `None` while the run is open.
    pub fn replayed_outcome(&self) -> Option<&ReplayedOutcome> {
        self.outcome.as_ref()
    }

    /// Adds history, and goes on with it.
    fn follow(
        &mut self,
        page: HistoryPage,
        begins_task: bool,
        replayed: &mut dyn FnMut(),
    ) -> Result<Output, TaskError> {
        match self.take_in(page, begins_task)? {
            Some(output) => Ok(output),
            None => self.advance(replayed),
        }
    }

    /// Adds history. Requests it from event 1 if it does not continue the cached history.
    ///
    /// Only the first page of a task is compared with the cached history. A gap between two pages must be an error of
    /// [`EventCursor::push`]: if it made the run request the whole history, the same gap would come again, without end.
    fn take_in(&mut self, page: HistoryPage, begins_task: bool) -> Result<Option<Output>, TaskError> {
        let first = page.events.first().map_or(0, |event| event.event_id);
        if self.rebuilding {
            if page.events.is_empty() && !page.next_page_token.is_empty() {
                return Ok(Some(Output::NeedHistory { next_page_token: page.next_page_token }));
            }
            self.forget();
            self.rebuilding = false;
            if first != 1 {
                return Err(TaskError::Malformed(format!(
                    "expected the run's history from event 1, found one that begins with event {first}"
                )));
            }
        } else if begins_task {
            let last_id = self.cursor.last_id();
            let is_hole = first > last_id + 1;
            let is_nothing = first == 0 && last_id == 0 && page.next_page_token.is_empty();
            if is_hole || is_nothing {
                self.rebuilding = true;
                return Ok(Some(Output::NeedHistory { next_page_token: Vec::new() }));
            }
        }
        self.cursor.expect_updates(self.task.as_ref().and_then(|task| requests_after(task)));
        self.cursor.push(page).map_err(TaskError::Malformed)?;
        Ok(None)
    }

    /// Goes on until there is an output: replays the tasks that are in the history, then runs the new one.
    ///
    /// Events are applied as soon as it is certain that they belong to the next task. Otherwise a task that fills many
    /// pages would keep all of them in memory.
    fn advance(&mut self, replayed: &mut dyn FnMut()) -> Result<Output, TaskError> {
        loop {
            if !self.looks_ahead {
                match self.cursor.next_task() {
                    NextTask::NeedPage(certain) => {
                        // A query is answered from the state before an unanswered task. The task's events stay
                        // unapplied until the task itself comes.
                        if !self.answers_query() {
                            self.apply(certain)?;
                            self.cursor.release_filled(certain);
                        }
                        return Ok(self.need_page());
                    }
                    NextTask::Events(count) if self.answers_query() && self.cursor.ends_in_task(count) => {
                        return self.at_the_end();
                    }
                    NextTask::Events(count) => {
                        let last = self.apply(count)?;
                        self.cursor.end_task();
                        if closes_workflow(last) {
                            continue;
                        }
                        if self.begin_task() {
                            replayed();
                        }
                    }
                    NextTask::Rest(count) => {
                        self.apply(count)?;
                        return self.at_the_end();
                    }
                }
            }
            if !self.look_ahead()? {
                return Ok(self.need_page());
            }
            if let Some(output) = self.run_task()? {
                return Ok(output);
            }
        }
    }

    fn need_page(&mut self) -> Output {
        Output::NeedHistory { next_page_token: self.cursor.take_next_page_token() }
    }

    fn answers_query(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.query.is_some())
    }

    /// Returns true if the last applied events are those of the current task.
    fn is_at_tip(&self) -> bool {
        let started = self.last_processed_started_event_id();
        self.task.as_ref().is_some_and(|task| task.query.is_none() && task.until == Until::Started(started))
    }

    /// Prepares for the code of a workflow task, after all its events have been applied. Returns true if a replay ends here.
    fn begin_task(&mut self) -> bool {
        let at_tip = self.is_at_tip();
        let mut core = self.shared.operation_state.borrow_mut();
        // Before the first task nothing was replayed, although nothing is live either.
        let replay_ends = at_tip && core.machines.replaying && self.instance.is_some();
        core.machines.replaying = !at_tip;
        if at_tip {
            core.machines.deployment_version.clone_from(&self.options.deployment_version);
        }
        core.machines.wall_time = self.task.as_ref().and_then(|task| task.wall_time);
        core.machines.local_activities_begin_task();
        self.looks_ahead = true;
        replay_ends
    }

    /// Reads ahead to the events that tell what the code did when it first ran. Returns false if a page with them is
    /// missing.
    fn look_ahead(&mut self) -> Result<bool, TaskError> {
        let mut core = self.shared.operation_state.borrow_mut();
        Ok(self.cursor.look_ahead(|event| core.machines.look_ahead(event))?)
    }

    /// Runs the code on a workflow task.
    fn run_task(&mut self) -> Result<Option<Output>, TaskError> {
        self.looks_ahead = false;
        let at_tip = self.is_at_tip();
        {
            let mut core = self.shared.operation_state.borrow_mut();
            match self.task.as_mut().filter(|_| at_tip) {
                Some(task) => core.machines.request_updates(std::mem::take(&mut task.messages))?,
                None => core.machines.forget_rejected_updates(),
            }
            if at_tip || self.cursor.is_at_end() {
                let started = core.machines.last_started_event_id;
                core.machines.check_nothing_missing(started, "WorkflowTaskStarted")?;
            }
        }
        self.run_activations()?;
        self.cursor.release();
        if at_tip {
            return self.answer_task(false).map(Some);
        }
        self.shared.operation_state.borrow_mut().machines.finish_task();
        Ok(None)
    }

    /// Ends a task after the last event of the history: answers a query, or reports the end of a replay.
    fn at_the_end(&mut self) -> Result<Output, TaskError> {
        self.cursor.release();
        let task = self.task.take().ok_or_else(|| TaskError::Malformed("there is no open workflow task".into()))?;
        if let Some(query) = task.query {
            return Ok(Output::AnswerQuery(Box::new(answer_one(&query, self.instance.as_ref(), &self.shared))));
        }
        let last_id = self.cursor.last_id();
        match task.until {
            Until::End => {
                self.shared.operation_state.borrow_mut().machines.check_nothing_missing_at_the_end(last_id)?;
                Ok(Output::Idle)
            }
            Until::Started(id) => Err(TaskError::Malformed(format!(
                "the history ends at event {last_id}, before the task's WorkflowTaskStarted event {id}"
            ))),
        }
    }

    fn apply(&mut self, count: usize) -> Result<EventType, TaskError> {
        let mut core = self.shared.operation_state.borrow_mut();
        let mut last = EventType::Unspecified;
        for _ in 0..count {
            let event = match self.cursor.advance() {
                Some(Next::Event(event)) => event,
                Some(Next::ReadMarker(id)) => {
                    core.machines.apply_read_marker(id)?;
                    last = EventType::MarkerRecorded;
                    continue;
                }
                None => break,
            };
            last = event.event_type();
            let first =
                (event.event_id == 1).then(|| (event_time(event.event_time.as_ref()), event.user_metadata.take()));
            core.machines.apply(event)?;
            if let (Some((start_time, texts)), Some(started)) = (first, core.machines.jobs.start.as_mut()) {
                let (options, ids) = (&self.options, (&self.ready.name().workflow_id, &self.ready.name().run_id));
                started.continued_failure =
                    started.continued_failure.take().map(|it| options.data_converter.read_failure(it));
                let info = WorkflowInfo::new(started, texts, &options.namespace, ids.0, ids.1, start_time);
                // The cell is empty: a run has one first event.
                let _ = self.shared.info.set(info);
            }
        }
        Ok(last)
    }

    /// Creates the workflow's state and its main routine.
    pub(super) fn start(
        &mut self,
        started: WorkflowExecutionStartedEventAttributes,
    ) -> Result<crate::workflow::RoutineFuture<abide_protos::temporal::api::common::v1::Payload>, TaskError> {
        let ctx = WorkflowContext::new(self.shared.clone());
        let name = ctx.info().workflow_type.clone();
        let Some(instantiate) = self.registry.get(&name) else {
            return Err(unknown_workflow(&name, &self.registry, &self.options.task_queue));
        };
        let input = started.input.as_ref();
        let made = panics::catch(|| {
            let instance = instantiate(&ctx, &mut PayloadReader::of(input))?;
            let shared_by_branches: Rc<dyn Any> = instance.clone();
            self.shared.set_instance(Rc::downgrade(&shared_by_branches));
            ctx.struct_is_created(instance.handlers());
            let main = match self.shared.interceptors() {
                None => instance.clone().start_main_routine(ctx.clone(), &mut PayloadReader::of(input))?,
                Some(all) => intercepted::main_routine(all, instance.clone(), ctx.clone(), started.input.clone()),
            };
            Ok::<_, PayloadError>((instance, main))
        });
        let made = made.map_err(TaskError::from)?;
        let (instance, main) = made.map_err(|error| TaskError::WorkerFailure(cannot_be_started(&name, &error)))?;
        self.instance = Some(instance);
        Ok(main)
    }

    /// Adds to an error what only the code knows: where it waits, or that it has ended.
    fn say_where(&self, found: &mut Nondeterminism) {
        found.at_event(self.last_processed_started_event_id(), "WorkflowTaskStarted");
        if found.kind() == NondeterminismKind::ForeignFuture {
            // The error has a place already. The code has gone on since it was found.
            return;
        }
        let begins = if self.outcome.is_some() { "code that it left running waits" } else { "it waits" };
        if let Some((what, location)) = self.waits_at(begins) {
            found.waits_for(what, Some(location));
        } else if self.outcome.is_some() && found.produced_command().is_none() {
            match self.shared.operation_state.borrow().machines.last_statement() {
                None => found.waits_for("the workflow has returned", None),
                at => found.waits_for("the workflow has returned; its last command was issued here", at),
            }
        }
    }

    /// Returns the place of code that awaits a foreign future: the other statements at which it waits, or else the last
    /// known statement.
    pub(super) fn place_of_foreign_wake(&self) -> Option<CodePlace> {
        let last = || {
            let at = self.shared.operation_state.borrow().machines.last_statement()?;
            Some(("the workflow's last command was issued here".to_string(), at))
        };
        self.waits_at("the workflow also waits").or_else(last)
    }

    /// Returns everything the code waits for as a sentence with this beginning, and the first statement; `None` if it
    /// waits for nothing.
    fn waits_at(&self, begins: &str) -> Option<CodePlace> {
        const SHOWN: usize = 3;
        let waits_for = waits_for(&self.shared);
        let (_, first) = waits_for.first()?;
        let names: Vec<String> =
            waits_for.iter().take(SHOWN).map(|(what, location)| format!("{what} ({location})")).collect();
        let more = match waits_for.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let what = match &waits_for[..] {
            [(what, _)] => format!("{begins} for {what}"),
            _ => format!("{begins} for {}{more}", names.join(", ")),
        };
        Some((what, first))
    }

    /// Returns true if the worker is configured to fail the workflow, and not only its task, on this error.
    fn fails_workflow(&self, error: &TaskError) -> bool {
        let Some(info) = self.shared.info.get() else { return false };
        matches!(error, TaskError::Nondeterminism(_))
            && self.registry.fails_workflow(&info.workflow_type, WorkflowErrorType::Nondeterminism)
    }

    /// Drops everything, so that the history is read from event 1.
    fn forget(&mut self) {
        self.tear_down();
        self.ready = self.ready.renewed();
        self.routines = Routines::new(self.ready.clone());
        self.shared = new_shared(&self.options, &self.ready, &self.registry);
        self.cursor = EventCursor::default();
        self.looks_ahead = false;
        self.outcome = None;
    }

    /// Drops the authors' futures while the machines still exist. Dropping them cancels nothing.
    fn tear_down(&mut self) {
        self.shared.tear_down();
        let spawned = std::mem::take(&mut self.shared.operation_state.borrow_mut().spawned);
        // They may hold contexts, and with them the state that holds them.
        let handlers = self.shared.handlers.take();
        let routines = &mut self.routines;
        // An eviction drops code in the middle, and nothing of that belongs to the workflow.
        let _log = CodeLog::silent();
        // An author's destructor may panic, and dropping a run must not end the worker.
        let _ = panics::catch(|| {
            routines.clear();
            drop((spawned, handlers));
        });
        self.instance = None;
    }

    #[cfg(test)]
    pub(super) fn set_options(&mut self, options: Arc<RunOptions>) {
        self.options = options;
    }

    pub(super) fn shared(&self) -> &Rc<RunState> {
        &self.shared
    }

    pub(super) fn instance(&self) -> Option<&dyn WorkflowInstance> {
        self.instance.as_deref()
    }

    /// Returns the workflow's state, for running its code.
    pub(super) fn begun(&self) -> Result<Rc<dyn WorkflowInstance>, TaskError> {
        let missing = || TaskError::Malformed("the history does not begin with WorkflowExecutionStarted".into());
        self.instance.clone().ok_or_else(missing)
    }

    pub(super) fn routines(&self) -> &Routines {
        &self.routines
    }

    pub(super) fn routines_mut(&mut self) -> &mut Routines {
        &mut self.routines
    }

    pub(super) fn ready(&self) -> &ReadyQueue {
        &self.ready
    }

    pub(super) fn options(&self) -> &RunOptions {
        &self.options
    }

    /// Polls the routine whose turn it is; `None` if none is woken.
    pub(super) fn poll_routine(
        &mut self,
        instance: &Rc<dyn WorkflowInstance>,
        order: QueueOrder,
    ) -> Result<Option<RoutineResult>, TaskError> {
        match self.routines.next(&self.shared, order) {
            Some(id) => self.routines.poll(id, instance, &self.shared).map(Some),
            None => Ok(None),
        }
    }

    /// The workflow id and the run id.
    pub(super) fn ids(&self) -> (&str, &str) {
        (&self.ready.name().workflow_id, &self.ready.name().run_id)
    }

    pub(super) fn set_outcome(&mut self, outcome: ReplayedOutcome) -> bool {
        let first = self.outcome.is_none();
        if first {
            self.outcome = Some(outcome);
        }
        first
    }
}

impl Drop for WorkflowRun {
    fn drop(&mut self) {
        let _running = self.ready.enter();
        self.tear_down();
    }
}

impl std::fmt::Debug for WorkflowRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let started = self.last_processed_started_event_id();
        f.debug_struct("WorkflowRun")
            .field("run_id", &self.ready.name().run_id)
            .field("at", &started)
            .finish_non_exhaustive()
    }
}

/// Returns the id of the event after which the updates of a task were requested; `None` if it has none.
fn requests_after(task: &WorkflowTask) -> Option<i64> {
    match (task.messages.first()?.sequencing_id, task.until) {
        (Some(SequencingId::EventId(id)), _) | (Some(SequencingId::CommandIndex(_)) | None, Until::Started(id)) => {
            Some(id)
        }
        (Some(SequencingId::CommandIndex(_)) | None, Until::End) => Some(i64::MAX),
    }
}

fn new_shared(options: &RunOptions, ready: &Arc<ReadyQueue>, registry: &WorkflowRegistry) -> Rc<RunState> {
    let machines = StateMachines::new(Flags::new(options.sdk_metadata));
    let (task_queue, converter) = (options.task_queue.clone(), options.data_converter.clone());
    let (metrics, interceptors) = (options.metrics.clone(), registry.interceptors().cloned());
    let hooks = (interceptors, registry.patch_activation().cloned());
    RunState::new(machines, task_queue, ready.spawn_waker(), converter, metrics, hooks)
}
