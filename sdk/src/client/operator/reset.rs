//! Resets: a workflow goes back to an earlier point of its history, and continues in a new run.

use std::fmt;
use std::future::IntoFuture;

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::workflow::v1::PostResetOperation;
use abide_protos::temporal::api::workflow::v1::post_reset_operation::{UpdateWorkflowOptions, Variant};
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryReverseRequest,
    ResetWorkflowExecutionRequest,
};
use uuid::Uuid;

use super::workflow::WorkflowOptionsChange;
use crate::client::connection::Connection;
use crate::client::handle::WorkflowHandle;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::definition::WorkflowDefinition;

/// Number of pages of a history that a search reads. The longest history that a server permits has fewer.
const MAX_PAGES: usize = 1000;

/// The point of a history to which a workflow is reset (Temporal's `ResetType`).
///
/// A workflow can only be reset to the end or the start of a workflow task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetPoint {
    /// The first workflow task: all of the workflow's code runs again.
    FirstWorkflowTask,
    /// The last workflow task that was completed.
    LastWorkflowTask,
    /// The workflow task of this event: one of type WorkflowTaskCompleted, WorkflowTaskTimedOut, WorkflowTaskFailed or
    /// WorkflowTaskStarted.
    Event(u64),
    /// The first workflow task that a worker with this build id completed.
    BuildId(String),
}

impl fmt::Display for ResetPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstWorkflowTask => f.write_str("the first workflow task"),
            Self::LastWorkflowTask => f.write_str("the last workflow task"),
            Self::Event(id) => write!(f, "event {id}"),
            Self::BuildId(build_id) => write!(f, "the first workflow task of build `{build_id}`"),
        }
    }
}

/// Events after the point of a reset that the new run does not get again (Temporal's `ResetReapplyExcludeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetReapplyExcludeType {
    /// Signals.
    Signal,
    /// Updates.
    Update,
    /// The outcomes of Nexus operations.
    Nexus,
}

impl ResetReapplyExcludeType {
    pub(super) fn to_proto(self) -> i32 {
        (match self {
            Self::Signal => enums::ResetReapplyExcludeType::Signal,
            Self::Update => enums::ResetReapplyExcludeType::Update,
            Self::Nexus => enums::ResetReapplyExcludeType::Nexus,
        }) as i32
    }
}

/// A workflow could not be reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The run's history has no such point.
    #[error(
        "workflow `{workflow_id}` (run `{run_id}`) cannot be reset to {point}: its history has none; look at the \
         history, and choose another point"
    )]
    NoSuchPoint {
        /// Workflow id.
        workflow_id: String,
        /// Run id.
        run_id: String,
        /// The point that was looked for.
        point: ResetPoint,
    },
    /// The call failed. [`is_not_found`](RpcError::is_not_found) if the workflow does not exist,
    /// [`is_invalid_argument`](RpcError::is_invalid_argument) if the event does not belong to a workflow task.
    #[error("{0}")]
    Rpc(RpcError),
}

/// The reset of a workflow, sent when awaited.
#[must_use = "the workflow is reset only when this is awaited"]
pub struct ResetWorkflow<W: WorkflowDefinition> {
    handle: WorkflowHandle<W>,
    point: ResetPoint,
    request: ResetWorkflowExecutionRequest,
}

debug_only!(impl[W: WorkflowDefinition] ResetWorkflow<W>, |this| {
    workflow_id: this.handle.workflow_id(),
    point: this.point,
});

impl<W: WorkflowDefinition> WorkflowHandle<W> {
    /// Resets the workflow: its run ends, and a new run starts with the history up to the given point. Signals and
    /// updates that came after the point are applied again. Returns the handle of the new run.
    ///
    /// The run that was started or named is reset, otherwise the last one. It may be closed. If it is open, the server
    /// terminates it.
    ///
    /// ```no_run
    /// use abide::client::operator::{ResetPoint, ResetReapplyExcludeType};
    /// # use abide::prelude::*;
    /// # #[workflow] async fn process_order(ctx: &WorkflowContext, id: String) -> Result<String, WorkflowError> { Ok(id) }
    /// # async fn repair(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let order = client.handle(process_order, "order-4711");
    /// let reset = order.reset(ResetPoint::LastWorkflowTask).reason("the bug is fixed");
    /// let again = reset.reapply_exclude(ResetReapplyExcludeType::Signal).await?;
    /// println!("{}", again.result().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ResetError`]: the history has no such point, or the workflow does not exist.
    pub fn reset(&self, point: ResetPoint) -> ResetWorkflow<W> {
        let request = ResetWorkflowExecutionRequest {
            namespace: self.connection().namespace().to_string(),
            request_id: Uuid::new_v4().to_string(),
            identity: self.connection().identity().to_string(),
            ..Default::default()
        };
        ResetWorkflow { handle: self.clone(), point, request }
    }
}

impl<W: WorkflowDefinition> ResetWorkflow<W> {
    /// Sets the reason, which the new run's history shows. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }

    /// Leaves out later events of this type. Call it again for another type. Default: all are
    /// applied again.
    pub fn reapply_exclude(mut self, events: ResetReapplyExcludeType) -> Self {
        self.request.reset_reapply_exclude_types.push(events.to_proto());
        self
    }

    /// Changes options of the new run, before its first workflow task.
    pub fn then_update_options(mut self, change: WorkflowOptionsChange) -> Self {
        let (options, mask) = change.into_proto();
        let options = UpdateWorkflowOptions { workflow_execution_options: Some(options), update_mask: Some(mask) };
        let variant = Some(Variant::UpdateWorkflowOptions(options));
        self.request.post_reset_operations.push(PostResetOperation { variant });
        self
    }

    #[expect(deprecated, reason = "without this field the server applies only signals again")]
    async fn send(mut self) -> Result<WorkflowHandle<W>, ResetError> {
        let connection = self.handle.connection();
        let (execution, first_run_id) = described(&self.handle).await.map_err(ResetError::Rpc)?;
        let found = find(connection, &execution, &self.point).await.map_err(ResetError::Rpc)?;
        let Some(event_id) = found else {
            let WorkflowExecution { workflow_id, run_id } = execution;
            return Err(ResetError::NoSuchPoint { workflow_id, run_id, point: self.point });
        };
        self.request.workflow_execution = Some(execution);
        self.request.workflow_task_finish_event_id = event_id;
        self.request.reset_reapply_type = enums::ResetReapplyType::AllEligible as i32;
        let response = connection.call_coded(self.request).await.map_err(ResetError::Rpc)?;
        Ok(self.handle.of_chain(response.run_id, first_run_id))
    }
}

impl<W: WorkflowDefinition> IntoFuture for ResetWorkflow<W> {
    type Output = Result<WorkflowHandle<W>, ResetError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Returns the run that a handle refers to, so that all calls of a reset are about one run, and the first run of its
/// chain.
async fn described<W: WorkflowDefinition>(handle: &WorkflowHandle<W>) -> Result<(WorkflowExecution, String), RpcError> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: handle.connection().namespace().to_string(),
        execution: Some(handle.execution(handle.run_id().unwrap_or_default())),
    };
    let info = handle.connection().call(request).await?.workflow_execution_info.unwrap_or_default();
    let run_id = info.execution.map(|execution| execution.run_id).unwrap_or_default();
    Ok((handle.execution(&run_id), info.first_run_id))
}

/// Returns the event to reset to; `None` if the history has none.
async fn find(
    connection: &Connection,
    execution: &WorkflowExecution,
    point: &ResetPoint,
) -> Result<Option<i64>, RpcError> {
    match point {
        ResetPoint::Event(id) => Ok(Some(i64::try_from(*id).unwrap_or(i64::MAX))),
        ResetPoint::LastWorkflowTask => match find_backwards(connection, execution).await {
            // Not every server reads histories from their end.
            Err(error) if error.is_unimplemented() => find_forwards(connection, execution, Search::of(point)).await,
            found => found,
        },
        ResetPoint::FirstWorkflowTask | ResetPoint::BuildId(_) => {
            find_forwards(connection, execution, Search::of(point)).await
        }
    }
}

async fn find_forwards(
    connection: &Connection,
    execution: &WorkflowExecution,
    search: Search<'_>,
) -> Result<Option<i64>, RpcError> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: connection.namespace().to_string(),
        execution: Some(execution.clone()),
        ..Default::default()
    };
    search_in(connection, Pages::Forwards(request), search).await
}

async fn find_backwards(connection: &Connection, execution: &WorkflowExecution) -> Result<Option<i64>, RpcError> {
    let request = GetWorkflowExecutionHistoryReverseRequest {
        namespace: connection.namespace().to_string(),
        execution: Some(execution.clone()),
        ..Default::default()
    };
    search_in(connection, Pages::Backwards(request), Search::of(&ResetPoint::FirstWorkflowTask)).await
}

async fn search_in(connection: &Connection, mut pages: Pages, mut search: Search<'_>) -> Result<Option<i64>, RpcError> {
    for _ in 0..MAX_PAGES {
        let (events, is_last) = pages.next(connection).await?;
        if search.read(&events) || is_last {
            break;
        }
    }
    Ok(search.result())
}

/// The pages of a history, from its beginning or from its end.
enum Pages {
    Forwards(GetWorkflowExecutionHistoryRequest),
    Backwards(GetWorkflowExecutionHistoryReverseRequest),
}

impl Pages {
    /// Returns the events of the next page, and true if it is the last one.
    async fn next(&mut self, connection: &Connection) -> Result<(Vec<HistoryEvent>, bool), RpcError> {
        let (history, token) = match self {
            Self::Forwards(request) => {
                let page = connection.call(request.clone()).await?;
                request.next_page_token.clone_from(&page.next_page_token);
                (page.history, page.next_page_token)
            }
            Self::Backwards(request) => {
                let page = connection.call(request.clone()).await?;
                request.next_page_token.clone_from(&page.next_page_token);
                (page.history, page.next_page_token)
            }
        };
        Ok((history.unwrap_or_default().events, token.is_empty()))
    }
}

/// The search for a workflow task in events.
struct Search<'a> {
    /// True if a later workflow task counts more than an earlier one.
    takes_last: bool,
    build_id: Option<&'a str>,
    completed: Option<i64>,
    /// The start of a workflow task that is not completed: second choice, for a workflow without a completed one.
    started: Option<i64>,
}

impl<'a> Search<'a> {
    fn of(point: &'a ResetPoint) -> Self {
        let takes_last = *point == ResetPoint::LastWorkflowTask;
        let build_id = if let ResetPoint::BuildId(build_id) = point { Some(build_id.as_str()) } else { None };
        Self { takes_last, build_id, completed: None, started: None }
    }

    /// Reads events in the order of the search. Returns true if the rest need not be read.
    fn read(&mut self, events: &[HistoryEvent]) -> bool {
        for event in events {
            match event.event_type() {
                EventType::WorkflowTaskCompleted if self.is_of_build(event) => {
                    self.completed = Some(event.event_id);
                    if !self.takes_last {
                        return true;
                    }
                }
                EventType::WorkflowTaskScheduled if self.takes_last || self.started.is_none() => {
                    self.started = Some(event.event_id + 1);
                }
                _ => {}
            }
        }
        false
    }

    #[expect(deprecated, reason = "workers without a deployment report their build in this field")]
    fn is_of_build(&self, event: &HistoryEvent) -> bool {
        let Some(wanted) = self.build_id else { return true };
        let Some(Attributes::WorkflowTaskCompletedEventAttributes(task)) = &event.attributes else { return false };
        let deployed = task.deployment_version.as_ref().is_some_and(|version| version.build_id == wanted);
        deployed || task.worker_version.as_ref().is_some_and(|version| version.build_id == wanted)
    }

    fn result(&self) -> Option<i64> {
        self.completed.or(if self.build_id.is_none() { self.started } else { None })
    }
}

#[cfg(test)]
mod tests {
    use abide_protos::temporal::api::common::v1::WorkerVersionStamp;
    use abide_protos::temporal::api::history::v1::WorkflowTaskCompletedEventAttributes;

    use super::*;

    fn event(event_id: i64, event_type: EventType) -> HistoryEvent {
        HistoryEvent { event_id, event_type: event_type as i32, ..Default::default() }
    }

    #[expect(deprecated, reason = "workers without a deployment report their build in this field")]
    fn completed(event_id: i64, build_id: &str) -> HistoryEvent {
        let worker_version = Some(WorkerVersionStamp { build_id: build_id.into(), ..Default::default() });
        let task = WorkflowTaskCompletedEventAttributes { worker_version, ..Default::default() };
        let attributes = Some(Attributes::WorkflowTaskCompletedEventAttributes(task));
        HistoryEvent { attributes, ..event(event_id, EventType::WorkflowTaskCompleted) }
    }

    fn found(point: &ResetPoint, events: &[HistoryEvent]) -> Option<i64> {
        let mut search = Search::of(point);
        // One event on each page.
        let _ = events.iter().any(|event| search.read(std::slice::from_ref(event)));
        search.result()
    }

    #[test]
    fn a_completed_task_is_preferred_and_the_start_of_a_task_is_the_second_choice() {
        let (first, last) = (ResetPoint::FirstWorkflowTask, ResetPoint::LastWorkflowTask);
        let build = |id: &str| ResetPoint::BuildId(id.into());
        let scheduled = |id| event(id, EventType::WorkflowTaskScheduled);
        let events = [
            event(1, EventType::WorkflowExecutionStarted),
            scheduled(2),
            completed(4, "a"),
            scheduled(6),
            completed(8, "b"),
        ];
        assert_eq!((found(&first, &events), found(&last, &events)), (Some(4), Some(8)));
        assert_eq!((found(&build("b"), &events), found(&build("c"), &events)), (Some(8), None));
        let failing = [scheduled(2), event(4, EventType::WorkflowTaskFailed), scheduled(5)];
        assert_eq!((found(&first, &failing), found(&last, &failing)), (Some(3), Some(6)));
        assert_eq!((found(&build("a"), &failing), found(&first, &[])), (None, None));
    }
}
