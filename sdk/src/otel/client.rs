//! Spans of client calls.

use std::fmt::Display;
use std::future::Future;

use async_trait::async_trait;
use opentelemetry::trace::{FutureExt as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};

use super::{Tracing, propagation};
use crate::Headers;
use crate::client::RpcError;
use crate::interceptor::{
    ClientInterceptor, ClientNext, CreateScheduleInput, QueryAnswer, QueryWorkflowInput, SignalWithStartWorkflowInput,
    SignalWorkflowInput, StartActivityInput, StartUpdateInput, StartWorkflowInput, StartedActivity, StartedUpdate,
    StartedUpdateWithStart, StartedWorkflow, UpdateWithStartWorkflowInput,
};

impl Tracing {
    /// Begins the span of a call, below the span that is current, and gives the call the trace context.
    fn begin_call(&self, name: String, workflow_id: &str, headers: &mut Headers) -> Context {
        self.begin(name, KeyValue::new("temporalWorkflowID", workflow_id.to_string()), headers)
    }

    fn begin(&self, name: String, attribute: KeyValue, headers: &mut Headers) -> Context {
        let current = Context::current();
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Client);
        let builder = builder.with_attributes([attribute]);
        let span = self.tracer.build_with_context(builder, &current);
        let context = current.with_span(span);
        propagation::write(context.span().span_context(), headers);
        context
    }
}

/// Makes a call in its span.
async fn in_call<T, E: Display>(context: Context, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let result = call.with_context(context.clone()).await;
    if let Err(error) = &result {
        context.span().set_status(Status::error(error.to_string()));
    }
    context.span().end();
    result
}

#[async_trait]
impl ClientInterceptor for Tracing {
    async fn start_workflow(
        &self,
        mut input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        let name = format!("StartWorkflow:{}", input.workflow_type);
        let call = self.begin_call(name, &input.workflow_id, &mut input.headers);
        in_call(call, next.run(input)).await
    }

    async fn signal_with_start_workflow(
        &self,
        mut input: SignalWithStartWorkflowInput,
        next: ClientNext<'_, SignalWithStartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        let name = format!("SignalWithStartWorkflow:{}", input.start.workflow_type);
        let call = self.begin_call(name, &input.start.workflow_id, &mut input.start.headers);
        in_call(call, next.run(input)).await
    }

    async fn update_with_start_workflow(
        &self,
        mut input: UpdateWithStartWorkflowInput,
        next: ClientNext<'_, UpdateWithStartWorkflowInput>,
    ) -> Result<StartedUpdateWithStart, RpcError> {
        let name = format!("UpdateWithStartWorkflow:{}", input.start.workflow_type);
        let call = self.begin_call(name, &input.start.workflow_id, &mut input.start.headers);
        propagation::write(call.span().span_context(), &mut input.update_headers);
        in_call(call, next.run(input)).await
    }

    async fn signal_workflow(
        &self,
        mut input: SignalWorkflowInput,
        next: ClientNext<'_, SignalWorkflowInput>,
    ) -> Result<(), RpcError> {
        let name = format!("SignalWorkflow:{}", input.name);
        let call = self.begin_call(name, &input.workflow_id, &mut input.headers);
        in_call(call, next.run(input)).await
    }

    async fn query_workflow(
        &self,
        mut input: QueryWorkflowInput,
        next: ClientNext<'_, QueryWorkflowInput>,
    ) -> Result<QueryAnswer, RpcError> {
        let name = format!("QueryWorkflow:{}", input.name);
        let call = self.begin_call(name, &input.workflow_id, &mut input.headers);
        in_call(call, next.run(input)).await
    }

    async fn start_update(
        &self,
        mut input: StartUpdateInput,
        next: ClientNext<'_, StartUpdateInput>,
    ) -> Result<StartedUpdate, RpcError> {
        let name = format!("StartWorkflowUpdate:{}", input.name);
        let call = self.begin_call(name, &input.workflow_id, &mut input.headers);
        in_call(call, next.run(input)).await
    }

    /// The workflows that the schedule starts continue this trace.
    async fn create_schedule(
        &self,
        mut input: CreateScheduleInput,
        next: ClientNext<'_, CreateScheduleInput>,
    ) -> Result<String, RpcError> {
        let attribute = KeyValue::new("temporalScheduleID", input.schedule_id.clone());
        let name = format!("CreateSchedule:{}", input.schedule_id);
        let call = self.begin(name, attribute, &mut input.schedule.action.headers);
        in_call(call, next.run(input)).await
    }

    async fn start_activity(
        &self,
        mut input: StartActivityInput,
        next: ClientNext<'_, StartActivityInput>,
    ) -> Result<StartedActivity, RpcError> {
        let attribute = KeyValue::new("temporalActivityID", input.activity_id.clone());
        let call = self.begin(format!("StartActivity:{}", input.activity_type), attribute, &mut input.headers);
        in_call(call, next.run(input)).await
    }
}
