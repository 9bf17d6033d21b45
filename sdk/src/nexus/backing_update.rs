//! Operations that an update of a running workflow backs.

use std::sync::atomic::Ordering;

use abide_protos::temporal::api::common::v1::{Callback, Link, callback};
use abide_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage::Accepted;
use abide_protos::temporal::api::workflowservice::v1::UpdateWorkflowExecutionRequest;

use super::backing::OPERATION_TOKEN;
use super::context::NexusContext;
use super::error::NexusError;
use super::start::NexusStart;
use super::temporal_link::{of_nexus, to_nexus};
use super::token;
use crate::client::{UntilAccepted, UpdateError, UpdateWorkflow};
use crate::definition::UpdateDefinition;

impl NexusContext {
    /// Sends the update that backs the operation: `ctx.back_with_update(order.start_update(Order::ship, to)).await`, where
    /// `order` is a handle of the [client](Self::client). Returns when the workflow has accepted the update. When the
    /// update has completed, the server reports its result to the caller.
    ///
    /// The update's id is that of the request, unless it has one, so a repeated request finds its update. A rejected
    /// update fails the operation. A request to cancel such an operation is refused, unless the handler has
    /// `#[nexus_cancel(..)]` for it.
    ///
    /// Needs a namespace that calls back for updates: server 1.32 or later with the setting
    /// `history.enableUpdateCallbacks`, which is off by default.
    ///
    /// ```
    /// use abide::prelude::*;
    /// use abide::{NexusContext, NexusError, NexusStart};
    ///
    /// #[abide::nexus_service]
    /// pub trait Orders {
    ///     fn ship(order: String) -> String;
    /// }
    ///
    /// #[abide::workflow_definition]
    /// pub trait Order {
    ///     #[run]
    ///     fn run();
    ///     #[update]
    ///     fn ship(express: bool) -> String;
    /// }
    ///
    /// struct Warehouse;
    ///
    /// #[abide::nexus_handlers(implements = Orders)]
    /// impl Warehouse {
    ///     #[nexus_operation]
    ///     async fn ship(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
    ///         let order = ctx.client().handle(Order::run, order);
    ///         ctx.back_with_update(order.start_update(Order::ship, true)).await
    ///     }
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// A [`NexusError`] of the type that fits. If the update is rejected, or has failed at once, the operation has failed.
    /// [`NotImplemented`](crate::NexusHandlerErrorType::NotImplemented) if the namespace does not call back for updates.
    pub async fn back_with_update<U: UpdateDefinition>(
        &self,
        update: UpdateWorkflow<U, UntilAccepted>,
    ) -> Result<NexusStart<U::Output>, NexusError> {
        if !self.request().has_update_callbacks {
            return Err(NexusError::not_implemented(
                "the operation cannot be backed by an update: expected a namespace that calls back for updates (the setting \
                 `history.enableUpdateCallbacks` of server 1.32 or later); let a workflow send the update instead",
            ));
        }
        let backed = &self.request().is_backed;
        if backed.swap(true, Ordering::Relaxed) {
            let text =
                "the handler backs the operation with a second workflow or update: send others with `ctx.client()`";
            return Err(NexusError::internal(text).non_retryable());
        }
        let update = update.default_id(&self.info().request_id);
        let sent = update.send_with(Accepted, |request| self.call_back(request)).await;
        let (handle, link) = sent.inspect_err(|_| backed.store(false, Ordering::Relaxed))?;
        link.as_ref().and_then(to_nexus).into_iter().for_each(|link| self.add_link(link));
        if handle.has_ended() {
            // Repeated requests may find that their update has ended in the meantime.
            return match handle.result().await {
                Ok(result) => Ok(NexusStart::completed(result)),
                Err(UpdateError::Failed(failure)) => Err(NexusError::failed(failure)),
                Err(error) => Err(error.into()),
            };
        }
        let run_id = handle.run_id().unwrap_or_default();
        let token = token::of_update(&self.info().namespace, handle.workflow_id(), run_id, handle.id());
        Ok(NexusStart::later(token))
    }

    /// Makes the server report the update's result to the caller of the operation.
    fn call_back(&self, request: &mut UpdateWorkflowExecutionRequest) {
        let (info, execution) = (self.info(), request.workflow_execution.clone().unwrap_or_default());
        let Some(update) = &mut request.request else { return };
        let id = update.meta.as_ref().map_or("", |meta| &meta.update_id);
        // The run that gets the update is not known before. The token counts only if the update ends before this answer.
        let token = token::of_update(&info.namespace, &execution.workflow_id, &execution.run_id, id);
        let links: Vec<Link> = info.links.iter().filter_map(of_nexus).collect();
        let mut header = info.callback_headers.clone();
        header.insert(OPERATION_TOKEN.to_string(), token);
        let nexus = callback::Nexus { url: info.callback_url.clone(), header };
        update.request_id.clone_from(&info.request_id);
        update.links.clone_from(&links);
        update.completion_callbacks = vec![Callback { variant: Some(callback::Variant::Nexus(nexus)), links }];
    }
}
