//! Operations that a workflow waits for: their outcome, and the routine to wake.

mod described;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;

pub(super) use self::described::Described;
use super::cancellation::Scope;
use super::inbound_message::InboundMessage;
use super::run_state::RunState;
use crate::replay::jobs::Outcome;
use crate::replay::slab::Key;

/// Panic message for code that awaits a call or a handle that has ended.
pub(super) const AWAITED_AGAIN: &str = "an activity, a timer or another operation was awaited again after it had yielded \
                                        its outcome: keep the outcome of the first await, or begin the operation anew";

/// An operation whose future is alive.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Machine that carries out the operation. `None` once the outcome is there.
    pub(crate) machine: Option<Key>,
    /// Scope in which the operation began.
    pub(crate) scope: Rc<Scope>,
    /// Number in the order of beginning.
    pub(crate) number: u64,
    pub(crate) kind: AwaitedKind,
    /// The message whose handler began the operation; `None` for the main routine.
    pub(crate) message: Option<Rc<InboundMessage>>,
    state: State,
}

/// Kind of an operation, as far as a request to cancel the workflow distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwaitedKind {
    /// An activity or a local activity.
    Activity,
    /// The end of a child workflow or a Nexus operation that has not started.
    Unstarted,
    /// The end of one that has started in this workflow task.
    JustStarted,
    /// The end of one that started in an earlier workflow task.
    Started,
    /// A timer, the start of a child workflow or a Nexus operation, or a message to another workflow.
    Other,
}

#[derive(Debug)]
enum State {
    Pending(Option<Waker>),
    Resolved(Outcome),
    Taken,
}

impl Operation {
    pub(crate) fn new(scope: Rc<Scope>, number: u64, kind: AwaitedKind, message: Option<Rc<InboundMessage>>) -> Self {
        Self { machine: None, scope, number, kind, message, state: State::Pending(None) }
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.state, State::Pending(_))
    }

    /// Returns true if its future was polled and waits for the outcome.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self.state, State::Pending(Some(_)))
    }

    /// Gives the operation its outcome, unless it has one, and wakes the routine that waits for it.
    pub(crate) fn resolve(&mut self, outcome: Outcome) {
        if let State::Pending(waker) = &mut self.state {
            let waker = waker.take();
            self.state = State::Resolved(outcome);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Outcome> {
        match &mut self.state {
            State::Pending(stored) => {
                match stored {
                    Some(stored) if stored.will_wake(waker) => {}
                    stored => *stored = Some(waker.clone()),
                }
                Poll::Pending
            }
            state => match std::mem::replace(state, State::Taken) {
                State::Resolved(outcome) => Poll::Ready(outcome),
                State::Pending(_) | State::Taken => panic!("{AWAITED_AGAIN}"),
            },
        }
    }
}

/// Adds the scope's reason to an activity's cancellation. Neither the server nor a marker keeps the reason, so it is
/// added when the outcome is handed over, in the same way on replay.
pub(super) fn tell_reason(failure: &mut FailureProto, reason: &str) {
    let cancellation = match &failure.failure_info {
        Some(FailureInfo::ActivityFailureInfo(_)) => failure.cause.as_deref_mut(),
        _ => Some(failure),
    };
    if let Some(cancellation) = cancellation
        && matches!(cancellation.failure_info, Some(FailureInfo::CanceledFailureInfo(_)))
        && !reason.is_empty()
    {
        reason.clone_into(&mut cancellation.message);
        // Encoded attributes would restore the old text.
        cancellation.encoded_attributes = None;
    }
}

/// The future of an operation's outcome. Dropping it before the end cancels the operation.
pub(crate) struct OperationFuture {
    shared: Rc<RunState>,
    key: Option<Key>,
}

impl OperationFuture {
    pub(crate) fn new(shared: Rc<RunState>, key: Key) -> Self {
        Self { shared, key: Some(key) }
    }

    /// Requests cancellation, with a reason for the recipient of the request. The outcome shows the effect.
    #[track_caller]
    pub(crate) fn cancel_because(&self, reason: &str) {
        self.shared.must_not_be_read_only("a cancellation");
        if let Some(key) = self.key {
            self.shared.operation_state.borrow_mut().cancel_operation_because(key, reason);
        }
    }

    /// Reason for which the operation's scope was cancelled; empty if it was not.
    pub(crate) fn cancellation_reason(&self) -> Rc<str> {
        let core = self.shared.operation_state.borrow();
        let operation = self.key.and_then(|key| core.operations.get(key));
        operation.and_then(|operation| operation.scope.cancelled()).unwrap_or_default()
    }

    /// Returns true if the outcome is there. Awaiting the future then does not wait.
    pub(crate) fn is_done(&self) -> bool {
        self.outcome_is(|_| true)
    }

    /// Returns true if the outcome is there and `such` accepts it. True for an outcome that was taken.
    pub(crate) fn outcome_is(&self, such: impl FnOnce(&Outcome) -> bool) -> bool {
        let core = self.shared.operation_state.borrow();
        match self.key.and_then(|key| core.operations.get(key)).map(|operation| &operation.state) {
            Some(State::Pending(_)) => false,
            Some(State::Resolved(outcome)) => such(outcome),
            Some(State::Taken) | None => true,
        }
    }

    /// Lets the operation go on without its future.
    pub(crate) fn detach(mut self) {
        if let Some(key) = self.key.take() {
            self.shared.operation_state.borrow_mut().detach_operation(key);
        }
    }
}

impl Future for OperationFuture {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.get_mut();
        let key = this.key.expect(AWAITED_AGAIN);
        let mut core = this.shared.operation_state.borrow_mut();
        let operation = core.operations.get_mut(key).expect("an operation lives as long as its future");
        let mut outcome = std::task::ready!(operation.poll(cx.waker()));
        let scope = core.operations.remove(key).map(|operation| operation.scope);
        drop(core);
        if let Outcome::Failed(failure) = &mut outcome
            && matches!(failure.failure_info, Some(FailureInfo::ActivityFailureInfo(_)))
            && let Some(reason) = scope.and_then(|scope| scope.cancelled())
        {
            tell_reason(failure, &reason);
        }
        this.key = None;
        Poll::Ready(outcome)
    }
}

/// State of a handle: the operation is under way, or it ended before it began, for example in a cancelled scope.
pub(crate) enum HandleState<E> {
    Running(OperationFuture),
    Ended(Option<E>),
}

impl<E> HandleState<E> {
    pub(crate) fn ended(by: E) -> Self {
        Self::Ended(Some(by))
    }

    /// Requests cancellation, with a reason for the recipient of the request.
    #[track_caller]
    pub(crate) fn cancel_because(&self, reason: &str) {
        if let Self::Running(operation) = self {
            operation.cancel_because(reason);
        }
    }

    #[track_caller]
    pub(crate) fn cancel(&self) {
        self.cancel_because("");
    }

    /// Returns true if polling it does not wait.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Running(operation) => operation.is_done(),
            Self::Ended(_) => true,
        }
    }

    /// Lets the operation go on without its handle.
    pub(crate) fn detach(self) {
        if let Self::Running(operation) = self {
            operation.detach();
        }
    }

    /// Yields the outcome; `Err` if the operation ended before it began.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Outcome, E>> {
        match self {
            Self::Running(operation) => Pin::new(operation).poll(cx).map(Ok),
            Self::Ended(by) => Poll::Ready(Err(by.take().expect(AWAITED_AGAIN))),
        }
    }
}

impl Drop for OperationFuture {
    fn drop(&mut self) {
        if let Some(key) = self.key.take()
            // While a run is torn down its core may be borrowed or half gone, and there is nothing left to cancel.
            && !self.shared.is_torn_down()
            // A query or a validator that drops a handle must not change the workflow, so the operation goes on.
            && self.shared.read_only.get().is_none()
            && let Ok(mut core) = self.shared.operation_state.try_borrow_mut()
        {
            core.drop_operation(key);
        }
    }
}
