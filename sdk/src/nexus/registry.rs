//! The operations that a worker serves, by service and name.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use abide_protos::temporal::api::common::v1::Payload;

use super::context::NexusContext;
use super::error::NexusError;
use super::start::NexusStart;
use crate::NexusOperation;
use crate::converter::{RawPayload, read_one};
use crate::definition::PayloadValue;
use crate::interceptor::nexus::{NexusCall, NexusInterceptor, NexusNext};
use crate::into_shared::IntoShared;

/// A running handler.
pub type NexusFuture<T> = Pin<Box<dyn Future<Output = Result<T, NexusError>> + Send>>;

/// Serves the operations of a Nexus service: a value whose impl block has
/// [`nexus_handlers`](macro@crate::nexus_handlers).
#[diagnostic::on_unimplemented(
    message = "`{Self}` serves no Nexus operations",
    label = "expected a value of a type whose impl block has `#[nexus_handlers(implements = ..)]`"
)]
pub trait NexusHandlers: Send + Sync + 'static {
    /// Adds all operations to the registry.
    fn register(self, registry: &mut NexusRegistry);
}

/// The operations of a worker.
#[derive(Clone, Default)]
pub struct NexusRegistry {
    services: BTreeMap<String, BTreeMap<String, RegisteredOperation>>,
    duplicates: Vec<String>,
    /// The outermost first.
    interceptors: Vec<Arc<dyn NexusInterceptor>>,
}

/// An operation that runs on payloads.
#[derive(Clone)]
pub(crate) struct RegisteredOperation {
    start: Arc<Handler<RawPayload, NexusStart<RawPayload>>>,
    cancel: Option<Arc<Handler<String, ()>>>,
}

type Handler<Input, Output> = dyn Fn(NexusContext, Input) -> NexusFuture<Output> + Send + Sync;

impl NexusRegistry {
    /// Adds an operation with the code that starts it. Called by the output of the macros.
    pub fn add<I, O, F>(&mut self, operation: &NexusOperation<I, O>, start: F)
    where
        I: PayloadValue,
        O: PayloadValue,
        F: Fn(NexusContext, I) -> NexusFuture<NexusStart<O>> + Send + Sync + 'static,
    {
        let (service, name) = (operation.service().to_string(), operation.name().to_string());
        let start = move |ctx: NexusContext, input: RawPayload| -> NexusFuture<NexusStart<RawPayload>> {
            match input_of(&ctx, input) {
                Ok(input) => {
                    let starting = start(ctx, input);
                    Box::pin(async move {
                        let started = starting.await?;
                        started.into_raw().map_err(|error| {
                            NexusError::internal("the result of the operation cannot be written").cause(error)
                        })
                    })
                }
                Err(error) => Box::pin(std::future::ready(Err(error))),
            }
        };
        let registered = RegisteredOperation { start: Arc::new(start), cancel: None };
        if self.services.entry(service.clone()).or_default().insert(name.clone(), registered).is_some() {
            self.duplicates.push(format!("{service}/{name}"));
        }
    }

    /// Adds the code that cancels an operation which was added before. Called by the output of the macros.
    pub fn add_cancel<I, O, F>(&mut self, operation: &NexusOperation<I, O>, cancel: F)
    where
        F: Fn(NexusContext, String) -> NexusFuture<()> + Send + Sync + 'static,
    {
        let service = self.services.get_mut(operation.service());
        if let Some(registered) = service.and_then(|operations| operations.get_mut(operation.name())) {
            registered.cancel = Some(Arc::new(cancel));
        }
    }

    /// Adds an interceptor, within those that were added before.
    pub(crate) fn add_interceptor(&mut self, interceptor: impl IntoShared<dyn NexusInterceptor>) {
        self.interceptors.push(interceptor.into_shared());
    }

    /// Returns a registry with the same interceptors and no operation.
    #[cfg_attr(not(feature = "worker"), expect(dead_code, reason = "only workers serve several task queues"))]
    pub(crate) fn without_operations(&self) -> Self {
        Self { interceptors: self.interceptors.clone(), ..Self::default() }
    }

    /// Passes a request through the interceptors to the operation's code.
    pub(crate) async fn run<C: NexusCall>(
        &self,
        operation: &RegisteredOperation,
        ctx: &NexusContext,
        input: C,
    ) -> Result<C::Output, NexusError> {
        NexusNext::new(&self.interceptors, operation).run(ctx, input).await
    }

    /// Returns true if there is no operation.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Returns the operations that were added more than once, as `service/operation`.
    pub fn duplicates(&self) -> impl Iterator<Item = &str> {
        self.duplicates.iter().map(String::as_str)
    }

    /// Returns an operation, or the error for the caller if it is not served here.
    pub(crate) fn find(&self, service: &str, operation: &str) -> Result<RegisteredOperation, NexusError> {
        let Some(operations) = self.services.get(service) else {
            let known: Vec<&str> = self.services.keys().map(String::as_str).collect();
            let text = format!("the worker has no Nexus service `{service}`; registered: {}", known.join(", "));
            return Err(NexusError::not_found(text));
        };
        operations.get(operation).cloned().ok_or_else(|| {
            let known: Vec<&str> = operations.keys().map(String::as_str).collect();
            let text = format!(
                "the Nexus service `{service}` has no operation `{operation}`; its operations: {}",
                known.join(", ")
            );
            NexusError::not_found(text)
        })
    }
}

impl RegisteredOperation {
    pub(crate) fn start(&self, ctx: NexusContext, input: RawPayload) -> NexusFuture<NexusStart<RawPayload>> {
        (self.start)(ctx, input)
    }

    pub(crate) fn cancel(&self, ctx: NexusContext, operation_token: String) -> NexusFuture<()> {
        match &self.cancel {
            Some(cancel) => cancel(ctx, operation_token),
            None => Box::pin(async move { ctx.cancel_operation(&operation_token).await }),
        }
    }
}

fn input_of<I: PayloadValue>(ctx: &NexusContext, input: RawPayload) -> Result<I, NexusError> {
    let payload: Payload = input.into_proto();
    read_one(Some(&payload)).map_err(|error| {
        // Not a cause: it is the whole reason.
        NexusError::bad_request(format!("the input of the operation `{}` does not fit: {error}", ctx.info().operation))
    })
}

impl fmt::Debug for NexusRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |operations: &BTreeMap<String, _>| operations.keys().cloned().collect::<Vec<_>>();
        f.debug_map().entries(self.services.iter().map(|(service, operations)| (service, names(operations)))).finish()
    }
}
