//! Values that belong to a part of a workflow and follow the branches that it spawns, such as a tenant or a trace id.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::workflow::context::WorkflowContext;
use crate::workflow::run_state::RunState;

impl WorkflowContext {
    /// Runs a future with a value that its code reads with [`value`](Self::value). The branches that it spawns have the
    /// value too.
    ///
    /// The value's type is its name. So give it a type of your own, not a plain `String`. A value hides a value of the
    /// same type that was set around it. Values are not recorded, and they do not reach activities or children.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// struct Tenant(String);
    ///
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let billing = ctx.with_value(Tenant("acme".into()), async {
    ///     let branch = ctx.clone();
    ///     ctx.spawn(async move { branch.value::<Tenant>().map(|tenant| tenant.0.clone()) }).await
    /// });
    /// assert_eq!(billing.await.as_deref(), Some("acme"));
    /// assert!(ctx.value::<Tenant>().is_none());
    /// # Ok(()) }
    /// ```
    pub fn with_value<T: 'static, F: Future>(
        &self,
        value: T,
        future: F,
    ) -> impl Future<Output = F::Output> + use<T, F> {
        let list = List::Unset(Rc::new(value));
        WithValues { shared: self.shared.clone(), list, future: Some(Box::pin(future)) }
    }

    /// Returns the innermost value of this type that [`with_value`](Self::with_value) has set for the code that runs
    /// now.
    pub fn value<T: 'static>(&self) -> Option<Rc<T>> {
        let list = self.shared.values.get();
        let mut node = list.as_deref();
        while let Some(ValueNode { value, outer }) = node {
            if value.is::<T>() {
                return value.clone().downcast().ok();
            }
            node = outer.as_deref();
        }
        None
    }
}

/// The values of the code that runs now. One word, because a run that waits is kept in memory.
#[derive(Default)]
pub(crate) struct CurrentValues {
    innermost: Cell<ValueList>,
}

/// A list of values, innermost first. The lists of branches share their outer part.
pub(super) type ValueList = Option<Rc<ValueNode>>;

pub(super) struct ValueNode {
    value: Rc<dyn Any>,
    outer: ValueList,
}

impl CurrentValues {
    pub(super) fn get(&self) -> ValueList {
        let list = self.innermost.take();
        self.innermost.set(list.clone());
        list
    }
}

/// Polls a future with these values as the current ones.
pub(super) fn in_values<F: Future>(
    shared: Rc<RunState>,
    list: ValueList,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    WithValues { shared, list: List::Set(list), future: Some(Box::pin(future)) }
}

struct WithValues<F> {
    shared: Rc<RunState>,
    list: List,
    future: Option<Pin<Box<F>>>,
}

enum List {
    /// A value before the first poll, which adds it to the values around it.
    Unset(Rc<dyn Any>),
    Set(ValueList),
}

impl<F: Future> Future for WithValues<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        if let List::Unset(value) = &this.list {
            let (value, outer) = (value.clone(), this.shared.values.get());
            this.list = List::Set(Some(Rc::new(ValueNode { value, outer })));
        }
        let list = match &this.list {
            List::Set(list) => list.clone(),
            List::Unset(_) => None,
        };
        let _entered = Entered { shared: &this.shared, outside: this.shared.values.innermost.replace(list) };
        let future = this.future.as_mut().expect(
            "a future with context values was awaited again after it had ended: keep the outcome of the first await",
        );
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            this.future = None;
        }
        polled
    }
}

/// Guard that makes other values the current ones while it lives. As a guard it also restores the outer values after a
/// panic that the author's code catches.
struct Entered<'a> {
    shared: &'a RunState,
    outside: ValueList,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.shared.values.innermost.set(self.outside.take());
    }
}
