//! Lists and counts of workflows by visibility query.

use std::collections::VecDeque;
use std::fmt;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, ListWorkflowExecutionsRequest,
};

use super::call::{Call, answer_is_output};
use super::connection::Connection;
use super::description::WorkflowExecutionInfo;
use super::rpc_error::RpcError;
use crate::converter::{PayloadError, from_payload};
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::interceptor::client::{CountWorkflowsInput, ListWorkflowsInput, WorkflowPage};

/// Workflows that match a query, fetched page by page.
///
/// ```no_run
/// # async fn look(client: abide::client::Client) -> Result<(), abide::client::RpcError> {
/// let mut orders = client.list("WorkflowType = 'process_order' AND ExecutionStatus = 'Running'");
/// while let Some(order) = orders.next().await? {
///     println!("{} since {:?}", order.workflow_id(), order.start_time());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is fetched until `next` is called"]
pub struct WorkflowList {
    connection: Connection,
    request: ListWorkflowExecutionsRequest,
    fetched: VecDeque<WorkflowExecutionInfo>,
    is_last_page: bool,
}

impl WorkflowList {
    pub(super) fn new(connection: Connection, query: String) -> Self {
        let namespace = connection.namespace().to_string();
        let request = ListWorkflowExecutionsRequest { namespace, query, ..Default::default() };
        Self { connection, request, fetched: VecDeque::new(), is_last_page: false }
    }

    /// Sets the number of workflows to fetch per call. Default: the server's (1000).
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next workflow; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if the query is invalid.
    pub async fn next(&mut self) -> Result<Option<WorkflowExecutionInfo>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.carry_out(self.request.clone()).await?;
            self.fetched.extend(page.workflows);
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}

impl Call for ListWorkflowExecutionsRequest {
    type Input = ListWorkflowsInput;
    type Answer = WorkflowPage;

    async fn send(self, connection: &Connection) -> Result<WorkflowPage, RpcError> {
        let page = connection.call_coded(self).await?;
        let workflows = page.executions.into_iter().map(WorkflowExecutionInfo::from_proto).collect();
        Ok(WorkflowPage { workflows, next_page_token: page.next_page_token })
    }

    fn into_input(self) -> ListWorkflowsInput {
        ListWorkflowsInput::from_request(self)
    }

    fn from_input(input: ListWorkflowsInput) -> Self {
        input.into_request()
    }

    answer_is_output!();
}

impl Call for CountWorkflowExecutionsRequest {
    type Input = CountWorkflowsInput;
    type Answer = WorkflowCount;

    async fn send(self, connection: &Connection) -> Result<WorkflowCount, RpcError> {
        connection.call(self).await.map(WorkflowCount::from_proto)
    }

    fn into_input(self) -> CountWorkflowsInput {
        CountWorkflowsInput::from_request(self)
    }

    fn from_input(input: CountWorkflowsInput) -> Self {
        input.into_request()
    }

    answer_is_output!();
}

impl fmt::Debug for WorkflowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowList").field("query", &self.request.query).finish_non_exhaustive()
    }
}

/// The number of workflows or schedules that match a query.
#[derive(Clone, Debug)]
pub struct WorkflowCount {
    count: u64,
    groups: Vec<WorkflowCountGroup>,
}

impl WorkflowCount {
    pub(super) fn from_proto(proto: CountWorkflowExecutionsResponse) -> Self {
        Self::new(proto.count, proto.groups.into_iter().map(|group| (group.count, group.group_values)))
    }

    pub(super) fn new(count: i64, groups: impl IntoIterator<Item = (i64, Vec<Payload>)>) -> Self {
        let of = |number: i64| u64::try_from(number).unwrap_or_default();
        let groups = groups.into_iter().map(|(count, values)| WorkflowCountGroup { count: of(count), values });
        Self { count: of(count), groups: groups.collect() }
    }

    /// Returns the total. The server may count approximately.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the counts by group, if the query has a `GROUP BY`.
    pub fn groups(&self) -> &[WorkflowCountGroup] {
        &self.groups
    }
}

/// The number of workflows or schedules in one group of a query with `GROUP BY`.
#[derive(Clone)]
pub struct WorkflowCountGroup {
    count: u64,
    values: Vec<Payload>,
}

debug_only!(impl[] WorkflowCountGroup, |this| { count: this.count });

impl WorkflowCountGroup {
    /// Returns the number of workflows or schedules in the group.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the value that the group shares, by the position of its attribute in `GROUP BY`.
    ///
    /// # Errors
    /// Returns an error if the value is present and not a `T`.
    pub fn value<T: PayloadValue>(&self, index: usize) -> Result<Option<T>, PayloadError> {
        self.values.get(index).map(from_payload).transpose()
    }
}
