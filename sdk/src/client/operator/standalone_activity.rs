//! Calls of operators about one standalone activity: pause it, reset it, change its options.

use std::future::IntoFuture;
use std::time::Duration;

use abide_protos::temporal::api::workflowservice::v1::{
    PauseActivityExecutionRequest, ResetActivityExecutionRequest, UnpauseActivityExecutionRequest,
    UpdateActivityExecutionOptionsRequest,
};
use uuid::Uuid;

use super::activities::{ActivityOptionsChange, PendingActivityOptions};
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::client::standalone_activity::StandaloneActivityHandle;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::definition::ActivityDefinition;
use crate::duration::to_proto;

/// The server setting `history.enableStandaloneActivityOperatorCommands` must be on for these calls.
impl<A: ActivityDefinition> StandaloneActivityHandle<A> {
    /// Pauses the activity; `.reason(..)` sets the reason. An attempt that runs goes on, and if it fails, no further one
    /// starts before the activity is [unpaused](Self::unpause) or [reset](Self::reset). Timeouts go on, too.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # async fn bank_is_down(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let charged = client.activity_handle(charge, "charge-4711");
    /// charged.pause().reason("the bank is down").await?;
    /// // .. and when it is up again:
    /// charged.unpause().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the activity does not exist,
    /// [`is_failed_precondition`](RpcError::is_failed_precondition) if it is paused already or has closed,
    /// [`is_unimplemented`](RpcError::is_unimplemented) if the setting is off.
    pub fn pause(&self) -> PauseStandaloneActivity {
        let request = PauseActivityExecutionRequest {
            namespace: self.connection().namespace().to_string(),
            activity_id: self.activity_id().to_string(),
            run_id: self.run(),
            identity: self.connection().identity().to_string(),
            resource_id: resource_id(self.activity_id()),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        PauseStandaloneActivity { connection: self.connection().clone(), request }
    }

    /// Continues a paused activity: the next attempt starts at once.
    ///
    /// # Errors
    /// See [`pause`](Self::pause).
    pub fn unpause(&self) -> UnpauseStandaloneActivity {
        let request = UnpauseActivityExecutionRequest {
            namespace: self.connection().namespace().to_string(),
            activity_id: self.activity_id().to_string(),
            run_id: self.run(),
            identity: self.connection().identity().to_string(),
            resource_id: resource_id(self.activity_id()),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        UnpauseStandaloneActivity { connection: self.connection().clone(), request }
    }

    /// Resets the activity: it counts its attempts from 1 again. If it waits for its next attempt, that starts at once.
    /// A paused activity is unpaused, unless [`keep_paused`](ResetStandaloneActivity::keep_paused) is set.
    ///
    /// # Errors
    /// See [`pause`](Self::pause).
    pub fn reset(&self) -> ResetStandaloneActivity {
        let request = ResetActivityExecutionRequest {
            namespace: self.connection().namespace().to_string(),
            activity_id: self.activity_id().to_string(),
            run_id: self.run(),
            identity: self.connection().identity().to_string(),
            resource_id: resource_id(self.activity_id()),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        ResetStandaloneActivity { connection: self.connection().clone(), request }
    }

    /// Changes options of the activity from its next attempt on, and returns the options that it has now.
    ///
    /// # Errors
    /// See [`pause`](Self::pause); [`is_invalid_argument`](RpcError::is_invalid_argument) if the change is empty or a
    /// value is invalid.
    pub async fn update_options(&self, change: ActivityOptionsChange) -> Result<PendingActivityOptions, RpcError> {
        let (activity_options, update_mask, restore_original) = change.into_proto();
        let request = UpdateActivityExecutionOptionsRequest {
            namespace: self.connection().namespace().to_string(),
            workflow_id: String::new(),
            activity_id: self.activity_id().to_string(),
            run_id: self.run(),
            identity: self.connection().identity().to_string(),
            activity_options,
            update_mask,
            restore_original,
            resource_id: resource_id(self.activity_id()),
            request_id: Uuid::new_v4().to_string(),
        };
        let options = self.connection().call(request).await?.activity_options.unwrap_or_default();
        Ok(PendingActivityOptions::from_proto(options))
    }
}

/// Returns the id by which servers route the request.
fn resource_id(activity_id: &str) -> String {
    format!("activity:{activity_id}")
}

/// A request to pause a standalone activity, sent when awaited.
#[must_use = "the activity is paused only when this is awaited"]
pub struct PauseStandaloneActivity {
    connection: Connection,
    request: PauseActivityExecutionRequest,
}

debug_only!(impl[] PauseStandaloneActivity, |this| { activity_id: this.request.activity_id });

impl PauseStandaloneActivity {
    /// Sets the reason. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for PauseStandaloneActivity {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}

/// A request to continue a paused standalone activity, sent when awaited.
#[must_use = "the activity continues only when this is awaited"]
pub struct UnpauseStandaloneActivity {
    connection: Connection,
    request: UnpauseActivityExecutionRequest,
}

debug_only!(impl[] UnpauseStandaloneActivity, |this| { activity_id: this.request.activity_id });

impl UnpauseStandaloneActivity {
    /// Sets the reason. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }

    /// Starts the next attempt at a random time within this duration. Default: none.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.request.jitter = Some(to_proto(jitter));
        self
    }
}

impl IntoFuture for UnpauseStandaloneActivity {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}

/// A request to reset a standalone activity, sent when awaited.
#[must_use = "the activity is reset only when this is awaited"]
pub struct ResetStandaloneActivity {
    connection: Connection,
    request: ResetActivityExecutionRequest,
}

debug_only!(impl[] ResetStandaloneActivity, |this| { activity_id: this.request.activity_id });

impl ResetStandaloneActivity {
    /// Forgets the details of the last heartbeat.
    pub fn reset_heartbeat(mut self) -> Self {
        self.request.reset_heartbeat = true;
        self
    }

    /// Leaves a paused activity paused.
    pub fn keep_paused(mut self) -> Self {
        self.request.keep_paused = true;
        self
    }

    /// Gives the activity the options back with which it was started.
    pub fn restore_original_options(mut self) -> Self {
        self.request.restore_original_options = true;
        self
    }

    /// Starts the next attempt at a random time within this duration. Default: none.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.request.jitter = Some(to_proto(jitter));
        self
    }
}

impl IntoFuture for ResetStandaloneActivity {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}
