//! Execution of deadlines.
//!
//! Extends `Engine`.

use super::Engine;
use super::deadlines::Deadline;
use super::time::Now;

impl Engine {
    /// Executes everything that is due, in order of time; deadlines at the same instant in the order in which they were
    /// set.
    pub(crate) fn fire(&mut self) {
        while let Some(deadline) = self.deadlines.pop_due(self.now) {
            self.fire_one(deadline);
        }
    }

    /// Moves the server's clock to `now`, stopping at every deadline on the way so that each fires at its own time.
    pub(crate) fn run_until(&mut self, now: Now) {
        while let Some(at) = self.next_deadline().filter(|at| *at <= now.time) {
            self.at(Now { time: at, wall: now.wall });
            self.fire();
        }
        self.at(now);
        self.fire();
    }

    fn fire_one(&mut self, deadline: Deadline) {
        match deadline {
            Deadline::Timer(id) => self.transact(id, |transaction| transaction.fire_timers()),
            Deadline::FirstWorkflowTask(id) => self.transact(id, |transaction| {
                transaction.state().first_task_backoff = None;
                transaction.ensure_workflow_task();
            }),
            Deadline::WorkflowTimeout(id) => self.transact(id, |transaction| {
                transaction.state().timeout = None;
                transaction.time_out_workflow();
            }),
            Deadline::ActivityRetry(id, scheduled_event_id) => {
                self.transact(id, |transaction| transaction.dispatch_activity(scheduled_event_id));
            }
            Deadline::ActivityTimeout(id, ..) => self.transact(id, |transaction| transaction.time_out_activities()),
            Deadline::NexusOperation(id, scheduled_event_id) => {
                self.transact(id, |transaction| transaction.look_at_nexus_operation(scheduled_event_id));
            }
            Deadline::WorkflowTaskStartToClose(id) => {
                self.transact(id, |transaction| transaction.time_out_workflow_task());
            }
            Deadline::WorkflowTaskScheduleToStart(id) => {
                self.transact(id, |transaction| transaction.time_out_unstarted_workflow_task());
            }
            Deadline::StickyQuery(query) => self.redirect_query(query),
        }
    }
}
