//! Timers: waiting for any length of time, without a thread and across crashes.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use abide_protos::temporal::api::command::v1::StartTimerCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;

use super::context::WorkflowContext;
use super::metadata::user_metadata;
use super::operation::{AwaitedKind, HandleState};
use super::run_state::RunState;
use crate::debug_only::debug_only;
use crate::duration::to_proto;
use crate::failure::Cancelled;
use crate::interceptor::workflow::StartTimerInput;
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::machines::timer::StartTimer;
use crate::replay::state_machines::StateMachines;

/// A timer that starts when it is first awaited. Made by [`WorkflowContext::timer`].
#[must_use = "the timer is not started unless this is awaited; `start()` starts it at once"]
pub struct TimerCall {
    shared: Rc<RunState>,
    duration: Duration,
    summary: Option<String>,
    location: &'static Location<'static>,
    handle: Option<TimerHandle>,
}

/// A timer under way. Awaiting it waits for its end; dropping it cancels it.
#[must_use = "dropping a timer's handle cancels the timer; `detach()` lets it continue"]
pub struct TimerHandle {
    /// Ended before it began: in a cancelled scope, or with zero length in a task that an older version recorded.
    state: HandleState<Result<(), Cancelled>>,
}

debug_only!(impl[] TimerCall, |this| { duration: this.duration, location: this.location });

debug_only!(impl[] TimerHandle, |_| {});

impl WorkflowContext {
    /// Sleeps for `duration` of the workflow's time, which goes on while no worker runs.
    ///
    /// A timer of zero length is a timer too: the server fires it at once, and the code after it runs in a later
    /// workflow task. Yields [`Cancelled`] if the current scope is cancelled first. Starts when first awaited; see
    /// [`start`](TimerCall::start) for a timer that runs beside other work.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.timer(days(30)).await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn timer(&self, duration: Duration) -> TimerCall {
        let (shared, location) = (self.shared.clone(), Location::caller());
        TimerCall { shared, duration, summary: None, location, handle: None }
    }
}

impl TimerCall {
    /// Sets a short text about this timer for people who look at the workflow.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Starts the timer now, to be awaited or cancelled later.
    #[track_caller]
    pub fn start(mut self) -> TimerHandle {
        match self.handle.take() {
            Some(handle) => handle,
            None => self.begin(),
        }
    }

    #[track_caller]
    fn begin(&mut self) -> TimerHandle {
        TimerHandle::start(self.shared.clone(), self.duration, self.summary.take(), self.location)
    }
}

impl Future for TimerCall {
    type Output = Result<(), Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.handle.is_none() {
            let handle = self.begin();
            self.handle = Some(handle);
        }
        let handle = self.handle.as_mut().expect("the timer was just started");
        Pin::new(handle).poll(cx)
    }
}

impl TimerHandle {
    #[track_caller]
    pub(crate) fn start(
        shared: Rc<RunState>,
        mut duration: Duration,
        mut summary: Option<String>,
        location: &'static Location<'static>,
    ) -> Self {
        shared.must_not_be_read_only("a timer");
        let number = shared.operation_state.borrow_mut().machines.take_timer_number();
        if let Some(reason) = shared.cancelled_here() {
            return Self { state: HandleState::ended(Err(Cancelled::new(&*reason))) };
        }
        if let Some(interceptors) = shared.interceptors() {
            let mut input = StartTimerInput { duration, summary };
            interceptors.before(&shared, &mut input, |one, ctx, input| one.start_timer(ctx, input));
            StartTimerInput { duration, summary } = input;
        }
        if duration.is_zero() && !shared.zero_timer_is_command() {
            return Self::fired_at_once();
        }
        let operation = shared.begin_operation(AwaitedKind::Other);
        let body = (!shared.is_replaying()).then(|| CommandBody {
            attributes: Attributes::StartTimerCommandAttributes(StartTimerCommandAttributes {
                timer_id: number.to_string(),
                start_to_fire_timeout: Some(to_proto(duration)),
            }),
            user_metadata: user_metadata(summary),
        });
        let begin =
            |machines: &mut StateMachines| machines.begin(StartTimer { number }, operation.into(), location, body);
        Self { state: HandleState::Running(shared.carry_out(operation, begin)) }
    }

    /// Replaces a timer of zero length in a task of an SDK that records no such timers.
    pub(crate) fn fired_at_once() -> Self {
        Self { state: HandleState::ended(Ok(())) }
    }

    /// Cancels the timer. Awaiting it then yields [`Cancelled`]. Does nothing if the timer has fired.
    #[track_caller]
    pub fn cancel(&self) {
        self.state.cancel();
    }

    /// Drops the handle without cancelling the timer. Its events are added to the history and have no other effect.
    pub fn detach(self) {
        self.state.detach();
    }

    /// Returns true if the timer has fired or was cancelled. Awaiting the handle then does not wait.
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }
}

impl Future for TimerHandle {
    type Output = Result<(), Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            HandleState::Running(operation) => {
                let reason = operation.cancellation_reason();
                Poll::Ready(match std::task::ready!(Pin::new(operation).poll(cx)) {
                    Outcome::Fired => Ok(()),
                    _ => Err(Cancelled::new(&*reason)),
                })
            }
            HandleState::Ended(result) => {
                Poll::Ready(result.clone().expect("only `poll` of the state takes the result"))
            }
        }
    }
}
