//! Waiting until something about the workflow's state is true.
//!
//! A condition is a closure over the author's own state, so nobody can tell which change makes it true. After each
//! round of progress the runtime therefore asks all pending conditions again, in the order in which they began.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::context::WorkflowContext;
use super::shared::Shared;
use super::timer::TimerHandle;
use crate::failure::Cancelled;

/// Conditions that were asked and are not true yet.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    waiting: Vec<(u64, Waker, &'static Location<'static>)>,
    next_id: u64,
    met: bool,
}

impl Conditions {
    /// Wakes all who wait, to ask their conditions again.
    pub(crate) fn ask_again(&mut self) {
        self.met = false;
        self.waiting.iter().for_each(|(_, waker, _)| waker.wake_by_ref());
    }

    /// Whether a condition was found true since they were last asked.
    pub(crate) fn any_met(&self) -> bool {
        self.met
    }

    /// The statements that wait, in the order in which they began.
    pub(crate) fn locations(&self) -> impl Iterator<Item = &'static Location<'static>> + '_ {
        self.waiting.iter().map(|(_, _, location)| *location)
    }

    fn wait(&mut self, id: &mut Option<u64>, waker: &Waker, location: &'static Location<'static>) {
        match *id {
            Some(id) => {
                // Ids only grow, so those who wait are in their order.
                if let Ok(at) = self.waiting.binary_search_by_key(&id, |(waiting, ..)| *waiting)
                    && !self.waiting[at].1.will_wake(waker)
                {
                    self.waiting[at].1 = waker.clone();
                }
            }
            None => {
                self.next_id += 1;
                *id = Some(self.next_id);
                self.waiting.push((self.next_id, waker.clone(), location));
            }
        }
    }

    fn leave(&mut self, id: &mut Option<u64>) {
        if let Some(id) = id.take()
            && let Ok(at) = self.waiting.binary_search_by_key(&id, |(waiting, ..)| *waiting)
        {
            self.waiting.remove(at);
        }
    }
}

/// Waits until a condition is true. Made by [`WorkflowContext::wait_until`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitUntil<F> {
    condition: F,
    wait: Wait,
}

/// Waits until a condition is true, but not longer than a time. Made by [`WaitUntil::timeout`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitUntilTimeout<F> {
    condition: F,
    wait: Wait,
    timeout: Duration,
    summary: Option<String>,
    timer: Option<TimerHandle>,
}

struct Wait {
    shared: Rc<Shared>,
    id: Option<u64>,
    begun: bool,
    location: &'static Location<'static>,
}

impl WorkflowContext {
    /// Waits until `condition` is true. It is asked again after every change that the workflow's code can have made,
    /// so it must be quick and change nothing. Pending conditions are asked in the order in which they began.
    ///
    /// Yields [`Cancelled`] if the current scope is cancelled first.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # struct Cart { items: State<Vec<String>> }
    /// # impl Cart { async fn body(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.wait_until(|| self.items.with(|items| items.len() >= 3)).await?;
    /// # Ok(()) } }
    /// ```
    #[track_caller]
    pub fn wait_until<F: FnMut() -> bool>(&self, condition: F) -> WaitUntil<F> {
        let wait = Wait { shared: self.shared.clone(), id: None, begun: false, location: Location::caller() };
        WaitUntil { condition, wait }
    }
}

impl<F: FnMut() -> bool> WaitUntil<F> {
    /// Waits no longer than `timeout`: the result is then `Ok(false)`, and `Ok(true)` once the condition is true.
    pub fn timeout(self, timeout: Duration) -> WaitUntilTimeout<F> {
        let Self { condition, wait } = self;
        WaitUntilTimeout { condition, wait, timeout, summary: None, timer: None }
    }
}

impl<F: FnMut() -> bool> WaitUntilTimeout<F> {
    /// A short text about the timer for people who look at the workflow.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }
}

impl<F: FnMut() -> bool + Unpin> Future for WaitUntil<F> {
    type Output = Result<(), Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.wait.poll(&mut this.condition, cx.waker())
    }
}

impl<F: FnMut() -> bool + Unpin> Future for WaitUntilTimeout<F> {
    type Output = Result<bool, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (timeout, location, shared, summary) =
            (this.timeout, this.wait.location, &this.wait.shared, &mut this.summary);
        // The timer comes first, also if the condition is true already: its number is taken in any case.
        let start = || TimerHandle::start(shared.clone(), timeout, summary.take(), location);
        let timer = this.timer.get_or_insert_with(start);
        let met = this.wait.poll(&mut this.condition, cx.waker());
        if met.is_ready() {
            this.timer = None;
            return met.map(|met| met.map(|()| true));
        }
        let fired = std::task::ready!(Pin::new(timer).poll(cx));
        this.timer = None;
        this.wait.leave();
        Poll::Ready(fired.map(|()| false))
    }
}

impl Wait {
    fn poll(&mut self, mut condition: impl FnMut() -> bool, waker: &Waker) -> Poll<Result<(), Cancelled>> {
        let cancelled = self.shared.cancelled_here();
        let begun = std::mem::replace(&mut self.begun, true);
        if let Some(reason) = cancelled.as_ref().filter(|_| !begun) {
            return Poll::Ready(Err(Cancelled::new(&**reason)));
        }
        if condition() {
            self.leave();
            self.shared.core.borrow_mut().conditions.met = true;
            return Poll::Ready(Ok(()));
        }
        if let Some(reason) = cancelled {
            self.leave();
            self.shared.core.borrow_mut().conditions.met = true;
            return Poll::Ready(Err(Cancelled::new(&*reason)));
        }
        self.shared.core.borrow_mut().conditions.wait(&mut self.id, waker, self.location);
        Poll::Pending
    }

    fn leave(&mut self) {
        if self.id.is_some()
            && let Ok(mut core) = self.shared.core.try_borrow_mut()
        {
            core.conditions.leave(&mut self.id);
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.leave();
    }
}
