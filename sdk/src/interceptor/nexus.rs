//! Interceptors of Nexus handlers: the trait, and the rest of the chain behind an interceptor.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::converter::RawPayload;
use crate::into_shared::into_shared;
use crate::nexus::{NexusContext, NexusError, NexusStart, RegisteredOperation};

/// Code around the handlers of Nexus operations (Temporal's Nexus interceptor), added with
/// `WorkerBuilder::nexus_interceptor`.
///
/// It sees the requests to all operations that the worker serves. A repeated request is seen again.
///
/// ```
/// use abide::converter::RawPayload;
/// use abide::interceptor::{NexusInterceptor, NexusNext, NexusStartOperationInput, async_trait};
/// use abide::{NexusContext, NexusError, NexusStart};
///
/// /// Refuses callers without a tenant.
/// struct Tenants;
///
/// #[async_trait]
/// impl NexusInterceptor for Tenants {
///     async fn start_operation(
///         &self,
///         ctx: &NexusContext,
///         input: NexusStartOperationInput,
///         next: NexusNext<'_>,
///     ) -> Result<NexusStart<RawPayload>, NexusError> {
///         if !input.headers.contains_key("tenant") {
///             return Err(NexusError::unauthorized("expected the header `tenant`, found none"));
///         }
///         next.run(ctx, input).await
///     }
/// }
/// # fn is_one(_: impl NexusInterceptor) {}
/// # is_one(Tenants);
/// ```
///
/// A panic in an interceptor is an internal error, as a panic in the handler is.
#[async_trait]
pub trait NexusInterceptor: Send + Sync + 'static {
    /// Surrounds the handler that starts an operation. By default, passes the request on.
    async fn start_operation(
        &self,
        ctx: &NexusContext,
        input: NexusStartOperationInput,
        next: NexusNext<'_>,
    ) -> Result<NexusStart<RawPayload>, NexusError> {
        next.run(ctx, input).await
    }

    /// Surrounds the handler that cancels an operation. By default, passes the request on.
    async fn cancel_operation(
        &self,
        ctx: &NexusContext,
        input: NexusCancelOperationInput,
        next: NexusNext<'_>,
    ) -> Result<(), NexusError> {
        next.run(ctx, input).await
    }
}

into_shared!(NexusInterceptor);

/// A request to start an operation, as an [interceptor](NexusInterceptor::start_operation) sees it. The context has the
/// rest.
#[derive(Clone)]
#[non_exhaustive]
pub struct NexusStartOperationInput {
    /// The operation's input.
    pub argument: RawPayload,
    /// Headers of the request, by name in lower case. The handler's [info](crate::nexus::NexusInfo::headers) shows what an
    /// interceptor leaves.
    pub headers: HashMap<String, String>,
}

/// A request to cancel an operation, as an [interceptor](NexusInterceptor::cancel_operation) sees it. The context has
/// the rest.
#[derive(Clone)]
#[non_exhaustive]
pub struct NexusCancelOperationInput {
    /// The token with which the operation was started.
    pub operation_token: String,
    /// Headers of the request, by name in lower case. The handler's [info](crate::nexus::NexusInfo::headers) shows what an
    /// interceptor leaves.
    pub headers: HashMap<String, String>,
}

/// A request that passes through interceptors: [`NexusStartOperationInput`] or [`NexusCancelOperationInput`].
#[async_trait]
pub trait NexusCall: Send + Sized {
    /// The handler's answer.
    type Output: Send;

    #[doc(hidden)]
    fn headers(&self) -> &HashMap<String, String>;

    #[doc(hidden)]
    async fn intercept(
        self,
        first: &dyn NexusInterceptor,
        ctx: &NexusContext,
        next: NexusNext<'_>,
    ) -> Result<Self::Output, NexusError>;

    #[doc(hidden)]
    async fn handle(self, ctx: NexusContext, next: NexusNext<'_>) -> Result<Self::Output, NexusError>;
}

#[async_trait]
impl NexusCall for NexusStartOperationInput {
    type Output = NexusStart<RawPayload>;

    fn headers(&self) -> &HashMap<String, String> {
        &self.headers
    }

    async fn intercept(
        self,
        first: &dyn NexusInterceptor,
        ctx: &NexusContext,
        next: NexusNext<'_>,
    ) -> Result<Self::Output, NexusError> {
        first.start_operation(ctx, self, next).await
    }

    async fn handle(self, ctx: NexusContext, next: NexusNext<'_>) -> Result<Self::Output, NexusError> {
        next.operation.start(ctx, self.argument).await
    }
}

#[async_trait]
impl NexusCall for NexusCancelOperationInput {
    type Output = ();

    fn headers(&self) -> &HashMap<String, String> {
        &self.headers
    }

    async fn intercept(
        self,
        first: &dyn NexusInterceptor,
        ctx: &NexusContext,
        next: NexusNext<'_>,
    ) -> Result<(), NexusError> {
        first.cancel_operation(ctx, self, next).await
    }

    async fn handle(self, ctx: NexusContext, next: NexusNext<'_>) -> Result<(), NexusError> {
        next.operation.cancel(ctx, self.operation_token).await
    }
}

/// The rest of a request: the interceptors that come after this one, and the handler.
#[derive(Clone, Copy)]
pub struct NexusNext<'a> {
    rest: &'a [Arc<dyn NexusInterceptor>],
    operation: &'a RegisteredOperation,
}

impl<'a> NexusNext<'a> {
    pub(crate) fn new(interceptors: &'a [Arc<dyn NexusInterceptor>], operation: &'a RegisteredOperation) -> Self {
        Self { rest: interceptors, operation }
    }

    /// Passes the request on, and returns the handler's answer. The context's headers become those of the input.
    ///
    /// # Errors
    /// The handler's error, or that of an interceptor.
    pub async fn run<C: NexusCall>(self, ctx: &NexusContext, input: C) -> Result<C::Output, NexusError> {
        let ctx = ctx.with_headers(input.headers());
        match self.rest.split_first() {
            Some((first, rest)) => input.intercept(&**first, &ctx, Self { rest, ..self }).await,
            None => input.handle(ctx, self).await,
        }
    }
}

impl fmt::Debug for NexusStartOperationInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { argument, headers } = self;
        let headers: Vec<&String> = headers.keys().collect();
        f.debug_struct("NexusStartOperationInput").field("argument", argument).field("headers", &headers).finish()
    }
}

/// Shows no token: whoever has it can cancel the operation.
impl fmt::Debug for NexusCancelOperationInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&String> = self.headers.keys().collect();
        f.debug_struct("NexusCancelOperationInput").field("headers", &headers).finish_non_exhaustive()
    }
}

impl fmt::Debug for NexusNext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusNext").field("interceptors", &self.rest.len()).finish_non_exhaustive()
    }
}
