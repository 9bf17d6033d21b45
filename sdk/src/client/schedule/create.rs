//! Creating a schedule.

use std::future::IntoFuture;

use abide_protos::temporal::api::common::v1::Memo;
use abide_protos::temporal::api::workflowservice::v1::CreateScheduleRequest;
use serde::Serialize;
use uuid::Uuid;

use super::Schedule;
use super::calls::CreateScheduleCall;
use super::errors::CreateScheduleError;
use super::handle::ScheduleHandle;
use super::patch::{ScheduleBackfill, trigger};
use super::policies::ScheduleOverlapPolicy;
use crate::client::connection::Connection;
use crate::client::start::ClientFuture;
use crate::converter::{PayloadError, to_payload};
use crate::debug_only::debug_only;
use crate::search_attributes::{SearchAttributeUpdate, apply};

/// The creation of a schedule: set options, then `.await` it.
#[must_use = "the schedule is created only when this is awaited"]
pub struct CreateSchedule {
    connection: Connection,
    schedule: Schedule,
    /// The request without the schedule.
    request: Box<CreateScheduleRequest>,
    unwritable: Option<PayloadError>,
}

debug_only!(impl[] CreateSchedule, |this| { schedule_id: this.request.schedule_id, schedule: this.schedule });

impl CreateSchedule {
    pub(in crate::client) fn new(connection: Connection, schedule_id: String, schedule: Schedule) -> Self {
        let request = CreateScheduleRequest {
            namespace: connection.namespace().to_string(),
            schedule_id,
            identity: connection.identity().to_string(),
            ..Default::default()
        };
        Self { connection, schedule, request: Box::new(request), unwritable: None }
    }

    /// Adds a memo value of the schedule itself, shown by [`describe`](ScheduleHandle::describe) and in lists.
    pub fn memo<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        match to_payload(value) {
            Ok(payload) => {
                self.request.memo.get_or_insert_with(Memo::default).fields.insert(key, payload);
            }
            Err(error) => self.unwritable = Some(error.of(format_args!("memo `{key}`"))),
        }
        self
    }

    /// Sets search attributes of the schedule itself, for [`list_schedules`](crate::Client::list_schedules).
    pub fn search_attributes(mut self, values: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let values: Vec<SearchAttributeUpdate> = values.into_iter().collect();
        apply(&values, self.request.search_attributes.get_or_insert_default());
        self
    }

    /// Acts once at the creation. Default: the schedule waits for its first time.
    pub fn trigger_immediately(mut self) -> Self {
        self.request.initial_patch.get_or_insert_default().trigger_immediately = Some(trigger(None));
        self
    }

    /// Acts once at the creation, with this overlap policy. Default: that of the schedule.
    pub fn trigger_immediately_with(mut self, overlap: ScheduleOverlapPolicy) -> Self {
        self.request.initial_patch.get_or_insert_default().trigger_immediately = Some(trigger(Some(overlap)));
        self
    }

    /// Goes through a range of past times at the creation. Several ranges are possible. Default: none.
    pub fn backfill(mut self, backfill: ScheduleBackfill) -> Self {
        self.request.initial_patch.get_or_insert_default().backfill_request.push(backfill.to_proto());
        self
    }

    /// Sets the request id. The server ignores a repeated creation with the same id. Default: a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }

    async fn send(mut self) -> Result<ScheduleHandle, CreateScheduleError> {
        if let Some(error) = self.unwritable {
            return Err(CreateScheduleError::Payload(error));
        }
        let schedule_id = self.request.schedule_id.clone();
        if self.schedule.action.task_queue.is_empty() {
            let workflow_type = self.schedule.action.workflow_type;
            return Err(CreateScheduleError::MissingTaskQueue { schedule_id, workflow_type });
        }
        if self.schedule.action.workflow_id.is_empty() {
            self.schedule.action.workflow_id.clone_from(&schedule_id);
        }
        if self.request.request_id.is_empty() {
            self.request.request_id = Uuid::new_v4().to_string();
        }
        // Reported as what it is, not as the refusal of an interceptor.
        self.schedule.to_proto()?;
        let call = CreateScheduleCall { schedule: self.schedule, request: self.request };
        let created = self.connection.carry_out(call).await;
        let schedule_id = created.map_err(|error| CreateScheduleError::from_rpc(&schedule_id, error))?;
        Ok(ScheduleHandle::new(self.connection, schedule_id))
    }
}

impl IntoFuture for CreateSchedule {
    type Output = Result<ScheduleHandle, CreateScheduleError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
