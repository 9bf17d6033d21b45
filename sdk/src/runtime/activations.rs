//! Workflow tasks that stay open: code runs once for the task's own jobs, then once for each local activity that ends.
//!
//! Each of these times is an *activation*. All activations of a task share one completion. If local activities take
//! longer than the server waits, a heartbeat splits the activations over several tasks.

use super::failures::TaskError;
use super::logs::CodeLog;
use super::queries::answer_all;
use super::workflow_run::WorkflowRun;
use crate::replay::{LocalActivityResolution, Output, WorkflowTaskCompletion};
use crate::workflow::operation::AwaitedKind;

impl WorkflowRun {
    /// Runs the code on the task's jobs, and then on the jobs that follow from its own calls or from the history:
    /// outcomes of local activities that it cancelled, or whose markers the look-ahead found.
    pub(super) fn run_activations(&mut self) -> Result<(), TaskError> {
        let shared = self.shared();
        let has_run_before = {
            let machines = &mut shared.operation_state.borrow_mut().machines;
            machines.begin_activations();
            machines.has_run_before()
        };
        let _log = if has_run_before { CodeLog::silent() } else { CodeLog::live(shared.info.get()) };
        let started = {
            let mut core = self.shared().operation_state.borrow_mut();
            let started = std::mem::take(&mut core.machines.jobs.started);
            core.set_kind(&started, AwaitedKind::JustStarted);
            started
        };
        self.run_until_no_job_is_left()?;
        self.shared().operation_state.borrow_mut().set_kind(&started, AwaitedKind::Started);
        Ok(())
    }

    fn run_until_no_job_is_left(&mut self) -> Result<(), TaskError> {
        loop {
            let mut core = self.shared().operation_state.borrow_mut();
            core.machines.deliver_recorded_local_activities();
            // Without a job no code runs, as in Core: not even conditions on the time or the history's length are
            // asked.
            if core.machines.jobs.is_empty() {
                return Ok(());
            }
            core.machines.local_activities_begin_activation();
            drop(core);
            self.run_code()?;
            if self.outcome.is_some() {
                // Outcomes that come after the end have no receiver.
                self.shared().operation_state.borrow_mut().machines.jobs.local_activities.clear();
                return Ok(());
            }
        }
    }

    /// Runs the code on the outcome of a local activity that has ended.
    pub(super) fn local_activity_resolved(&mut self, resolution: LocalActivityResolution) -> Result<Output, TaskError> {
        if self.task.is_none() {
            return Ok(Output::Idle);
        }
        let mut core = self.shared().operation_state.borrow_mut();
        core.machines.wall_time = resolution.wall_time;
        core.machines.local_activity_resolved(resolution);
        let has_jobs = !core.machines.jobs.is_empty();
        drop(core);
        if has_jobs {
            self.run_activations()?;
        }
        self.answer_task(false)
    }

    /// Completes the current task, while its local activities are still under way.
    pub(super) fn heartbeat_due(&mut self) -> Result<Output, TaskError> {
        if self.task.is_none() { Ok(Output::Idle) } else { self.answer_task(true) }
    }

    /// Completes the current task, unless it has to wait for local activities.
    ///
    /// A task with queries does not wait, because the callers of the queries wait for its completion.
    pub(super) fn answer_task(&mut self, heartbeat: bool) -> Result<Output, TaskError> {
        let mut task = self.task.take().ok_or_else(|| TaskError::Malformed("there is no open workflow task".into()))?;
        let mut core = self.shared().operation_state.borrow_mut();
        let pending = self.outcome.is_none() && core.machines.has_pending_local_activities();
        if pending && !heartbeat && task.queries.is_empty() {
            let (start, cancel) = core.machines.take_local_activity_requests();
            drop(core);
            self.task = Some(task);
            return Ok(Output::RunLocalActivities { start, cancel });
        }
        let (commands, statements) = core.machines.finish_task();
        let messages = core.machines.take_messages(&commands);
        let cancel_local_activities = core.machines.take_local_activity_cancels();
        let sdk_metadata = core.machines.flags.to_record();
        drop(core);
        if self.outcome.is_some() {
            self.warn_of_unfinished_handlers();
        }
        let queries = std::mem::take(&mut task.queries);
        Ok(Output::Complete(Box::new(WorkflowTaskCompletion {
            commands,
            statements,
            messages,
            query_results: answer_all(queries, self.instance.as_ref(), self.shared()),
            sdk_metadata,
            closes_workflow: self.outcome.is_some(),
            force_create_new_workflow_task: pending,
            cancel_local_activities,
            start_time: self.shared().info.get().map(|info| info.start_time),
            nonfirst_local_activity_attempts: 0,
        })))
    }
}
