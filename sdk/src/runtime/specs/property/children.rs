//! Children on the tiny server: they start or do not, end in any way, and receive requests to cancel or do not.

use abide_protos::temporal::api::command::v1::{
    RequestCancelExternalWorkflowExecutionCommandAttributes, StartChildWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::enums::v1::{EventType, StartChildWorkflowExecutionFailedCause};
use abide_protos::temporal::api::failure::v1::Failure;
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;
use abide_protos::temporal::api::history::v1::{
    ChildWorkflowExecutionCanceledEventAttributes, ChildWorkflowExecutionCompletedEventAttributes,
    ChildWorkflowExecutionFailedEventAttributes, ChildWorkflowExecutionStartedEventAttributes,
    ChildWorkflowExecutionTerminatedEventAttributes, ChildWorkflowExecutionTimedOutEventAttributes,
    ExternalWorkflowExecutionCancelRequestedEventAttributes,
    RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes, StartChildWorkflowExecutionFailedEventAttributes,
    StartChildWorkflowExecutionInitiatedEventAttributes,
};

use super::server::{Server, payloads};

/// A child that is under way on the server.
#[derive(Debug)]
pub(super) struct Child {
    initiated: i64,
    started: Option<i64>,
    workflow_id: String,
}

impl Server {
    pub(super) fn start_child(&mut self, start: StartChildWorkflowExecutionCommandAttributes) {
        let initiated = self.last_id() + 1;
        self.children.push(Child { initiated, started: None, workflow_id: start.workflow_id.clone() });
        let attributes = StartChildWorkflowExecutionInitiatedEventAttributes {
            workflow_id: start.workflow_id,
            workflow_type: start.workflow_type,
            ..Default::default()
        };
        let attributes = A::StartChildWorkflowExecutionInitiatedEventAttributes(attributes);
        self.write(EventType::StartChildWorkflowExecutionInitiated, attributes);
    }

    pub(super) fn request_cancel(&mut self, request: RequestCancelExternalWorkflowExecutionCommandAttributes) {
        self.requests.push(self.last_id() + 1);
        let target = WorkflowExecution { workflow_id: request.workflow_id, run_id: request.run_id };
        let attributes = RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
            workflow_execution: Some(target),
            ..Default::default()
        };
        let attributes = A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(attributes);
        self.write(EventType::RequestCancelExternalWorkflowExecutionInitiated, attributes);
    }

    /// Lets a child start or end.
    pub(super) fn child_goes_on(&mut self, index: usize) {
        let initiated_event_id = self.children[index].initiated;
        if self.children[index].started.is_some() {
            let child = self.children.remove(index);
            self.end_child(&child);
        } else if self.choose(4) == 3 {
            self.children.remove(index);
            let cause = StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists as i32;
            let failed =
                StartChildWorkflowExecutionFailedEventAttributes { cause, initiated_event_id, ..Default::default() };
            let failed = A::StartChildWorkflowExecutionFailedEventAttributes(failed);
            self.happen(EventType::StartChildWorkflowExecutionFailed, failed);
        } else {
            // The true id, unless the event waits for the end of a task. Nothing depends on it.
            self.children[index].started = Some(self.last_id() + 1);
            let workflow_id = self.children[index].workflow_id.clone();
            let execution = WorkflowExecution { run_id: format!("run-of-{workflow_id}"), workflow_id };
            let started = ChildWorkflowExecutionStartedEventAttributes {
                initiated_event_id,
                workflow_execution: Some(execution),
                ..Default::default()
            };
            let started = A::ChildWorkflowExecutionStartedEventAttributes(started);
            self.happen(EventType::ChildWorkflowExecutionStarted, started);
        }
    }

    /// Delivers a request to cancel, or fails to.
    pub(super) fn request_goes_on(&mut self, index: usize) {
        let initiated_event_id = self.requests.remove(index);
        if self.choose(2) == 0 {
            let requested =
                ExternalWorkflowExecutionCancelRequestedEventAttributes { initiated_event_id, ..Default::default() };
            let requested = A::ExternalWorkflowExecutionCancelRequestedEventAttributes(requested);
            self.happen(EventType::ExternalWorkflowExecutionCancelRequested, requested);
        } else {
            let failed = RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                initiated_event_id,
                ..Default::default()
            };
            let failed = A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(failed);
            self.happen(EventType::RequestCancelExternalWorkflowExecutionFailed, failed);
        }
    }

    fn end_child(&mut self, child: &Child) {
        let (initiated_event_id, started_event_id) = (child.initiated, child.started.unwrap_or_default());
        /// An event of the child's end.
        macro_rules! ended {
            ($event_type:ident, $attributes:ident { $($own:ident: $value:expr),* $(,)? }) => {
                (
                    EventType::$event_type,
                    A::$attributes($attributes { initiated_event_id, started_event_id, $($own: $value,)* ..Default::default() }),
                )
            };
        }
        let (event_type, attributes) = match self.choose(5) {
            0 => ended!(
                ChildWorkflowExecutionCompleted,
                ChildWorkflowExecutionCompletedEventAttributes { result: Some(payloads(&1_u32)) }
            ),
            1 => ended!(
                ChildWorkflowExecutionFailed,
                ChildWorkflowExecutionFailedEventAttributes {
                    failure: Some(Failure { message: "broken".into(), ..Default::default() }),
                }
            ),
            2 => ended!(ChildWorkflowExecutionTimedOut, ChildWorkflowExecutionTimedOutEventAttributes {}),
            3 => ended!(ChildWorkflowExecutionTerminated, ChildWorkflowExecutionTerminatedEventAttributes {}),
            _ => ended!(ChildWorkflowExecutionCanceled, ChildWorkflowExecutionCanceledEventAttributes {}),
        };
        self.happen(event_type, attributes);
    }
}
