//! Event groups that the author defines: related commands, for people who look at the history.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::context::WorkflowContext;
use super::run_state::RunState;
use crate::replay::event_groups::{CurrentGroups, LabelledGroup};

/// A group of related events in a workflow's history. Made by [`WorkflowContext::event_group`].
#[derive(Clone)]
#[must_use = "an event group does nothing until it runs a future"]
pub struct EventGroup {
    shared: Rc<RunState>,
    group: LabelledGroup,
}

impl WorkflowContext {
    /// Groups a part of the workflow's events for people who look at its history (Temporal's event groups).
    ///
    /// The events of operations that begin in [`run`](EventGroup::run) carry the group. Groups can be nested: events
    /// then carry all of them. Operations that signal and update handlers begin are grouped by their message even
    /// without this. The id is kept in the history as plain text, so it must not contain secrets. Equal ids are one
    /// group. A replay does not compare groups, so they may be changed at any time.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let payment = ctx.event_group("payment").label("Payment of the order");
    /// payment
    ///     .run(async {
    ///         ctx.activity(charge, 100).start_to_close_timeout(mins(1)).await?;
    ///         ctx.timer(secs(10)).await?;
    ///         Ok::<_, WorkflowError>(())
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn event_group(&self, id: impl Into<String>) -> EventGroup {
        EventGroup { shared: self.shared.clone(), group: LabelledGroup { id: id.into(), label: None } }
    }
}

impl EventGroup {
    /// Sets the text that people see, 400 bytes at most. Default: the id.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.group.label = Some(label.into());
        self
    }

    /// Runs a future in this group: the events of operations that it begins carry the group.
    pub fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let groups = self.shared.operation_state.borrow().machines.groups.with(self.group.clone());
        in_groups(self.shared.clone(), groups, future)
    }
}

impl std::fmt::Debug for EventGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventGroup").field("group", &self.group).finish_non_exhaustive()
    }
}

/// Polls a future with these groups as the current ones.
pub(in crate::workflow) fn in_groups<F: Future>(
    shared: Rc<RunState>,
    groups: CurrentGroups,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    Grouped { shared, groups, future: Some(Box::pin(future)) }
}

struct Grouped<F> {
    shared: Rc<RunState>,
    groups: CurrentGroups,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Grouped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _entered = Entered { shared: &this.shared, outside: this.shared.swap_groups(this.groups.clone()) };
        let future = this.future.as_mut().expect(
            "a future in an event group was awaited again after it had ended: keep the outcome of the first await",
        );
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            this.future = None;
        }
        polled
    }
}

/// Guard that makes other groups the current ones while it lives. As a guard it also restores the outer groups after a
/// panic that the author's code catches.
struct Entered<'a> {
    shared: &'a RunState,
    outside: CurrentGroups,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.shared.swap_groups(std::mem::take(&mut self.outside));
    }
}
