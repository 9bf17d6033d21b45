//! The calls about standalone activities, each with what interceptors see of it.

use abide_protos::temporal::api::workflowservice::v1::{
    CountActivityExecutionsRequest, DeleteActivityExecutionRequest, DescribeActivityExecutionRequest,
    ListActivityExecutionsRequest, RequestCancelActivityExecutionRequest, StartActivityExecutionRequest,
    TerminateActivityExecutionRequest,
};

use super::description::{ActivityDescription, ActivityExecutionInfo};
use crate::client::RpcError;
use crate::client::call::{Call, answer_is_output, held_in};
use crate::client::connection::Connection;
use crate::client::visibility::WorkflowCount;
use crate::interceptor::client::{
    ActivityPage, CountActivitiesInput, DeleteActivityInput, DescribeActivityInput, ListActivitiesInput,
    RequestCancelActivityInput, StartActivityInput, StartedActivity, TerminateActivityInput,
};

impl Call for Box<StartActivityExecutionRequest> {
    type Input = StartActivityInput;
    type Answer = StartedActivity;

    async fn send(self, connection: &Connection) -> Result<StartedActivity, RpcError> {
        let activity_id = self.activity_id.clone();
        let started = connection.call_coded(*self).await?;
        Ok(StartedActivity { activity_id, run_id: started.run_id, is_new: started.started, link: started.link })
    }

    held_in!(StartActivityInput);
}

impl Call for DescribeActivityExecutionRequest {
    type Input = DescribeActivityInput;
    type Answer = ActivityDescription;

    async fn send(self, connection: &Connection) -> Result<ActivityDescription, RpcError> {
        connection.call_coded(self).await.map(ActivityDescription::from_proto)
    }

    held_in!(DescribeActivityInput);
}

impl Call for RequestCancelActivityExecutionRequest {
    type Input = RequestCancelActivityInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(RequestCancelActivityInput);
}

impl Call for TerminateActivityExecutionRequest {
    type Input = TerminateActivityInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(TerminateActivityInput);
}

impl Call for DeleteActivityExecutionRequest {
    type Input = DeleteActivityInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(DeleteActivityInput);
}

impl Call for ListActivityExecutionsRequest {
    type Input = ListActivitiesInput;
    type Answer = ActivityPage;

    async fn send(self, connection: &Connection) -> Result<ActivityPage, RpcError> {
        let page = connection.call_coded(self).await?;
        let activities = page.executions.into_iter().map(ActivityExecutionInfo::from_proto).collect();
        Ok(ActivityPage { activities, next_page_token: page.next_page_token })
    }

    held_in!(ListActivitiesInput);
}

impl Call for CountActivityExecutionsRequest {
    type Input = CountActivitiesInput;
    type Answer = WorkflowCount;

    async fn send(self, connection: &Connection) -> Result<WorkflowCount, RpcError> {
        let counted = connection.call(self).await?;
        let groups = counted.groups.into_iter().map(|group| (group.count, group.group_values));
        Ok(WorkflowCount::new(counted.count, groups))
    }

    held_in!(CountActivitiesInput);
}
