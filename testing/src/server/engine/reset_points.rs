//! Where a run can be reset to without looking into its history: to the first answer of each build of its worker. A
//! run hands its points on to the run that follows it.

use super::api::{history, workflow};
use super::time::Time;
use super::transaction::Transaction;

/// A run remembers so many points, the latest ones.
const MAX_POINTS: usize = 20;

impl Transaction<'_> {
    /// Takes the points of the run before this one over. Those of that run itself hold until it is deleted; what is
    /// deleted already is left out.
    pub(crate) fn inherit_reset_points(&mut self, start: &history::WorkflowExecutionStartedEventAttributes) {
        let began = self.execution.state.start_time;
        let retention = self.namespaces.retention(&self.execution.namespace.name);
        let points = start.prev_auto_reset_points.iter().flat_map(|all| &all.points);
        let alive = points.filter(|point| point.expire_time.as_ref().is_none_or(|at| Time::from_proto(at) >= began));
        let inherited = alive.cloned().map(|point| {
            let is_of_previous = point.run_id == start.continued_execution_run_id;
            let expires = is_of_previous.then(|| began.plus(retention).proto());
            workflow::ResetPointInfo { expire_time: expires.or(point.expire_time), ..point }
        });
        self.state().reset_points = inherited.collect();
    }

    /// Notes an answer, which is that event, if no worker of its build has answered before.
    #[expect(deprecated, reason = "workers without a deployment tell their build in older fields")]
    pub(crate) fn note_reset_point(&mut self, event_id: i64, answer: &history::WorkflowTaskCompletedEventAttributes) {
        let deployed = answer.deployment_version.as_ref().map(|version| &version.build_id);
        let build_id = deployed.or(answer.worker_version.as_ref().map(|version| &version.build_id));
        let build_id = build_id.cloned().unwrap_or_default();
        let binary_checksum = answer.binary_checksum.clone();
        let (now, run_id) = (self.time(), self.execution.run_id.clone());
        let state = self.state();
        let is_same =
            |point: &workflow::ResetPointInfo| point.binary_checksum == binary_checksum && point.build_id == build_id;
        if state.reset_points.iter().any(is_same) {
            return;
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
    }

    /// The points of this run as the first event of the next one has them.
    pub(crate) fn reset_points(&self) -> workflow::ResetPoints {
        workflow::ResetPoints { points: self.execution.state.reset_points.clone() }
    }
}
