//! The handle of a standalone activity: its result, its description, its end.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;

use abide_protos::temporal::api::workflowservice::v1::{
    DeleteActivityExecutionRequest, DescribeActivityExecutionRequest, PollActivityExecutionRequest,
    RequestCancelActivityExecutionRequest, TerminateActivityExecutionRequest,
};
use uuid::Uuid;

use super::description::ActivityDescription;
use super::result::GetActivityResult;
use crate::client::async_activity::{AsyncActivityHandle, AsyncActivityId};
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::definition::ActivityDefinition;

/// A handle to a standalone activity, started by this client or elsewhere.
///
/// A handle with a run id, such as that of a start, refers to that run only. A handle without one refers to the last
/// run of the activity id.
///
/// ```no_run
/// use abide::client::ActivityFailedError;
/// use abide::prelude::*;
///
/// # #[activity] async fn resize(image: String, width: u32) -> Result<String, ActivityError> { Ok(image) }
/// # async fn look(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let resized = client.activity_handle(resize, "resize-cat");
/// println!("attempt {}", resized.describe().await?.attempt());
/// resized.cancel().reason("the cat has run away").await?;
/// match resized.result().await {
///     Ok(file) => println!("too late: {file}"),
///     Err(ActivityFailedError::Cancelled(_)) => println!("cancelled"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(()) }
/// ```
pub struct StandaloneActivityHandle<A: ActivityDefinition> {
    connection: Connection,
    activity: A,
    activity_id: String,
    run_id: Option<String>,
}

impl<A: ActivityDefinition> StandaloneActivityHandle<A> {
    pub(super) fn new(connection: Connection, activity: A, activity_id: String, run_id: Option<String>) -> Self {
        Self { connection, activity, activity_id, run_id }
    }

    pub(in crate::client) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Restricts the handle to this run of the activity.
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    /// Returns the activity id.
    pub fn activity_id(&self) -> &str {
        &self.activity_id
    }

    /// Returns the run that was started or named; `None` for a handle made from an activity id only.
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// Waits until the activity has closed, with all its attempts, and returns its result.
    ///
    /// # Errors
    /// [`ActivityFailedError`](super::ActivityFailedError): the activity closed without a result, or does not exist.
    pub fn result(&self) -> GetActivityResult<A> {
        let request = PollActivityExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            activity_id: self.activity_id.clone(),
            run_id: self.run(),
        };
        GetActivityResult { connection: self.connection.clone(), request, activity: PhantomData }
    }

    /// Returns the server's description of the activity: its status, attempt, last failure, last heartbeat, options.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the activity does not exist.
    pub async fn describe(&self) -> Result<ActivityDescription, RpcError> {
        let request = DescribeActivityExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            activity_id: self.activity_id.clone(),
            run_id: self.run(),
            include_heartbeat_details: true,
            include_last_failure: true,
            ..Default::default()
        };
        self.connection.carry_out(request).await
    }

    /// Requests cancellation of the activity; `.reason(..)` sets the reason. An activity that waits for a worker is
    /// cancelled at once. A running attempt learns of it as always, with the answer to a heartbeat, and decides when
    /// and how it ends.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the activity does not exist,
    /// [`is_failed_precondition`](RpcError::is_failed_precondition) if it has closed, or if its cancellation was
    /// requested before.
    pub fn cancel(&self) -> CancelStandaloneActivity {
        CancelStandaloneActivity {
            connection: self.connection.clone(),
            request: RequestCancelActivityExecutionRequest {
                namespace: self.connection.namespace().to_string(),
                activity_id: self.activity_id.clone(),
                run_id: self.run(),
                identity: self.connection.identity().to_string(),
                request_id: Uuid::new_v4().to_string(),
                ..Default::default()
            },
        }
    }

    /// Terminates the activity at once; `.reason(..)` says why. A running attempt is not told, and its result is lost.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the activity does not exist or has closed.
    pub fn terminate(&self) -> TerminateActivity {
        TerminateActivity {
            connection: self.connection.clone(),
            request: TerminateActivityExecutionRequest {
                namespace: self.connection.namespace().to_string(),
                activity_id: self.activity_id.clone(),
                run_id: self.run(),
                identity: self.connection.identity().to_string(),
                request_id: Uuid::new_v4().to_string(),
                ..Default::default()
            },
        }
    }

    /// Deletes the activity with its result. If it is running, it is terminated first. The server deletes it a little
    /// later.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the activity does not exist.
    pub async fn delete(&self) -> Result<(), RpcError> {
        let request = DeleteActivityExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            activity_id: self.activity_id.clone(),
            run_id: self.run(),
        };
        self.connection.carry_out(request).await
    }

    /// Returns the handle with which the result of an attempt is reported that ended with
    /// [`ActivityError::will_complete_async`](crate::ActivityError::will_complete_async).
    pub fn async_activity(&self) -> AsyncActivityHandle {
        let (activity_id, run_id) = (self.activity_id.clone(), self.run());
        AsyncActivityHandle::new(self.connection.clone(), AsyncActivityId::Standalone { activity_id, run_id })
    }

    /// Returns the run id as requests have it: empty for the last run.
    pub(in crate::client) fn run(&self) -> String {
        self.run_id.clone().unwrap_or_default()
    }
}

impl<A: ActivityDefinition> Clone for StandaloneActivityHandle<A> {
    fn clone(&self) -> Self {
        Self::new(self.connection.clone(), self.activity.clone(), self.activity_id.clone(), self.run_id.clone())
    }
}

impl<A: ActivityDefinition> fmt::Debug for StandaloneActivityHandle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandaloneActivityHandle")
            .field("activity_type", &self.activity.name())
            .field("activity_id", &self.activity_id)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// A request to cancel a standalone activity, sent when awaited.
#[must_use = "the cancellation is requested only when this is awaited"]
pub struct CancelStandaloneActivity {
    connection: Connection,
    request: RequestCancelActivityExecutionRequest,
}

debug_only!(impl[] CancelStandaloneActivity, |this| { activity_id: this.request.activity_id });

impl CancelStandaloneActivity {
    /// Sets the reason, which the activity's description shows. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for CancelStandaloneActivity {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.carry_out(self.request).await })
    }
}

/// A request to terminate a standalone activity, sent when awaited.
#[must_use = "the activity is terminated only when this is awaited"]
pub struct TerminateActivity {
    connection: Connection,
    request: TerminateActivityExecutionRequest,
}

debug_only!(impl[] TerminateActivity, |this| { activity_id: this.request.activity_id });

impl TerminateActivity {
    /// Sets the reason, which the errors of waiting callers show. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for TerminateActivity {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.carry_out(self.request).await })
    }
}
