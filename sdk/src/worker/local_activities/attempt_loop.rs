//! One local activity from start to end: waits for a slot, runs attempts, and returns the result.
//!
//! A failure, a panic and a start-to-close timeout are retried according to the retry policy; the other timeouts and a
//! cancellation are final. Retry intervals above the threshold are left to a workflow timer.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use abide_protos::Timestamp;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::TimeoutType;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto, TimeoutFailureInfo};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::LocalActivityWorker;
use crate::activity::{
    ActivityCancelReason, ActivityCancellation, ActivityContext, ActivityFuture, ActivityInfo, ActivityOutbound,
    BlockingCode,
};
use crate::duration::{from_proto, time_from_proto, time_to_proto};
use crate::failure::{ACTIVITY_CANCELLED, SOURCE, cancelled_failure};
use crate::metrics::Metrics;
use crate::priority::Priority;
use crate::replay::{LocalActivityResolution, LocalActivityResult, LocalActivityTask};
use crate::worker::activity_tasks::AttemptClient;
use crate::worker::activity_tasks::blocking;
use crate::worker::activity_tasks::within_limit;
use crate::worker::activity_tasks::{
    AttemptEnd, LONGEST_TIMEOUT, attempt_outcome, failure, report_failure, span_of, unknown_type,
};
use crate::worker::context::WorkerContext;
use crate::worker::metrics::LocalAttemptMetrics;
use crate::worker::polling::Slot;
use crate::worker::shutdown::Phase;

/// The next step for a local activity whose type is not registered.
const SAME_WORKER: &str = "A local activity runs on the worker of its workflow: register it there with \
                           `.activities(..)`, or call it with `ctx.activity(..)`";

/// The owner of a local activity.
pub(crate) struct Owner {
    /// The instance of the run.
    pub(crate) instance: u64,
    pub(crate) run_id: String,
    pub(crate) workflow_id: String,
    pub(crate) workflow_type: String,
}

/// The server's time, derived from the start of the workflow task. The worker's own clock may be wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskClock {
    began: SystemTime,
    at: Instant,
}

impl TaskClock {
    /// Returns the clock of a task that arrived at `at`.
    pub(crate) fn new(began: SystemTime, at: Instant) -> Self {
        Self { began, at }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.began + self.at.elapsed()
    }
}

/// A local activity with all attempts that fall within one workflow task or a series of heartbeats.
pub(crate) struct AttemptLoop {
    host: Arc<LocalActivityWorker>,
    owner: Owner,
    task: LocalActivityTask,
    cancellation: ActivityCancellation,
    clock: TaskClock,
    attempt: u32,
    /// Deadline of all attempts together (schedule-to-close).
    close_deadline: Option<Instant>,
}

/// The reason for ending a wait early.
enum Interrupted {
    Cancelled,
    TimedOut(TimeoutType),
    Aborted,
}

impl AttemptLoop {
    pub(crate) fn new(
        host: Arc<LocalActivityWorker>,
        owner: Owner,
        task: LocalActivityTask,
        cancellation: ActivityCancellation,
        clock: TaskClock,
    ) -> Self {
        let since = task.original_schedule_time.as_ref().map(time_from_proto);
        let passed = since.and_then(|since| clock.now().duration_since(since).ok()).unwrap_or_default();
        let left = task.schedule_to_close_timeout.map(|limit| limit.saturating_sub(passed).min(LONGEST_TIMEOUT));
        let close_deadline = left.map(|left| Instant::now() + left);
        let attempt = task.attempt;
        Self { host, owner, task, cancellation, clock, attempt, close_deadline }
    }

    /// Runs to the end and returns the result; `None` if the worker is gone.
    pub(crate) async fn run(mut self) -> Option<LocalActivityResolution> {
        let scheduled = Instant::now();
        loop {
            let mut slot = match self.slot(scheduled).await {
                Ok(slot) => slot,
                Err(interrupted) => return self.interrupted(interrupted),
            };
            if let Some(turn) = self.host.rate.take_turn()
                && let Err(interrupted) = self.until(turn).await
            {
                return self.interrupted(interrupted);
            }
            slot.begin_task(|| self.task.activity_type.clone());
            self.metrics().began();
            let began = Instant::now();
            let slot = Arc::new(slot);
            let outcome = self.attempt(&slot).await?;
            let run_time = began.elapsed();
            drop(slot);
            self.record(&outcome, run_time);
            self.host.slots.count(matches!(outcome, AttemptEnd::Failed(_)));
            let failure = match outcome {
                AttemptEnd::Completed(result) => {
                    return Some(self.resolution(LocalActivityResult::Completed(result), run_time));
                }
                AttemptEnd::Failed(failure) => failure,
                AttemptEnd::Cancelled(details) => cancelled(details),
                AttemptEnd::Silent { .. } => not_here(&self.task.activity_type),
            };
            match self.delay(&failure) {
                Some(delay) if delay > self.task.local_retry_threshold => {
                    return Some(self.resolution(LocalActivityResult::BackOff { failure, delay }, run_time));
                }
                Some(delay) => {
                    if let Err(interrupted) = self.until(Instant::now() + delay.min(LONGEST_TIMEOUT)).await {
                        return self.interrupted(interrupted);
                    }
                    self.attempt = self.attempt.saturating_add(1);
                    self.host.count_nonfirst_attempt(&self.owner);
                }
                None => return Some(self.resolution(LocalActivityResult::Failed(failure), run_time)),
            }
        }
    }

    fn metrics(&self) -> Arc<LocalAttemptMetrics> {
        let metrics = self.host.shared.metrics.local_activities();
        metrics.of_type(&self.task.activity_type, &self.owner.workflow_type)
    }

    /// Records the end of an attempt.
    fn record(&self, outcome: &AttemptEnd, run_time: Duration) {
        let metrics = self.metrics();
        metrics.ended(run_time);
        match outcome {
            AttemptEnd::Completed(_) => {
                let scheduled = self.task.original_schedule_time.as_ref().map(time_from_proto);
                metrics.succeeded(scheduled.and_then(|at| self.clock.now().duration_since(at).ok()));
            }
            AttemptEnd::Failed(failure) => metrics.failed(failure),
            AttemptEnd::Cancelled(_) => metrics.cancelled(),
            // It becomes a failure: nobody could complete it.
            AttemptEnd::Silent { .. } => metrics.failed(&not_here(&self.task.activity_type)),
        }
    }

    /// Waits for a slot until the schedule-to-start deadline.
    async fn slot(&self, scheduled: Instant) -> Result<Slot, Interrupted> {
        let to_start = self.task.schedule_to_start_timeout.map(|limit| scheduled + limit.min(LONGEST_TIMEOUT));
        // The schedule-to-start timeout applies to the first attempt only.
        let to_start = to_start.filter(|_| self.attempt == self.task.attempt);
        tokio::select! {
            biased;
            interrupted = self.interruption() => Err(interrupted),
            slot = self.host.slots.take() => Ok(slot),
            () = at(to_start) => Err(Interrupted::TimedOut(TimeoutType::ScheduleToStart)),
        }
    }

    async fn until(&self, time: Instant) -> Result<(), Interrupted> {
        tokio::select! {
            biased;
            interrupted = self.interruption() => Err(interrupted),
            () = at(Some(time)) => Ok(()),
        }
    }

    /// Waits for a reason to stop waiting.
    async fn interruption(&self) -> Interrupted {
        tokio::select! {
            biased;
            () = self.host.shared.phases.reached(Phase::Aborting) => Interrupted::Aborted,
            _ = self.cancellation.cancelled() => Interrupted::Cancelled,
            () = at(self.close_deadline) => Interrupted::TimedOut(TimeoutType::ScheduleToClose),
        }
    }

    /// Runs the code once; `None` if the worker is gone.
    async fn attempt(&self, slot: &Arc<Slot>) -> Option<AttemptEnd> {
        let (limit, converter) = (self.host.shared.limits.blob, self.host.shared.data_converter());
        // The size of the marker on the wire is checked with the completion of its workflow task.
        let outcome_of = |ended, cancellation: &_, info: &_| {
            within_limit(attempt_outcome(ended, cancellation, converter), limit, info)
                .unwrap_or_else(AttemptEnd::Failed)
        };
        let Some(activity) = self.host.registry.get(&self.task.activity_type) else {
            let (registry, queue) = (&self.host.registry, &self.host.shared.task_queue);
            return Some(AttemptEnd::Failed(unknown_type(registry, &self.task.activity_type, queue, SAME_WORKER)));
        };
        // Each attempt has its own cancellation, because an attempt that timed out may be retried.
        let cancellation = ActivityCancellation::new();
        let phases = &self.host.shared.phases;
        if phases.has_reached(Phase::Draining) {
            cancellation.begin_worker_shutdown();
        }
        let shared = Arc::clone(&self.host.shared);
        let slot = Arc::downgrade(slot);
        let host = LocalHost { client: AttemptClient::new(Arc::clone(&shared)), shared, slot };
        let context = ActivityContext::new(self.info(), cancellation.clone(), Box::new(host));
        let (given, input) = (context.clone(), self.task.input.clone());
        let code = async move { activity.run(given, input).await }.instrument(span_of(context.info()));
        let running = AssertUnwindSafe(code).catch_unwind();
        let ended = async { outcome_of(running.await, &cancellation, context.info()) };
        let mut running = pin!(blocking::noticed(ended, context.info()));
        let mut outcome = running.as_mut().now_or_never();
        let start_to_close = self.task.start_to_close_timeout.map(|limit| Instant::now() + limit.min(LONGEST_TIMEOUT));
        while outcome.is_none() {
            tokio::select! {
                biased;
                ended = &mut running => outcome = Some(ended),
                () = phases.reached(Phase::Aborting) => return None,
                () = phases.reached(Phase::Draining), if !cancellation.is_worker_shutting_down() => {
                    cancellation.begin_worker_shutdown();
                }
                reason = self.cancellation.cancelled(), if cancellation.reason().is_none() => cancellation.cancel(reason),
                () = at(self.close_deadline) => {
                    cancellation.cancel(ActivityCancelReason::TimedOut);
                    outcome = Some(AttemptEnd::Failed(timed_out(TimeoutType::ScheduleToClose)));
                }
                () = at(start_to_close) => {
                    cancellation.cancel(ActivityCancelReason::TimedOut);
                    outcome = Some(AttemptEnd::Failed(timed_out(TimeoutType::StartToClose)));
                }
            }
        }
        if let Some(AttemptEnd::Failed(failure)) = &outcome {
            report_failure(context.info(), failure);
        }
        outcome
    }

    /// Returns the time until the next attempt; `None` if there is none.
    fn delay(&self, failure: &FailureProto) -> Option<Duration> {
        if self.cancellation.reason().is_some() {
            return None;
        }
        let policy = &self.task.retry_policy;
        match &failure.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => {
                if info.non_retryable || !policy.retries_type(&info.r#type) {
                    return None;
                }
                let delay = policy.delay_after(self.attempt)?;
                Some(info.next_retry_delay.as_ref().map_or(delay, from_proto))
            }
            Some(FailureInfo::TimeoutFailureInfo(info)) if info.timeout_type() == TimeoutType::StartToClose => {
                policy.delay_after(self.attempt)
            }
            _ => None,
        }
    }

    fn interrupted(&self, interrupted: Interrupted) -> Option<LocalActivityResolution> {
        let failure = match interrupted {
            Interrupted::Cancelled => cancelled(Vec::new()),
            Interrupted::TimedOut(timeout) => timed_out(timeout),
            Interrupted::Aborted => return None,
        };
        Some(self.resolution(LocalActivityResult::Failed(failure), Duration::ZERO))
    }

    fn resolution(&self, result: LocalActivityResult, run_time: Duration) -> LocalActivityResolution {
        let wall_time = Some(self.now());
        LocalActivityResolution { seq: self.task.seq, result, attempt: self.attempt, run_time, wall_time }
    }

    fn now(&self) -> Timestamp {
        time_to_proto(self.clock.now())
    }

    fn info(&self) -> ActivityInfo {
        let (task, shared) = (&self.task, &self.host.shared);
        let now = Some(self.clock.now());
        ActivityInfo {
            activity_id: task.activity_id.clone(),
            activity_run_id: None,
            activity_type: task.activity_type.clone(),
            attempt: self.attempt,
            is_local: true,
            task_token: Vec::new(),
            task_queue: shared.task_queue.clone(),
            namespace: shared.namespace(),
            workflow_id: Some(self.owner.workflow_id.clone()),
            run_id: Some(self.owner.run_id.clone()),
            workflow_type: Some(self.owner.workflow_type.clone()),
            scheduled_time: task.original_schedule_time.as_ref().map(time_from_proto),
            current_attempt_scheduled_time: now,
            started_time: now,
            start_to_close_timeout: task.start_to_close_timeout,
            schedule_to_close_timeout: task.schedule_to_close_timeout,
            heartbeat_timeout: None,
            retry_policy: Some(task.retry_policy.clone()),
            // The server does not queue local activities.
            priority: Priority::new(),
            header: task.header.clone().unwrap_or_default(),
        }
    }
}

/// The host of a local activity. Its heartbeats do nothing: the server does not know about it.
struct LocalHost {
    shared: Arc<WorkerContext>,
    client: AttemptClient,
    slot: Weak<Slot>,
}

impl ActivityOutbound for LocalHost {
    fn heartbeat(&self, _: Vec<Payload>) {}

    fn run_blocking(&self, code: BlockingCode) -> ActivityFuture<Payload> {
        self.shared.blocking_threads.run(self.slot.upgrade(), code)
    }

    fn client(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self.client.get())
    }

    fn metrics(&self) -> Option<&Metrics> {
        Some(self.shared.metrics.metrics())
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn cancelled(details: Vec<Payload>) -> Box<FailureProto> {
    let details = (!details.is_empty()).then_some(Payloads { payloads: details });
    Box::new(FailureProto { source: SOURCE.to_string(), ..cancelled_failure(ACTIVITY_CANCELLED, details) })
}

fn timed_out(timeout_type: TimeoutType) -> Box<FailureProto> {
    let info = TimeoutFailureInfo { timeout_type: timeout_type as i32, ..Default::default() };
    Box::new(FailureProto {
        // The message that the server uses for its activities.
        message: format!("activity {timeout_type:?} timeout"),
        source: SOURCE.to_string(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(info)),
        ..Default::default()
    })
}

/// Returns the failure for asynchronous completion: no client could find a local activity to complete it.
fn not_here(activity_type: &str) -> Box<FailureProto> {
    let text = format!(
        "local activity `{activity_type}` returned `ActivityError::will_complete_async()`, but no client can complete a \
         local activity: call it with `ctx.activity(..)`"
    );
    let mut failure = failure("WillCompleteAsync", &text);
    if let Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo { non_retryable, .. })) =
        &mut failure.failure_info
    {
        *non_retryable = true;
    }
    failure
}
