//! Updating a schedule by a closure: read, change, write, and again if somebody else was faster.

use std::collections::BTreeMap;
use std::future::IntoFuture;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::schedule::v1 as proto;
use abide_protos::temporal::api::workflowservice::v1::UpdateScheduleRequest;
use serde::Serialize;
use uuid::Uuid;

use super::Schedule;
use super::calls::UpdateScheduleCall;
use super::description::ScheduleDescription;
use super::errors::ScheduleError;
use super::handle::ScheduleHandle;
use crate::client::RpcError;
use crate::client::start::ClientFuture;
use crate::converter::{PayloadError, to_payload};
use crate::debug_only::debug_only;
use crate::search_attributes::{SearchAttributeUpdate, apply};

/// Maximum tries of an update while others change the schedule.
const ATTEMPTS: usize = 8;

/// An update of a schedule, sent when awaited.
///
/// Fields that Abide does not show, such as the data of a time zone, stay as they are. Only what is newer than Abide's
/// copy of Temporal's messages is lost.
#[must_use = "the schedule is updated only when this is awaited"]
pub struct UpdateSchedule<F> {
    handle: ScheduleHandle,
    change: F,
    search_attributes: Vec<SearchAttributeUpdate>,
    /// The changes of the memo; `None` removes a value.
    memo: BTreeMap<String, Option<Payload>>,
    unwritable: Option<PayloadError>,
}

debug_only!(impl[F] UpdateSchedule<F>, |this| { schedule_id: this.handle.schedule_id() });

impl<F: FnMut(&mut Schedule) + Send + 'static> UpdateSchedule<F> {
    pub(super) fn new(handle: ScheduleHandle, change: F) -> Self {
        Self { handle, change, search_attributes: Vec::new(), memo: BTreeMap::new(), unwritable: None }
    }

    /// Sets or removes search attributes of the schedule itself. The others stay.
    pub fn search_attributes(mut self, updates: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        self.search_attributes.extend(updates);
        self
    }

    /// Sets a memo value of the schedule itself. The others stay. Servers whose schedules are
    /// workflows, the default up to 1.32, refuse it.
    pub fn memo<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        match to_payload(value) {
            Ok(payload) => {
                self.memo.insert(key, Some(payload));
            }
            Err(error) => self.unwritable = Some(error.of(format_args!("memo `{key}`"))),
        }
        self
    }

    /// Removes a memo value of the schedule itself. Servers whose schedules are
    /// workflows, the default up to 1.32, refuse it.
    pub fn remove_memo(mut self, key: impl Into<String>) -> Self {
        self.memo.insert(key.into(), None);
        self
    }

    async fn send(mut self) -> Result<(), ScheduleError> {
        if let Some(error) = self.unwritable {
            return Err(ScheduleError::Payload(error));
        }
        let mut read = self.handle.describe().await?;
        let mut tries_left = ATTEMPTS;
        loop {
            let Some(call) = self.changed(&read)? else { return Ok(()) };
            let (before, written) = (read.schedule().to_proto()?, call.schedule.to_proto()?);
            tries_left -= 1;
            match self.handle.connection().carry_out(call).await {
                Err(error) if is_conflict(&error) && tries_left > 0 => read = self.handle.describe().await?,
                Err(error) => return self.handle.about(Err(error)),
                Ok(()) => {
                    read = self.handle.describe().await?;
                    if tries_left == 0 || !is_lost(&before, &written, &read.schedule().to_proto()?) {
                        return Ok(());
                    }
                }
            }
            tracing::debug!(schedule_id = self.handle.schedule_id(), "somebody else has changed the schedule");
        }
    }

    /// Returns the update of what was read; `None` if nothing changes.
    fn changed(&mut self, read: &ScheduleDescription) -> Result<Option<UpdateScheduleCall>, PayloadError> {
        let connection = self.handle.connection();
        let mut schedule = read.schedule().clone();
        (self.change)(&mut schedule);
        let written = schedule.to_proto()?;
        let is_same = written == read.schedule().to_proto()?;
        if is_same && self.search_attributes.is_empty() && self.memo.is_empty() {
            return Ok(None);
        }
        let mut request = UpdateScheduleRequest {
            namespace: connection.namespace().to_string(),
            schedule_id: self.handle.schedule_id().to_string(),
            conflict_token: read.conflict_token().to_vec(),
            identity: connection.identity().to_string(),
            request_id: Uuid::new_v4().to_string(),
            ..UpdateScheduleRequest::default()
        };
        if !self.search_attributes.is_empty() {
            let attributes = request.search_attributes.insert(read.own_search_attributes());
            apply(&self.search_attributes, attributes);
        }
        if !self.memo.is_empty() {
            let memo = request.memo.insert(read.memo_fields().clone());
            for (key, value) in &self.memo {
                match value {
                    Some(value) => memo.fields.insert(key.clone(), value.clone()),
                    None => memo.fields.remove(key),
                };
            }
        }
        Ok(Some(UpdateScheduleCall { schedule, request: Box::new(request) }))
    }
}

impl<F: FnMut(&mut Schedule) + Send + 'static> IntoFuture for UpdateSchedule<F> {
    type Output = Result<(), ScheduleError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Returns true if a part that was changed is as it was before.
///
/// Servers up to 1.32 run schedules as workflows by default, and there an update is a signal. If somebody else was
/// faster, the server accepts it and ignores it. The parts tell that for sure: a part that neither fits was changed by
/// others since, or has been brought into the server's form.
fn is_lost(before: &proto::Schedule, written: &proto::Schedule, after: &proto::Schedule) -> bool {
    fn part<T: PartialEq>(before: &T, written: &T, after: &T) -> bool {
        before != written && before == after
    }
    part(&before.action, &written.action, &after.action)
        || part(&before.spec, &written.spec, &after.spec)
        || part(&before.policies, &written.policies, &after.policies)
        || part(&before.state, &written.state, &after.state)
}

/// Returns true if the schedule has changed since it was read. The server sends no details with it.
fn is_conflict(error: &RpcError) -> bool {
    error.is_failed_precondition() && error.message().contains("conflict token")
}
