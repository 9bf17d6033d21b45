//! Spans of workflow code, without a clock and without randomness.

use std::cell::Cell;
use std::future::Future;

use async_trait::async_trait;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use super::ids::SpanKey;
use super::span::OpenSpan;
use super::{Tracing, ids, propagation};
use crate::converter::RawPayload;
use crate::failure::WorkflowErrorKind;
use crate::interceptor::{
    ContinueAsNewInput, ExecuteWorkflowInput, HandleQueryInput, HandleSignalInput, HandleUpdateInput,
    ScheduleActivityInput, ScheduleLocalActivityInput, SignalExternalWorkflowInput, StartChildWorkflowInput,
    StartNexusOperationInput, ValidateUpdateInput, WorkflowInterceptor, WorkflowNext,
};
use crate::{Headers, WorkflowContext, WorkflowError};

const WORKFLOW_ID: &str = "temporalWorkflowID";
const RUN_ID: &str = "temporalRunID";
const UPDATE_ID: &str = "temporalUpdateID";

/// The span around the workflow code that runs now.
struct CurrentSpan {
    context: SpanContext,
    /// Number of spans below it so far. A replay counts the same.
    children: Cell<u64>,
    tracing: Tracing,
}

impl CurrentSpan {
    fn new(context: SpanContext, tracing: &Tracing) -> Self {
        Self { context, children: Cell::new(0), tracing: tracing.clone() }
    }

    fn next_id(&self, run_id: &str) -> SpanId {
        let number = self.children.get();
        self.children.set(number + 1);
        ids::span_id(run_id, &self.context.span_id().to_string(), number)
    }
}

/// Runs a part of a workflow in a span of its own. The workflow needs [`Tracing`]; without it, the part has no span.
///
/// The span begins and ends on the workflow's clock, and appears once, however often the code is replayed. Activities,
/// children and messages of the part are below it.
///
/// ```
/// use abide::otel::in_span;
/// use abide::prelude::*;
///
/// #[activity]
/// async fn book(what: String) -> Result<(), ActivityError> {
///     Ok(())
/// }
///
/// #[workflow]
/// async fn travel(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
///     in_span(ctx, "book", async {
///         ctx.activity(book, "hotel".into()).start_to_close_timeout(mins(1)).await?;
///         ctx.activity(book, "train".into()).start_to_close_timeout(mins(1)).await
///     })
///     .await?;
///     Ok(())
/// }
/// # fn main() {}
/// ```
pub async fn in_span<F: Future>(ctx: &WorkflowContext, name: impl Into<String>, part: F) -> F::Output {
    let Some(outer) = ctx.value::<CurrentSpan>() else { return part.await };
    let run_id = &ctx.info().run_id;
    let ids = (run_id.as_str(), outer.next_id(run_id));
    let span = OpenSpan::begin(name.into(), SpanKind::Internal, ids, Some(outer.context.clone()), ctx.now());
    let output = ctx.with_value(CurrentSpan::new(span.context.clone(), &outer.tracing), part).await;
    if !ctx.is_replaying() {
        span.end(&outer.tracing, ctx.now(), Status::Unset);
    }
    output
}

impl Tracing {
    /// Returns the span of the run. It is the same at any time, so it need not be kept.
    fn run_span(&self, ctx: &WorkflowContext, headers: Option<&Headers>) -> OpenSpan {
        let info = ctx.info();
        let parent = headers.and_then(propagation::read);
        let ids = (info.run_id.as_str(), ids::span_id(&info.run_id, "RunWorkflow", 0));
        let span = OpenSpan::begin(
            format!("RunWorkflow:{}", info.workflow_type),
            SpanKind::Server,
            ids,
            parent,
            info.start_time,
        );
        span.with(WORKFLOW_ID, &info.workflow_id).with(RUN_ID, &info.run_id)
    }

    /// Returns the context that a message's span is below: its sender's, or else that of the run.
    fn parent_of_message(&self, ctx: &WorkflowContext, headers: &Headers) -> SpanContext {
        propagation::read(headers).unwrap_or_else(|| self.run_span(ctx, Some(&ctx.info().headers())).context)
    }

    /// Returns the span of a message's handler: the run's only one of that kind with that key.
    fn message_span(
        &self,
        ctx: &WorkflowContext,
        kind: &str,
        key: impl Into<SpanKey>,
        name: &str,
        headers: &Headers,
    ) -> OpenSpan {
        let info = ctx.info();
        let ids = (info.run_id.as_str(), ids::span_id(&info.run_id, kind, key));
        let parent = self.parent_of_message(ctx, headers);
        let span = OpenSpan::begin(format!("{kind}:{name}"), SpanKind::Server, ids, Some(parent), ctx.now());
        span.with(WORKFLOW_ID, &info.workflow_id).with(RUN_ID, &info.run_id)
    }

    /// Runs code in a span, which ends with it. A span that ends in a replay was recorded before.
    async fn within<T>(
        &self,
        ctx: &WorkflowContext,
        span: OpenSpan,
        code: impl Future<Output = Result<T, WorkflowError>>,
    ) -> Result<T, WorkflowError> {
        let result = ctx.with_value(CurrentSpan::new(span.context.clone(), self), code).await;
        if let Some(status) = status(&result)
            && !ctx.is_replaying()
        {
            span.end(self, ctx.now(), status);
        }
        result
    }

    /// Records a call of the workflow, and gives it the trace context.
    fn call(&self, ctx: &WorkflowContext, name: String, headers: &mut Headers) {
        if let Some(context) = self.record_call(ctx, name) {
            propagation::write(&context, headers);
        }
    }

    fn record_call(&self, ctx: &WorkflowContext, name: String) -> Option<SpanContext> {
        let current = ctx.value::<CurrentSpan>()?;
        let run_id = &ctx.info().run_id;
        let ids = (run_id.as_str(), current.next_id(run_id));
        let span = OpenSpan::begin(name, SpanKind::Client, ids, Some(current.context.clone()), ctx.now());
        let context = span.context.clone();
        if !ctx.is_replaying() {
            span.end(self, ctx.now(), Status::Unset);
        }
        Some(context)
    }

    /// Runs code that is never replayed in a span, on the machine's clock and with a random id.
    fn at_once<T>(
        &self,
        ctx: &WorkflowContext,
        name: String,
        headers: &Headers,
        code: impl FnOnce() -> Result<T, WorkflowError>,
    ) -> Result<T, WorkflowError> {
        let parent = Context::new().with_remote_span_context(self.parent_of_message(ctx, headers));
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes([
            KeyValue::new(WORKFLOW_ID, ctx.info().workflow_id.clone()),
            KeyValue::new(RUN_ID, ctx.info().run_id.clone()),
        ]);
        let mut span = self.tracer.build_with_context(builder, &parent);
        let result = code();
        if let Some(status) = status(&result) {
            span.set_status(status);
        }
        span.end();
        result
    }
}

/// Returns the status of a span whose code ended so; `None` if only its workflow task has failed, so that the code goes
/// on.
fn status<T>(result: &Result<T, WorkflowError>) -> Option<Status> {
    match result.as_ref().map_err(WorkflowError::kind) {
        Ok(_) | Err(WorkflowErrorKind::ContinueAsNew(_)) => Some(Status::Unset),
        Err(WorkflowErrorKind::Error { error, .. }) => Some(Status::error(error.to_string())),
        Err(WorkflowErrorKind::TaskFailure(_)) => None,
    }
}

#[async_trait(?Send)]
impl WorkflowInterceptor for Tracing {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let span = self.run_span(ctx, Some(&input.headers));
        self.within(ctx, span, next.run(ctx, input)).await
    }

    async fn handle_signal(
        &self,
        ctx: &WorkflowContext,
        input: HandleSignalInput,
        next: WorkflowNext<HandleSignalInput>,
    ) -> Result<(), WorkflowError> {
        let event_id = input.event_id.unsigned_abs();
        let span = self.message_span(ctx, "HandleSignal", event_id, &input.name, &input.headers);
        self.within(ctx, span, next.run(ctx, input)).await
    }

    async fn handle_update(
        &self,
        ctx: &WorkflowContext,
        input: HandleUpdateInput,
        next: WorkflowNext<HandleUpdateInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let span = self.message_span(ctx, "HandleUpdate", &*input.id, &input.name, &input.headers);
        self.within(ctx, span.with(UPDATE_ID, &input.id), next.run(ctx, input)).await
    }

    fn validate_update(
        &self,
        ctx: &WorkflowContext,
        input: ValidateUpdateInput,
        next: WorkflowNext<ValidateUpdateInput>,
    ) -> Result<(), WorkflowError> {
        let (name, headers) = (format!("ValidateUpdate:{}", input.name), input.headers.clone());
        self.at_once(ctx, name, &headers, || next.run(ctx, input))
    }

    fn handle_query(
        &self,
        ctx: &WorkflowContext,
        input: HandleQueryInput,
        next: WorkflowNext<HandleQueryInput>,
    ) -> Result<RawPayload, WorkflowError> {
        let (name, headers) = (format!("HandleQuery:{}", input.name), input.headers.clone());
        self.at_once(ctx, name, &headers, || next.run(ctx, input))
    }

    fn schedule_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleActivityInput) {
        self.call(ctx, format!("StartActivity:{}", input.activity_type), &mut input.headers);
    }

    fn schedule_local_activity(&self, ctx: &WorkflowContext, input: &mut ScheduleLocalActivityInput) {
        self.call(ctx, format!("StartLocalActivity:{}", input.activity_type), &mut input.headers);
    }

    fn start_child_workflow(&self, ctx: &WorkflowContext, input: &mut StartChildWorkflowInput) {
        self.call(ctx, format!("StartChildWorkflow:{}", input.workflow_type), &mut input.headers);
    }

    fn signal_external_workflow(&self, ctx: &WorkflowContext, input: &mut SignalExternalWorkflowInput) {
        self.call(ctx, format!("SignalExternalWorkflow:{}", input.name), &mut input.headers);
    }

    fn start_nexus_operation(&self, ctx: &WorkflowContext, input: &mut StartNexusOperationInput) {
        let name = format!("StartNexusOperation:{}/{}", input.service, input.operation);
        if let Some(context) = self.record_call(ctx, name) {
            // Nexus headers are texts, so they take the fields as they are.
            input.nexus_headers.extend(propagation::fields_of(&context));
        }
    }

    fn continue_as_new(&self, ctx: &WorkflowContext, input: &mut ContinueAsNewInput) {
        self.call(ctx, format!("ContinueAsNew:{}", input.workflow_type), &mut input.headers);
    }
}
