//! Whether something is under way that time must not skip over. Derived from the state whenever it is asked, never counted.

use super::Engine;
use super::execution::Execution;

impl Engine {
    /// What is under way, one line each; empty if time may skip to the next deadline.
    pub(crate) fn busy(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for id in &self.open {
            reasons.extend(reasons_of(self.execution(*id)));
        }
        for id in self.queries.unanswered() {
            reasons.push(format!("a query of workflow {} is not answered", self.execution(id).workflow_id));
        }
        reasons
    }

    /// Whether time may not skip now.
    pub(crate) fn is_busy(&self) -> bool {
        let mut reasons = self.open.iter().flat_map(|id| reasons_of(self.execution(*id)));
        reasons.next().is_some() || self.queries.unanswered().next().is_some()
    }
}

fn reasons_of(execution: &Execution) -> impl Iterator<Item = String> {
    let workflow_id = &execution.workflow_id;
    let task = execution.state.task.as_ref().map(move |task| {
        let stage = if task.started_time.is_some() { "started" } else { "scheduled" };
        format!("a workflow task of workflow {workflow_id} is {stage} on task queue {}", task.task_queue.name)
    });
    let activities = execution.state.activities.values().filter(|activity| !activity.is_backing_off());
    let activities = activities.map(move |activity| {
        let stage = if activity.started.is_some() { "started" } else { "scheduled" };
        format!(
            "activity {} of workflow {workflow_id} is {stage} on task queue {}",
            activity.activity_id, activity.task_queue
        )
    });
    task.into_iter().chain(activities)
}
