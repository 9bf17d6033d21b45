//! Cancellation scopes, which decide which operations a cancellation reaches.
//!
//! The main routine of a run is in the root scope, which a request to cancel the workflow cancels. Message handlers are
//! in a scope of their own, which no request reaches. A [`CancellationScope`] within one of them can be cancelled on
//! its own; [`WorkflowContext::shielded`] runs cleanup outside all scopes.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::context::WorkflowContext;
use super::inbound_message::InboundMessage;
use super::run_state::RunState;
use crate::debug_only::debug_only;
use crate::failure::Cancelled;
use crate::replay::slab::{Key, Slab};

/// A node in the tree of scopes.
#[derive(Debug)]
pub(crate) struct Scope {
    parent: Option<Rc<Scope>>,
    cancelled: RefCell<Option<Rc<str>>>,
}

impl Scope {
    /// Creates a scope that no other scope's cancellation reaches.
    pub(crate) fn root() -> Rc<Self> {
        Rc::new(Self { parent: None, cancelled: RefCell::new(None) })
    }

    fn within(parent: Rc<Scope>) -> Rc<Self> {
        Rc::new(Self { parent: Some(parent), cancelled: RefCell::new(None) })
    }

    /// Returns the reason if this scope, or one around it, was cancelled.
    pub(crate) fn cancelled(&self) -> Option<Rc<str>> {
        let own = self.cancelled.borrow().clone();
        own.or_else(|| self.parent.as_ref().and_then(|parent| parent.cancelled()))
    }

    /// Returns true if this is `other` or lies within it.
    pub(crate) fn is_in(&self, other: &Scope) -> bool {
        std::ptr::eq(self, other) || self.parent.as_ref().is_some_and(|parent| parent.is_in(other))
    }

    /// Marks the scope as cancelled. Returns false if it already was.
    pub(crate) fn set_cancelled(&self, reason: &str) -> bool {
        let mut cancelled = self.cancelled.borrow_mut();
        if cancelled.is_some() {
            return false;
        }
        *cancelled = Some(reason.into());
        true
    }
}

/// A part of a workflow that can be cancelled on its own.
///
/// ```
/// # use abide::prelude::*;
/// # #[activity] async fn book(hotel: String) -> Result<(), ActivityError> { Ok(()) }
/// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
/// let scope = ctx.cancellation_scope();
/// let booking = scope.run(async { ctx.activity(book, "Ritz".into()).start_to_close_timeout(mins(1)).await });
/// abide::select! {
///     booked = booking => booked?,
///     slept = ctx.timer(mins(10)) => { slept?; scope.cancel_with_reason("took too long"); },
/// }
/// # Ok(()) }
/// ```
#[must_use = "a cancellation scope does nothing until it runs a future"]
pub struct CancellationScope {
    shared: Rc<RunState>,
    scope: Rc<Scope>,
}

debug_only!(impl[] CancellationScope, |this| { is_cancelled: this.is_cancelled() });

impl CancellationScope {
    /// Runs a future in this scope: operations that it begins are cancelled with the scope.
    ///
    /// A call begins when it is first awaited, and so in this scope. A handle (from `start()` or `spawn`) stays in the
    /// scope in which it was created.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        in_scope(self.shared.clone(), self.scope.clone(), future)
    }

    /// Cancels the pending operations of this scope. Operations that begin in it later fail at once. An operation whose
    /// handle was detached is in no scope; a branch stays in the scope it was spawned in.
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_with_reason("");
    }

    /// Like [`cancel`](Self::cancel), with a reason for the errors that follow and for child workflows.
    #[track_caller]
    pub fn cancel_with_reason(&self, reason: impl Into<String>) {
        self.shared.must_not_be_read_only("a cancellation");
        self.shared.cancel_scope(&self.scope, &reason.into());
    }

    /// Returns true if this scope, or one around it, was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.scope.cancelled().is_some()
    }
}

impl WorkflowContext {
    /// Creates a scope within the current one, which can be cancelled on its own.
    pub fn cancellation_scope(&self) -> CancellationScope {
        let scope = Scope::within(self.shared.current_scope.borrow().clone());
        CancellationScope { shared: self.shared.clone(), scope }
    }

    /// Runs a future outside all scopes, for cleanup that a request to cancel the workflow must not reach.
    pub fn shielded<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        in_scope(self.shared.clone(), Scope::root(), future)
    }

    /// Returns true if the current scope was cancelled. In the main routine this means that cancellation of the
    /// workflow was requested. The handler of a signal or an update goes on after such a request: its scope is not
    /// cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled_here().is_some()
    }

    /// Waits until the current scope is cancelled, and yields the reason. The scope is that of the first await, so
    /// `scope.run(ctx.cancelled())` waits for `scope`.
    #[track_caller]
    pub fn cancelled(&self) -> impl Future<Output = Cancelled> + use<> {
        UntilCancelled { shared: self.shared.clone(), scope: None, key: None, location: Location::caller() }
    }

    /// Awaits a future that knows nothing of cancellation, such as a lock or a channel of tokio. Yields [`Cancelled`] if
    /// the current scope is cancelled first. The future is then dropped.
    ///
    /// If the output is there, it is yielded, even in a scope that is cancelled. Timers, activities and all other
    /// operations of this context need no `or_cancelled`: they notice cancellation themselves.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext, seats: &tokio::sync::Mutex<u32>) -> Result<(), WorkflowError> {
    /// let mut free = ctx.or_cancelled(seats.lock()).await?;
    /// *free -= 1;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn or_cancelled<F: Future>(&self, future: F) -> impl Future<Output = Result<F::Output, Cancelled>> + use<F> {
        let cancelled = self.cancelled();
        async move {
            let (mut future, mut cancelled) = (pin!(future), pin!(cancelled));
            poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => cancelled.as_mut().poll(cx).map(Err),
            })
            .await
        }
    }
}

/// Futures that wait for the cancellation of their scope.
#[derive(Debug, Default)]
pub(crate) struct CancelWaiters {
    /// `None` until the first wait, because most runs have none.
    waiting: Option<Box<Slab<CancelWaiter>>>,
    begun: u64,
}

#[derive(Debug)]
struct CancelWaiter {
    /// Number in the order of beginning.
    number: u64,
    scope: Rc<Scope>,
    waker: Waker,
    location: &'static Location<'static>,
    /// The message whose handler waits; `None` in the main routine.
    message: Option<Rc<InboundMessage>>,
}

impl CancelWaiters {
    /// Wakes the futures that wait for this scope or for one within it, in the order in which the waits began.
    pub(super) fn wake(&mut self, scope: &Scope) {
        let hit = self.in_order(|waiter| waiter.scope.is_in(scope)).into_iter().map(|(key, _)| key);
        for key in hit.collect::<Vec<Key>>() {
            if let Some(waiter) = self.leave(key) {
                waiter.waker.wake();
            }
        }
    }

    /// The waiting statements and the messages whose handlers wait there, in the order in which the waits began.
    pub(crate) fn statements(&self) -> impl Iterator<Item = (Option<&InboundMessage>, &'static Location<'static>)> {
        self.in_order(|_| true).into_iter().map(|(_, waiter)| (waiter.message.as_deref(), waiter.location))
    }

    /// Number of waiting futures.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.len())
    }

    fn in_order(&self, such: impl Fn(&CancelWaiter) -> bool) -> Vec<(Key, &CancelWaiter)> {
        let all = self.waiting.iter().flat_map(|waiting| waiting.iter());
        let mut found: Vec<(Key, &CancelWaiter)> = all.filter(|(_, waiter)| such(waiter)).collect();
        found.sort_unstable_by_key(|(_, waiter)| waiter.number);
        found
    }

    fn get_mut(&mut self, key: Option<Key>) -> Option<&mut CancelWaiter> {
        self.waiting.as_mut()?.get_mut(key?)
    }

    /// Adds a wait under a new number. Returns its key.
    fn file(&mut self, waiter: CancelWaiter) -> Key {
        self.begun += 1;
        let number = self.begun;
        self.waiting.get_or_insert_default().insert(CancelWaiter { number, ..waiter })
    }

    fn leave(&mut self, key: Key) -> Option<CancelWaiter> {
        self.waiting.as_mut()?.remove(key)
    }
}

/// Waits for the cancellation of a scope.
struct UntilCancelled {
    shared: Rc<RunState>,
    /// Set by the first poll.
    scope: Option<Rc<Scope>>,
    key: Option<Key>,
    location: &'static Location<'static>,
}

impl Future for UntilCancelled {
    type Output = Cancelled;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cancelled> {
        let this = self.get_mut();
        let scope = this.scope.get_or_insert_with(|| this.shared.current_scope.borrow().clone());
        if let Some(reason) = scope.cancelled() {
            return Poll::Ready(Cancelled::new(&*reason));
        }
        let waiters = &mut this.shared.operation_state.borrow_mut().cancel_waiters;
        match waiters.get_mut(this.key) {
            Some(waiter) => waiter.waker.clone_from(cx.waker()),
            None => {
                let (scope, waker, location) = (scope.clone(), cx.waker().clone(), this.location);
                let message = this.shared.current_message.borrow().clone();
                this.key = Some(waiters.file(CancelWaiter { number: 0, scope, waker, location, message }));
            }
        }
        Poll::Pending
    }
}

impl Drop for UntilCancelled {
    fn drop(&mut self) {
        if let Some(key) = self.key
            && let Ok(mut core) = self.shared.operation_state.try_borrow_mut()
        {
            core.cancel_waiters.leave(key);
        }
    }
}

/// Polls a future with `scope` as the current one.
pub(super) fn in_scope<F: Future>(
    shared: Rc<RunState>,
    scope: Rc<Scope>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    Scoped { shared, scope, future: Some(Box::pin(future)) }
}

struct Scoped<F> {
    shared: Rc<RunState>,
    scope: Rc<Scope>,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _entered = Entered::new(&this.shared, &this.scope);
        let future = this.future.as_mut().expect("a future in a cancellation scope was awaited again after it had ended: keep the outcome of the first await");
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            this.future = None;
        }
        polled
    }
}

/// Guard that makes a scope the current one while it lives. As a guard it also restores the outer scope after a panic
/// that the author's code catches.
struct Entered<'a> {
    shared: &'a RunState,
    outer: Rc<Scope>,
}

impl<'a> Entered<'a> {
    fn new(shared: &'a RunState, scope: &Rc<Scope>) -> Self {
        Self { shared, outer: shared.current_scope.replace(scope.clone()) }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.shared.current_scope.replace(self.outer.clone());
    }
}
