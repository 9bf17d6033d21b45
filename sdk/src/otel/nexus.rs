//! Spans of Nexus handlers.

use std::collections::HashMap;

use async_trait::async_trait;
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _};

use super::{Tracing, propagation};
use crate::converter::RawPayload;
use crate::interceptor::{NexusCancelOperationInput, NexusInterceptor, NexusNext, NexusStartOperationInput};
use crate::nexus::{NexusContext, NexusError, NexusStart};

#[async_trait]
impl NexusInterceptor for Tracing {
    /// The handler's code runs in the span's context: `opentelemetry::Context::current()` is the span.
    async fn start_operation(
        &self,
        ctx: &NexusContext,
        input: NexusStartOperationInput,
        next: NexusNext<'_>,
    ) -> Result<NexusStart<RawPayload>, NexusError> {
        let context = self.handler_context("RunStartNexusOperationHandler", ctx, &input.headers);
        ended(next.run(ctx, input).with_context(context.clone()).await, &context)
    }

    async fn cancel_operation(
        &self,
        ctx: &NexusContext,
        input: NexusCancelOperationInput,
        next: NexusNext<'_>,
    ) -> Result<(), NexusError> {
        let context = self.handler_context("RunCancelNexusOperationHandler", ctx, &input.headers);
        ended(next.run(ctx, input).with_context(context.clone()).await, &context)
    }
}

impl Tracing {
    /// Begins the span of a handler, below that of its caller.
    fn handler_context(&self, what: &str, ctx: &NexusContext, headers: &HashMap<String, String>) -> Context {
        let parent = match propagation::read_fields(headers) {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let info = ctx.info();
        let builder = SpanBuilder::from_name(format!("{what}:{}/{}", info.service, info.operation));
        let span = self.tracer.build_with_context(builder.with_kind(SpanKind::Server), &parent);
        parent.with_span(span)
    }
}

fn ended<T>(result: Result<T, NexusError>, context: &Context) -> Result<T, NexusError> {
    if let Err(error) = &result {
        context.span().set_status(Status::error(error.to_string()));
    }
    context.span().end();
    result
}
