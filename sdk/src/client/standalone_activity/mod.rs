//! Standalone activities: activities that a client starts, without a workflow.

mod calls;
mod description;
mod errors;
mod handle;
mod list;
mod result;
mod start;

use abide_protos::temporal::api::workflowservice::v1::CountActivityExecutionsRequest;

pub use self::description::{ActivityDescription, ActivityExecutionInfo, ActivityExecutionStatus};
pub use self::errors::StartActivityError;
pub use self::handle::{CancelStandaloneActivity, StandaloneActivityHandle, TerminateActivity};
pub use self::list::ActivityList;
pub(crate) use self::result::ActivityResultCall;
pub use self::result::{ActivityFailedError, GetActivityResult};
pub use self::start::StartActivity;
use super::{Client, RpcError, UntilClosed, UntilStarted, WorkflowCount};
use crate::definition::{Activity, Arguments};

impl Client {
    /// Starts a standalone activity: an activity without a workflow. Awaiting it returns a handle as soon as the server
    /// has accepted the start.
    ///
    /// Required are the task queue and one of the timeouts `start_to_close_timeout` and `schedule_to_close_timeout`.
    /// The defaults of the definition (`#[activity(start_to_close_timeout = ..)]`) count.
    ///
    /// ```no_run
    /// use abide::prelude::*;
    ///
    /// #[activity]
    /// async fn resize(image: String, width: u32) -> Result<String, ActivityError> {
    ///     Ok(format!("{image}-{width}.png"))
    /// }
    ///
    /// # async fn start(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let start = client.start_activity(resize, ("cat".into(), 640)).id("resize-cat").task_queue("images");
    /// let resized = start.start_to_close_timeout(mins(1)).await?;
    /// println!("{}", resized.result().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StartActivityError`]: an activity with this id already exists, an option is missing, or the call failed.
    pub fn start_activity<Kind, A: Activity<Kind>>(
        &self,
        activity: A,
        args: <A::Definition as Arguments>::Args,
    ) -> StartActivity<A::Definition, UntilStarted> {
        StartActivity::new(self.connection().clone(), activity.definition(), &args)
    }

    /// Starts a standalone activity. Awaiting it returns the activity's result.
    ///
    /// # Errors
    /// [`ActivityFailedError`]: the activity could not be started, or closed without a result.
    pub fn execute_activity<Kind, A: Activity<Kind>>(
        &self,
        activity: A,
        args: <A::Definition as Arguments>::Args,
    ) -> StartActivity<A::Definition, UntilClosed> {
        StartActivity::new(self.connection().clone(), activity.definition(), &args)
    }

    /// Returns a handle to the standalone activity with this id. Makes no call, so the activity need not exist.
    pub fn activity_handle<Kind, A: Activity<Kind>>(
        &self,
        activity: A,
        activity_id: impl Into<String>,
    ) -> StandaloneActivityHandle<A::Definition> {
        StandaloneActivityHandle::new(self.connection().clone(), activity.definition(), activity_id.into(), None)
    }

    /// Lists the standalone activities that match a visibility query. An empty query matches all of them.
    pub fn list_activities(&self, query: impl Into<String>) -> ActivityList {
        ActivityList::new(self.connection().clone(), query.into())
    }

    /// Counts the standalone activities that match a visibility query. If the query has a `GROUP BY`, counts them in
    /// groups.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed. If the query is invalid, [`is_invalid_argument`](RpcError::is_invalid_argument)
    /// returns true.
    pub async fn count_activities(&self, query: impl Into<String>) -> Result<WorkflowCount, RpcError> {
        let namespace = self.connection().namespace().to_string();
        let request = CountActivityExecutionsRequest { namespace, query: query.into() };
        self.connection().carry_out(request).await
    }
}
