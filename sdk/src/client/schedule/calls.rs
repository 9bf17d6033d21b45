//! The calls about schedules, each with what interceptors see of it.

use std::time::SystemTime;

use abide_protos::temporal::api::workflowservice::v1::{
    CountSchedulesRequest, CreateScheduleRequest, DeleteScheduleRequest, DescribeScheduleRequest,
    ListScheduleMatchingTimesRequest, ListSchedulesRequest, PatchScheduleRequest, UpdateScheduleRequest,
};

use super::Schedule;
use super::description::ScheduleDescription;
use super::list::ScheduleListEntry;
use crate::client::RpcError;
use crate::client::call::{Call, answer_is_output, held_in};
use crate::client::connection::Connection;
use crate::client::visibility::WorkflowCount;
use crate::duration::time_from_proto;
use crate::interceptor::client::{
    CountSchedulesInput, CreateScheduleInput, DeleteScheduleInput, DescribeScheduleInput, ListSchedulesInput,
    PatchScheduleInput, ScheduleMatchingTimesInput, SchedulePage, UpdateScheduleInput,
};

/// A creation. The answer is the id of the schedule, which an interceptor may have changed.
pub(crate) struct CreateScheduleCall {
    pub(crate) schedule: Schedule,
    /// The request without the schedule.
    pub(crate) request: Box<CreateScheduleRequest>,
}

impl Call for CreateScheduleCall {
    type Input = CreateScheduleInput;
    type Answer = String;

    async fn send(self, connection: &Connection) -> Result<String, RpcError> {
        let mut request = *self.request;
        request.schedule = Some(self.schedule.to_proto()?);
        let schedule_id = request.schedule_id.clone();
        connection.call_coded(request).await.map(|_| schedule_id)
    }

    fn into_input(self) -> CreateScheduleInput {
        CreateScheduleInput::from_call(self)
    }

    fn from_input(input: CreateScheduleInput) -> Self {
        input.into_call()
    }

    answer_is_output!();
}

/// A description.
pub(crate) struct DescribeScheduleCall(pub(crate) DescribeScheduleRequest);

impl Call for DescribeScheduleCall {
    type Input = DescribeScheduleInput;
    type Answer = ScheduleDescription;

    async fn send(self, connection: &Connection) -> Result<ScheduleDescription, RpcError> {
        let schedule_id = self.0.schedule_id.clone();
        let described = connection.call_coded(self.0).await?;
        Ok(ScheduleDescription::from_proto(schedule_id, described))
    }

    fn into_input(self) -> DescribeScheduleInput {
        DescribeScheduleInput::from_request(self.0)
    }

    fn from_input(input: DescribeScheduleInput) -> Self {
        Self(input.into_request())
    }

    answer_is_output!();
}

/// An update.
pub(crate) struct UpdateScheduleCall {
    pub(crate) schedule: Schedule,
    /// The request without the schedule.
    pub(crate) request: Box<UpdateScheduleRequest>,
}

impl Call for UpdateScheduleCall {
    type Input = UpdateScheduleInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        let mut request = *self.request;
        request.schedule = Some(self.schedule.to_proto()?);
        connection.call_coded(request).await.map(drop)
    }

    fn into_input(self) -> UpdateScheduleInput {
        UpdateScheduleInput::from_call(self)
    }

    fn from_input(input: UpdateScheduleInput) -> Self {
        input.into_call()
    }

    answer_is_output!();
}

impl Call for PatchScheduleRequest {
    type Input = PatchScheduleInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(PatchScheduleInput);
}

impl Call for DeleteScheduleRequest {
    type Input = DeleteScheduleInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(DeleteScheduleInput);
}

impl Call for ListScheduleMatchingTimesRequest {
    type Input = ScheduleMatchingTimesInput;
    type Answer = Vec<SystemTime>;

    async fn send(self, connection: &Connection) -> Result<Vec<SystemTime>, RpcError> {
        Ok(connection.call(self).await?.start_time.iter().map(time_from_proto).collect())
    }

    held_in!(ScheduleMatchingTimesInput);
}

impl Call for ListSchedulesRequest {
    type Input = ListSchedulesInput;
    type Answer = SchedulePage;

    async fn send(self, connection: &Connection) -> Result<SchedulePage, RpcError> {
        let page = connection.call_coded(self).await?;
        let schedules = page.schedules.into_iter().map(ScheduleListEntry::from_proto).collect();
        Ok(SchedulePage { schedules, next_page_token: page.next_page_token })
    }

    held_in!(ListSchedulesInput);
}

impl Call for CountSchedulesRequest {
    type Input = CountSchedulesInput;
    type Answer = WorkflowCount;

    async fn send(self, connection: &Connection) -> Result<WorkflowCount, RpcError> {
        let counted = connection.call(self).await?;
        let groups = counted.groups.into_iter().map(|group| (group.count, group.group_values));
        Ok(WorkflowCount::new(counted.count, groups))
    }

    held_in!(CountSchedulesInput);
}
