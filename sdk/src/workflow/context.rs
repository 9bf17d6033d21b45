//! The workflow context. It is thin: its methods are in the files beside this one.

use std::fmt;
use std::rc::Rc;
use std::time::SystemTime;

use super::info::WorkflowInfo;
use super::run_state::RunState;
use crate::duration::time_from_proto;
use crate::interceptor::workflow::RunInterceptors;
use crate::metrics::Meter;

/// The workflow's interface to Temporal. Clones refer to the same context.
///
/// Workflow code must get everything from its arguments, its messages and this context, because the same history must
/// always lead to the same commands. Clocks, random numbers, threads, files and sockets belong in activities.
/// [Determinism](crate::guide::determinism#what-a-workflow-must-not-do) says which of them Abide detects.
///
/// | to | use |
/// | --- | --- |
/// | run an activity | [`activity`](Self::activity) |
/// | run a short activity in the worker itself | [`local_activity`](Self::local_activity) |
/// | run several activities on the same worker | [`on_one_worker`](Self::on_one_worker) |
/// | run a child workflow, signal or cancel others | [`child_workflow`](Self::child_workflow), [`external_workflow`](Self::external_workflow), [`signal_with_start`](Self::signal_with_start) |
/// | call an operation of another team or namespace | [`nexus_operation`](Self::nexus_operation) |
/// | wait for a time or for a condition | [`timer`](Self::timer), [`updatable_timer`](Self::updatable_timer), [`wait_until`](Self::wait_until) |
/// | do several things concurrently | [`join!`](crate::join), [`select!`](crate::select), [`task_group`](Self::task_group), [`spawn`](Self::spawn), [`for_each_concurrent`](crate::workflow::for_each_concurrent) |
/// | limit the time of something | [`timeout`](Self::timeout) |
/// | give values to branches | [`with_value`](Self::with_value), [`value`](Self::value) |
/// | react to cancellation | [`is_cancelled`](Self::is_cancelled), [`cancelled`](Self::cancelled), [`or_cancelled`](Self::or_cancelled), [`shielded`](Self::shielded), [`cancellation_scope`](Self::cancellation_scope) |
/// | change code while runs are open | [`patched`](Self::patched), [`deprecate_patch`](Self::deprecate_patch), [`version`](Self::version) |
/// | set search attributes and the memo | [`upsert_search_attributes`](Self::upsert_search_attributes), [`upsert_memo`](Self::upsert_memo) |
/// | continue in a new run | [`continue_as_new`](Self::continue_as_new) |
/// | keep a value that differs from call to call | [`side_effect`](Self::side_effect), [`mutable_side_effect`](Self::mutable_side_effect) |
/// | get random numbers | [`random`](Self::random), [`uuid4`](Self::uuid4), [`rng`](Self::rng) |
/// | handle messages of a function, or only for a time | [`set_signal_handler`](Self::set_signal_handler), [`set_query_handler`](Self::set_query_handler), [`set_update_handler`](Self::set_update_handler), [`unhandled_signals`](Self::unhandled_signals) |
/// | show people the workflow's progress | [`set_current_details`](Self::set_current_details), [`event_group`](Self::event_group) |
/// | count and measure | [`metrics`](Self::metrics) |
/// | get information about the run | [`info`](Self::info), [`now`](Self::now), [`history_length`](Self::history_length) |
/// | run code around all workflows of a worker | [`WorkflowInterceptor`](crate::interceptor::WorkflowInterceptor) |
///
/// ```
/// use abide::prelude::*;
///
/// #[workflow]
/// async fn remind(ctx: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
///     ctx.timer(days(30)).await?;
///     Ok(format!("{text} (asked for in run {})", ctx.info().run_id))
/// }
/// ```
#[derive(Clone)]
pub struct WorkflowContext {
    pub(crate) shared: Rc<RunState>,
}

impl WorkflowContext {
    pub(crate) fn new(shared: Rc<RunState>) -> Self {
        Self { shared }
    }

    /// Returns information about this run: ids, type, task queue, attempt, timeouts, memo, priority, headers.
    pub fn info(&self) -> &WorkflowInfo {
        let changed = self.shared.interceptors().and_then(RunInterceptors::info);
        changed.or_else(|| self.shared.info.get()).expect("a context is made after the run's start was read")
    }

    /// Returns the workflow's time: the start of the current workflow task, or the end of a local activity after that.
    /// The time is the same on every replay.
    pub fn now(&self) -> SystemTime {
        time_from_proto(&self.shared.operation_state.borrow().machines.time)
    }

    /// Returns true if the code is being replayed, or runs again because a task ended with a heartbeat. Use it only for
    /// what must not be repeated, such as a counter: no
    /// decision may depend on it. What the code logs with `tracing` is silent anyway.
    pub fn is_replaying(&self) -> bool {
        self.shared.operation_state.borrow().machines.has_run_before()
    }

    /// Returns a meter for metrics of your own, with the labels `namespace`, `task_queue` and `workflow_type`. They are
    /// exported with those of the worker's client.
    ///
    /// Nothing is recorded during a replay, so an evicted run counts nothing twice. Code may still count again if its
    /// workflow task is repeated: after a failure, or if the server did not accept the answer.
    ///
    /// ```
    /// use abide::prelude::*;
    ///
    /// #[workflow]
    /// async fn process_order(ctx: &WorkflowContext, amount: f64) -> Result<(), WorkflowError> {
    ///     let meter = ctx.metrics();
    ///     meter.counter("orders", "Orders taken", "").add(1);
    ///     meter.histogram("order_amount", "Amount of an order", "EUR").record(amount);
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    pub fn metrics(&self) -> Meter {
        let info = self.info();
        let meter = self.shared.metrics.meter().with_label("namespace", &info.namespace);
        meter.with_label("task_queue", &info.task_queue).with_label("workflow_type", &info.workflow_type)
    }

    /// Returns the number of events in the history up to the current workflow task.
    pub fn history_length(&self) -> u64 {
        u64::try_from(self.shared.operation_state.borrow().machines.last_started_event_id).unwrap_or_default()
    }

    /// Returns the size of the history in bytes up to the current workflow task, as the server counts it.
    pub fn history_size_bytes(&self) -> u64 {
        u64::try_from(self.shared.operation_state.borrow().machines.history_size_bytes).unwrap_or_default()
    }

    /// Returns true if no message handler is running. Wait for this before the workflow ends or continues as new.
    pub fn all_handlers_finished(&self) -> bool {
        self.shared.handlers_running.get() == 0
    }
}

impl fmt::Debug for WorkflowContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowContext").field("info", &self.shared.info.get()).finish_non_exhaustive()
    }
}
