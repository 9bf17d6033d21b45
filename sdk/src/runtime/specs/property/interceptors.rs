//! Interceptors of random programs: none, one that only passes on, or one that takes part.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::harness::{PassesOn, with_interceptors};
use crate::converter::RawPayload;
use crate::duration::secs;
use crate::interceptor::{
    CompletedActivity, ContinueAsNewInput, ExecuteWorkflowInput, HandleSignalInput, HandleUpdateInput,
    ScheduleActivityInput, ScheduleLocalActivityInput, StartChildWorkflowInput, StartTimerInput, ValidateUpdateInput,
    WorkflowInterceptor, WorkflowNext,
};
use crate::runtime::WorkflowRegistry;
use crate::{ActivityFailure, ApplicationFailure, WorkflowContext, WorkflowError};

/// The interceptors of the worker, and those of the replays that are compared with it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Interceptors {
    None,
    /// Only the worker has one, so it must change nothing.
    PassesOnLive,
    /// Only the replays have one, so it must change nothing.
    PassesOnInReplays,
    /// Both have two that take part.
    TakePart,
}

impl Interceptors {
    pub(super) const ALL: &[Self] = &[Self::None, Self::PassesOnLive, Self::PassesOnInReplays, Self::TakePart];

    pub(super) fn registries(self, plain: &Arc<WorkflowRegistry>) -> (Arc<WorkflowRegistry>, Arc<WorkflowRegistry>) {
        let passes_on = || with_interceptors(plain, [Arc::new(PassesOn) as Arc<dyn WorkflowInterceptor>]);
        match self {
            Self::None => (plain.clone(), plain.clone()),
            Self::PassesOnLive => (passes_on(), plain.clone()),
            Self::PassesOnInReplays => (plain.clone(), passes_on()),
            Self::TakePart => {
                let both = [
                    Arc::new(TakesPart { seconds: 1 }) as Arc<dyn WorkflowInterceptor>,
                    Arc::new(TakesPart { seconds: 2 }),
                ];
                let both = with_interceptors(plain, both);
                (both.clone(), both)
            }
        }
    }
}

/// A value of the context, which commands carry as a header.
struct Label(String);

/// Begins operations of its own, and changes those of the program.
struct TakesPart {
    seconds: u64,
}

impl TakesPart {
    fn label(&self, ctx: &WorkflowContext, headers: &mut crate::Headers) {
        let label = ctx.value::<Label>().map(|label| label.0.clone());
        headers.set(format!("label-{}", self.seconds), &label).unwrap();
    }
}

#[async_trait(?Send)]
impl WorkflowInterceptor for TakesPart {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let beside = ctx.timer(secs(self.seconds)).start();
        if self.seconds == 2 {
            // It may be cancelled.
            let _ = ctx.timer(secs(self.seconds)).await;
        }
        let result = ctx.with_value(Label(format!("main {}", self.seconds)), next.run(ctx, input)).await;
        drop(beside);
        result
    }

    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        if input.event_id % 5 == 0 && self.seconds == 2 {
            return Ok(());
        }
        if input.event_id % 2 == 0 {
            let _ = ctx.timer(secs(self.seconds)).await;
        }
        ctx.with_value(Label("signal".into()), next.run(ctx, input)).await
    }

    fn validate_update(
        &self,
        ctx: &WorkflowContext,
        input: ValidateUpdateInput,
        next: WorkflowNext<ValidateUpdateInput>,
    ) -> Result<(), WorkflowError> {
        match input.id.ends_with('7') {
            true => Err(ApplicationFailure::new("refused").into()),
            false => next.run(ctx, input),
        }
    }

    async fn handle_update(
        &self,
        ctx: &WorkflowContext,
        input: HandleUpdateInput,
        next: WorkflowNext<HandleUpdateInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let _beside = ctx.timer(secs(self.seconds)).start();
        ctx.with_value(Label(input.id.clone()), next.run(ctx, input)).await
    }

    fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
        self.label(ctx, &mut input.headers);
        ctx.timer(secs(self.seconds)).start().detach();
    }

    fn schedule_local_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleLocalActivityInput) {
        self.label(ctx, &mut input.headers);
    }

    fn start_child_workflow(&self, ctx: &WorkflowContext, input: &mut StartChildWorkflowInput) {
        self.label(ctx, &mut input.headers);
    }

    fn start_timer(&self, _: &WorkflowContext, input: &mut StartTimerInput) {
        input.duration += secs(self.seconds);
    }

    fn continue_as_new(&self, ctx: &WorkflowContext, input: &mut ContinueAsNewInput) {
        self.label(ctx, &mut input.headers);
    }

    fn activity_completed(
        &self,
        ctx: &WorkflowContext,
        activity: &CompletedActivity,
        result: Result<RawPayload, ActivityFailure>,
    ) -> Result<RawPayload, ActivityFailure> {
        if activity.is_local {
            ctx.timer(secs(self.seconds)).start().detach();
        }
        result.map(|_| RawPayload::from_value(&7_u32).unwrap())
    }
}
