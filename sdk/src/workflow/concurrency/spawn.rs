//! Branches: parts of a workflow that run beside its main routine, as futures or as methods of its struct.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::context_values::in_values;
use crate::debug_only::debug_only;
use crate::workflow::cancellation::CancellationScope;
use crate::workflow::context::WorkflowContext;
use crate::workflow::event_group::in_groups;
use crate::workflow::run_state::Spawned;

/// A branch that [`WorkflowContext::spawn`] or [`WorkflowContext::spawn_method`] started. Awaiting it yields its result;
/// dropping it leaves the branch running.
#[must_use = "await the branch for its result, or call `detach()` if nobody needs it"]
pub struct JoinHandle<T> {
    slot: Rc<RefCell<Slot<T>>>,
    scope: CancellationScope,
}

debug_only!(impl[T] JoinHandle<T>, |this| { scope: this.scope });

struct Slot<T> {
    result: Option<T>,
    ended: bool,
    waker: Option<Waker>,
}

impl WorkflowContext {
    /// Runs a future beside the main routine, in a cancellation scope of its own within the current one. It ends with the
    /// run at the latest.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let alarm = ctx.spawn({
    ///     let ctx = ctx.clone();
    ///     async move { ctx.timer(hours(1)).await }
    /// });
    /// // ... other work ...
    /// alarm.await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.shared.must_not_be_read_only("a spawned branch");
        let slot = Rc::new(RefCell::new(Slot { result: None, ended: false, waker: None }));
        let scope = self.cancellation_scope();
        let scoped = scope.run(future);
        let done = slot.clone();
        self.start_branch(async move {
            let result = scoped.await;
            let mut slot = done.borrow_mut();
            slot.result = Some(result);
            slot.ended = true;
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        });
        JoinHandle { slot, scope }
    }

    /// Like [`spawn`](Self::spawn), for a method of the workflow's struct, or an async closure over it. The branch
    /// shares the struct with the main routine and the handlers.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[workflow] #[derive(Default)] struct Order { late: State<bool>, paid: State<bool> }
    /// #[workflow_methods]
    /// impl Order {
    ///     #[run]
    ///     async fn run(&self, ctx: &WorkflowContext, article: String) -> Result<(), WorkflowError> {
    ///         ctx.spawn_method(Self::watch).detach();
    ///         let packed = ctx.spawn_method(async move |this: &Self, ctx| this.pack(ctx, article).await);
    ///         packed.await
    ///     }
    /// }
    ///
    /// impl Order {
    ///     async fn watch(&self, ctx: &WorkflowContext) {
    ///         if ctx.timer(days(3)).await.is_ok() {
    ///             self.late.set(true);
    ///         }
    ///     }
    ///
    ///     async fn pack(&self, ctx: &WorkflowContext, article: String) -> Result<(), WorkflowError> {
    ///         // ...
    /// #       let _ = (ctx, article);
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics if `W` is not the struct of this workflow, and in its `#[init]`, where there is no struct yet.
    #[track_caller]
    pub fn spawn_method<W: 'static, T: 'static>(
        &self,
        method: impl AsyncFnOnce(&W, &WorkflowContext) -> T + 'static,
    ) -> JoinHandle<T> {
        let (workflow, ctx) = (self.shared.instance::<W>(), self.clone());
        self.spawn(async move { method(&workflow, &ctx).await })
    }

    /// Adds a branch, whose turn comes after those of all routines that were woken before. It keeps what belongs to the
    /// code that starts it: the message, the event groups and the values.
    pub(super) fn start_branch(&self, branch: impl Future<Output = ()> + 'static) {
        let message = self.shared.current_message.borrow().clone();
        let values = self.shared.values.get();
        let mut core = self.shared.operation_state.borrow_mut();
        core.spawn_waker.wake_by_ref();
        let groups = core.machines.groups.clone();
        let mut future: Pin<Box<dyn Future<Output = ()>>> = match groups.is_none() {
            true => Box::pin(branch),
            // Operations of a handler's branch belong to the handler's message too.
            false => Box::pin(in_groups(self.shared.clone(), groups, branch)),
        };
        if values.is_some() {
            future = Box::pin(in_values(self.shared.clone(), values, future));
        }
        core.spawned.push_back(Spawned { future, message });
    }
}

impl<T> JoinHandle<T> {
    /// Cancels what the branch waits for, and what it begins later. The branch decides when and how it ends. Nothing
    /// happens if it has ended.
    #[track_caller]
    pub fn cancel(&self) {
        self.scope.cancel();
    }

    /// Like [`cancel`](Self::cancel); the reason is for the errors that follow, and for children.
    #[track_caller]
    pub fn cancel_with_reason(&self, reason: impl Into<String>) {
        self.scope.cancel_with_reason(reason);
    }

    /// Returns true if the branch has ended. Awaiting the handle then does not wait.
    pub fn is_done(&self) -> bool {
        self.slot.borrow().ended
    }

    /// Lets the branch go on, as dropping the handle does.
    pub fn detach(self) {}
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.slot.borrow_mut();
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None if slot.ended => panic!(
                "the handle of a spawned branch was awaited again after it had yielded its result: keep the result of \
                 the first await"
            ),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
