//! Operations that a workflow backs: the handler starts the workflow, and the server reports its end to the caller.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::atomic::Ordering;

use abide_protos::temporal::api::common::v1::{Callback, Link, callback};
use abide_protos::temporal::api::workflow::v1::OnConflictOptions;

use super::context::NexusContext;
use super::error::NexusError;
use super::start::NexusStart;
use super::temporal_link::{of_nexus, to_nexus, to_start};
use super::token::{self, Backing};
use crate::WorkflowType;
use crate::client::{ClientFuture, StartWorkflow};
use crate::definition::{Arguments, Workflow, WorkflowDefinition};

/// The header of a callback that names the operation.
pub(super) const OPERATION_TOKEN: &str = "nexus-operation-token";

/// Awaiting the start returns the start of the Nexus operation that the workflow backs; made by
/// [`NexusContext::start_workflow`].
#[derive(Clone, Debug)]
pub struct BacksOperation(NexusContext);

impl NexusContext {
    /// Starts the workflow that backs the operation: `ctx.start_workflow(process, order).id("order-17").await`. When the
    /// workflow has closed, the server reports its result to the caller, and a request to cancel the operation cancels
    /// the workflow.
    ///
    /// The start has all options of [`Client::start`](crate::Client::start). Defaults: the worker's task queue, and the
    /// request's id as workflow id. A handler may be called again with the same request; the server then returns the
    /// same run. With the conflict policy
    /// [`UseExisting`](crate::client::WorkflowIdConflictPolicy::UseExisting), several operations may share one workflow,
    /// and all callers get its result.
    ///
    /// The histories of the caller and of the workflow link to each other. A workflow cannot be started with a signal or
    /// an update here, and a request can start only one such workflow; the [client](Self::client) starts others.
    ///
    /// ```
    /// use abide::prelude::*;
    /// use abide::{NexusContext, NexusError, NexusStart};
    ///
    /// #[abide::nexus_service]
    /// pub trait Orders {
    ///     fn fulfil(order: String) -> String;
    /// }
    ///
    /// #[workflow]
    /// async fn process(ctx: &WorkflowContext, order: String) -> Result<String, WorkflowError> {
    ///     ctx.timer(days(1)).await?;
    ///     Ok(format!("{order} is fulfilled"))
    /// }
    ///
    /// struct Warehouse;
    ///
    /// #[abide::nexus_handlers(implements = Orders)]
    /// impl Warehouse {
    ///     #[nexus_operation]
    ///     async fn fulfil(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
    ///         ctx.start_workflow(process, order.clone()).id(format!("order-{order}")).await
    ///     }
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// A [`NexusError`] of the type that fits: for an id that a running workflow uses, an internal error that is not
    /// retried.
    pub fn start_workflow<Kind, W: Workflow<Kind>>(
        &self,
        workflow: W,
        args: <W::Definition as Arguments>::Args,
    ) -> StartWorkflow<W::Definition, BacksOperation> {
        let (connection, until) = (self.client().connection().clone(), BacksOperation(self.clone()));
        let info = self.info();
        let start = StartWorkflow::new(connection, workflow.definition(), &args, until);
        start.id(&info.request_id).request_id(&info.request_id).task_queue(&info.task_queue)
    }

    /// Cancels what backs an operation, by its token: what happens if the handler has no `#[nexus_cancel(..)]` for it.
    /// Call it from one that does more.
    ///
    /// # Errors
    /// [`NotFound`](crate::NexusHandlerErrorType::NotFound) if the workflow is not running,
    /// [`NotImplemented`](crate::NexusHandlerErrorType::NotImplemented) if the token is one of the handler's own.
    pub async fn cancel_operation(&self, operation_token: &str) -> Result<(), NexusError> {
        let operation = &self.info().operation;
        match token::read(operation_token) {
            None => Err(NexusError::not_implemented(format!(
                "the operation `{operation}` cannot be cancelled: its handler has given it a token of its own, but has no \
                 method with `#[nexus_cancel(..)]`"
            ))),
            Some(Err(text)) => Err(NexusError::bad_request(text)),
            Some(Ok(Backing::Other { token_type })) => Err(NexusError::not_implemented(format!(
                "the operation `{operation}` cannot be cancelled: its token is of type {token_type}, which this handler \
                 does not start"
            ))),
            Some(Ok(Backing::Workflow { namespace, .. })) if namespace != self.info().namespace => {
                let own = &self.info().namespace;
                let text = format!("expected a token of an operation in namespace `{own}`, found one of `{namespace}`");
                Err(NexusError::bad_request(text))
            }
            Some(Ok(Backing::Workflow { workflow_id, .. })) => {
                let workflow = WorkflowType::<fn()>::named(String::new());
                self.client().handle(workflow, workflow_id).cancel().await.map_err(NexusError::from)
            }
        }
    }
}

impl<W: WorkflowDefinition> IntoFuture for StartWorkflow<W, BacksOperation> {
    type Output = Result<NexusStart<W::Output>, NexusError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(send(self))
    }
}

async fn send<W: WorkflowDefinition>(
    mut start: StartWorkflow<W, BacksOperation>,
) -> Result<NexusStart<W::Output>, NexusError> {
    let BacksOperation(ctx) = start.until().clone();
    if start.has_signal() {
        let text = "a workflow that backs a Nexus operation cannot be started with a signal: send it with a handle";
        return Err(NexusError::internal(text).non_retryable());
    }
    // Two workflows would both report the end of the operation.
    let backed = &ctx.request().is_backed;
    if backed.swap(true, Ordering::Relaxed) {
        let text = "the handler starts a second workflow for the operation: start others with `ctx.client()`";
        return Err(NexusError::internal(text).non_retryable());
    }
    let info = ctx.info();
    let request = start.request_mut();
    let token = token::of_workflow(&info.namespace, &request.workflow_id);
    let links: Vec<Link> = info.links.iter().filter_map(of_nexus).collect();
    if !info.callback_url.is_empty() {
        let mut header: HashMap<String, String> = info.callback_headers.clone();
        header.insert(OPERATION_TOKEN.to_string(), token.clone());
        let nexus = callback::Nexus { url: info.callback_url.clone(), header };
        let callback = Callback { variant: Some(callback::Variant::Nexus(nexus)), links: links.clone() };
        request.completion_callbacks.push(callback);
    }
    // Servers that do not know the links of callbacks take these.
    request.links = links;
    request.on_conflict_options =
        Some(OnConflictOptions { attach_request_id: true, attach_completion_callbacks: true, attach_links: true });
    let started = start.started().await.inspect_err(|_| backed.store(false, Ordering::Relaxed))?;
    let to_event = || to_start(&info.namespace, &started.workflow_id, &started.run_id);
    let link = started.link.clone().unwrap_or_else(to_event);
    to_nexus(&link).into_iter().for_each(|link| ctx.add_link(link));
    Ok(NexusStart::later(token))
}
