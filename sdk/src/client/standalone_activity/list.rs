//! Lists of standalone activities by visibility query.

use std::collections::VecDeque;
use std::fmt;

use abide_protos::temporal::api::workflowservice::v1::ListActivityExecutionsRequest;

use super::description::ActivityExecutionInfo;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;

/// Standalone activities that match a query, fetched page by page.
///
/// ```no_run
/// # async fn look(client: abide::client::Client) -> Result<(), abide::client::RpcError> {
/// let mut running = client.list_activities("ActivityType = 'resize' AND ExecutionStatus = 'Running'");
/// while let Some(activity) = running.next().await? {
///     println!("{} since {:?}", activity.activity_id(), activity.schedule_time());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is fetched until `next` is called"]
pub struct ActivityList {
    connection: Connection,
    request: ListActivityExecutionsRequest,
    fetched: VecDeque<ActivityExecutionInfo>,
    is_last_page: bool,
}

impl ActivityList {
    pub(super) fn new(connection: Connection, query: String) -> Self {
        let namespace = connection.namespace().to_string();
        let request = ListActivityExecutionsRequest { namespace, query, ..Default::default() };
        Self { connection, request, fetched: VecDeque::new(), is_last_page: false }
    }

    /// Sets the number of activities to fetch per call. Default: the server's (1000).
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next activity; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if the query is invalid.
    pub async fn next(&mut self) -> Result<Option<ActivityExecutionInfo>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.carry_out(self.request.clone()).await?;
            self.fetched.extend(page.activities);
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}

impl fmt::Debug for ActivityList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityList").field("query", &self.request.query).finish_non_exhaustive()
    }
}
