//! A timer whose deadline can be moved while somebody waits for it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use super::wait_list::WaitList;
use crate::failure::Cancelled;
use crate::workflow::context::WorkflowContext;
use crate::workflow::timer::TimerHandle;

/// A timer whose deadline can be moved. Made by [`WorkflowContext::updatable_timer`]. Clones are the same timer.
#[derive(Clone)]
#[must_use = "an updatable timer does nothing until its `wait()` is awaited"]
pub struct UpdatableTimer {
    inner: Rc<Inner>,
}

struct Inner {
    ctx: WorkflowContext,
    deadline: Cell<SystemTime>,
    summary: RefCell<Option<String>>,
    waiting: RefCell<WaitList>,
}

impl WorkflowContext {
    /// Creates a timer whose deadline can be moved, for example by a signal handler, while the workflow waits for it.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let reminder = ctx.updatable_timer(ctx.now() + days(30));
    /// let postpone = reminder.clone(); // A handler may hold it too.
    /// postpone.set_deadline(postpone.deadline() + days(7));
    /// reminder.wait().await?;
    /// # Ok(()) }
    /// ```
    pub fn updatable_timer(&self, deadline: SystemTime) -> UpdatableTimer {
        let (deadline, summary, waiting) = (Cell::new(deadline), RefCell::default(), RefCell::default());
        UpdatableTimer { inner: Rc::new(Inner { ctx: self.clone(), deadline, summary, waiting }) }
    }
}

impl UpdatableTimer {
    /// Sets a short text about the server's timers for people who look at the workflow.
    pub fn summary(self, summary: impl Into<String>) -> Self {
        self.inner.summary.replace(Some(summary.into()));
        self
    }

    /// Returns the time for which [`wait`](Self::wait) waits.
    pub fn deadline(&self) -> SystemTime {
        self.inner.deadline.get()
    }

    /// Moves the deadline, to an earlier or a later time. A wait that runs cancels its timer on the server and starts
    /// another, or ends at once if the new deadline has passed. The same deadline again changes nothing.
    #[track_caller]
    pub fn set_deadline(&self, deadline: SystemTime) {
        self.inner.ctx.shared.must_not_be_read_only("a new deadline of a timer");
        if self.inner.deadline.replace(deadline) != deadline {
            self.inner.waiting.borrow_mut().wake_all();
        }
    }

    /// Waits until the workflow's time has reached the deadline that is set then.
    ///
    /// Each wait has a timer of its own on the server, and none if the deadline has passed. Dropping the wait cancels
    /// its timer.
    ///
    /// # Errors
    /// Returns [`Cancelled`] if the current scope is cancelled first.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = Result<(), Cancelled>> + Unpin + use<> {
        Wait { inner: self.inner.clone(), location: Location::caller(), has_begun: false, timer: None, id: None }
    }
}

impl fmt::Debug for UpdatableTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdatableTimer").field("deadline", &self.deadline()).finish_non_exhaustive()
    }
}

struct Wait {
    inner: Rc<Inner>,
    location: &'static Location<'static>,
    has_begun: bool,
    /// The server's timer, and the deadline for which it was started.
    timer: Option<(SystemTime, TimerHandle)>,
    id: Option<u64>,
}

impl Wait {
    fn start_timer(&mut self, now: SystemTime, deadline: SystemTime) -> &mut TimerHandle {
        // The old one is cancelled before the new one starts.
        self.timer = None;
        let duration = deadline.duration_since(now).unwrap_or_default();
        let (shared, summary) = (self.inner.ctx.shared.clone(), self.inner.summary.borrow().clone());
        let timer = TimerHandle::start(shared, duration, summary, self.location);
        &mut self.timer.insert((deadline, timer)).1
    }
}

impl Future for Wait {
    type Output = Result<(), Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if !std::mem::replace(&mut this.has_begun, true)
            && let Some(reason) = this.inner.ctx.shared.cancelled_here()
        {
            return Poll::Ready(Err(Cancelled::new(&*reason)));
        }
        let (now, deadline) = (this.inner.ctx.now(), this.inner.deadline.get());
        if now >= deadline {
            this.timer = None;
            return Poll::Ready(Ok(()));
        }
        let is_for_deadline = this.timer.as_ref().is_some_and(|(of, _)| *of == deadline);
        let timer = match &mut this.timer {
            Some((_, timer)) if is_for_deadline => timer,
            _ => this.start_timer(now, deadline),
        };
        // A timer that has fired counts, even if the server that started it and the one that fired it disagree about the
        // time.
        let ended = Pin::new(timer).poll(cx);
        match ended.is_ready() {
            true => this.timer = None,
            false => this.inner.waiting.borrow_mut().wait(&mut this.id, cx.waker()),
        }
        ended
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.inner.waiting.borrow_mut().leave(&mut self.id);
    }
}
