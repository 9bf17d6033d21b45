//! Conditions: waiting until something about the workflow's state is true.
//!
//! A condition is a closure over the author's own state, so the runtime cannot know which change makes it true. It asks
//! all pending conditions again after each round of progress, in the order in which they began.
//!
//! SDKs differ in the rest ([`ConditionOrder`]), and a replayed task runs in the order of the SDK that recorded it. The
//! closures live in the authors' futures. So where a condition is asked apart from going on, its routine is polled
//! twice: once to answer, and once to go on.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::cancellation::Scope;
use super::context::WorkflowContext;
use super::inbound_message::InboundMessage;
use super::run_state::RunState;
use super::timer::TimerHandle;
use crate::debug_only::debug_only;
use crate::failure::Cancelled;

/// Moment at which the conditions of a run are asked, and number of conditions that are met at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConditionOrder {
    /// Each in its routine's turn. When code goes on its condition is true, whatever the routines before it did. A wait
    /// for a condition that is already true does not give way. The order of Abide and of the official Rust SDK.
    #[default]
    InTurn,
    /// All at one moment, when nothing else makes progress. Those that are true are met, even if the first routine that
    /// goes on makes the others false again. Every wait gives way until then. The order of Python, and of .NET before
    /// its language flag 2.
    AllAtRest,
    /// Like [`AllAtRest`](Self::AllAtRest), but a wait for a condition that is already true gives way only once. The
    /// order of TypeScript.
    AllGivingWayOnce,
    /// The first one that is true when nothing else makes progress, and after it the first one again. Every wait gives
    /// way until then. The order of Ruby, and of .NET with its language flag 2.
    FirstAtRest,
}

/// Conditions that were asked and are not true yet.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// Order for the conditions that are polled now.
    pub(crate) order: ConditionOrder,
    /// True if a wait that is over still ends as cancelled when cancellation of the workflow was requested meanwhile.
    pub(crate) end_by_request: bool,
    waiting: Vec<Waiting>,
    next_id: u64,
    /// With `InTurn`: true if a condition was found true since they were last asked.
    met: bool,
    /// True while routines are polled only for the answers of their conditions.
    asking: bool,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    waker: Waker,
    location: &'static Location<'static>,
    scope: Rc<Scope>,
    /// The message whose handler waits; `None` in the main routine.
    message: Option<Rc<InboundMessage>>,
    /// True if the condition was found true: its routine goes on in its next turn.
    met: bool,
}

impl Conditions {
    /// Wakes all waiting routines, to ask their conditions again.
    pub(crate) fn ask_again(&mut self) {
        self.met = false;
        self.waiting.iter().for_each(|waiting| waiting.waker.wake_by_ref());
    }

    /// Returns true if a condition was found true since they were last asked.
    pub(crate) fn any_met(&self) -> bool {
        self.met
    }

    /// Like [`Self::ask_again`], but until [`Self::go_on`] a polled routine only answers and does not go on.
    pub(crate) fn ask_apart(&mut self) {
        self.asking = true;
        self.waiting.iter().filter(|waiting| !waiting.met).for_each(|waiting| waiting.waker.wake_by_ref());
    }

    /// Wakes the routines that go on. Returns false if there is none.
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

    /// Wakes the waits in a cancelled scope, which go on without being asked.
    pub(super) fn cancelled(&self, scope: &Scope) {
        if self.order != ConditionOrder::InTurn {
            let hit = self.waiting.iter().filter(|waiting| waiting.scope.is_in(scope));
            hit.for_each(|waiting| waiting.waker.wake_by_ref());
        }
    }

    /// The waiting statements and the messages whose handlers wait there, in the order in which the waits began.
    pub(crate) fn statements(&self) -> impl Iterator<Item = (Option<&InboundMessage>, &'static Location<'static>)> {
        self.waiting.iter().map(|waiting| (waiting.message.as_deref(), waiting.location))
    }

    fn get_mut(&mut self, id: Option<u64>) -> Option<&mut Waiting> {
        // Ids only grow, so `waiting` is sorted by id.
        let at = self.waiting.binary_search_by_key(&id?, |waiting| waiting.id).ok()?;
        self.waiting.get_mut(at)
    }

    /// Adds a wait under a new id, which it returns.
    fn file(&mut self, waiting: Waiting) -> u64 {
        self.next_id += 1;
        if self.waiting.is_empty() {
            // Most runs wait for one condition, and a vector would begin with room for four.
            self.waiting.reserve_exact(1);
        }
        self.waiting.push(Waiting { id: self.next_id, ..waiting });
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
#[must_use = "a condition is not waited for unless this is awaited"]
pub struct WaitUntil<F> {
    condition: F,
    wait: Wait,
}

/// Waits until a condition is true, for a limited time. Made by [`WaitUntil::timeout`].
#[must_use = "a condition is not waited for unless this is awaited"]
pub struct WaitUntilTimeout<F> {
    condition: F,
    wait: Wait,
    timeout: Duration,
    summary: Option<String>,
    timer: Option<TimerHandle>,
}

struct Wait {
    shared: Rc<RunState>,
    id: Option<u64>,
    /// Scope of the first poll, in which the wait stays.
    scope: Option<Rc<Scope>>,
    /// True if the workflow's cancellation was requested before the wait began.
    after_request: bool,
    location: &'static Location<'static>,
}

debug_only!(impl[F] WaitUntil<F>, |this| { location: this.wait.location });

debug_only!(impl[F] WaitUntilTimeout<F>, |this| { timeout: this.timeout, location: this.wait.location });

impl WorkflowContext {
    /// Waits until `condition` is true. It is asked again after every change that the workflow's code may have made, so
    /// it must be quick and change nothing. Pending conditions are asked in the order in which they began.
    ///
    /// The condition is true when the code goes on, whatever other routines did before. If it is already true, the code
    /// goes on at once. (A replayed task that another SDK recorded goes on as it did there: see
    /// [`ConditionOrder`].) Yields [`Cancelled`] if the current scope is cancelled first.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # struct Cart { items: State<Vec<String>> }
    /// # impl Cart { async fn body(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.wait_until(|| self.items.read().len() >= 3).await?;
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
    /// Limits the wait to `timeout`. The result is `Ok(true)` once the condition is true, also if the time is over at
    /// the same moment, and `Ok(false)` otherwise. A timeout of zero is a timer too, which fires in a later workflow
    /// task.
    pub fn timeout(self, timeout: Duration) -> WaitUntilTimeout<F> {
        let Self { condition, wait } = self;
        WaitUntilTimeout { condition, wait, timeout, summary: None, timer: None }
    }
}

impl<F: FnMut() -> bool> WaitUntilTimeout<F> {
    /// Sets a short text about the timer for people who look at the workflow.
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
        // The timer starts first, also if the condition is already true, because its number is taken in any case.
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
        let order = self.shared.operation_state.borrow().conditions.order;
        let polled = match order {
            ConditionOrder::InTurn => self.in_turn(condition, cancelled, waker),
            ConditionOrder::AllGivingWayOnce => self.apart(condition, cancelled, waker, !begun),
            ConditionOrder::AllAtRest | ConditionOrder::FirstAtRest => self.apart(condition, cancelled, waker, false),
        };
        if polled.is_ready() {
            self.leave();
            self.shared.operation_state.borrow_mut().conditions.met = true;
        }
        match self.ended_by_request() {
            Some(cancelled) if polled == Poll::Ready(Ok(())) => Poll::Ready(Err(cancelled)),
            _ => polled,
        }
    }

    /// Returns the cancellation by which a wait ends if the workflow's cancellation was requested meanwhile and the
    /// order of this task says so.
    fn ended_by_request(&self) -> Option<Cancelled> {
        if self.after_request || !self.shared.operation_state.borrow().conditions.end_by_request {
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

    /// Answers in one turn and goes on in another. With `at_once` the first turn answers too.
    fn apart(
        &mut self,
        mut condition: impl FnMut() -> bool,
        cancelled: Option<Rc<str>>,
        waker: &Waker,
        at_once: bool,
    ) -> Poll<Result<(), Cancelled>> {
        let (asking, met) = {
            let conditions = &mut self.shared.operation_state.borrow_mut().conditions;
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
        let conditions = &mut self.shared.operation_state.borrow_mut().conditions;
        match conditions.get_mut(self.id) {
            Some(waiting) => {
                waiting.met = met;
                if !waiting.waker.will_wake(waker) {
                    waiting.waker = waker.clone();
                }
            }
            None => {
                let scope = self.scope.clone().expect("a condition has its scope since its first poll");
                let (waker, location) = (waker.clone(), self.location);
                let message = self.shared.current_message.borrow().clone();
                self.id = Some(conditions.file(Waiting { id: 0, waker, location, scope, message, met }));
            }
        }
    }

    fn leave(&mut self) {
        if self.id.is_some()
            && let Ok(mut core) = self.shared.operation_state.try_borrow_mut()
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
