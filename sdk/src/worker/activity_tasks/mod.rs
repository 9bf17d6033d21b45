//! Activity tasks: each attempt runs in a task of its own, from the poll to the answer.
//!
//! A fault of an attempt (a panic, unreadable arguments, an unknown type, an oversized result) fails only that attempt.
//! All state of an attempt is freed when it ends.

pub(super) mod blocking;
pub(super) mod cancel_commands;
mod client;
mod heartbeat;
mod host;
mod outcome;
mod rate;
mod running_attempts;
mod span;
mod threads;
mod type_limits;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use abide_protos::payload_owners::Owner;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto, failure::FailureInfo};
use abide_protos::temporal::api::taskqueue::v1::TaskQueueMetadata;
use abide_protos::temporal::api::workflowservice::v1::{
    GetSystemInfoRequest, PollActivityTaskQueueRequest, PollActivityTaskQueueResponse,
    RespondActivityTaskCanceledRequest, RespondActivityTaskCompletedRequest, RespondActivityTaskFailedRequest,
};
use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::Instrument as _;

pub(super) use self::client::AttemptClient;
use self::heartbeat::{Heartbeats, ServerTarget, throttle_interval};
use self::host::{AttemptHost, Told};
use self::outcome::{encoded, encoded_details};
pub(super) use self::outcome::{encoded_failure, failure_of, within_limit};
pub(super) use self::rate::Rate;
use self::running_attempts::{Registration, RunningAttempts};
pub(super) use self::span::span_of;
pub(super) use self::threads::BlockingThreads;
pub use self::type_limits::ActivityLimits;
use self::type_limits::{TypeLimits, admitted};
use super::coding::decode_by;
use super::context::WorkerContext;
use super::current_client::Route;
use super::metrics::Delivery;
use super::polling::{PollKind, Polled, Slot, Slots, TaskSource};
use super::shutdown::Phase;
use super::tuner::SlotKind;
use crate::activity::{ActivityCancelReason, ActivityCancellation, ActivityContext, ActivityInfo, ActivityRegistry};
use crate::client::rpc::Rpc;
use crate::client::{LONG_POLL_TIMEOUT, RpcError};
use crate::converter::DataConverter;
use crate::failure::{ActivityError, ActivityErrorKind, ApplicationFailure, SOURCE, application_failure, is_benign};
use crate::presence;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;
use crate::runtime::panic_message;

/// Time after the server's deadline at which this worker considers an attempt timed out.
const TIMEOUT_BUFFER: Duration = Duration::from_secs(5);
/// Minimum time for delivering the last heartbeat of an attempt that has ended, even past the attempt's deadline.
const FLUSH_AT_LEAST: Duration = Duration::from_secs(1);
/// Maximum time for answering an attempt without any timeout.
const NO_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// Longest accepted timeout: an `Instant` cannot represent every duration that a message can.
pub(super) const LONGEST_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The activity side of a worker.
pub(super) struct ActivityWorker {
    shared: Arc<WorkerContext>,
    registry: ActivityRegistry,
    slots: Arc<Slots>,
    rate: Rate,
    type_limits: TypeLimits,
    /// The attempts that a command may cancel.
    attempts: Arc<RunningAttempts>,
    told_of_automatic: Arc<Told>,
    runtime: Handle,
}

/// The end of an attempt.
pub(super) enum AttemptEnd {
    Completed(Payload),
    Failed(Box<FailureProto>),
    Cancelled(Vec<Payload>),
    /// Nothing to report: the result comes from elsewhere, or nothing waits for it.
    Silent {
        flush: bool,
    },
}

impl ActivityWorker {
    /// Must be called within a tokio runtime.
    pub(super) fn new(shared: Arc<WorkerContext>, registry: ActivityRegistry) -> Arc<Self> {
        let rate = Rate::new(shared.options.max_activities_per_second);
        let slots = shared.slots(SlotKind::Activity);
        let (slots, runtime) = (Arc::new(slots), Handle::current());
        let (attempts, told_of_automatic) = Default::default();
        let type_limits = TypeLimits::new(&shared.options.activity_limits);
        Arc::new(Self { shared, registry, slots, rate, type_limits, attempts, told_of_automatic, runtime })
    }

    pub(super) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    pub(super) fn attempts(&self) -> &RunningAttempts {
        &self.attempts
    }

    /// Returns the route for polls.
    pub(super) fn route(&self) -> Route {
        self.shared.client.route()
    }

    /// Returns a slot for an activity that is being scheduled, if this worker knows its type and has a free slot.
    pub(super) fn reserve(&self, activity_type: &str) -> Option<Slot> {
        self.registry.get(activity_type)?;
        self.slots.try_take()
    }

    /// Starts an attempt.
    pub(super) fn start(self: &Arc<Self>, task: PollActivityTaskQueueResponse, mut slot: Slot, delivery: Delivery) {
        slot.begin_task(|| task.activity_type.as_ref().map_or_else(String::new, |it| it.name.clone()));
        self.shared.metrics.activities().received(&task, delivery);
        let cancellation = ActivityCancellation::new();
        // Registered before the attempt is spawned, because a command may arrive as soon as the task has.
        let takes_commands = !self.shared.control_task_queue.is_empty();
        let in_hand = takes_commands.then(|| self.attempts.add(&task.task_token, &cancellation));
        // A command may also have arrived before the task.
        if takes_commands && self.shared.commands.is_cancelled_early(&task.task_token) {
            cancellation.cancel(ActivityCancelReason::Cancelled);
        }
        self.runtime.spawn(Arc::clone(self).attempt(task, slot, cancellation, in_hand));
    }

    /// Runs an attempt and answers it; its slot is freed at the end.
    async fn attempt(
        self: Arc<Self>,
        mut task: PollActivityTaskQueueResponse,
        slot: Slot,
        cancellation: ActivityCancellation,
        in_hand: Option<Registration>,
    ) {
        if let Some(turn) = self.rate.take_turn() {
            sleep_until(turn).await;
        }
        if self.shared.phases.has_reached(Phase::Draining) {
            cancellation.begin_worker_shutdown();
        }
        let began = Instant::now();
        let converter = self.shared.data_converter();
        let deadline = began + timeout_of(&task).unwrap_or(NO_DEADLINE).min(LONGEST_TIMEOUT);
        let decoded = decode_by(converter, &mut task, self.shared.of(&Owner::Unknown), deadline).await;
        let (info, input, earlier) = unpack(task, &self.shared.task_queue);
        let heartbeats = self.heartbeats(&info, &cancellation, &earlier);
        let slot = Arc::new(slot);
        let outbound = Box::new(self.host(&info, &heartbeats, &slot));
        let watch = Watch { deadline, heartbeat_timeout: info.heartbeat_timeout, heartbeats: &heartbeats };
        let context = ActivityContext::with_heartbeat_details(info, earlier, cancellation.clone(), outbound);
        let outcome = match (decoded, self.registry.get(&context.info().activity_type)) {
            (Err(error), _) => AttemptEnd::Failed(outcome::of_codec(&error)),
            (Ok(()), Some(activity)) => {
                let given = context.clone();
                let (limit, stops) = (self.type_limits.of(&context.info().activity_type), cancellation.clone());
                let phases = Arc::clone(&self.shared.phases);
                let code = async move {
                    let _admitted = admitted(limit.as_deref(), &stops, &phases).await?;
                    // Starting the activity may panic, as running it may.
                    activity.run(given, input).await
                };
                let code = code.instrument(span_of(context.info()));
                let running = AssertUnwindSafe(code).catch_unwind();
                // The failure converter is user code, too.
                let ended = async { attempt_outcome(running.await, &cancellation, converter) };
                self.watched(blocking::noticed(ended, context.info()), &watch, &cancellation).await
            }
            (Ok(()), None) => {
                let name = &context.info().activity_type;
                AttemptEnd::Failed(unknown_type(&self.registry, name, &self.shared.task_queue, ELSEWHERE))
            }
        };
        let taken = began.elapsed();
        if let AttemptEnd::Failed(failure) = &outcome {
            report_failure(context.info(), failure);
        }
        let limit = self.shared.limits.blob;
        let whose = self.shared.of_activity(context.info());
        let (outcome, refused) = encoded(outcome, converter, limit, deadline, context.info(), whose).await;
        if let Some(failure) = refused {
            report_failure(context.info(), &failure);
        }
        self.count(context.info(), &outcome, taken);
        let latest = match heartbeats.end() {
            Some(details) => encoded_details(details, converter, limit, deadline, context.info(), whose).await,
            None => None,
        };
        self.answer(context.info(), outcome, latest, &heartbeats, deadline).await;
        drop((in_hand, slot));
    }

    fn heartbeats(
        &self,
        info: &ActivityInfo,
        cancellation: &ActivityCancellation,
        earlier: &[Payload],
    ) -> Arc<Heartbeats<ServerTarget>> {
        let options = &self.shared.options;
        let interval = throttle_interval(
            info.heartbeat_timeout,
            options.default_heartbeat_throttle_interval,
            options.max_heartbeat_throttle_interval,
        );
        let target = ServerTarget::new(&self.shared, info);
        Heartbeats::new(target, interval, self.shared.limits.blob, cancellation.clone(), earlier.to_vec())
    }

    fn host(
        &self,
        info: &ActivityInfo,
        heartbeats: &Arc<Heartbeats<ServerTarget>>,
        slot: &Arc<Slot>,
    ) -> AttemptHost<ServerTarget> {
        AttemptHost {
            shared: Arc::clone(&self.shared),
            slot: Arc::downgrade(slot),
            heartbeats: Arc::clone(heartbeats),
            activity_type: info.activity_type.clone(),
            has_heartbeat_timeout: info.heartbeat_timeout.is_some(),
            told: Arc::clone(&self.told_of_automatic),
            told_of_late_heartbeat: AtomicBool::new(false),
            client: AttemptClient::new(Arc::clone(&self.shared)),
        }
    }

    /// Counts an attempt whose code has ended, by the outcome that is sent. `taken` is the time since its arrival.
    fn count(&self, info: &ActivityInfo, outcome: &AttemptEnd, taken: Duration) {
        self.slots.count(matches!(outcome, AttemptEnd::Failed(_)));
        let metrics = self
            .shared
            .metrics
            .activities()
            .of_type(&info.activity_type, info.workflow_type.as_deref().unwrap_or_default());
        metrics.ended(taken);
        match outcome {
            AttemptEnd::Completed(_) => metrics.succeeded(info, taken),
            AttemptEnd::Failed(failure) => metrics.failed(failure),
            AttemptEnd::Cancelled(_) | AttemptEnd::Silent { .. } => {}
        }
    }

    /// Runs the code until it ends, and cancels it when it should stop.
    async fn watched<F>(&self, running: F, watch: &Watch<'_>, cancellation: &ActivityCancellation) -> AttemptEnd
    where
        F: Future<Output = AttemptEnd>,
    {
        let mut running = pin!(running);
        // The common case: code that does not wait needs no timers.
        if let Some(outcome) = running.as_mut().now_or_never() {
            return outcome;
        }
        let phases = &self.shared.phases;
        let mut leaving = pin!(phases.reached(Phase::Draining));
        let mut told_to_stop = pin!(phases.reached(Phase::ActivitiesCancelled));
        let mut told = false;
        let mut aborted = pin!(phases.reached(Phase::Aborting));
        let mut refused = pin!(watch.heartbeats.refused());
        loop {
            let timeout = watch.next_timeout();
            let beat = watch.heartbeats.next_automatic();
            tokio::select! {
                biased;
                outcome = &mut running => return outcome,
                () = &mut aborted => return AttemptEnd::Failed(worker_shutdown()),
                (error_type, text) = &mut refused => return AttemptEnd::Failed(failure(error_type, &text)),
                () = &mut leaving, if !cancellation.is_worker_shutting_down() => cancellation.begin_worker_shutdown(),
                () = &mut told_to_stop, if !told => {
                    told = true;
                    cancellation.cancel(ActivityCancelReason::WorkerShutdown);
                }
                () = sleep_until(timeout), if cancellation.reason().is_none() => {
                    // A heartbeat may have been delivered since the timer was set.
                    if watch.next_timeout() <= Instant::now() {
                        cancellation.cancel(ActivityCancelReason::TimedOut);
                    }
                }
                () = sleep_until(beat.unwrap_or(timeout)), if beat.is_some() => watch.heartbeats.beat_if_due(),
            }
        }
    }

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    async fn answer(
        &self,
        info: &ActivityInfo,
        outcome: AttemptEnd,
        latest_heartbeat: Option<Vec<Payload>>,
        heartbeats: &Heartbeats<ServerTarget>,
        deadline: Instant,
    ) {
        let task_token = info.task_token.clone();
        let answered = match outcome {
            AttemptEnd::Completed(result) => self.complete(info, result, latest_heartbeat, deadline).await,
            AttemptEnd::Failed(failure) => {
                if !self.shared.client.capabilities().activity_failure_include_heartbeat {
                    flush(heartbeats, deadline, info).await;
                }
                self.fail(task_token, *failure, latest_heartbeat, deadline).await
            }
            AttemptEnd::Cancelled(details) => {
                let request = RespondActivityTaskCanceledRequest {
                    task_token,
                    details: payloads(details),
                    identity: self.shared.identity.clone(),
                    namespace: self.shared.namespace(),
                    worker_version: self.shared.version_stamp(),
                    deployment_options: self.shared.deployment_options(),
                    ..Default::default()
                };
                self.send(request, deadline).await
            }
            AttemptEnd::Silent { flush: is_awaited } => {
                if is_awaited {
                    flush(heartbeats, deadline, info).await;
                }
                Ok(())
            }
        };
        match answered {
            Ok(()) => {}
            // The attempt has timed out, was completed from elsewhere, or its workflow is closed.
            Err(error) if error.is_not_found() => tracing::debug!("an activity's outcome came too late: {error}"),
            Err(error) => {
                let (activity_type, activity_id, attempt) = (&info.activity_type, &info.activity_id, info.attempt);
                let (workflow_id, run_id, task_queue) = (&info.workflow_id, &info.run_id, &info.task_queue);
                tracing::warn!(
                    activity_type,
                    activity_id,
                    attempt,
                    workflow_id,
                    run_id,
                    task_queue,
                    "an activity's outcome could not be delivered; the server will time the attempt out, and retry it as \
                     its retry policy says: {error}"
                );
            }
        }
    }

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    async fn complete(
        &self,
        info: &ActivityInfo,
        result: Payload,
        latest_heartbeat: Option<Vec<Payload>>,
        deadline: Instant,
    ) -> Result<(), RpcError> {
        let request = RespondActivityTaskCompletedRequest {
            task_token: info.task_token.clone(),
            result: Some(Payloads { payloads: vec![result] }),
            identity: self.shared.identity.clone(),
            namespace: self.shared.namespace(),
            worker_version: self.shared.version_stamp(),
            deployment_options: self.shared.deployment_options(),
            ..Default::default()
        };
        match self.send(request, deadline).await {
            Err(error) if error.is_invalid_argument() || error.is_message_too_large() => {
                // A failure that can be read is better than an attempt that times out without a reason.
                let text = format!("the server did not accept the activity's result: {error}");
                let failure = failure("ResultRefused", &text);
                let whose = self.shared.of_activity(info);
                let failure = encoded_failure(failure, self.shared.data_converter(), whose, deadline).await;
                self.fail(info.task_token.clone(), *failure, latest_heartbeat, deadline).await
            }
            answered => answered,
        }
    }

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    async fn fail(
        &self,
        task_token: Vec<u8>,
        failure: FailureProto,
        latest_heartbeat: Option<Vec<Payload>>,
        deadline: Instant,
    ) -> Result<(), RpcError> {
        let request = RespondActivityTaskFailedRequest {
            task_token,
            failure: Some(failure),
            identity: self.shared.identity.clone(),
            namespace: self.shared.namespace(),
            last_heartbeat_details: latest_heartbeat.map(|payloads| Payloads { payloads }),
            worker_version: self.shared.version_stamp(),
            deployment_options: self.shared.deployment_options(),
            ..Default::default()
        };
        self.send(request, deadline).await
    }

    /// Sends until the server has accepted the answer or has given the attempt up.
    async fn send<R: Rpc>(&self, request: R, deadline: Instant) -> Result<(), RpcError> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        self.shared.call_within(request, left).await.map(drop)
    }
}

/// Delivers the last details of an attempt that has ended, for as long as they are useful.
async fn flush(heartbeats: &Heartbeats<ServerTarget>, deadline: Instant, info: &ActivityInfo) {
    let end = deadline.max(Instant::now() + FLUSH_AT_LEAST);
    if timeout_at(end, heartbeats.flush()).await.is_err() {
        let (activity_type, activity_id, attempt) = (&info.activity_type, &info.activity_id, info.attempt);
        tracing::warn!(
            activity_type,
            activity_id,
            attempt,
            workflow_id = info.workflow_id,
            run_id = info.run_id,
            "the details of the last heartbeat could not be encoded and delivered in time, so the next attempt does not \
             get them"
        );
    }
}

/// Estimates the time at which the server gives an attempt up.
struct Watch<'a> {
    deadline: Instant,
    heartbeat_timeout: Option<Duration>,
    heartbeats: &'a Arc<Heartbeats<ServerTarget>>,
}

impl Watch<'_> {
    fn next_timeout(&self) -> Instant {
        let heartbeat =
            self.heartbeat_timeout.map(|timeout| self.heartbeats.last_delivered() + timeout.min(LONGEST_TIMEOUT));
        heartbeat.map_or(self.deadline, |heartbeat| heartbeat.min(self.deadline)) + TIMEOUT_BUFFER
    }
}

/// Converts the end of the code to an outcome.
pub(super) fn attempt_outcome(
    ended: Result<Result<Payload, ActivityError>, Box<dyn std::any::Any + Send>>,
    cancellation: &ActivityCancellation,
    converter: &DataConverter,
) -> AttemptEnd {
    match ended {
        Ok(Ok(result)) => AttemptEnd::Completed(result),
        Ok(Err(error)) => {
            // An attempt that stops at the notice of a shutdown need not wait for its cancellation.
            let leaving = cancellation.is_worker_shutting_down().then_some(ActivityCancelReason::WorkerShutdown);
            failed(error, cancellation.reason().or(leaving), converter)
        }
        Err(panic) => {
            let text = format!("the activity panicked: {}", panic_message(&*panic));
            let error = ApplicationFailure::new(text).error_type("Panic");
            AttemptEnd::Failed(as_application_failure(failure_of(&error, None, converter)))
        }
    }
}

/// The next step for an activity whose type is not registered.
const ELSEWHERE: &str = "Register it with `.activities(..)`, or schedule it on a task queue whose workers have it";

/// Returns the failure for an unregistered activity type. Retryable, because the next worker may know it.
pub(super) fn unknown_type(
    registry: &ActivityRegistry,
    activity_type: &str,
    queue: &str,
    next_step: &str,
) -> Box<FailureProto> {
    let known: Vec<_> = registry.names().collect();
    let known =
        if known.is_empty() { "no activity is registered".into() } else { format!("registered: {}", known.join(", ")) };
    let text = format!(
        "activity `{activity_type}` is not registered with this worker (task queue `{queue}`); {known}. {next_step}"
    );
    failure("NotFoundError", &text)
}

/// Logs a failed attempt; as a warning unless its author expected the failure.
pub(super) fn report_failure(info: &ActivityInfo, failure: &FailureProto) {
    let (activity_type, activity_id, attempt) = (&info.activity_type, &info.activity_id, info.attempt);
    let (workflow_id, run_id) = (&info.workflow_id, &info.run_id);
    if is_benign(failure) {
        tracing::debug!(
            activity_type,
            activity_id,
            attempt,
            workflow_id,
            run_id,
            "an activity failed: {}",
            failure.message
        );
    } else {
        tracing::warn!(
            activity_type,
            activity_id,
            attempt,
            workflow_id,
            run_id,
            "an activity failed: {}",
            failure.message
        );
    }
}

/// Returns the outcome of an attempt that did not succeed.
fn failed(error: ActivityError, cancelled: Option<ActivityCancelReason>, converter: &DataConverter) -> AttemptEnd {
    match error.into_kind() {
        ActivityErrorKind::Error { error, type_name } => {
            AttemptEnd::Failed(as_application_failure(failure_of(&*error, Some(type_name), converter)))
        }
        ActivityErrorKind::WillCompleteAsync => AttemptEnd::Silent { flush: true },
        ActivityErrorKind::Cancelled { details } => match cancelled {
            Some(ActivityCancelReason::Cancelled) => AttemptEnd::Cancelled(details),
            // The server no longer waits for this attempt.
            Some(ActivityCancelReason::NotFound | ActivityCancelReason::TimedOut) => {
                AttemptEnd::Silent { flush: false }
            }
            Some(ActivityCancelReason::WorkerShutdown) => AttemptEnd::Failed(worker_shutdown()),
            // Types and messages are those of the other SDKs.
            Some(ActivityCancelReason::Paused) => AttemptEnd::Failed(failure("ActivityPause", "Activity paused")),
            Some(ActivityCancelReason::Reset) => AttemptEnd::Failed(failure("ActivityReset", "Activity reset")),
            None => AttemptEnd::Failed(failure(
                "CancelledError",
                "the activity returned `ActivityError::cancelled()`, but nobody requested its cancellation; to fail it, return \
                 another error",
            )),
        },
    }
}

fn worker_shutdown() -> Box<FailureProto> {
    failure("WorkerShutdown", "the worker shut down before the activity had ended")
}

pub(super) fn failure(error_type: &str, text: &str) -> Box<FailureProto> {
    Box::new(application_failure(&ApplicationFailure::new(text).error_type(error_type), None))
}

/// Wraps failures of other kinds as the cause of an application failure. The server accepts no other kind from an
/// activity.
pub(super) fn as_application_failure(failure: Box<FailureProto>) -> Box<FailureProto> {
    if matches!(failure.failure_info, Some(FailureInfo::ApplicationFailureInfo(_))) {
        return failure;
    }
    Box::new(FailureProto {
        message: failure.message.clone(),
        source: SOURCE.into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default())),
        cause: Some(failure),
        ..Default::default()
    })
}

fn payloads(payloads: Vec<Payload>) -> Option<Payloads> {
    (!payloads.is_empty()).then_some(Payloads { payloads })
}

/// Returns the time that the server gives an attempt; the server encodes "none" as zero.
fn timeout_of(task: &PollActivityTaskQueueResponse) -> Option<Duration> {
    let timeout = |proto: &Option<_>| presence::duration(proto.as_ref());
    timeout(&task.start_to_close_timeout).or_else(|| timeout(&task.schedule_to_close_timeout))
}

fn unpack(task: PollActivityTaskQueueResponse, task_queue: &str) -> (ActivityInfo, Vec<Payload>, Vec<Payload>) {
    // The server encodes "none" as zero.
    let timeout = |proto: Option<_>| presence::duration(proto.as_ref());
    let execution = task.workflow_execution.unwrap_or_default();
    // A standalone activity has none.
    let is_of_workflow = !execution.workflow_id.is_empty();
    let info = ActivityInfo {
        activity_id: task.activity_id,
        activity_run_id: Some(task.activity_run_id).filter(|run_id| !run_id.is_empty()),
        activity_type: task.activity_type.unwrap_or_default().name,
        attempt: u32::try_from(task.attempt).unwrap_or_default().max(1),
        is_local: false,
        task_token: task.task_token,
        task_queue: task_queue.to_string(),
        namespace: task.workflow_namespace,
        workflow_id: is_of_workflow.then_some(execution.workflow_id),
        run_id: is_of_workflow.then_some(execution.run_id),
        workflow_type: is_of_workflow.then(|| task.workflow_type.unwrap_or_default().name),
        scheduled_time: presence::time(task.scheduled_time.as_ref()),
        current_attempt_scheduled_time: presence::time(task.current_attempt_scheduled_time.as_ref()),
        started_time: presence::time(task.started_time.as_ref()),
        start_to_close_timeout: timeout(task.start_to_close_timeout),
        schedule_to_close_timeout: timeout(task.schedule_to_close_timeout),
        heartbeat_timeout: timeout(task.heartbeat_timeout),
        retry_policy: RetryPolicy::from_proto(task.retry_policy.as_ref()),
        priority: task.priority.as_ref().map(Priority::from_proto).unwrap_or_default(),
        header: task.header.unwrap_or_default(),
    };
    let list = |payloads: Option<Payloads>| payloads.unwrap_or_default().payloads;
    (info, list(task.input), list(task.heartbeat_details))
}

/// The queue on which activity tasks are polled.
pub(super) struct ActivityTaskSource {
    pub(super) worker: Arc<ActivityWorker>,
    pub(super) route: Route,
}

impl TaskSource for ActivityTaskSource {
    type Response = PollActivityTaskQueueResponse;

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    async fn poll(&self, within: Option<Duration>) -> Result<PollActivityTaskQueueResponse, RpcError> {
        let shared = &self.worker.shared;
        let request = PollActivityTaskQueueRequest {
            namespace: shared.namespace(),
            task_queue: Some(shared.normal_queue()),
            task_queue_metadata: shared
                .options
                .max_task_queue_activities_per_second
                .map(|rate| TaskQueueMetadata { max_tasks_per_second: Some(rate) }),
            identity: shared.identity.clone(),
            worker_instance_key: shared.instance_key.clone(),
            worker_control_task_queue: shared.control_task_queue.clone(),
            worker_version_capabilities: shared.version_capabilities(),
            deployment_options: shared.deployment_options(),
            ..Default::default()
        };
        self.route.connection.long_poll_within(request, within.unwrap_or(LONG_POLL_TIMEOUT)).await
    }

    fn brought(&self, response: &PollActivityTaskQueueResponse) -> Polled {
        let suggestion = response.poller_scaling_decision.map(|decision| decision.poll_request_delta_suggestion);
        Polled::Answer { has_task: !response.task_token.is_empty(), suggestion }
    }

    async fn refuse(&self, task_token: Vec<u8>, error: &RpcError) {
        let shared = &self.worker.shared;
        let text = format!("the task cannot be decoded: {error}");
        let deadline = Instant::now() + FLUSH_AT_LEAST;
        let (failure, whose) = (failure("UnreadableTask", &text), shared.of(&Owner::Unknown));
        let failure = encoded_failure(failure, shared.data_converter(), whose, deadline).await;
        let request = RespondActivityTaskFailedRequest {
            task_token,
            failure: Some(*failure),
            identity: shared.identity.clone(),
            namespace: shared.namespace(),
            ..Default::default()
        };
        if let Err(error) = shared.client.call(request).await {
            tracing::debug!("a task that cannot be decoded could not be failed; it will time out: {error}");
        }
    }

    fn accept(&self, response: PollActivityTaskQueueResponse, slot: Slot) {
        if response.task_token.is_empty() {
            return self.worker.shared.metrics.activities().no_task();
        }
        self.worker.start(response, slot, Delivery::Polled);
    }

    async fn replaced(&self) {
        self.route.replaced().await;
    }

    async fn wanted(&self) {
        self.worker.rate.allows().await;
    }

    async fn probe(&self) -> Result<(), RpcError> {
        self.route.connection.call_once(GetSystemInfoRequest {}).await.map(drop)
    }

    fn is_transient(&self, error: &RpcError) -> bool {
        self.route.connection.is_transient(error)
    }

    fn kind(&self) -> PollKind {
        PollKind::Activity
    }

    fn task_queue(&self) -> &str {
        &self.worker.shared.task_queue
    }
}
