//! Lists of standalone Nexus operations by visibility query.

use std::collections::VecDeque;
use std::fmt;

use abide_protos::temporal::api::workflowservice::v1::ListNexusOperationExecutionsRequest;

use super::description::NexusOperationExecutionInfo;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;

/// Standalone Nexus operations that match a query, fetched page by page.
///
/// ```no_run
/// # async fn look(client: abide::client::Client) -> Result<(), abide::client::RpcError> {
/// let mut running = client.list_nexus_operations("Endpoint = 'payments' AND ExecutionStatus = 'Running'");
/// while let Some(operation) = running.next().await? {
///     println!("{} since {:?}", operation.operation_id(), operation.schedule_time());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is fetched until `next` is called"]
pub struct NexusOperationList {
    connection: Connection,
    request: ListNexusOperationExecutionsRequest,
    fetched: VecDeque<NexusOperationExecutionInfo>,
    is_last_page: bool,
}

impl NexusOperationList {
    pub(super) fn new(connection: Connection, query: String) -> Self {
        let namespace = connection.namespace().to_string();
        let request = ListNexusOperationExecutionsRequest { namespace, query, ..Default::default() };
        Self { connection, request, fetched: VecDeque::new(), is_last_page: false }
    }

    /// Sets the number of operations to fetch per call. Default: the server's (1000).
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next operation; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if the query is invalid.
    pub async fn next(&mut self) -> Result<Option<NexusOperationExecutionInfo>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.carry_out(self.request.clone()).await?;
            self.fetched.extend(page.operations);
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}

impl fmt::Debug for NexusOperationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusOperationList").field("query", &self.request.query).finish_non_exhaustive()
    }
}
