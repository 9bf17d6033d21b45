//! Activities, as a workflow schedules them.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use abide_protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::ActivityType;
use abide_protos::temporal::api::enums::v1::{RetryState, TaskQueueKind};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use serde::Serialize;

use super::activity_options::{ActivityCancellationType, ActivityOptions, activity_options, activity_timeouts};
use super::activity_request::{ActivityRequest, CallOptions, Intercepted};
use super::context::WorkflowContext;
use super::metadata::user_metadata;
use super::operation::{AwaitedKind, Described, HandleState, tell_reason};
use super::run_state::RunState;
use crate::activity_defaults::HasDefaultTimeout;
use crate::converter::RawArguments;
use crate::debug_only::debug_only;
use crate::definition::{Activity, ActivityDefinition, Arguments, PayloadValue};
use crate::duration::to_proto;
use crate::failure::{ACTIVITY_CANCELLED, ActivityFailure, cancelled_failure};
use crate::interceptor::workflow::{CompletedActivity, ScheduleActivityInput};
use crate::priority::Priority;
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::machines::activity::{Input, ScheduleActivity};
use crate::retry_policy::RetryPolicy;

/// An activity call without a timeout of its own. It can be awaited only if the activity has a
/// [default timeout](crate::ActivityDefaults). Otherwise add [`start_to_close_timeout`](Self::start_to_close_timeout)
/// (the limit of one attempt), [`schedule_to_close_timeout`](Self::schedule_to_close_timeout) (the limit of all attempts
/// together), or shared [`options`](Self::options) that have one.
///
/// A timeout changes the type of the call, so one variable cannot hold the call before and after it. If an option
/// depends on a condition, build the options first and pass them to the call:
///
/// ```
/// # use abide::prelude::*;
/// use abide::workflow::ActivityOptions;
/// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
/// # async fn body(ctx: &WorkflowContext, limit: Option<std::time::Duration>) -> Result<(), WorkflowError> {
/// let mut options = ActivityOptions::with_schedule_to_close_timeout(hours(1));
/// if let Some(limit) = limit {
///     options = options.start_to_close_timeout(limit);
/// }
/// ctx.activity(charge, 100).options(&options).await?;
/// # Ok(()) }
/// ```
#[must_use = "an activity call does nothing until it has a timeout and is awaited or started"]
pub struct ActivityWithoutTimeout<D: ActivityDefinition> {
    call: ActivityCall<D>,
}

/// An activity call. Awaiting it schedules the activity and waits for its outcome.
///
/// Like any Rust future, it does nothing until it is polled. [`start`](Self::start) schedules it at once.
#[must_use = "the activity is not scheduled unless this is awaited; `start()` schedules it at once"]
pub struct ActivityCall<D: ActivityDefinition> {
    shared: Rc<RunState>,
    request: Option<Box<Request<D>>>,
    handle: Option<ActivityHandle<D::Output>>,
}

/// A started activity. Awaiting it waits for the outcome. Dropping it cancels the activity.
#[must_use = "dropping an activity's handle cancels the activity; `detach()` lets it continue"]
pub struct ActivityHandle<T> {
    shared: Rc<RunState>,
    state: HandleState<Box<ActivityFailure>>,
    activity: Described<Cow<'static, str>, CompletedActivity>,
    location: &'static Location<'static>,
    result: PhantomData<fn() -> T>,
}

type Request<D> = ActivityRequest<D, ActivityOptions>;

debug_only!(impl[D: ActivityDefinition] ActivityWithoutTimeout<D>, |this| { call: this.call });

debug_only!(impl[D: ActivityDefinition] ActivityCall<D>, |this| {
    activity_type: this.request.as_ref().map(|request| request.definition.name()),
    handle: this.handle,
});

debug_only!(impl[T] ActivityHandle<T>, |this| { activity_type: this.activity_type() });

impl CallOptions for ActivityOptions {
    const KIND: &'static str = "activity";

    fn limits(&self) -> [Option<Duration>; 2] {
        [self.start_to_close_timeout, self.schedule_to_close_timeout]
    }

    fn own_retry_policy(&self) -> Option<&RetryPolicy> {
        self.retry_policy.as_ref()
    }
}

/// Option methods of a call, with or without a timeout.
macro_rules! call_options {
    ($this:ident => $call:expr) => {
        activity_options!($this => $call.request().options);

        /// Sets the activity's id within this workflow. Default: the next number.
        pub fn activity_id(mut $this, id: impl Into<String>) -> Self {
            $call.request().activity_id = Some(id.into());
            $this
        }

        /// Sets a short text about this call for people who look at the workflow.
        pub fn summary(mut $this, summary: impl Into<String>) -> Self {
            $call.request().summary = Some(summary.into());
            $this
        }

        /// Gives the activity a header, which its [info](crate::ActivityInfo::header) shows. A value that cannot be
        /// serialized fails the workflow task.
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
    /// Calls an activity: `ctx.activity(charge, payment).start_to_close_timeout(mins(5)).await?`.
    ///
    /// `args` is `()` for an activity without arguments, the value for one argument, and a tuple for several. A timeout
    /// is required, unless the activity has one [by default](crate::ActivityDefaults). Nothing happens until the call is
    /// awaited or [started](ActivityCall::start).
    ///
    /// ```
    /// # use abide::prelude::*;
    /// #[activity]
    /// async fn charge(cents: u64) -> Result<String, ActivityError> {
    ///     Ok(format!("receipt for {cents}"))
    /// }
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let receipt = ctx
    ///     .activity(charge, 995)
    ///     .start_to_close_timeout(mins(5))
    ///     .retry_policy(RetryPolicy::new().maximum_attempts(3))
    ///     .await?;
    /// # let _ = receipt; Ok(()) }
    /// ```
    #[track_caller]
    pub fn activity<Kind, A: Activity<Kind>>(
        &self,
        activity: A,
        args: <A::Definition as Arguments>::Args,
    ) -> ActivityWithoutTimeout<A::Definition> {
        self.activity_at(Location::caller(), activity, args)
    }

    /// Calls an activity for a statement of the author that is not the caller of this method.
    pub(super) fn activity_at<Kind, A: Activity<Kind>>(
        &self,
        location: &'static Location<'static>,
        activity: A,
        args: <A::Definition as Arguments>::Args,
    ) -> ActivityWithoutTimeout<A::Definition> {
        let request = Request::new(activity.definition(), args, ActivityOptions::none(), location);
        let call = ActivityCall { shared: self.shared.clone(), request: Some(Box::new(request)), handle: None };
        ActivityWithoutTimeout { call }
    }
}

impl<D: ActivityDefinition> ActivityWithoutTimeout<D> {
    /// Limits the time of one attempt, from its start on a worker to its end.
    pub fn start_to_close_timeout(self, timeout: Duration) -> ActivityCall<D> {
        self.call.start_to_close_timeout(timeout)
    }

    /// Limits the time of all attempts together, including waiting and retries.
    pub fn schedule_to_close_timeout(self, timeout: Duration) -> ActivityCall<D> {
        self.call.schedule_to_close_timeout(timeout)
    }

    /// Uses options that several calls share. They include a timeout. An option set at the call itself takes
    /// precedence, in either order.
    pub fn options(mut self, options: &ActivityOptions) -> ActivityCall<D> {
        self.call.request().options.fill(options);
        self.call
    }

    call_options!(self => self.call);

    /// Schedules the activity now, with its default timeout, to be awaited or cancelled later.
    pub fn start(self) -> ActivityHandle<D::Output>
    where
        D: HasDefaultTimeout,
    {
        self.call.start()
    }
}

/// With a default timeout.
impl<D: ActivityDefinition + HasDefaultTimeout> Future for ActivityWithoutTimeout<D> {
    type Output = Result<D::Output, ActivityFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.get_mut().call).poll(cx)
    }
}

impl<D: ActivityDefinition> ActivityCall<D> {
    activity_timeouts!(self => self.request().options);
    call_options!(self => self);

    /// Uses options shared by several calls. An option set at the call itself takes precedence, in either order.
    pub fn options(mut self, options: &ActivityOptions) -> Self {
        self.request().options.fill(options);
        self
    }

    /// Schedules the activity now, to be awaited or cancelled later.
    #[track_caller]
    pub fn start(mut self) -> ActivityHandle<D::Output> {
        match self.handle.take() {
            Some(handle) => handle,
            None => self.begin(),
        }
    }

    fn request(&mut self) -> &mut Request<D> {
        match &mut self.request {
            Some(request) => request,
            None => unreachable!("an activity call is not changed after it was polled"),
        }
    }

    #[track_caller]
    fn begin(&mut self) -> ActivityHandle<D::Output> {
        let request = self.request.take().expect("an activity call begins once");
        request.begin(self.shared.clone())
    }
}

impl<D: ActivityDefinition> Future for ActivityCall<D> {
    type Output = Result<D::Output, ActivityFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.handle.is_none() {
            this.handle = Some(this.begin());
        }
        let handle = this.handle.as_mut().expect("the activity was just scheduled");
        Pin::new(handle).poll(cx)
    }
}

impl<T> ActivityHandle<T> {
    /// Cancels the activity as its [`ActivityCancellationType`] says. Does nothing if the activity has ended.
    #[track_caller]
    pub fn cancel(&self) {
        self.state.cancel();
    }

    /// Returns true if the activity has ended. Awaiting the handle then does not wait.
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// Drops the handle without cancelling the activity. The activity continues.
    pub fn detach(self) {
        self.state.detach();
    }

    fn activity_type(&self) -> &str {
        match &self.activity {
            Described::Named(name) => name,
            Described::Intercepted(completed) => &completed.activity_type,
        }
    }
}

impl<T: PayloadValue> Future for ActivityHandle<T> {
    type Output = Result<T, ActivityFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut result = match ready!(self.state.poll(cx)) {
            Ok(Outcome::Completed(result)) => Ok(result),
            Ok(Outcome::Failed(failure)) => {
                Err(ActivityFailure::from_proto(self.shared.data_converter.read_failure(*failure)))
            }
            Ok(_) => unreachable!("activities have other outcomes"),
            Err(failure) => Err(*failure),
        };
        if let (Some(interceptors), Some(activity)) = (self.shared.interceptors(), self.activity.completed()) {
            result = interceptors.activity_completed(&self.shared, activity, result);
        }
        match result {
            Ok(result) => {
                let what = format_args!("activity `{}`", self.activity_type());
                self.shared.read_result(result.as_ref(), what, self.location).map(Ok)
            }
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }
}

impl<D: ActivityDefinition> Request<D> {
    #[track_caller]
    fn begin(mut self, shared: Rc<RunState>) -> ActivityHandle<D::Output> {
        shared.must_not_be_read_only("an activity");
        let location = self.location;
        let number = shared.operation_state.borrow_mut().machines.take_activity_number();
        let handle =
            |shared, state, activity| ActivityHandle { shared, state, activity, location, result: PhantomData };
        if let Some(reason) = shared.cancelled_here() {
            let state = HandleState::ended(Box::new(self.cancelled_before_sent(number, &reason)));
            return handle(shared, state, Described::Named(self.definition.name()));
        }
        self.intercept(&shared);
        let activity_type = self.activity_type();
        let activity = match self.completed(number, false) {
            None => Described::Named(activity_type.clone()),
            Some(completed) => Described::Intercepted(Box::new(completed)),
        };
        let operation = shared.begin_operation(AwaitedKind::Activity);
        // Nothing is sent on replay, so nothing is serialized.
        let body = if shared.is_replaying() {
            None
        } else {
            if self.intercepted.is_none() {
                self.options.fill_defaults(self.definition.defaults());
            }
            self.body(&shared, number)
        };
        let request = ScheduleActivity {
            number,
            activity_id: self.activity_id,
            activity_type,
            on_cancel: match self.options.cancellation_type.unwrap_or_default() {
                ActivityCancellationType::TryCancel => Input::TryCancel,
                ActivityCancellationType::WaitCancellationCompleted => Input::WaitCancel,
                ActivityCancellationType::Abandon => Input::Abandon,
            },
        };
        let operation = shared
            .carry_out(operation, |machines| machines.schedule_activity(request, operation.into(), location, body));
        handle(shared, HandleState::Running(operation), activity)
    }

    /// Shows the activity to interceptors. They run on replay too, so everything is serialized there as well.
    fn intercept(&mut self, shared: &Rc<RunState>) {
        let Some(interceptors) = shared.interceptors() else { return };
        let Some(arguments) = self.written_args(shared) else { return };
        self.options.fill_defaults(self.definition.defaults());
        let mut input = ScheduleActivityInput {
            activity_type: self.definition.name().into_owned(),
            activity_id: self.activity_id.take(),
            arguments: RawArguments::from_proto(arguments),
            headers: std::mem::take(&mut self.headers),
            options: self.options.clone(),
            summary: self.summary.take(),
        };
        interceptors.before(shared, &mut input, |one, ctx, input| one.schedule_activity(ctx, input));
        let ScheduleActivityInput { activity_type, activity_id, arguments, headers, options, summary } = input;
        (self.activity_id, self.headers, self.options, self.summary) = (activity_id, headers, options, summary);
        self.intercepted = Some(Box::new(Intercepted { activity_type, arguments }));
    }

    fn body(&self, shared: &RunState, number: u32) -> Option<CommandBody> {
        let options = &self.options;
        let input = self.written_args(shared)?;
        if !self.has_valid_options(shared) {
            return None;
        }
        let own_queue = options.task_queue.as_ref().is_none_or(|queue| **queue == *shared.task_queue);
        let name = options.task_queue.clone().unwrap_or_else(|| shared.task_queue.to_string());
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: self.id(number),
            activity_type: Some(ActivityType { name: self.activity_type().into_owned() }),
            task_queue: Some(TaskQueue { name, kind: TaskQueueKind::Normal as i32, normal_name: String::new() }),
            header: self.headers.to_proto(),
            input,
            schedule_to_close_timeout: options.schedule_to_close_timeout.map(to_proto),
            schedule_to_start_timeout: options.schedule_to_start_timeout.map(to_proto),
            start_to_close_timeout: options.start_to_close_timeout.map(to_proto),
            heartbeat_timeout: options.heartbeat_timeout.map(to_proto),
            retry_policy: options.retry_policy.as_ref().map(crate::retry_policy::RetryPolicy::to_proto),
            // Only a request: the worker withdraws it if it cannot start the activity itself.
            request_eager_execution: own_queue,
            use_workflow_build_id: options.versioning_intent.unwrap_or_default().inherits_build_id(own_queue),
            priority: options.priority.as_ref().map(Priority::to_proto),
        };
        Some(CommandBody {
            attributes: Attributes::ScheduleActivityTaskCommandAttributes(attributes),
            user_metadata: user_metadata(self.summary.clone()),
        })
    }

    /// Returns the failure of an activity that begins in a cancelled scope.
    fn cancelled_before_sent(&self, number: u32, reason: &str) -> ActivityFailure {
        let cause = cancelled_failure(ACTIVITY_CANCELLED, None);
        let mut failure = self.failure(number, ACTIVITY_CANCELLED, RetryState::Unspecified, cause);
        tell_reason(&mut failure, reason);
        ActivityFailure::from_proto(failure)
    }
}
