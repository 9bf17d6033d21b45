//! Task groups: branches that belong together, and that end with the group at the latest.
//!
//! The group refers to its branches weakly: the run's routines own them, and a branch may own the group. So a run that is
//! dropped frees both. A branch whose group is gone ends at its next turn, which it gets at once.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use super::wait_list::WaitList;
use crate::failure::WorkflowError;
use crate::workflow::cancellation::CancellationScope;
use crate::workflow::context::WorkflowContext;

/// The reason for which the branches beside a failed one are cancelled.
const FAILED: &str = "another branch of the task group failed";

/// Branches that belong together. Made by [`WorkflowContext::task_group`].
///
/// Dropping the group drops the branches that still run, at once. That cancels their timers and activities, so no branch
/// outlives its group. (A branch that drops its own group ends at its next await. In a query handler, which changes
/// nothing, dropping a group drops nothing.)
///
/// A group can be shared: put it into an `Rc` or into the workflow's struct, so that handlers or the branches themselves
/// spawn more. A branch that holds the `Rc` keeps the group. What a branch starts with
/// [`ctx.spawn`](WorkflowContext::spawn) is not part of the group.
#[must_use = "dropping a task group drops its branches, which cancels what they wait for"]
pub struct TaskGroup<T, E = WorkflowError> {
    ctx: WorkflowContext,
    scope: CancellationScope,
    members: Rc<RefCell<Members<T, E>>>,
}

impl WorkflowContext {
    /// Creates a group of branches, in a cancellation scope of its own within the current one.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn resize(image: String) -> Result<u64, ActivityError> { Ok(1) }
    /// # async fn body(ctx: &WorkflowContext, images: Vec<String>) -> Result<(), WorkflowError> {
    /// let group = ctx.task_group();
    /// for image in images {
    ///     let ctx = ctx.clone();
    ///     group.spawn(async move {
    ///         let bytes = ctx.activity(resize, image).start_to_close_timeout(mins(1)).await?;
    ///         Ok::<u64, WorkflowError>(bytes)
    ///     });
    /// }
    /// // In the order of spawning. If one fails, the others are cancelled, and `?` returns its error.
    /// let sizes: Vec<u64> = group.join_all().await?;
    /// # let _ = sizes; Ok(()) }
    /// ```
    pub fn task_group<T: 'static, E: 'static>(&self) -> TaskGroup<T, E> {
        TaskGroup { ctx: self.clone(), scope: self.cancellation_scope(), members: Rc::default() }
    }
}

impl<T: 'static, E: 'static> TaskGroup<T, E> {
    /// Runs a future as a branch of this group. It begins like a branch of [`spawn`](WorkflowContext::spawn): after the
    /// code that runs now has come to an await. In a group that was cancelled, it begins as cancelled.
    #[track_caller]
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = Result<T, E>> + 'static,
    {
        self.ctx.shared.must_not_be_read_only("a spawned branch");
        let future: MemberFuture<T, E> = Box::pin(self.scope.run(future));
        let member =
            Rc::new(Member { future: Cell::new(Some(future)), waker: Cell::new(None), dropped: Cell::new(false) });
        let number = self.members.borrow_mut().add(Rc::downgrade(&member));
        self.ctx.start_branch(Branch { number, member, members: self.members.clone() });
    }

    /// Like [`spawn`](Self::spawn), for a method of the workflow's struct, or an async closure over it.
    ///
    /// # Panics
    /// Panics if `W` is not the struct of this workflow, and in its `#[init]`, where there is no struct yet.
    #[track_caller]
    pub fn spawn_method<W: 'static>(&self, method: impl AsyncFnOnce(&W, &WorkflowContext) -> Result<T, E> + 'static) {
        let (workflow, ctx) = (self.ctx.shared.instance::<W>(), self.ctx.clone());
        self.spawn(async move { method(&workflow, &ctx).await });
    }

    /// Waits for the next branch that ends, and yields its result. Yields `None` if no branch is left. The results come
    /// in the order in which the branches ended.
    ///
    /// An error cancels nothing: call [`cancel`](Self::cancel), or return and so drop the group. If this future is
    /// dropped, no result is lost.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext, group: abide::workflow::TaskGroup<u64>) -> Result<(), WorkflowError> {
    /// while let Some(result) = group.join_next().await {
    ///     let size = result?; // Returns at the first error. The group is dropped, and with it the other branches.
    /// #   let _ = size;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn join_next(&self) -> impl Future<Output = Option<Result<T, E>>> + Unpin + use<'_, T, E> {
        JoinNext { group: self, id: None }
    }

    /// Waits for all branches, also for those that are spawned meanwhile. Yields their outputs in the order of spawning.
    ///
    /// At the first error, the scope of the group is cancelled, so that the other branches can clean up. When all of them
    /// have ended, that error is returned, and all other results are dropped. Results that were taken before are left
    /// out.
    ///
    /// # Errors
    /// Returns the error of the branch that failed first.
    pub fn join_all(&self) -> impl Future<Output = Result<Vec<T>, E>> + Unpin + use<'_, T, E> {
        JoinAll { group: self, id: None }
    }
}

impl<T, E> TaskGroup<T, E> {
    /// Cancels what the branches of this group wait for, and what they begin later. Each branch decides when and how it
    /// ends.
    pub fn cancel(&self) {
        self.scope.cancel();
    }

    /// Like [`cancel`](Self::cancel); the reason is for the errors that follow, and for children.
    pub fn cancel_with_reason(&self, reason: impl Into<String>) {
        self.scope.cancel_with_reason(reason);
    }

    /// Returns the number of branches whose results were not taken: those that run and those that have ended.
    pub fn len(&self) -> usize {
        let members = self.members.borrow();
        members.running.len() + members.results.len()
    }

    /// Returns true if no branch runs and no result is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, E> Drop for TaskGroup<T, E> {
    fn drop(&mut self) {
        // Dropped by a query or a validator, which must not change the workflow: the branches go on.
        if self.ctx.shared.read_only.get().is_some() {
            return;
        }
        let running = std::mem::take(&mut self.members.borrow_mut().running);
        for member in running.into_values().filter_map(|member| member.upgrade()) {
            let waker = member.drop_future();
            // A run that is torn down drops its routines itself.
            if let Some(waker) = waker.filter(|_| !self.ctx.shared.is_torn_down()) {
                waker.wake();
            }
        }
    }
}

impl<T, E> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.borrow();
        let (running, ended) = (members.running.len(), members.results.len());
        f.debug_struct("TaskGroup").field("running", &running).field("ended", &ended).finish_non_exhaustive()
    }
}

/// A group's knowledge of its branches.
struct Members<T, E> {
    /// The branches that run, by number in the order of spawning.
    running: BTreeMap<u64, Weak<Member<T, E>>>,
    /// Results that nobody has taken, in the order in which the branches ended.
    results: VecDeque<(u64, Result<T, E>)>,
    /// Number of errors among the results.
    failed: usize,
    spawned: u64,
    /// Those who wait for the next result.
    waiting_for_next: WaitList,
    /// Those who wait for an error or for the last result.
    waiting_for_all: WaitList,
}

impl<T, E> Members<T, E> {
    /// Adds a branch. Returns its number.
    fn add(&mut self, member: Weak<Member<T, E>>) -> u64 {
        let number = self.spawned;
        self.spawned += 1;
        self.running.insert(number, member);
        number
    }

    fn end(&mut self, number: u64, result: Result<T, E>) {
        self.running.remove(&number);
        let is_first_error = self.failed == 0 && result.is_err();
        self.failed += usize::from(result.is_err());
        self.results.push_back((number, result));
        self.waiting_for_next.wake_all();
        if is_first_error || self.running.is_empty() {
            self.waiting_for_all.wake_all();
        }
    }

    fn take_next(&mut self) -> Option<Result<T, E>> {
        let (_, result) = self.results.pop_front()?;
        self.failed -= usize::from(result.is_err());
        Some(result)
    }

    fn take_all(&mut self) -> VecDeque<(u64, Result<T, E>)> {
        self.failed = 0;
        std::mem::take(&mut self.results)
    }
}

/// Returns the first error, or the outputs in the order of spawning.
fn in_order<T, E>(results: VecDeque<(u64, Result<T, E>)>) -> Result<Vec<T>, E> {
    let mut outputs = Vec::with_capacity(results.len());
    for (number, result) in results {
        outputs.push((number, result?));
    }
    outputs.sort_unstable_by_key(|(number, _)| *number);
    Ok(outputs.into_iter().map(|(_, output)| output).collect())
}

impl<T, E> Default for Members<T, E> {
    fn default() -> Self {
        Self {
            running: BTreeMap::new(),
            results: VecDeque::new(),
            failed: 0,
            spawned: 0,
            waiting_for_next: WaitList::default(),
            waiting_for_all: WaitList::default(),
        }
    }
}

type MemberFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>>>>;

/// A branch as its group sees it.
struct Member<T, E> {
    /// `None` while it is polled, and once it has ended or was dropped.
    future: Cell<Option<MemberFuture<T, E>>>,
    waker: Cell<Option<Waker>>,
    /// True if the group was dropped.
    dropped: Cell<bool>,
}

impl<T, E> Member<T, E> {
    /// Drops the future; a future that is polled now is dropped after the poll. Returns the waker of its routine, which
    /// then ends.
    fn drop_future(&self) -> Option<Waker> {
        self.dropped.set(true);
        drop(self.future.take());
        self.waker.take()
    }

    fn keep_waker(&self, waker: &Waker) {
        let known = self.waker.take().filter(|known| known.will_wake(waker));
        self.waker.set(Some(known.unwrap_or_else(|| waker.clone())));
    }
}

/// A branch as its routine sees it.
struct Branch<T, E> {
    number: u64,
    member: Rc<Member<T, E>>,
    members: Rc<RefCell<Members<T, E>>>,
}

impl<T, E> Future for Branch<T, E> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut future) = self.member.future.take() else { return Poll::Ready(()) };
        let polled = future.as_mut().poll(cx);
        match polled {
            _ if self.member.dropped.get() => Poll::Ready(()),
            Poll::Pending => {
                self.member.keep_waker(cx.waker());
                self.member.future.set(Some(future));
                Poll::Pending
            }
            Poll::Ready(result) => {
                // What the branch held is dropped before anybody learns of its end.
                drop(future);
                self.members.borrow_mut().end(self.number, result);
                Poll::Ready(())
            }
        }
    }
}

struct JoinNext<'a, T, E> {
    group: &'a TaskGroup<T, E>,
    id: Option<u64>,
}

impl<T, E> Future for JoinNext<'_, T, E> {
    type Output = Option<Result<T, E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut members = this.group.members.borrow_mut();
        let next = members.take_next();
        if next.is_none() && !members.running.is_empty() {
            members.waiting_for_next.wait(&mut this.id, cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(next)
    }
}

impl<T, E> Drop for JoinNext<'_, T, E> {
    fn drop(&mut self) {
        self.group.members.borrow_mut().waiting_for_next.leave(&mut self.id);
    }
}

struct JoinAll<'a, T, E> {
    group: &'a TaskGroup<T, E>,
    id: Option<u64>,
}

impl<T, E> Future for JoinAll<'_, T, E> {
    type Output = Result<Vec<T>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut members = this.group.members.borrow_mut();
        if members.running.is_empty() {
            let results = members.take_all();
            // Destructors of results may use the group.
            drop(members);
            return Poll::Ready(in_order(results));
        }
        let has_failed = members.failed > 0;
        members.waiting_for_all.wait(&mut this.id, cx.waker());
        drop(members);
        if has_failed {
            this.group.cancel_with_reason(FAILED);
        }
        Poll::Pending
    }
}

impl<T, E> Drop for JoinAll<'_, T, E> {
    fn drop(&mut self) {
        self.group.members.borrow_mut().waiting_for_all.leave(&mut self.id);
    }
}
