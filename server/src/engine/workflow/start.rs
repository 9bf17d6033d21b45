//! StartWorkflowExecution: validation, defaults, workflow ids in use, and the first events of a run.
//!
//! Extends `Engine` and `Transaction`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::execution::{Execution, ExecutionId, State, normal_queue};
use super::{completion_callbacks, cron};
use crate::engine::api::enums::{
    ContinueAsNewInitiator, EventType, VersioningBehavior, WorkflowExecutionStatus, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
};
use crate::engine::api::{common, errordetails, history, sdk, service, workflow};
use crate::engine::deadlines::Deadline;
use crate::engine::errors::Error;
use crate::engine::history::Extras;
use crate::engine::namespace::NamespaceId;
use crate::engine::task_queues::check_queue_of_user;
use crate::engine::time::{self, Time};
use crate::engine::transaction::Transaction;
use crate::engine::updates::Updates;
use crate::engine::workflow_tasks::{HISTORY_SERVICE, Scheduling};
use crate::engine::{Engine, limits, retry};

const DEFAULT_TASK_TIMEOUT: Duration = Duration::from_secs(10);
const MAXIMUM_TASK_TIMEOUT: Duration = Duration::from_secs(120);
const EAGER_REQUEST_ID: &str = "eager-workflow-start";

/// A run that is about to be created.
#[derive(Debug, Default)]
pub(crate) struct NewRun {
    pub(crate) run_id: String,
    pub(crate) start: history::WorkflowExecutionStartedEventAttributes,
    pub(crate) request_id: String,
    pub(crate) user_metadata: Option<sdk::UserMetadata>,
    pub(crate) links: Vec<common::Link>,
    /// A signal that comes with the start: its event precedes the first workflow task.
    pub(crate) signal: Option<(history::WorkflowExecutionSignaledEventAttributes, Vec<common::Link>)>,
    /// The caller gets the first workflow task with the response.
    pub(crate) eager: bool,
    /// True for a child: its first task becomes available when its parent has been notified.
    pub(crate) waits_for_parent: bool,
}

/// The effect of a start request on an earlier run with the same workflow id.
pub(crate) enum Admission {
    Create,
    TerminateAndCreate(ExecutionId),
    UseExisting(ExecutionId),
    /// The same request came before and created this run.
    Repeated(ExecutionId),
}

impl Engine {
    pub(crate) fn start_workflow_execution(
        &mut self,
        mut request: service::StartWorkflowExecutionRequest,
    ) -> Result<service::StartWorkflowExecutionResponse, Error> {
        completion_callbacks::drop_their_links(&mut request);
        let namespace = self.namespaces.get(&request.namespace)?;
        let run = self.new_run(&request, None)?;
        let policies = (request.workflow_id_reuse_policy(), request.workflow_id_conflict_policy());
        let id = match self.admit(&namespace, &request.workflow_id, &run.request_id, policies)? {
            Admission::Repeated(id) if self.execution(id).state.start_request_id == run.request_id => {
                return Ok(self.start_response(id, true));
            }
            Admission::Repeated(id) => return Ok(self.attached_response(id, Some(&run.request_id))),
            Admission::UseExisting(id) => return self.use_existing(id, &request, &run),
            Admission::TerminateAndCreate(id) => {
                self.terminate_for_new_run(id, &run.run_id);
                self.create_run(namespace, request.workflow_id, run)
            }
            Admission::Create => self.create_run(namespace, request.workflow_id, run),
        };
        let mut response = self.start_response(id, true);
        if self.execution(id).state.start.eager_execution_accepted {
            response.eager_workflow_task = self.started_workflow_task(id, false);
        }
        Ok(response)
    }

    pub(crate) fn start_response(&self, id: ExecutionId, started: bool) -> service::StartWorkflowExecutionResponse {
        let execution = self.execution(id);
        service::StartWorkflowExecutionResponse {
            run_id: execution.run_id.clone(),
            first_execution_run_id: execution.first_run_id().to_owned(),
            started,
            status: execution.state.status.into(),
            eager_workflow_task: None,
            link: Some(event_link(execution, 1, EventType::WorkflowExecutionStarted)),
        }
    }

    /// Decides how an earlier run with the workflow id affects a new one.
    pub(crate) fn admit(
        &self,
        namespace: &NamespaceId,
        workflow_id: &str,
        request_id: &str,
        (reuse, conflict): (WorkflowIdReusePolicy, WorkflowIdConflictPolicy),
    ) -> Result<Admission, Error> {
        let (reuse, conflict) = policies(reuse, conflict)?;
        let Some(id) = self.current.get(&(namespace.id.clone(), workflow_id.to_owned())).copied() else {
            return Ok(Admission::Create);
        };
        let execution = self.execution(id);
        let state = &execution.state;
        if state.start_request_id == request_id || state.request_ids.contains(request_id) {
            return Ok(Admission::Repeated(id));
        }
        if execution.is_running() {
            return match conflict {
                WorkflowIdConflictPolicy::UseExisting => Ok(Admission::UseExisting(id)),
                WorkflowIdConflictPolicy::TerminateExisting => Ok(Admission::TerminateAndCreate(id)),
                _ => Err(conflict_error(execution, "Workflow execution is already running.", "")),
            };
        }
        let status = execution.state.status;
        let failed = !matches!(status, WorkflowExecutionStatus::Completed | WorkflowExecutionStatus::ContinuedAsNew);
        match reuse {
            WorkflowIdReusePolicy::AllowDuplicateFailedOnly if !failed => Err(conflict_error(
                execution,
                "Workflow execution already finished successfully.",
                " Workflow Id reuse policy: allow duplicate workflow Id if last run failed.",
            )),
            WorkflowIdReusePolicy::RejectDuplicate => Err(conflict_error(
                execution,
                "Workflow execution already finished.",
                " Workflow Id reuse policy: reject duplicate workflow Id.",
            )),
            _ => Ok(Admission::Create),
        }
    }

    pub(crate) fn terminate_for_new_run(&mut self, id: ExecutionId, new_run_id: &str) {
        let reason = "TerminateIfRunning WorkflowIdReusePolicy".to_owned();
        let details = super::terminate::text_payloads(&format!("terminated by new runID: {new_run_id}"));
        self.transact(id, |transaction| {
            transaction.terminate(reason, Some(details), HISTORY_SERVICE.to_owned(), Vec::new());
        });
    }

    /// Refuses an invalid start request. `signal_name` is set for a signal-with-start.
    fn check_start(
        &self,
        request: &service::StartWorkflowExecutionRequest,
        signal_name: Option<&str>,
    ) -> Result<(), Error> {
        match signal_name {
            None => validate(request, self.now.time)?,
            Some(name) => validate_with_signal(request, name, self.now.time)?,
        }
        let known = self.namespaces.search_attributes(&request.namespace)?;
        known.check(&request.namespace, request.search_attributes.as_ref())?;
        limits::check_priority(request.priority.as_ref())?;
        completion_callbacks::check(&request.completion_callbacks)?;
        let of_callbacks = request.completion_callbacks.iter().flat_map(|callback| &callback.links);
        limits::check_links(request.links.iter().chain(of_callbacks))?;
        if request.time_skipping_config.is_some() {
            return Err(Error::unimplemented("The Time-Skipping feature is not enabled for namespace."));
        }
        limits::check_blob(request.input.as_ref())?;
        limits::check_memo(request.memo.as_ref())?;
        check_versioning(request.versioning_override.as_ref())
    }

    /// Converts a valid start request to a new run. `signal_name` is set for a signal-with-start.
    pub(crate) fn new_run(
        &mut self,
        request: &service::StartWorkflowExecutionRequest,
        signal_name: Option<&str>,
    ) -> Result<NewRun, Error> {
        self.check_start(request, signal_name)?;
        let known = self.namespaces.search_attributes(&request.namespace)?;
        let mut search_attributes = request.search_attributes.clone();
        search_attributes.iter_mut().for_each(|all| known.complete_types(&mut all.indexed_fields));
        let execution_timeout = time::stored(request.workflow_execution_timeout.as_ref());
        let run_timeout = time::shorter(time::stored(request.workflow_run_timeout.as_ref()), execution_timeout);
        let task_timeout = task_timeout(time::stored(request.workflow_task_timeout.as_ref()), run_timeout);
        let delay = time::stored(request.workflow_start_delay.as_ref());
        let first_time = cron::backoff(&request.cron_schedule, self.now.time, self.now.time);
        let has_cron = first_time.is_some();
        let run_id = self.ids.v7(self.now.time);
        let queue = request.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default();
        let expiration = execution_timeout.map(|timeout| self.now.time.plus(delay.unwrap_or_default()).plus(timeout));
        let backoff = first_time.or(delay).unwrap_or_default();
        let eager = request.request_eager_execution && backoff.is_zero();
        let start = history::WorkflowExecutionStartedEventAttributes {
            workflow_type: request.workflow_type.clone(),
            task_queue: Some(normal_queue(&queue)),
            input: request.input.clone(),
            workflow_execution_timeout: execution_timeout.map(time::proto),
            workflow_run_timeout: run_timeout.map(time::proto),
            workflow_task_timeout: Some(time::proto(task_timeout)),
            continued_failure: request.continued_failure.clone(),
            last_completion_result: request.last_completion_result.clone(),
            original_execution_run_id: run_id.clone(),
            identity: request.identity.clone(),
            first_execution_run_id: run_id.clone(),
            retry_policy: request.retry_policy.clone().map(|policy| retry::with_defaults(Some(policy))),
            attempt: 1,
            workflow_execution_expiration_time: expiration.map(Time::proto),
            first_workflow_task_backoff: Some(time::proto(backoff)),
            initiator: if has_cron { ContinueAsNewInitiator::CronSchedule.into() } else { 0 },
            cron_schedule: request.cron_schedule.clone(),
            memo: request.memo.clone(),
            search_attributes,
            header: request.header.clone(),
            workflow_id: request.workflow_id.clone(),
            completion_callbacks: request.completion_callbacks.clone(),
            priority: request.priority.clone(),
            versioning_override: request.versioning_override.clone(),
            eager_execution_accepted: eager,
            ..Default::default()
        };
        let request_id = Some(request.request_id.clone()).filter(|id| !id.is_empty());
        Ok(NewRun {
            run_id,
            start,
            request_id: request_id.unwrap_or_else(|| self.ids.v4()),
            user_metadata: request.user_metadata.clone(),
            links: request.links.clone(),
            signal: None,
            eager,
            waits_for_parent: false,
        })
    }

    /// Creates a run and writes its first events; it becomes the current run of its workflow id.
    pub(crate) fn create_run(&mut self, namespace: NamespaceId, workflow_id: String, run: NewRun) -> ExecutionId {
        let id = ExecutionId(self.executions.len());
        self.current.insert((namespace.id.clone(), workflow_id.clone()), id);
        self.by_run_id.insert(run.run_id.clone(), id);
        let state = State::of(&run, self.now.time);
        self.executions.push(Execution::new(id, namespace, workflow_id, run.run_id.clone(), state));
        self.transact(id, |transaction| transaction.begin(run));
        id
    }
}

impl State {
    pub(crate) fn of(run: &NewRun, now: Time) -> Self {
        let start = &run.start;
        let backoff = time::stored(start.first_workflow_task_backoff.as_ref()).unwrap_or_default();
        let execution_expiration = start.workflow_execution_expiration_time.as_ref().map(Time::from_proto);
        let run_timeout = time::stored(start.workflow_run_timeout.as_ref());
        let run_expiration = run_timeout.map(|timeout| now.plus(backoff).plus(timeout));
        let run_expiration = match (run_expiration, execution_expiration) {
            (Some(run), Some(execution)) => Some(run.min(execution)),
            (run, _) => run,
        };
        let memo = start.memo.as_ref().map(|memo| memo.fields.clone()).unwrap_or_default();
        let attributes = start.search_attributes.as_ref().map(|a| a.indexed_fields.clone()).unwrap_or_default();
        Self {
            status: WorkflowExecutionStatus::Running,
            start_time: now,
            close_time: None,
            start: Arc::new(start.clone()),
            start_request_id: run.request_id.clone(),
            user_metadata: run.user_metadata.clone(),
            run_expiration,
            execution_expiration,
            timeout: None,
            first_task_backoff: None,
            buffer: Vec::new(),
            task: None,
            task_attempt: 1,
            task_problems: Default::default(),
            previous_started_event_id: 0,
            sticky: None,
            activities: Default::default(),
            timers: Default::default(),
            nexus_operations: Default::default(),
            left: Default::default(),
            reset_points: Vec::new(),
            updates: Updates::default(),
            close_attempted: false,
            children: Default::default(),
            cancel_requested: false,
            signal_count: 0,
            request_ids: BTreeSet::new(),
            callbacks: Arc::new(start.completion_callbacks.clone()),
            memo: memo.into_iter().collect(),
            search_attributes: attributes.into_iter().collect(),
        }
    }
}

impl Transaction<'_> {
    fn begin(&mut self, mut run: NewRun) {
        let extras = Extras { user_metadata: run.user_metadata, links: run.links, ..Extras::default() };
        let identity = run.start.identity.clone();
        self.inherit_reset_points(&mut run.start, self.now.time);
        self.record_with(run.start, extras);
        if let Some((signal, links)) = run.signal {
            self.state().signal_count += 1;
            self.state().request_ids.insert(signal.request_id.clone());
            self.record_with(signal, Extras::links(links));
        }
        let state = &self.execution.state;
        if let Some(at) = state.run_expiration.into_iter().chain(state.execution_expiration).min() {
            let key = self.set_deadline(at, Deadline::WorkflowTimeout(self.execution.id));
            self.state().timeout = Some(key);
        }
        if !run.waits_for_parent {
            self.begin_tasks(run.eager, identity);
        }
    }

    /// Schedules the first workflow task, or sets the time for it.
    pub(crate) fn begin_tasks(&mut self, eager: bool, identity: String) {
        let backoff = time::stored(self.execution.state.start.first_workflow_task_backoff.as_ref());
        if let Some(backoff) = backoff {
            let at = self.time().plus(backoff);
            let key = self.set_deadline(at, Deadline::FirstWorkflowTask(self.execution.id));
            self.state().first_task_backoff = Some(key);
        } else {
            self.schedule_workflow_task(Scheduling { inline: eager, ..Scheduling::default() });
            if eager {
                self.start_workflow_task(EAGER_REQUEST_ID.to_owned(), identity, None);
            }
        }
    }
}

/// Returns a link to the event of a request, which may not exist yet.
pub(crate) fn request_link(execution: &Execution, request_id: &str, kind: EventType) -> common::Link {
    use common::link::workflow_event::{Reference, RequestIdReference};
    let request_id = request_id.to_owned();
    link(execution, Reference::RequestIdRef(RequestIdReference { request_id, event_type: kind.into() }))
}

/// Returns a link to an event of a run.
pub(crate) fn event_link(execution: &Execution, event_id: i64, kind: EventType) -> common::Link {
    use common::link::workflow_event::{EventReference, Reference};
    link(execution, Reference::EventRef(EventReference { event_id, event_type: kind.into() }))
}

fn link(execution: &Execution, reference: common::link::workflow_event::Reference) -> common::Link {
    common::Link {
        variant: Some(common::link::Variant::WorkflowEvent(common::link::WorkflowEvent {
            namespace: execution.namespace.name.clone(),
            workflow_id: execution.workflow_id.clone(),
            run_id: execution.run_id.clone(),
            reference: Some(reference),
        })),
    }
}

/// Returns the timeout of a workflow task, which is never longer than its run's.
pub(crate) fn task_timeout(asked: Option<Duration>, run_timeout: Option<Duration>) -> Duration {
    let timeout = asked.unwrap_or(DEFAULT_TASK_TIMEOUT).min(MAXIMUM_TASK_TIMEOUT);
    run_timeout.map_or(timeout, |run_timeout| timeout.min(run_timeout))
}

/// Refuses invalid start requests, in the order of the real server.
fn validate(request: &service::StartWorkflowExecutionRequest, now: Time) -> Result<(), Error> {
    check_workflow_id(&request.workflow_id)?;
    if let Some(policy) = &request.retry_policy {
        retry::validate(policy)?;
    }
    check_delay(request)?;
    cron::validate(&request.cron_schedule, now)?;
    let name = request.workflow_type.as_ref().map_or("", |kind| &kind.name);
    if name.is_empty() {
        return Err(Error::invalid_argument("WorkflowType is not set on request."));
    }
    limits::check_length("WorkflowType", name)?;
    check_queue_of_user(request.task_queue.as_ref())?;
    check_timeouts(request)?;
    limits::check_length("RequestId", &request.request_id)?;
    policies(request.workflow_id_reuse_policy(), request.workflow_id_conflict_policy())?;
    completion_callbacks::check_on_conflict(request)
}

/// Like [`validate`], in the order and with the messages of a signal-with-start.
fn validate_with_signal(
    request: &service::StartWorkflowExecutionRequest,
    signal_name: &str,
    now: Time,
) -> Result<(), Error> {
    let refuse = |text: &str| Err(Error::invalid_argument(text));
    cron::validate(&request.cron_schedule, now)?;
    check_workflow_id(&request.workflow_id)?;
    if signal_name.is_empty() {
        return refuse("signal not set");
    }
    limits::check_maximum_length("signal name", signal_name)?;
    let name = request.workflow_type.as_ref().map_or("", |kind| &kind.name);
    if name.is_empty() {
        return refuse("workflow type not set");
    }
    limits::check_maximum_length("workflow type name", name)?;
    check_queue_of_user(request.task_queue.as_ref())?;
    limits::check_maximum_length("Request ID", &request.request_id)?;
    check_timeouts(request)?;
    if let Some(policy) = &request.retry_policy {
        retry::validate(policy)?;
    }
    check_delay(request)?;
    policies(request.workflow_id_reuse_policy(), request.workflow_id_conflict_policy())?;
    if request.workflow_id_conflict_policy() == WorkflowIdConflictPolicy::Fail {
        return refuse(
            "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not supported for this operation.",
        );
    }
    Ok(())
}

/// Refuses an invalid versioning override.
#[expect(deprecated, reason = "older clients say it in these fields")]
fn check_versioning(versioning: Option<&workflow::VersioningOverride>) -> Result<(), Error> {
    use workflow::versioning_override::{Override, PinnedOverrideBehavior};
    let Some(versioning) = versioning else { return Ok(()) };
    let pinned = versioning.deployment.is_some() || !versioning.pinned_version.is_empty();
    let problem = match (&versioning.r#override, versioning.behavior()) {
        (Some(Override::AutoUpgrade(false)), _) => "auto-upgrade override must be true",
        (Some(Override::Pinned(pinned)), _) if pinned.version.is_none() => {
            "must provide version if override is pinned."
        }
        (Some(Override::Pinned(pinned)), _) if pinned.behavior() == PinnedOverrideBehavior::Unspecified => {
            "must specify pinned override behavior if override is pinned."
        }
        (Some(Override::OneTime(once)), _) if once.target_deployment_version.is_none() => {
            "must provide target deployment version if override is one-time."
        }
        (Some(_), _) => return Ok(()),
        (None, VersioningBehavior::Pinned) if !pinned => {
            "must provide deployment (deprecated) or pinned version if behavior is 'PINNED'"
        }
        (None, VersioningBehavior::AutoUpgrade) if versioning.deployment.is_some() => {
            "only provide deployment if behavior is 'PINNED'"
        }
        (None, VersioningBehavior::AutoUpgrade) if pinned => "only provide pinned version if behavior is 'PINNED'",
        (None, VersioningBehavior::Unspecified) => "override behavior is required",
        (None, VersioningBehavior::Pinned | VersioningBehavior::AutoUpgrade) => return Ok(()),
    };
    Err(Error::invalid_argument(problem))
}

fn check_workflow_id(id: &str) -> Result<(), Error> {
    if id.is_empty() {
        return Err(Error::invalid_argument("WorkflowId is not set on request."));
    }
    limits::check_maximum_length("WorkflowId", id)
}

fn check_delay(request: &service::StartWorkflowExecutionRequest) -> Result<(), Error> {
    if !request.cron_schedule.is_empty() && request.workflow_start_delay.is_some() {
        let text = "CronSchedule and WorkflowStartDelay may not be used together.";
        return Err(Error::invalid_argument(text));
    }
    time::positive(request.workflow_start_delay.as_ref(), "WorkflowStartDelaySeconds").map(drop)
}

fn check_timeouts(request: &service::StartWorkflowExecutionRequest) -> Result<(), Error> {
    time::positive(request.workflow_execution_timeout.as_ref(), "WorkflowExecutionTimeoutSeconds")?;
    time::positive(request.workflow_run_timeout.as_ref(), "WorkflowRunTimeoutSeconds")?;
    time::positive(request.workflow_task_timeout.as_ref(), "WorkflowTaskTimeoutSeconds").map(drop)
}

fn policies(
    reuse: WorkflowIdReusePolicy,
    conflict: WorkflowIdConflictPolicy,
) -> Result<(WorkflowIdReusePolicy, WorkflowIdConflictPolicy), Error> {
    let terminate_if_running = terminates_running(reuse);
    if terminate_if_running && conflict != WorkflowIdConflictPolicy::Unspecified {
        return Err(Error::invalid_argument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING cannot be used together with a \
             WorkflowIDConflictPolicy",
        ));
    }
    if conflict == WorkflowIdConflictPolicy::TerminateExisting && reuse == WorkflowIdReusePolicy::RejectDuplicate {
        return Err(Error::invalid_argument(
            "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot be used together with \
             WorkflowIdConflictPolicy WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING",
        ));
    }
    if terminate_if_running {
        return Ok((WorkflowIdReusePolicy::AllowDuplicate, WorkflowIdConflictPolicy::TerminateExisting));
    }
    Ok((reuse, conflict))
}

/// Returns true for the old form of the conflict policy "terminate existing".
#[expect(deprecated, reason = "clients still send it")]
pub(crate) fn terminates_running(reuse: WorkflowIdReusePolicy) -> bool {
    reuse == WorkflowIdReusePolicy::TerminateIfRunning
}

fn conflict_error(execution: &Execution, text: &str, policy: &str) -> Error {
    let detail = errordetails::WorkflowExecutionAlreadyStartedFailure {
        start_request_id: execution.state.start_request_id.clone(),
        run_id: execution.run_id.clone(),
        first_execution_run_id: execution.first_run_id().to_owned(),
    };
    let Execution { workflow_id, run_id, .. } = execution;
    Error::already_started(format!("{text} WorkflowId: {workflow_id}, RunId: {run_id}.{policy}"), &detail)
}
