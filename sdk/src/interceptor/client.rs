//! Interceptors of client calls: the trait, and the rest of the chain behind an interceptor.

mod async_activities;
mod inputs;
mod messages;
mod schedules;
mod standalone;
mod standalone_activities;
mod standalone_nexus;
mod start;
mod workflows;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

pub use self::async_activities::{
    CancelActivityInput, CompleteActivityInput, FailActivityInput, HeartbeatActivityInput,
};
pub use self::messages::{
    PollUpdateInput, QueryAnswer, QueryWorkflowInput, SignalWorkflowInput, StartUpdateInput, StartedUpdate,
    UpdateOutcome,
};
pub(crate) use self::messages::{payloads_of, value_of};
pub use self::schedules::{
    CountSchedulesInput, CreateScheduleInput, DeleteScheduleInput, DescribeScheduleInput, ListSchedulesInput,
    PatchScheduleInput, ScheduleMatchingTimesInput, SchedulePage, UpdateScheduleInput,
};
pub use self::standalone_activities::{
    ActivityPage, ActivityResultInput, CountActivitiesInput, DeleteActivityInput, DescribeActivityInput,
    ListActivitiesInput, RequestCancelActivityInput, StartActivityInput, StartedActivity, TerminateActivityInput,
};
pub use self::standalone_nexus::{
    CountNexusOperationsInput, DeleteNexusOperationInput, DescribeNexusOperationInput, ListNexusOperationsInput,
    NexusOperationPage, RequestCancelNexusOperationInput, StandaloneNexusOperationResultInput,
    StartStandaloneNexusOperationInput, StartedStandaloneNexusOperation, TerminateNexusOperationInput,
};
pub use self::start::{
    SignalWithStartWorkflowInput, StartWorkflowInput, StartedUpdateWithStart, StartedWorkflow,
    UpdateWithStartWorkflowInput,
};
pub use self::workflows::{
    CancelWorkflowInput, CountWorkflowsInput, DescribeWorkflowInput, FetchHistoryInput, ListWorkflowsInput,
    TerminateWorkflowInput, WorkflowPage, WorkflowResultInput,
};
use crate::History;
use crate::client::{
    ActivityDescription, ActivityFailedError, AsyncActivityHeartbeat, Connection, NexusOperationDescription,
    NexusOperationFailedError, RpcError, ScheduleDescription, WorkflowCount, WorkflowDescription, WorkflowFailedError,
};
use crate::converter::RawPayload;
use crate::into_shared::into_shared;

/// Code around the calls of a client (Temporal's client interceptor), added with
/// [`ClientOptions::interceptor`](crate::ClientOptions::interceptor).
///
/// Each method surrounds one kind of call, and passes it on by default. It sees a call before payload codecs encode it,
/// and its answer after they have decoded it. What it changes is what the server gets, and what the caller's handle then
/// refers to. To refuse a call, return [`RpcError::refused`].
///
/// ```
/// use abide::client::RpcError;
/// use abide::interceptor::{ClientInterceptor, ClientNext, StartWorkflowInput, StartedWorkflow, async_trait};
/// use abide::prelude::*;
///
/// /// Sends the tenant with each start, and keeps its workflows apart.
/// struct Tenant(String);
///
/// #[async_trait]
/// impl ClientInterceptor for Tenant {
///     async fn start_workflow(
///         &self,
///         mut input: StartWorkflowInput,
///         next: ClientNext<'_, StartWorkflowInput>,
///     ) -> Result<StartedWorkflow, RpcError> {
///         if input.task_queue == "internal" {
///             return Err(RpcError::refused("tenants may not use the task queue `internal`"));
///         }
///         input.headers.set("tenant", &self.0)?;
///         input.workflow_id = format!("{}/{}", self.0, input.workflow_id);
///         next.run(input).await
///     }
/// }
///
/// let options = ClientOptions::new("localhost:7233").interceptor(Tenant("acme".into()));
/// # let _ = options;
/// ```
///
/// A panic in an interceptor panics in the caller.
#[async_trait]
pub trait ClientInterceptor: Send + Sync + 'static {
    /// Surrounds the start of a workflow: [`Client::start`](crate::Client::start) and
    /// [`Client::execute`](crate::Client::execute), without a signal or an update.
    async fn start_workflow(
        &self,
        input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        next.run(input).await
    }

    /// Surrounds a start [with a signal](crate::client::StartWorkflow::with_signal).
    async fn signal_with_start_workflow(
        &self,
        input: SignalWithStartWorkflowInput,
        next: ClientNext<'_, SignalWithStartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        next.run(input).await
    }

    /// Surrounds a start [with an update](crate::client::StartWorkflow::with_update), until the update is accepted.
    async fn update_with_start_workflow(
        &self,
        input: UpdateWithStartWorkflowInput,
        next: ClientNext<'_, UpdateWithStartWorkflowInput>,
    ) -> Result<StartedUpdateWithStart, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [signal](crate::WorkflowHandle::signal).
    async fn signal_workflow(
        &self,
        input: SignalWorkflowInput,
        next: ClientNext<'_, SignalWorkflowInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds a [query](crate::WorkflowHandle::query).
    async fn query_workflow(
        &self,
        input: QueryWorkflowInput,
        next: ClientNext<'_, QueryWorkflowInput>,
    ) -> Result<QueryAnswer, RpcError> {
        next.run(input).await
    }

    /// Surrounds an update of a running workflow, until it has the stage that the caller waits for:
    /// [accepted](crate::WorkflowHandle::start_update) or [completed](crate::WorkflowHandle::update). If it is only
    /// accepted by then, [`poll_update`](Self::poll_update) follows.
    async fn start_update(
        &self,
        input: StartUpdateInput,
        next: ClientNext<'_, StartUpdateInput>,
    ) -> Result<StartedUpdate, RpcError> {
        next.run(input).await
    }

    /// Surrounds a wait for the [result of an update](crate::client::UpdateHandle::result) whose handle does not have
    /// it yet.
    async fn poll_update(
        &self,
        input: PollUpdateInput,
        next: ClientNext<'_, PollUpdateInput>,
    ) -> Result<UpdateOutcome, RpcError> {
        next.run(input).await
    }

    /// Surrounds a wait for the [result of a workflow](crate::WorkflowHandle::result), with all its runs.
    async fn workflow_result(
        &self,
        input: WorkflowResultInput,
        next: ClientNext<'_, WorkflowResultInput>,
    ) -> Result<RawPayload, WorkflowFailedError> {
        next.run(input).await
    }

    /// Surrounds a [description](crate::WorkflowHandle::describe) of a workflow.
    async fn describe_workflow(
        &self,
        input: DescribeWorkflowInput,
        next: ClientNext<'_, DescribeWorkflowInput>,
    ) -> Result<WorkflowDescription, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [request to cancel](crate::WorkflowHandle::cancel) a workflow.
    async fn cancel_workflow(
        &self,
        input: CancelWorkflowInput,
        next: ClientNext<'_, CancelWorkflowInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds a [termination](crate::WorkflowHandle::terminate) of a workflow.
    async fn terminate_workflow(
        &self,
        input: TerminateWorkflowInput,
        next: ClientNext<'_, TerminateWorkflowInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the call for each page of a [list](crate::Client::list).
    async fn list_workflows(
        &self,
        input: ListWorkflowsInput,
        next: ClientNext<'_, ListWorkflowsInput>,
    ) -> Result<WorkflowPage, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [count](crate::Client::count).
    async fn count_workflows(
        &self,
        input: CountWorkflowsInput,
        next: ClientNext<'_, CountWorkflowsInput>,
    ) -> Result<WorkflowCount, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [fetch of a history](crate::WorkflowHandle::fetch_history), with all its pages.
    async fn fetch_history(
        &self,
        input: FetchHistoryInput,
        next: ClientNext<'_, FetchHistoryInput>,
    ) -> Result<History, RpcError> {
        next.run(input).await
    }

    /// Surrounds the [completion](crate::client::AsyncActivityHandle::complete) of an activity from elsewhere.
    async fn complete_activity(
        &self,
        input: CompleteActivityInput,
        next: ClientNext<'_, CompleteActivityInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the report that an activity [failed](crate::client::AsyncActivityHandle::fail), from elsewhere.
    async fn fail_activity(
        &self,
        input: FailActivityInput,
        next: ClientNext<'_, FailActivityInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the report that an activity [was cancelled](crate::client::AsyncActivityHandle::report_cancelled),
    /// from elsewhere.
    async fn cancel_activity(
        &self,
        input: CancelActivityInput,
        next: ClientNext<'_, CancelActivityInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds a [heartbeat](crate::client::AsyncActivityHandle::heartbeat) of an activity, from elsewhere.
    async fn heartbeat_activity(
        &self,
        input: HeartbeatActivityInput,
        next: ClientNext<'_, HeartbeatActivityInput>,
    ) -> Result<AsyncActivityHeartbeat, RpcError> {
        next.run(input).await
    }

    /// Surrounds the [creation](crate::Client::create_schedule) of a schedule. The answer is the schedule's id, to which
    /// the caller's handle then refers.
    async fn create_schedule(
        &self,
        input: CreateScheduleInput,
        next: ClientNext<'_, CreateScheduleInput>,
    ) -> Result<String, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [description](crate::client::ScheduleHandle::describe) of a schedule, also as part of an update.
    async fn describe_schedule(
        &self,
        input: DescribeScheduleInput,
        next: ClientNext<'_, DescribeScheduleInput>,
    ) -> Result<ScheduleDescription, RpcError> {
        next.run(input).await
    }

    /// Surrounds an [update](crate::client::ScheduleHandle::update) of a schedule, each time that it is sent.
    async fn update_schedule(
        &self,
        input: UpdateScheduleInput,
        next: ClientNext<'_, UpdateScheduleInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds a [pause](crate::client::ScheduleHandle::pause), the [end](crate::client::ScheduleHandle::unpause) of a
    /// pause, a [trigger](crate::client::ScheduleHandle::trigger) and a
    /// [backfill](crate::client::ScheduleHandle::backfill).
    async fn patch_schedule(
        &self,
        input: PatchScheduleInput,
        next: ClientNext<'_, PatchScheduleInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the [deletion](crate::client::ScheduleHandle::delete) of a schedule.
    async fn delete_schedule(
        &self,
        input: DeleteScheduleInput,
        next: ClientNext<'_, DeleteScheduleInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the question at which [times](crate::client::ScheduleHandle::matching_times) a schedule acts.
    async fn schedule_matching_times(
        &self,
        input: ScheduleMatchingTimesInput,
        next: ClientNext<'_, ScheduleMatchingTimesInput>,
    ) -> Result<Vec<SystemTime>, RpcError> {
        next.run(input).await
    }

    /// Surrounds the call for each page of a [list](crate::Client::list_schedules) of schedules.
    async fn list_schedules(
        &self,
        input: ListSchedulesInput,
        next: ClientNext<'_, ListSchedulesInput>,
    ) -> Result<SchedulePage, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [count](crate::Client::count_schedules) of schedules.
    async fn count_schedules(
        &self,
        input: CountSchedulesInput,
        next: ClientNext<'_, CountSchedulesInput>,
    ) -> Result<WorkflowCount, RpcError> {
        next.run(input).await
    }

    /// Surrounds the start of a standalone activity: [`Client::start_activity`](crate::Client::start_activity) and
    /// [`Client::execute_activity`](crate::Client::execute_activity).
    async fn start_activity(
        &self,
        input: StartActivityInput,
        next: ClientNext<'_, StartActivityInput>,
    ) -> Result<StartedActivity, RpcError> {
        next.run(input).await
    }

    /// Surrounds a wait for the [result](crate::client::StandaloneActivityHandle::result) of a standalone activity.
    async fn activity_result(
        &self,
        input: ActivityResultInput,
        next: ClientNext<'_, ActivityResultInput>,
    ) -> Result<RawPayload, ActivityFailedError> {
        next.run(input).await
    }

    /// Surrounds a [description](crate::client::StandaloneActivityHandle::describe) of a standalone activity.
    async fn describe_activity(
        &self,
        input: DescribeActivityInput,
        next: ClientNext<'_, DescribeActivityInput>,
    ) -> Result<ActivityDescription, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [request to cancel](crate::client::StandaloneActivityHandle::cancel) a standalone activity.
    async fn request_cancel_activity(
        &self,
        input: RequestCancelActivityInput,
        next: ClientNext<'_, RequestCancelActivityInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds a [termination](crate::client::StandaloneActivityHandle::terminate) of a standalone activity.
    async fn terminate_activity(
        &self,
        input: TerminateActivityInput,
        next: ClientNext<'_, TerminateActivityInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the [deletion](crate::client::StandaloneActivityHandle::delete) of a standalone activity.
    async fn delete_activity(
        &self,
        input: DeleteActivityInput,
        next: ClientNext<'_, DeleteActivityInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the call for each page of a [list](crate::Client::list_activities) of standalone activities.
    async fn list_activities(
        &self,
        input: ListActivitiesInput,
        next: ClientNext<'_, ListActivitiesInput>,
    ) -> Result<ActivityPage, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [count](crate::Client::count_activities) of standalone activities.
    async fn count_activities(
        &self,
        input: CountActivitiesInput,
        next: ClientNext<'_, CountActivitiesInput>,
    ) -> Result<WorkflowCount, RpcError> {
        next.run(input).await
    }

    /// Surrounds the start of a standalone Nexus operation:
    /// [`Client::start_nexus_operation`](crate::Client::start_nexus_operation) and
    /// [`Client::execute_nexus_operation`](crate::Client::execute_nexus_operation).
    async fn start_standalone_nexus_operation(
        &self,
        input: StartStandaloneNexusOperationInput,
        next: ClientNext<'_, StartStandaloneNexusOperationInput>,
    ) -> Result<StartedStandaloneNexusOperation, RpcError> {
        next.run(input).await
    }

    /// Surrounds a wait for the [result](crate::client::StandaloneNexusOperationHandle::result) of a standalone Nexus operation.
    async fn nexus_operation_result(
        &self,
        input: StandaloneNexusOperationResultInput,
        next: ClientNext<'_, StandaloneNexusOperationResultInput>,
    ) -> Result<RawPayload, NexusOperationFailedError> {
        next.run(input).await
    }

    /// Surrounds a [description](crate::client::StandaloneNexusOperationHandle::describe) of a standalone Nexus operation.
    async fn describe_nexus_operation(
        &self,
        input: DescribeNexusOperationInput,
        next: ClientNext<'_, DescribeNexusOperationInput>,
    ) -> Result<NexusOperationDescription, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [request to cancel](crate::client::StandaloneNexusOperationHandle::cancel) a standalone Nexus operation.
    async fn request_cancel_nexus_operation(
        &self,
        input: RequestCancelNexusOperationInput,
        next: ClientNext<'_, RequestCancelNexusOperationInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds a [termination](crate::client::StandaloneNexusOperationHandle::terminate) of a standalone Nexus operation.
    async fn terminate_nexus_operation(
        &self,
        input: TerminateNexusOperationInput,
        next: ClientNext<'_, TerminateNexusOperationInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the [deletion](crate::client::StandaloneNexusOperationHandle::delete) of a standalone Nexus operation.
    async fn delete_nexus_operation(
        &self,
        input: DeleteNexusOperationInput,
        next: ClientNext<'_, DeleteNexusOperationInput>,
    ) -> Result<(), RpcError> {
        next.run(input).await
    }

    /// Surrounds the call for each page of a [list](crate::Client::list_nexus_operations) of standalone Nexus operations.
    async fn list_nexus_operations(
        &self,
        input: ListNexusOperationsInput,
        next: ClientNext<'_, ListNexusOperationsInput>,
    ) -> Result<NexusOperationPage, RpcError> {
        next.run(input).await
    }

    /// Surrounds a [count](crate::Client::count_nexus_operations) of standalone Nexus operations.
    async fn count_nexus_operations(
        &self,
        input: CountNexusOperationsInput,
        next: ClientNext<'_, CountNexusOperationsInput>,
    ) -> Result<WorkflowCount, RpcError> {
        next.run(input).await
    }
}

into_shared!(ClientInterceptor);

/// A kind of client call: the input of a method of [`ClientInterceptor`]. Only Abide implements it.
pub trait ClientCall: sealed::Sealed + Sized + Send + 'static {
    /// The answer of the call.
    type Output: Send;
    /// The error of the call.
    type Error: Send;

    #[doc(hidden)]
    fn pass_to<'a>(
        self,
        interceptor: &'a dyn ClientInterceptor,
        next: ClientNext<'a, Self>,
    ) -> ClientCallFuture<'a, Self>;

    #[doc(hidden)]
    fn send(self, connection: &Connection) -> ClientCallFuture<'_, Self>;
}

/// A call in progress.
pub(crate) type ClientCallFuture<'a, I> =
    Pin<Box<dyn Future<Output = Result<<I as ClientCall>::Output, <I as ClientCall>::Error>> + Send + 'a>>;

/// The rest of a call: the interceptors that come after this one, and the request to the server.
pub struct ClientNext<'a, I> {
    rest: &'a [Arc<dyn ClientInterceptor>],
    connection: &'a Connection,
    input: PhantomData<fn(I)>,
}

impl<'a, I: ClientCall> ClientNext<'a, I> {
    pub(crate) fn new(rest: &'a [Arc<dyn ClientInterceptor>], connection: &'a Connection) -> Self {
        Self { rest, connection, input: PhantomData }
    }

    /// Makes the call with this input. Each further call makes it again, with the same request id.
    ///
    /// # Errors
    /// The server's or the connection's error, or that of an interceptor.
    pub async fn run(self, input: I) -> Result<I::Output, I::Error> {
        match self.rest.split_first() {
            Some((first, rest)) => input.pass_to(&**first, Self { rest, ..self }).await,
            None => input.send(self.connection).await,
        }
    }

    /// Returns the client's namespace.
    pub fn namespace(&self) -> &'a str {
        self.connection.namespace()
    }
}

impl<I> Clone for ClientNext<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I> Copy for ClientNext<'_, I> {}

impl<I> fmt::Debug for ClientNext<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientNext").field("interceptors", &self.rest.len()).finish_non_exhaustive()
    }
}

mod sealed {
    pub trait Sealed {}
}
