//! The reset points of a run, known without reading its history: the first answer of each build of its worker. A run
//! passes its points on to the run that follows it.
//!
//! A real server also marks a point as not resettable while a signal or a cancellation request is on its way to another
//! run; here only children count.
//!
//! Extends `Transaction`.

use crate::engine::api::{history, workflow};
use crate::engine::time::Time;
use crate::engine::transaction::Transaction;
use crate::engine::workflow::State;

/// Maximum reset points of a run; the latest ones are kept.
const MAX_POINTS: usize = 20;

impl Transaction<'_> {
    /// Takes over the points of earlier runs from the run's first event. Points of the run immediately before are new
    /// in that event: they are valid until that run is deleted, and its deletion time is recorded with them. Points of
    /// deleted runs are dropped.
    pub(crate) fn inherit_reset_points(
        &mut self,
        start: &mut history::WorkflowExecutionStartedEventAttributes,
        began: Time,
    ) {
        let expires = began.plus(self.namespaces.retention(&self.execution.namespace.name)).proto();
        let Some(points) = &mut start.prev_auto_reset_points else { return };
        let of_previous = points.points.iter_mut().filter(|point| point.run_id == start.continued_execution_run_id);
        of_previous.for_each(|point| point.expire_time = Some(expires));
        let is_alive = |point: &&workflow::ResetPointInfo| {
            point.expire_time.as_ref().is_none_or(|at| Time::from_proto(at) >= began)
        };
        self.state().reset_points = points.points.iter().filter(is_alive).cloned().collect();
    }

    /// Sets the expiry of this run's own points, because another run follows it.
    pub(crate) fn date_reset_points(&mut self) {
        let expires = self.time().plus(self.namespaces.retention(&self.execution.namespace.name)).proto();
        let run_id = self.execution.run_id.clone();
        let own = self.state().reset_points.iter_mut().filter(|point| point.run_id == run_id);
        own.for_each(|point| point.expire_time = Some(expires));
    }

    /// Records an answer (the completed event) as a reset point if its build has not answered before. Returns true if
    /// it was recorded.
    #[expect(deprecated, reason = "workers without a deployment tell their build in older fields")]
    pub(crate) fn note_reset_point(
        &mut self,
        event_id: i64,
        answer: &history::WorkflowTaskCompletedEventAttributes,
    ) -> bool {
        let deployed = answer.deployment_version.as_ref().map(|version| &version.build_id);
        let build_id = deployed.or(answer.worker_version.as_ref().map(|version| &version.build_id));
        let build_id = build_id.cloned().unwrap_or_default();
        let binary_checksum = answer.binary_checksum.clone();
        let (now, run_id) = (self.time(), self.execution.run_id.clone());
        let state = self.state();
        let is_same =
            |point: &workflow::ResetPointInfo| point.binary_checksum == binary_checksum && point.build_id == build_id;
        if state.reset_points.iter().any(is_same) {
            return false;
        }
        if state.reset_points.len() == MAX_POINTS {
            state.reset_points.remove(0);
        }
        let resettable = state.children.is_empty();
        state.reset_points.push(workflow::ResetPointInfo {
            binary_checksum,
            build_id,
            run_id,
            first_workflow_task_completed_id: event_id,
            create_time: Some(now.proto()),
            expire_time: None,
            resettable,
        });
        true
    }
}

impl State {
    /// Returns the points of the run, if it has any.
    pub(crate) fn reset_points(&self) -> Option<workflow::ResetPoints> {
        let points = self.reset_points.clone();
        (!points.is_empty()).then_some(workflow::ResetPoints { points })
    }
}
