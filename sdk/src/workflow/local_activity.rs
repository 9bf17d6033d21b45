//! Local activities: short activities that run in the worker that has the workflow task, without a task of their own.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use abide_protos::Timestamp;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::RetryState;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use serde::Serialize;

use super::activity_options::ActivityCancellationType;
use super::activity_request::{ActivityRequest, CallOptions, Intercepted};
use super::cancellation::Scope;
use super::context::WorkflowContext;
use super::local_activity_options::{
    DEFAULT_LOCAL_RETRY_THRESHOLD, LocalActivityOptions, local_activity_options, local_activity_timeouts,
};
use super::metadata::user_metadata;
use super::operation::{AwaitedKind, HandleState, tell_reason};
use super::run_state::RunState;
use super::timer::TimerHandle;
use crate::activity_defaults::HasDefaultTimeout;
use crate::converter::RawArguments;
use crate::debug_only::debug_only;
use crate::definition::{Activity, ActivityDefinition, Arguments};
use crate::failure::{ACTIVITY_CANCELLED, ActivityFailure, cancelled_failure};
use crate::interceptor::workflow::ScheduleLocalActivityInput;
use crate::replay::LocalActivityTask;
use crate::replay::jobs::{BackOff, Outcome};
use crate::replay::machines::local_activity::{Input, ScheduleLocalActivity};
use crate::retry_policy::RetryPolicy;

/// A local activity call without a timeout of its own. It can be awaited only if the activity has a
/// [default timeout](crate::ActivityDefaults). Otherwise add [`start_to_close_timeout`](Self::start_to_close_timeout)
/// (the limit of one attempt), [`schedule_to_close_timeout`](Self::schedule_to_close_timeout) (the limit of all attempts
/// together), or shared [`options`](Self::options) that have one. Use shared options if the timeout depends on a
/// condition.
#[must_use = "a local activity call does nothing until it has a timeout and is awaited or started"]
pub struct LocalActivityWithoutTimeout<D: ActivityDefinition> {
    call: LocalActivityCall<D>,
}

/// A local activity call: awaiting it runs the activity in this worker and waits for its outcome.
///
/// Like any Rust future it does nothing until it is polled; [`start`](Self::start) begins at once.
#[must_use = "the local activity does not begin unless this is awaited; `start()` begins it at once"]
pub struct LocalActivityCall<D: ActivityDefinition> {
    shared: Rc<RunState>,
    request: Option<Box<Request<D>>>,
    handle: Option<LocalActivityHandle<D>>,
}

/// A local activity under way. Awaiting it waits for its outcome; dropping it cancels the local activity.
///
/// The await also begins the next attempt after a long back-off. A local activity that nobody awaits makes no attempt
/// after the first interval above the [threshold](LocalActivityCall::local_retry_threshold).
#[must_use = "dropping a local activity's handle cancels it; `detach()` lets it continue"]
pub struct LocalActivityHandle<D: ActivityDefinition> {
    shared: Rc<RunState>,
    request: Box<Request<D>>,
    phase: Phase,
    /// Number of the last scheduled attempt. It is the attempt's id unless the author chose one.
    number: u32,
    /// Scope in which the local activity began. Timers and attempts after a back-off belong to it, wherever the handle
    /// is awaited.
    scope: Rc<Scope>,
}

enum Phase {
    Attempts(HandleState<Box<ActivityFailure>>),
    /// Waits for the time of the next attempt.
    BackingOff(TimerHandle, Box<BackOff>),
}

type Request<D> = ActivityRequest<D, Options>;

debug_only!(impl[D: ActivityDefinition] LocalActivityWithoutTimeout<D>, |this| { call: this.call });

debug_only!(impl[D: ActivityDefinition] LocalActivityCall<D>, |this| {
    activity_type: this.request.as_ref().map(|request| request.definition.name()),
    handle: this.handle,
});

debug_only!(impl[D: ActivityDefinition] LocalActivityHandle<D>, |this| {
    activity_type: this.request.activity_type(),
});

/// Options of one call.
struct Options {
    sharable: LocalActivityOptions,
    include_arguments: bool,
}

impl CallOptions for Options {
    const KIND: &'static str = "local activity";

    fn limits(&self) -> [Option<Duration>; 2] {
        [self.sharable.start_to_close_timeout, self.sharable.schedule_to_close_timeout]
    }

    fn own_retry_policy(&self) -> Option<&RetryPolicy> {
        self.sharable.retry_policy.as_ref()
    }
}

/// Option methods of a call, with or without a timeout.
macro_rules! call_options {
    ($this:ident => $call:expr) => {
        local_activity_options!($this => $call.request().options.sharable);

        /// Sets the activity's id within this workflow. Default: a number, counted up together with other activities.
        pub fn activity_id(mut $this, id: impl Into<String>) -> Self {
            $call.request().activity_id = Some(id.into());
            $this
        }

        /// Sets a short text about this call for people who look at the workflow. It is shown with the marker.
        pub fn summary(mut $this, summary: impl Into<String>) -> Self {
            $call.request().summary = Some(summary.into());
            $this
        }

        /// Writes the arguments to the history too, which otherwise holds only the outcome. Default: not written.
        pub fn include_arguments(mut $this) -> Self {
            $call.request().options.include_arguments = true;
            $this
        }

        /// Gives the activity a header, which its [info](crate::ActivityInfo::header) shows. The history does not hold
        /// it. A value that cannot be written fails the workflow task.
        #[track_caller]
        pub fn header<T: Serialize + 'static>(mut $this, key: impl Into<String>, value: &T) -> Self {
            if let Err(text) = $call.request().set_header(key.into(), value) {
                $call.shared.fail_task(text, Location::caller());
            }
            $this
        }
    };
}

impl WorkflowContext {
    /// Runs an activity in the worker that has this workflow task:
    /// `ctx.local_activity(look_up, id).start_to_close_timeout(secs(2)).await?`.
    ///
    /// It saves a round trip to the server and three events compared to an [`activity`](Self::activity), but its
    /// outcome is safe only once the workflow task has completed: if the worker dies, or the task fails for another
    /// reason, it runs again. Use it for work that takes a few seconds at most and does no harm when it is repeated.
    /// The worker must have the activity registered. It has no heartbeats and cannot complete asynchronously.
    ///
    /// Other activities and the workflow's code may run meanwhile. A workflow task that takes longer than 0.8 of its
    /// timeout is completed and requested again (a heartbeat), so that signals and queries are served.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// #[activity]
    /// async fn look_up(customer: u64) -> Result<String, ActivityError> {
    ///     Ok(format!("customer {customer}"))
    /// }
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let name = ctx.local_activity(look_up, 7).start_to_close_timeout(secs(2)).await?;
    /// # let _ = name; Ok(()) }
    /// ```
    #[track_caller]
    pub fn local_activity<Kind, A: Activity<Kind>>(
        &self,
        activity: A,
        args: <A::Definition as Arguments>::Args,
    ) -> LocalActivityWithoutTimeout<A::Definition> {
        let options = Options { sharable: LocalActivityOptions::none(), include_arguments: false };
        let request = Request::new(activity.definition(), args, options, Location::caller());
        let call = LocalActivityCall { shared: self.shared.clone(), request: Some(Box::new(request)), handle: None };
        LocalActivityWithoutTimeout { call }
    }
}

impl<D: ActivityDefinition> LocalActivityWithoutTimeout<D> {
    /// Limits the time of one attempt, from its start to its end.
    pub fn start_to_close_timeout(self, timeout: Duration) -> LocalActivityCall<D> {
        self.call.start_to_close_timeout(timeout)
    }

    /// Limits the time of all attempts together, including the time between them.
    pub fn schedule_to_close_timeout(self, timeout: Duration) -> LocalActivityCall<D> {
        self.call.schedule_to_close_timeout(timeout)
    }

    /// Uses options shared by several calls, which include a timeout. An option set at the call itself takes
    /// precedence, in either order.
    pub fn options(mut self, options: &LocalActivityOptions) -> LocalActivityCall<D> {
        self.call.request().options.sharable.fill(options);
        self.call
    }

    call_options!(self => self.call);

    /// Begins the local activity now, with its default timeout, to be awaited or cancelled later.
    pub fn start(self) -> LocalActivityHandle<D>
    where
        D: HasDefaultTimeout,
    {
        self.call.start()
    }
}

/// With a default timeout.
impl<D: ActivityDefinition + HasDefaultTimeout> Future for LocalActivityWithoutTimeout<D> {
    type Output = Result<D::Output, ActivityFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.get_mut().call).poll(cx)
    }
}

impl<D: ActivityDefinition> LocalActivityCall<D> {
    local_activity_timeouts!(self => self.request().options.sharable);
    call_options!(self => self);

    /// Uses options shared by several calls. An option set at the call itself takes precedence, in either order.
    pub fn options(mut self, options: &LocalActivityOptions) -> Self {
        self.request().options.sharable.fill(options);
        self
    }

    /// Begins the local activity now, to be awaited or cancelled later.
    #[track_caller]
    pub fn start(mut self) -> LocalActivityHandle<D> {
        match self.handle.take() {
            Some(handle) => handle,
            None => self.begin(),
        }
    }

    fn request(&mut self) -> &mut Request<D> {
        match &mut self.request {
            Some(request) => request,
            None => unreachable!("a local activity call is not changed after it was polled"),
        }
    }

    #[track_caller]
    fn begin(&mut self) -> LocalActivityHandle<D> {
        let mut request = self.request.take().expect("a local activity call begins once");
        let defaults = request.definition.defaults();
        request.options.sharable.fill_defaults(defaults);
        let shared = self.shared.clone();
        shared.must_not_be_read_only("a local activity");
        request.intercept(&shared);
        let scope = shared.current_scope.borrow().clone();
        let (state, number) = request.begin(&shared, 1, None);
        LocalActivityHandle { shared, request, phase: Phase::Attempts(state), number, scope }
    }
}

impl<D: ActivityDefinition> Future for LocalActivityCall<D> {
    type Output = Result<D::Output, ActivityFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.handle.is_none() {
            this.handle = Some(this.begin());
        }
        let handle = this.handle.as_mut().expect("the local activity has just begun");
        Pin::new(handle).poll(cx)
    }
}

// No field is ever pinned, so they may move between polls, whatever the definition is.
impl<D: ActivityDefinition> Unpin for LocalActivityCall<D> {}
impl<D: ActivityDefinition> Unpin for LocalActivityHandle<D> {}

impl<D: ActivityDefinition> LocalActivityHandle<D> {
    /// Cancels the local activity as its [`ActivityCancellationType`] says, or ends the wait for its next attempt. Does
    /// nothing if the local activity has ended.
    #[track_caller]
    pub fn cancel(&self) {
        match &self.phase {
            Phase::Attempts(state) => state.cancel(),
            Phase::BackingOff(timer, _) => timer.cancel(),
        }
    }

    /// Returns true if the local activity has ended. Awaiting the handle then does not wait. A local activity that
    /// waits for its next attempt has not ended.
    pub fn is_done(&self) -> bool {
        match &self.phase {
            Phase::Attempts(HandleState::Running(operation)) => {
                operation.outcome_is(|outcome| !matches!(outcome, Outcome::BackOff(_)))
            }
            Phase::Attempts(HandleState::Ended(_)) => true,
            Phase::BackingOff(..) => false,
        }
    }

    /// Drops the handle without cancelling the local activity, which goes on up to the first long back-off.
    pub fn detach(self) {
        match self.phase {
            Phase::Attempts(state) => state.detach(),
            Phase::BackingOff(timer, _) => timer.detach(),
        }
    }
}

impl<D: ActivityDefinition> Future for LocalActivityHandle<D> {
    type Output = Result<D::Output, ActivityFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut result = ready!(this.poll_outcome(cx));
        if let Some(interceptors) = this.shared.interceptors()
            && let Some(activity) = this.request.completed(this.number, true)
        {
            result = interceptors.activity_completed(&this.shared, &activity, result);
        }
        match result {
            Ok(result) => {
                let what = format_args!("local activity `{}`", this.request.activity_type());
                this.shared.read_result(result.as_ref(), what, this.request.location).map(Ok)
            }
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }
}

impl<D: ActivityDefinition> LocalActivityHandle<D> {
    /// Yields the outcome of the last attempt.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Payload>, ActivityFailure>> {
        let this = self;
        loop {
            match &mut this.phase {
                Phase::Attempts(state) => match ready!(state.poll(cx)) {
                    Ok(Outcome::Completed(result)) => return Poll::Ready(Ok(result)),
                    Ok(Outcome::Failed(mut failure)) => {
                        if let Some(reason) = this.scope.cancelled() {
                            tell_reason(&mut failure, &reason);
                        }
                        return Poll::Ready(Err(this.request.failed(&this.shared, this.number, *failure)));
                    }
                    Ok(Outcome::BackOff(next)) => {
                        let outside = this.shared.current_scope.replace(this.scope.clone());
                        let timer = TimerHandle::start(this.shared.clone(), next.delay, None, this.request.location);
                        this.shared.current_scope.replace(outside);
                        this.phase = Phase::BackingOff(timer, next);
                    }
                    Ok(_) => unreachable!("local activities have other outcomes"),
                    Err(failure) => return Poll::Ready(Err(*failure)),
                },
                Phase::BackingOff(timer, next) => match ready!(Pin::new(timer).poll(cx)) {
                    Ok(()) => {
                        let (attempt, since) = (next.next_attempt, next.original_schedule_time);
                        let outside = this.shared.current_scope.replace(this.scope.clone());
                        let (state, number) = this.request.begin(&this.shared, attempt, since);
                        (this.phase, this.number) = (Phase::Attempts(state), number);
                        this.shared.current_scope.replace(outside);
                    }
                    Err(error) => {
                        let last = cancelled(error.reason());
                        return Poll::Ready(Err(this.request.failed(&this.shared, this.number, last)));
                    }
                },
            }
        }
    }
}

impl<D: ActivityDefinition> Request<D> {
    /// Schedules an attempt under a number of its own, and those that follow it without a timer.
    #[track_caller]
    fn begin(
        &self,
        shared: &Rc<RunState>,
        attempt: u32,
        original_schedule_time: Option<Timestamp>,
    ) -> (HandleState<Box<ActivityFailure>>, u32) {
        shared.must_not_be_read_only("a local activity");
        let seq = shared.operation_state.borrow_mut().machines.take_activity_number();
        if let Some(reason) = shared.cancelled_here() {
            return (HandleState::ended(Box::new(self.failed(shared, seq, cancelled(&reason)))), seq);
        }
        let operation = shared.begin_operation(AwaitedKind::Activity);
        // A local activity whose outcome is in the history is not run, so nothing is serialized for it.
        let recorded = shared.operation_state.borrow().machines.local_activity_is_recorded(seq);
        let task = if recorded { None } else { self.task(shared, seq, attempt) };
        let marker_input = match &task {
            Some(task) if self.options.include_arguments => Some(Payloads { payloads: task.input.clone() }),
            _ => None,
        };
        let request = ScheduleLocalActivity {
            seq,
            activity_id: self.activity_id.clone(),
            activity_type: self.activity_type(),
            on_cancel: match self.options.sharable.cancellation_type {
                Some(ActivityCancellationType::TryCancel) => Input::TryCancel,
                Some(ActivityCancellationType::WaitCancellationCompleted) | None => Input::WaitCancel,
                Some(ActivityCancellationType::Abandon) => Input::Abandon,
            },
            original_schedule_time,
            user_metadata: if task.is_some() { user_metadata(self.summary.clone()) } else { None },
            task,
            marker_input,
        };
        let operation =
            shared.carry_out(operation, |machines| machines.schedule_local_activity(request, operation, self.location));
        (HandleState::Running(operation), seq)
    }

    /// Shows the local activity to interceptors, unless it ends before it begins.
    fn intercept(&mut self, shared: &Rc<RunState>) {
        let Some(interceptors) = shared.interceptors() else { return };
        if shared.cancelled_here().is_some() {
            return;
        }
        let Some(arguments) = self.written_args(shared) else { return };
        let mut input = ScheduleLocalActivityInput {
            activity_type: self.definition.name().into_owned(),
            activity_id: self.activity_id.take(),
            arguments: RawArguments::from_proto(arguments),
            headers: std::mem::take(&mut self.headers),
            options: self.options.sharable.clone(),
            summary: self.summary.take(),
        };
        interceptors.before(shared, &mut input, |one, ctx, input| one.schedule_local_activity(ctx, input));
        let ScheduleLocalActivityInput { activity_type, activity_id, arguments, headers, options, summary } = input;
        (self.activity_id, self.headers, self.summary) = (activity_id, headers, summary);
        self.options.sharable = options;
        self.intercepted = Some(Box::new(Intercepted { activity_type, arguments }));
    }

    fn task(&self, shared: &RunState, seq: u32, attempt: u32) -> Option<Box<LocalActivityTask>> {
        if !self.has_valid_options(shared) {
            return None;
        }
        let options = &self.options.sharable;
        let input = self.written_args(shared)?;
        Some(Box::new(LocalActivityTask {
            seq,
            activity_id: self.id(seq),
            activity_type: self.activity_type().into_owned(),
            input: input.unwrap_or_default().payloads,
            header: self.headers.to_proto(),
            attempt,
            original_schedule_time: None,
            schedule_to_close_timeout: options.schedule_to_close_timeout,
            schedule_to_start_timeout: options.schedule_to_start_timeout,
            start_to_close_timeout: options.start_to_close_timeout,
            retry_policy: options.retry_policy.clone().unwrap_or_default(),
            local_retry_threshold: options.local_retry_threshold.unwrap_or(DEFAULT_LOCAL_RETRY_THRESHOLD),
        }))
    }

    /// Wraps the failure of the last attempt for the author.
    fn failed(&self, shared: &RunState, seq: u32, last: FailureProto) -> ActivityFailure {
        // Some SDKs record the outer failure themselves.
        if matches!(last.failure_info, Some(FailureInfo::ActivityFailureInfo(_))) {
            return ActivityFailure::from_proto(shared.data_converter.read_failure(last));
        }
        let (message, retry_state) = match &last.failure_info {
            Some(FailureInfo::CanceledFailureInfo(_)) => ("Local activity cancelled", RetryState::CancelRequested),
            Some(FailureInfo::TimeoutFailureInfo(_)) => ("Local activity timed out", RetryState::Timeout),
            Some(FailureInfo::ApplicationFailureInfo(info))
                if info.non_retryable
                    || !self.options.sharable.retry_policy.clone().unwrap_or_default().retries_type(&info.r#type) =>
            {
                ("Local activity failed", RetryState::NonRetryableFailure)
            }
            _ => ("Local activity failed", RetryState::MaximumAttemptsReached),
        };
        let failure = self.failure(seq, message, retry_state, last);
        ActivityFailure::from_proto(shared.data_converter.read_failure(failure))
    }
}

/// Returns the failure of a local activity that begins in a cancelled scope, or is cancelled between two attempts.
fn cancelled(reason: &str) -> FailureProto {
    let mut failure = cancelled_failure(ACTIVITY_CANCELLED, None);
    tell_reason(&mut failure, reason);
    failure
}
