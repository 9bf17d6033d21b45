//! Lists of schedules by visibility query.

use std::collections::VecDeque;
use std::fmt;
use std::time::SystemTime;

use abide_protos::temporal::api::schedule::v1 as proto;
use abide_protos::temporal::api::workflowservice::v1::ListSchedulesRequest;

use super::description::{ScheduleActionResult, results};
use super::spec::ScheduleSpec;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::duration::time_from_proto;
use crate::memo_and_attributes::read_memo_and_attributes;

/// Schedules that match a query, fetched page by page.
///
/// ```no_run
/// # async fn look(client: abide::client::Client) -> Result<(), abide::client::RpcError> {
/// let mut paused = client.list_schedules("TemporalSchedulePaused = true");
/// while let Some(schedule) = paused.next().await? {
///     println!("{}: {}", schedule.schedule_id(), schedule.note());
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is fetched until `next` is called"]
pub struct ScheduleList {
    connection: Connection,
    request: ListSchedulesRequest,
    fetched: VecDeque<ScheduleListEntry>,
    is_last_page: bool,
}

impl ScheduleList {
    pub(in crate::client) fn new(connection: Connection, query: String) -> Self {
        let namespace = connection.namespace().to_string();
        let request = ListSchedulesRequest { namespace, query, ..Default::default() };
        Self { connection, request, fetched: VecDeque::new(), is_last_page: false }
    }

    /// Sets the number of schedules to fetch per call. Default: the server's.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.maximum_page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next schedule; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if the query is invalid.
    pub async fn next(&mut self) -> Result<Option<ScheduleListEntry>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.carry_out(self.request.clone()).await?;
            self.fetched.extend(page.schedules);
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}

impl fmt::Debug for ScheduleList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleList").field("query", &self.request.query).finish_non_exhaustive()
    }
}

/// A schedule in a list (Temporal's `ScheduleListEntry`). A list lags a little behind the schedules.
#[derive(Clone, PartialEq)]
pub struct ScheduleListEntry {
    proto: Box<proto::ScheduleListEntry>,
}

impl ScheduleListEntry {
    pub(super) fn from_proto(proto: proto::ScheduleListEntry) -> Self {
        Self { proto: Box::new(proto) }
    }

    fn info(&self) -> Option<&proto::ScheduleListInfo> {
        self.proto.info.as_ref()
    }

    /// Returns the schedule id.
    pub fn schedule_id(&self) -> &str {
        &self.proto.schedule_id
    }

    /// Returns the name of the workflow type that the schedule starts; empty if it is not known.
    pub fn workflow_type(&self) -> &str {
        self.info().and_then(|info| info.workflow_type.as_ref()).map_or("", |kind| &kind.name)
    }

    /// Returns when the schedule acts.
    pub fn spec(&self) -> ScheduleSpec {
        ScheduleSpec::from_proto(self.info().and_then(|info| info.spec.clone()))
    }

    /// Returns true if the schedule is paused.
    pub fn is_paused(&self) -> bool {
        self.info().is_some_and(|info| info.paused)
    }

    /// Returns why the schedule is paused, or another note.
    pub fn note(&self) -> &str {
        self.info().map_or("", |info| &info.notes)
    }

    /// Returns some of the last actions, the oldest first.
    pub fn recent_actions(&self) -> Vec<ScheduleActionResult> {
        self.info().map(|info| results(&info.recent_actions)).unwrap_or_default()
    }

    /// Returns some of the next times at which the schedule acts.
    pub fn next_action_times(&self) -> Vec<SystemTime> {
        self.info().iter().flat_map(|info| &info.future_action_times).map(time_from_proto).collect()
    }

    read_memo_and_attributes!(self => self.proto.memo, self.proto.search_attributes);
}

impl fmt::Debug for ScheduleListEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleListEntry")
            .field("schedule_id", &self.schedule_id())
            .field("workflow_type", &self.workflow_type())
            .field("is_paused", &self.is_paused())
            .field("note", &self.note())
            .finish_non_exhaustive()
    }
}
