//! Spans of activity attempts.

use async_trait::async_trait;
use opentelemetry::trace::{FutureExt as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};

use super::{Tracing, propagation};
use crate::ActivityContext;
use crate::converter::RawPayload;
use crate::failure::ActivityError;
use crate::interceptor::{ActivityInterceptor, ActivityNext, ExecuteActivityInput};

#[async_trait]
impl ActivityInterceptor for Tracing {
    /// The attempt's code runs in the span's context: `opentelemetry::Context::current()` is the span.
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        let info = ctx.info();
        let parent = match propagation::read(&input.headers) {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let builder = SpanBuilder::from_name(format!("RunActivity:{}", info.activity_type));
        let mut attributes = vec![KeyValue::new("temporalActivityID", info.activity_id.clone())];
        let ids = [("temporalWorkflowID", &info.workflow_id), ("temporalRunID", &info.run_id)];
        attributes.extend(ids.into_iter().filter_map(|(key, id)| Some(KeyValue::new(key, id.clone()?))));
        let builder = builder.with_kind(SpanKind::Server).with_attributes(attributes);
        let span = self.tracer.build_with_context(builder, &parent);
        let context = parent.with_span(span);
        let result = next.run(ctx, input).with_context(context.clone()).await;
        if let Err(error) = &result
            && !error.completes_async()
        {
            context.span().set_status(Status::error(error.to_string()));
        }
        context.span().end();
        result
    }
}
