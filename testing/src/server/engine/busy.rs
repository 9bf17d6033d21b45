//! Whether something is under way that time must not skip over. Derived from the state whenever it is asked, never counted.

use super::Engine;
use super::execution::Execution;

impl Engine {
    /// What is under way, one line each; empty if time may skip to the next deadline.
    pub(crate) fn busy(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for id in &self.open {
            reasons.extend(reasons_of(self.execution(*id)));
            reasons.extend(self.nexus_reasons_of(self.execution(*id)));
        }
        for id in self.queries.unanswered() {
            reasons.push(format!("a query of workflow {} is not answered", self.execution(id).workflow_id));
        }
        reasons
    }

    /// Whether time may not skip now.
    pub(crate) fn is_busy(&self) -> bool {
        let mut open = self.open.iter().map(|id| self.execution(*id));
        open.any(|one| reasons_of(one).next().is_some() || self.nexus_reasons_of(one).next().is_some())
            || self.queries.unanswered().next().is_some()
    }

    /// A Nexus operation keeps time from passing while its handler has a request, and while it goes on somewhere that
    /// this server knows nothing of.
    fn nexus_reasons_of<'a>(&'a self, execution: &'a Execution) -> impl Iterator<Item = String> + 'a {
        let workflow_id = &execution.workflow_id;
        execution.state.nexus_operations.iter().filter_map(move |(id, operation)| {
            let cancels = operation.cancel.as_ref().is_some_and(|cancel| cancel.request.is_outstanding());
            let elsewhere = || !self.is_backed_by_open_workflow(&execution.run_id, *id);
            let what = if operation.start.is_outstanding() {
                "has not been answered by its handler"
            } else if cancels {
                "is asked to stop"
            } else if operation.started_time.is_some() && elsewhere() {
                "goes on outside this server"
            } else {
                return None;
            };
            Some(format!("the Nexus operation of event {id} of workflow {workflow_id} {what}"))
        })
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
