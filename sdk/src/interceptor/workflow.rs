//! Interceptors of workflows: around the main routine and the handlers, before commands and after their results.

mod chain;
mod inbound;
mod outbound;
mod outcomes;

use async_trait::async_trait;

pub use self::chain::{InboundCall, WorkflowNext};
pub(crate) use self::chain::{Interceptors, RunInterceptors};
pub use self::inbound::{
    ExecuteWorkflowInput, HandleQueryInput, HandleSignalInput, HandleUpdateInput, ValidateUpdateInput,
};
pub use self::outbound::{
    CancelExternalWorkflowInput, ContinueAsNewInput, ScheduleActivityInput, ScheduleLocalActivityInput,
    SignalExternalWorkflowInput, StartChildWorkflowInput, StartNexusOperationInput, StartTimerInput,
};
pub use self::outcomes::{CompletedActivity, CompletedChildWorkflow, CompletedNexusOperation};
use crate::converter::RawPayload;
use crate::failure::{ActivityFailure, ChildWorkflowFailure, NexusOperationFailure, WorkflowError};
use crate::into_shared::into_shared;
use crate::workflow::WorkflowContext;

/// Code around all workflows of a worker (Temporal's workflow interceptors, inbound and outbound).
///
/// `WorkerBuilder::workflow_interceptor` and `WorkflowReplayer::interceptor` add one. The first that was added is the
/// outermost: it is called first for what comes in and for commands, and last for results. Every method does nothing by
/// default.
///
/// An interceptor is a part of the workflow's code: **it must be deterministic**, and it runs on each replay too. Replay
/// histories with the same interceptors as the worker has. A panic fails the workflow task, as a panic of the workflow
/// does. State of one run belongs into [values of the context](WorkflowContext::with_value), because all runs of the
/// worker share the interceptor.
///
/// The methods of three groups:
///
/// | called | methods |
/// | --- | --- |
/// | around the workflow's code; `next.run(..)` runs the rest | [`execute_workflow`](Self::execute_workflow), [`handle_signal`](Self::handle_signal), [`validate_update`](Self::validate_update), [`handle_update`](Self::handle_update), [`handle_query`](Self::handle_query) |
/// | before a command, where the workflow's code begins the operation | [`schedule_activity`](Self::schedule_activity), [`schedule_local_activity`](Self::schedule_local_activity), [`start_child_workflow`](Self::start_child_workflow), [`signal_external_workflow`](Self::signal_external_workflow), [`cancel_external_workflow`](Self::cancel_external_workflow), [`start_nexus_operation`](Self::start_nexus_operation), [`start_timer`](Self::start_timer), [`continue_as_new`](Self::continue_as_new) |
/// | after a result, where the workflow's code receives it | [`activity_completed`](Self::activity_completed), [`child_workflow_completed`](Self::child_workflow_completed), [`nexus_operation_completed`](Self::nexus_operation_completed) |
///
/// A command in a scope that is cancelled already is never sent, so no method is called for it.
///
/// This one takes a tenant from the headers of the start, and gives it to the workflow and to its activities:
///
/// ```
/// use abide::interceptor::{
///     ExecuteWorkflowInput, ScheduleActivityInput, WorkflowInterceptor, WorkflowNext, async_trait,
/// };
/// use abide::converter::RawPayload;
/// use abide::prelude::*;
///
/// struct Tenant(String);
/// struct TenantPropagation;
///
/// #[async_trait(?Send)]
/// impl WorkflowInterceptor for TenantPropagation {
///     async fn execute_workflow(
///         &self,
///         ctx: &WorkflowContext,
///         input: ExecuteWorkflowInput,
///         next: WorkflowNext<ExecuteWorkflowInput>,
///     ) -> Result<RawPayload, WorkflowError> {
///         let tenant = input.headers.get("tenant")?.unwrap_or_default();
///         ctx.with_value(Tenant(tenant), next.run(ctx, input)).await
///     }
///
///     fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
///         if let Some(tenant) = ctx.value::<Tenant>() {
///             input.headers.set("tenant", &tenant.0).expect("a text can be written");
///         }
///     }
/// }
///
/// # #[cfg(feature = "worker")]
/// # fn replayer() -> abide::WorkflowReplayer {
/// abide::WorkflowReplayer::new().interceptor(TenantPropagation)
/// # }
/// ```
#[async_trait(?Send)]
pub trait WorkflowInterceptor: Send + Sync + 'static {
    /// Called around the main routine, in place of it. An interceptor may change the input, the result, or set
    /// [values](WorkflowContext::with_value) for the code: `ctx.with_value(value, next.run(ctx, input)).await`.
    ///
    /// The struct of a workflow exists before: its `#[init]` has got the arguments as they came.
    ///
    /// # Errors
    /// An error fails the workflow, as one of the workflow's own. Continue-as-new is an error too.
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        next.run(ctx, input).await
    }

    /// Called around the handler of a signal. A signal without a handler is kept, and comes here when there is one.
    ///
    /// To refuse a signal, return `Ok(())` without `next`: no handler gets it, and the log says so. A signal that is
    /// passed on under another name goes to the handler of that name.
    ///
    /// # Errors
    /// An error fails the workflow, as one of the handler does.
    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        next.run(ctx, input).await
    }

    /// Called around the validator of an update, before the update is accepted. Also called if the update has no
    /// validator. Like a validator, it is not called on replay, and must not change anything.
    ///
    /// Only the validator sees a change of the input: the handler gets the arguments through
    /// [`handle_update`](Self::handle_update).
    ///
    /// # Errors
    /// An error rejects the update, which leaves no trace in the history.
    fn validate_update(
        &self,
        ctx: &WorkflowContext,
        input: ValidateUpdateInput,
        next: WorkflowNext<ValidateUpdateInput>,
    ) -> Result<(), WorkflowError> {
        next.run(ctx, input)
    }

    /// Called around the handler of an update that was accepted.
    ///
    /// # Errors
    /// An error fails the update, and the workflow goes on.
    async fn handle_update(
        &self,
        ctx: &WorkflowContext,
        input: HandleUpdateInput,
        next: WorkflowNext<HandleUpdateInput>,
    ) -> Result<RawPayload, WorkflowError> {
        next.run(ctx, input).await
    }

    /// Called around the handler of a query, and not for queries that Abide itself answers, such as the stack trace. It
    /// must not change anything.
    ///
    /// # Errors
    /// An error is the answer to the query.
    fn handle_query(
        &self,
        ctx: &WorkflowContext,
        input: HandleQueryInput,
        next: WorkflowNext<HandleQueryInput>,
    ) -> Result<RawPayload, WorkflowError> {
        next.run(ctx, input)
    }

    /// Called before an activity is scheduled.
    fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
        let _ = (ctx, input);
    }

    /// Called before a local activity begins, once for all its attempts.
    fn schedule_local_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleLocalActivityInput) {
        let _ = (ctx, input);
    }

    /// Called before a child workflow is started.
    fn start_child_workflow(&self, ctx: &WorkflowContext, input: &mut StartChildWorkflowInput) {
        let _ = (ctx, input);
    }

    /// Called before a signal is sent to another workflow, which may be a child.
    fn signal_external_workflow(&self, ctx: &WorkflowContext, input: &mut SignalExternalWorkflowInput) {
        let _ = (ctx, input);
    }

    /// Called before a request to cancel is sent to another workflow. Not called for a child that is cancelled through
    /// its handle or its scope.
    fn cancel_external_workflow(&self, ctx: &WorkflowContext, input: &mut CancelExternalWorkflowInput) {
        let _ = (ctx, input);
    }

    /// Called before a Nexus operation is called.
    fn start_nexus_operation(&self, ctx: &WorkflowContext, input: &mut StartNexusOperationInput) {
        let _ = (ctx, input);
    }

    /// Called before a timer is started: one of the author's, that of a timeout, or the wait between two attempts.
    fn start_timer(&self, ctx: &WorkflowContext, input: &mut StartTimerInput) {
        let _ = (ctx, input);
    }

    /// Called where the code ends with continue-as-new: where it turns `ctx.continue_as_new(..)` into an error or a
    /// result.
    fn continue_as_new(&self, ctx: &WorkflowContext, input: &mut ContinueAsNewInput) {
        let _ = (ctx, input);
    }

    /// Called with the outcome of an activity or a local activity, before the code gets it. The returned outcome
    /// replaces it.
    fn activity_completed(
        &self,
        ctx: &WorkflowContext,
        activity: &CompletedActivity,
        result: Result<RawPayload, ActivityFailure>,
    ) -> Result<RawPayload, ActivityFailure> {
        let _ = (ctx, activity);
        result
    }

    /// Called with the outcome of a child workflow, before the code gets it. A child that was not started has an
    /// outcome too.
    fn child_workflow_completed(
        &self,
        ctx: &WorkflowContext,
        child: &CompletedChildWorkflow,
        result: Result<RawPayload, ChildWorkflowFailure>,
    ) -> Result<RawPayload, ChildWorkflowFailure> {
        let _ = (ctx, child);
        result
    }

    /// Called with the outcome of a Nexus operation, before the code gets it.
    fn nexus_operation_completed(
        &self,
        ctx: &WorkflowContext,
        operation: &CompletedNexusOperation,
        result: Result<RawPayload, NexusOperationFailure>,
    ) -> Result<RawPayload, NexusOperationFailure> {
        let _ = (ctx, operation);
        result
    }
}

into_shared!(WorkflowInterceptor);
