//! Waiting until something about the workflow's state is true.
//!
//! A condition is a closure over the author's own state, so nobody can tell which change makes it true. After each
//! round of progress the runtime therefore asks all pending conditions again, in the order in which they began.
//!
//! SDKs differ in the rest ([`ConditionOrder`]), and a replayed task is run as the one that recorded it would. The
//! closures live in the authors' futures. So where conditions are asked apart from going on, their routines are polled
//! twice: once to answer, and then to go on.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::cancellation::Scope;
use super::context::WorkflowContext;
use super::shared::Shared;
use super::timer::TimerHandle;
use crate::failure::Cancelled;

/// When the conditions of a run are asked, and how many of them are met at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConditionOrder {
    /// Each in its routine's turn: when code goes on its condition is true, whatever the routines before it did. A wait
    /// for what is true already does not give way. Ours and the official Rust SDK's.
    #[default]
    InTurn,
    /// All at one moment, when nothing else moves. Those that are true are met, even if the first routine that goes on
    /// makes the others false again. Every wait gives way until then. Python's, and .NET's before its language flag 2.
    AllAtRest,
    /// The same, but a wait for what is true already gives way only once: TypeScript's.
    AllGivingWayOnce,
    /// When nothing else moves, the first one that is true; then from the first again. Every wait gives way until then.
    /// Ruby's, and .NET's with its language flag 2.
    FirstAtRest,
}

/// Conditions that were asked and are not true yet.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// How those that are polled now are asked.
    pub(crate) order: ConditionOrder,
    /// True if a wait that is over is still cancelled when the workflow's cancellation was requested meanwhile.
    pub(crate) end_by_request: bool,
    waiting: Vec<Waiting>,
    next_id: u64,
    /// In turn: whether one was found true since they were last asked.
    met: bool,
    /// Whether routines are polled only for the answers of their conditions.
    asking: bool,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    waker: Waker,
    location: &'static Location<'static>,
    scope: Rc<Scope>,
    /// It was found true, and its routine goes on with its next turn.
    met: bool,
}

impl Conditions {
    /// Wakes all who wait, to ask their conditions again.
    pub(crate) fn ask_again(&mut self) {
        self.met = false;
        self.waiting.iter().for_each(|waiting| waiting.waker.wake_by_ref());
    }

    /// Whether a condition was found true since they were last asked.
    pub(crate) fn any_met(&self) -> bool {
        self.met
    }

    /// As [`Self::ask_again`]; until [`Self::go_on`], whoever is polled answers and does not go on.
    pub(crate) fn ask_apart(&mut self) {
        self.asking = true;
        self.waiting.iter().filter(|waiting| !waiting.met).for_each(|waiting| waiting.waker.wake_by_ref());
    }

    /// Wakes those who go on; says whether there is one.
    pub(crate) fn go_on(&mut self) -> bool {
        self.asking = false;
        let mut met = self.waiting.iter_mut().filter(|waiting| waiting.met);
        let Some(first) = met.next() else { return false };
        first.waker.wake_by_ref();
        for waiting in met {
            match self.order {
                ConditionOrder::FirstAtRest => waiting.met = false,
                _ => waiting.waker.wake_by_ref(),
            }
        }
        true
    }

    /// A scope was cancelled: who waits in it need not be asked before it goes on.
    pub(super) fn cancelled(&self, scope: &Scope) {
        if self.order != ConditionOrder::InTurn {
            let hit = self.waiting.iter().filter(|waiting| waiting.scope.is_in(scope));
            hit.for_each(|waiting| waiting.waker.wake_by_ref());
        }
    }

    /// The statements that wait, in the order in which they began.
    pub(crate) fn locations(&self) -> impl Iterator<Item = &'static Location<'static>> + '_ {
        self.waiting.iter().map(|waiting| waiting.location)
    }

    fn get_mut(&mut self, id: Option<u64>) -> Option<&mut Waiting> {
        // Ids only grow, so those who wait are in their order.
        let at = self.waiting.binary_search_by_key(&id?, |waiting| waiting.id).ok()?;
        self.waiting.get_mut(at)
    }

    fn file(&mut self, waker: Waker, scope: Rc<Scope>, location: &'static Location<'static>, met: bool) -> u64 {
        self.next_id += 1;
        self.waiting.push(Waiting { id: self.next_id, waker, location, scope, met });
        self.next_id
    }

    fn leave(&mut self, id: &mut Option<u64>) {
        if let Some(id) = id.take()
            && let Ok(at) = self.waiting.binary_search_by_key(&id, |waiting| waiting.id)
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
    /// The scope of the first poll, which it stays in.
    scope: Option<Rc<Scope>>,
    /// True if the workflow's cancellation was requested before the wait began.
    after_request: bool,
    location: &'static Location<'static>,
}

impl WorkflowContext {
    /// Waits until `condition` is true. It is asked again after every change that the workflow's code can have made,
    /// so it must be quick and change nothing. Pending conditions are asked in the order in which they began.
    ///
    /// When the code goes on, the condition is true, whatever others did before; if it is true already, the code goes on
    /// at once. (A replayed task that another SDK recorded goes on as it did there: see
    /// [`ConditionOrder`](crate::ConditionOrder).) Yields [`Cancelled`] if the current scope is cancelled first.
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
        let (shared, location) = (self.shared.clone(), Location::caller());
        let wait = Wait { shared, id: None, scope: None, after_request: false, location };
        WaitUntil { condition, wait }
    }
}

impl<F: FnMut() -> bool> WaitUntil<F> {
    /// Waits no longer than `timeout`: the result is then `Ok(false)`, and `Ok(true)` once the condition is true, also if
    /// the time is over in the same moment. A timeout of zero is a timer too, which fires in a later workflow task.
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
        let start = || match timeout.is_zero() && !shared.zero_timeout_is_command() {
            true => TimerHandle::fired_at_once(),
            false => TimerHandle::start(shared.clone(), timeout, summary.take(), location),
        };
        let timer = this.timer.get_or_insert_with(start);
        let met = this.wait.poll(&mut this.condition, cx.waker());
        if met.is_ready() {
            this.timer = None;
            return met.map(|met| met.map(|()| true));
        }
        let fired = std::task::ready!(Pin::new(timer).poll(cx));
        this.timer = None;
        this.wait.leave();
        let ended = this.wait.ended_by_request().map_or(fired, Err);
        Poll::Ready(ended.map(|()| false))
    }
}

impl Wait {
    fn poll(&mut self, condition: impl FnMut() -> bool, waker: &Waker) -> Poll<Result<(), Cancelled>> {
        let begun = self.scope.is_some();
        let scope = self.scope.get_or_insert_with(|| self.shared.current_scope.borrow().clone());
        let cancelled = scope.cancelled();
        if !begun {
            self.after_request = self.shared.root_scope.cancelled().is_some();
        }
        if let Some(reason) = cancelled.as_ref().filter(|_| !begun) {
            return Poll::Ready(Err(Cancelled::new(&**reason)));
        }
        let order = self.shared.core.borrow().conditions.order;
        let polled = match order {
            ConditionOrder::InTurn => self.in_turn(condition, cancelled, waker),
            ConditionOrder::AllGivingWayOnce => self.apart(condition, cancelled, waker, !begun),
            ConditionOrder::AllAtRest | ConditionOrder::FirstAtRest => self.apart(condition, cancelled, waker, false),
        };
        if polled.is_ready() {
            self.leave();
            self.shared.core.borrow_mut().conditions.met = true;
        }
        match self.ended_by_request() {
            Some(cancelled) if polled == Poll::Ready(Ok(())) => Poll::Ready(Err(cancelled)),
            _ => polled,
        }
    }

    /// The cancellation of a wait during which the workflow's cancellation was requested, where it ends by that.
    fn ended_by_request(&self) -> Option<Cancelled> {
        if self.after_request || !self.shared.core.borrow().conditions.end_by_request {
            return None;
        }
        self.shared.root_scope.cancelled().map(|reason| Cancelled::new(&*reason))
    }

    fn in_turn(
        &mut self,
        mut condition: impl FnMut() -> bool,
        cancelled: Option<Rc<str>>,
        waker: &Waker,
    ) -> Poll<Result<(), Cancelled>> {
        if condition() {
            return Poll::Ready(Ok(()));
        }
        if let Some(reason) = cancelled {
            return Poll::Ready(Err(Cancelled::new(&*reason)));
        }
        self.wait(waker, false);
        Poll::Pending
    }

    /// Answers and goes on in different turns. With `at_once` the first turn answers too.
    fn apart(
        &mut self,
        mut condition: impl FnMut() -> bool,
        cancelled: Option<Rc<str>>,
        waker: &Waker,
        at_once: bool,
    ) -> Poll<Result<(), Cancelled>> {
        let (asking, met) = {
            let conditions = &mut self.shared.core.borrow_mut().conditions;
            (conditions.asking, conditions.get_mut(self.id).is_some_and(|waiting| waiting.met))
        };
        match cancelled {
            _ if met && !asking => return Poll::Ready(Ok(())),
            Some(reason) if !met => return Poll::Ready(Err(Cancelled::new(&*reason))),
            _ => {}
        }
        let met = met || ((asking || at_once) && condition());
        self.wait(waker, met);
        if met && !asking {
            waker.wake_by_ref();
        }
        Poll::Pending
    }

    fn wait(&mut self, waker: &Waker, met: bool) {
        let conditions = &mut self.shared.core.borrow_mut().conditions;
        match conditions.get_mut(self.id) {
            Some(waiting) => {
                waiting.met = met;
                if !waiting.waker.will_wake(waker) {
                    waiting.waker = waker.clone();
                }
            }
            None => {
                let scope = self.scope.clone().expect("a condition has its scope since its first poll");
                self.id = Some(conditions.file(waker.clone(), scope, self.location, met));
            }
        }
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
