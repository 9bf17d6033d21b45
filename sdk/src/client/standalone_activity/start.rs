//! Starting standalone activities: one builder for start and execute.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{ActivityType, Payload};
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::StartActivityExecutionRequest;
use serde::Serialize;
use uuid::Uuid;

use super::errors::StartActivityError;
use super::handle::StandaloneActivityHandle;
use super::result::ActivityFailedError;
use crate::client::connection::Connection;
use crate::client::message::written;
use crate::client::policies::{ActivityIdConflictPolicy, ActivityIdReusePolicy};
use crate::client::start::{ClientFuture, UntilClosed, UntilStarted};
use crate::converter::{PayloadError, to_payload};
use crate::debug_only::debug_only;
use crate::definition::ActivityDefinition;
use crate::duration::to_proto;
use crate::header::set_header;
use crate::search_attributes::{SearchAttributeUpdate, apply};
use crate::{Priority, RetryPolicy};

/// The start of a standalone activity: set options, then `.await` it.
#[must_use = "the activity is started only when this is awaited"]
pub struct StartActivity<A: ActivityDefinition, Until = UntilStarted> {
    connection: Connection,
    activity: A,
    request: Box<StartActivityExecutionRequest>,
    unwritable: Option<PayloadError>,
    until: PhantomData<fn() -> Until>,
}

debug_only!(impl[A: ActivityDefinition, Until] StartActivity<A, Until>, |this| {
    activity_type: this.activity.name(),
    activity_id: this.request.activity_id,
    task_queue: this.request.task_queue.as_ref().map(|queue| &queue.name),
});

impl<A: ActivityDefinition, Until> StartActivity<A, Until> {
    pub(crate) fn new(connection: Connection, activity: A, args: &A::Args) -> Self {
        let name = activity.name().into_owned();
        let mut request = StartActivityExecutionRequest {
            namespace: connection.namespace().to_string(),
            identity: connection.identity().to_string(),
            ..Default::default()
        };
        let mut unwritable = None;
        match written::<A>(args) {
            Ok(input) => request.input = input,
            Err(error) => unwritable = Some(error.of(format_args!("activity `{name}`"))),
        }
        request.activity_type = Some(ActivityType { name });
        Self { connection, activity, request: Box::new(request), unwritable, until: PhantomData }
    }

    /// Sets the activity id, usually a business id such as an order number. Default: a random UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.request.activity_id = id.into();
        self
    }

    /// Sets the task queue whose workers run the activity. Required, unless the definition has a default.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.request.task_queue = Some(task_queue(name.into()));
        self
    }

    /// Limits the time of one attempt, from its start on a worker to its end. Default: the schedule-to-close timeout.
    pub fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.request.start_to_close_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time of all attempts together, including waiting and retries. Default: no limit.
    pub fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.request.schedule_to_close_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time that the activity waits for a worker. Default: the schedule-to-close timeout.
    pub fn schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.request.schedule_to_start_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time between two heartbeats. Without it, the server notices a lost worker only at the end of the
    /// attempt. Default: no limit.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.request.heartbeat_timeout = Some(to_proto(timeout));
        self
    }

    /// Sets the policy by which the server retries the activity. Default: the server's policy (1 s, doubling, unlimited
    /// attempts).
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.request.retry_policy = Some(policy.to_proto());
        self
    }

    /// Policy for reusing the id of a closed activity. Default: reuse is allowed.
    pub fn id_reuse_policy(mut self, policy: ActivityIdReusePolicy) -> Self {
        self.request.id_reuse_policy = policy.to_proto();
        self
    }

    /// Policy for an id that a running activity uses. Default: the start fails.
    pub fn id_conflict_policy(mut self, policy: ActivityIdConflictPolicy) -> Self {
        self.request.id_conflict_policy = policy.to_proto();
        self
    }

    /// Delays the first attempt. Default: no delay.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.request.start_delay = Some(to_proto(delay));
        self
    }

    /// Sets search attributes for visibility queries; their names and types must be registered on the server.
    pub fn search_attributes(mut self, values: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let values: Vec<SearchAttributeUpdate> = values.into_iter().collect();
        apply(&values, self.request.search_attributes.get_or_insert_default());
        self
    }

    /// Adds a header, shown by the activity's [info](crate::ActivityInfo::header).
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = set_header(&mut self.request.header, key, value) {
            self.unwritable = Some(error);
        }
        self
    }

    /// Sets a one-line summary in Markdown, which the web UI shows in lists. Default: none.
    pub fn static_summary(mut self, summary: impl Into<String>) -> Self {
        let summary = self.text(summary.into());
        self.request.user_metadata.get_or_insert_default().summary = summary;
        self
    }

    /// Sets details in Markdown, of one or more lines, which the web UI shows. Default: none.
    pub fn static_details(mut self, details: impl Into<String>) -> Self {
        let details = self.text(details.into());
        self.request.user_metadata.get_or_insert_default().details = details;
        self
    }

    /// Sets the priority and fairness of the activity among waiting activities. Default: the server's.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.request.priority = Some(priority.to_proto());
        self
    }

    /// Sets the request id. The server ignores a repeated start with the same id. Default: a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }

    fn text(&mut self, text: String) -> Option<Payload> {
        to_payload(&text).map_err(|error| self.unwritable = Some(error)).ok()
    }

    /// Returns the complete request, or an error if something is missing or cannot be serialized.
    pub(crate) fn checked(mut self) -> Result<(Connection, A, Box<StartActivityExecutionRequest>), StartActivityError> {
        if let Some(error) = self.unwritable {
            return Err(StartActivityError::Payload(error));
        }
        fill_defaults(&mut self.request, &self.activity);
        let activity_type = || self.activity.name().into_owned();
        if self.request.task_queue.as_ref().is_none_or(|queue| queue.name.is_empty()) {
            return Err(StartActivityError::MissingTaskQueue { activity_type: activity_type() });
        }
        if self.request.start_to_close_timeout.is_none() && self.request.schedule_to_close_timeout.is_none() {
            return Err(StartActivityError::MissingTimeout { activity_type: activity_type() });
        }
        for id in [&mut self.request.activity_id, &mut self.request.request_id] {
            if id.is_empty() {
                *id = Uuid::new_v4().to_string();
            }
        }
        Ok((self.connection, self.activity, self.request))
    }

    async fn send(self) -> Result<StandaloneActivityHandle<A>, StartActivityError> {
        let (connection, activity, request) = self.checked()?;
        let activity_id = request.activity_id.clone();
        let started = connection.carry_out(request).await;
        let started = started.map_err(|error| StartActivityError::from_rpc(activity_id, error))?;
        Ok(StandaloneActivityHandle::new(connection, activity, started.activity_id, Some(started.run_id)))
    }
}

fn task_queue(name: String) -> TaskQueue {
    TaskQueue { name, kind: TaskQueueKind::Normal as i32, ..Default::default() }
}

/// Fills options that the call does not set from the definition's defaults.
fn fill_defaults(request: &mut StartActivityExecutionRequest, activity: &impl ActivityDefinition) {
    let defaults = activity.defaults();
    let timeouts = [
        (&mut request.schedule_to_close_timeout, defaults.schedule_to_close_timeout),
        (&mut request.schedule_to_start_timeout, defaults.schedule_to_start_timeout),
        (&mut request.start_to_close_timeout, defaults.start_to_close_timeout),
        (&mut request.heartbeat_timeout, defaults.heartbeat_timeout),
    ];
    for (timeout, default) in timeouts {
        *timeout = timeout.take().or(default.map(to_proto));
    }
    if request.retry_policy.is_none() {
        request.retry_policy = defaults.retry_policy.map(|policy| policy.to_proto());
    }
    if request.priority.is_none() {
        request.priority = defaults.priority.map(|priority| priority.to_proto());
    }
    if request.task_queue.is_none() {
        request.task_queue = defaults.task_queue.map(task_queue);
    }
}

impl<A: ActivityDefinition> IntoFuture for StartActivity<A, UntilStarted> {
    type Output = Result<StandaloneActivityHandle<A>, StartActivityError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<A: ActivityDefinition> IntoFuture for StartActivity<A, UntilClosed> {
    type Output = Result<A::Output, ActivityFailedError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.send().await.map_err(ActivityFailedError::NotStarted)?.result().await })
    }
}
