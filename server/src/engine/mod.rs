//! The server without I/O: requests and the time go in, responses and wakeups come out. It has no clock, thread or I/O;
//! the same requests at the same times give the same responses, including ids.
//!
//! A shell calls [`Engine::at`] with the time of both clocks, then one method per RPC. A method answers at once or
//! parks the caller ([`Step::Wait`]). The shell keeps the caller waiting until [`Engine::take_wakeups`] names it, then
//! calls the method that resumes it. When a deadline is reached ([`Engine::next_deadline`]) the shell calls
//! [`Engine::fire`].
//!
//! Every change of a run is a [`transaction`]; its effects on other runs are executed when it is committed, in the same
//! call.
//!
//! One engine serves a test, a developer and a durable machine. What is to come has its place here: `schedules/`,
//! `deployments/`, `standalone/` (activities and Nexus operations of no workflow) and `storage/` (what a transaction has
//! changed, as records). Files, connections and the web page belong to the shells: `../storage/` and `../web/`.

mod activities;
pub(crate) mod api;
mod busy;
mod calendar;
mod children;
mod commands;
mod deadlines;
mod errand;
pub(crate) mod errors;
mod firing;
pub(crate) mod happened;
mod history;
mod ids;
mod limits;
mod namespace;
mod nexus;
mod requests;
mod resets;
mod retry;
pub(crate) mod stuck;
mod system;
mod task_queues;
pub(crate) mod time;
mod token;
pub(crate) mod told;
mod transaction;
mod updates;
mod visibility;
mod waiters;
mod workflow;
mod workflow_tasks;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) use self::activities::Reporter;
use self::activities::WorkerCommands;
use self::api::common;
pub(crate) use self::busy::{Hold, LeftOpenWait, Waiting};
use self::deadlines::Deadlines;
use self::errand::Errands;
use self::errors::Error;
use self::happened::{Extent, Happened};
use self::ids::Ids;
use self::namespace::Namespaces;
use self::nexus::NexusEndpoints;
pub(crate) use self::requests::OfNamespace;
pub(crate) use self::task_queues::QueueKind;
use self::task_queues::ShutDownWorkers;
use self::task_queues::TaskQueues;
use self::time::{Now, Time};
use self::transaction::{Effect, Transaction};
pub(crate) use self::updates::Progress;
pub(crate) use self::updates::UpdateAt;
use self::waiters::Waiters;
pub(crate) use self::waiters::{Step, WaiterId};
use self::workflow::Executions;
use self::workflow::Queries;
use self::workflow::check_execution;
use self::workflow::{Execution, ExecutionId};
use self::workflow_tasks::PageLimits;

/// The options of a server.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Namespaces to create at the start.
    pub(crate) namespaces: Vec<String>,
    /// Retention of these namespaces.
    pub(crate) retention: Duration,
    /// If true, closed runs are kept as long as the server, whatever the namespaces' retention.
    pub(crate) keeps_closed_runs: bool,
    /// Seed of all ids.
    pub(crate) seed: u64,
    /// Minimum lifetime of a run that another one follows, from the time of its first task; the next run is delayed
    /// accordingly.
    pub(crate) minimum_run_lifetime: Duration,
    /// If true, activities that request it are returned to the worker in the response to its completion.
    pub(crate) eager_activities: bool,
    /// If true, commands may name other namespaces than their workflow's.
    pub(crate) cross_namespace_commands: bool,
    /// Limits for completions that come in pages.
    pub(crate) completion_pages: PageLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespaces: vec!["default".to_owned()],
            retention: namespace::DAY,
            keeps_closed_runs: false,
            seed: 0,
            minimum_run_lifetime: Duration::from_secs(1),
            eager_activities: true,
            cross_namespace_commands: false,
            completion_pages: PageLimits::default(),
        }
    }
}

/// The state of a whole server.
#[derive(Debug)]
pub(crate) struct Engine {
    options: Options,
    now: Now,
    ids: Ids,
    /// Orders events that happen at the same instant.
    sequence: u64,
    namespaces: Namespaces,
    endpoints: NexusEndpoints,
    executions: Executions,
    /// The open runs.
    open: BTreeSet<ExecutionId>,
    by_run_id: BTreeMap<String, ExecutionId>,
    /// The latest run of each workflow id, by namespace id and workflow id.
    current: BTreeMap<(String, String), ExecutionId>,
    queues: TaskQueues,
    deadlines: Deadlines,
    waiters: Waiters,
    queries: Queries,
    commands: WorkerCommands,
    shut_down: ShutDownWorkers,
    errands: Errands,
    happened: Happened,
}

impl Engine {
    pub(crate) fn new(options: Options) -> Self {
        let mut ids = Ids::new(options.seed);
        let namespaces = Namespaces::new(&options.namespaces, options.retention, &mut ids);
        Self {
            options,
            now: Now::default(),
            ids,
            sequence: 0,
            namespaces,
            endpoints: NexusEndpoints::default(),
            executions: Executions::default(),
            open: BTreeSet::new(),
            by_run_id: BTreeMap::new(),
            current: BTreeMap::new(),
            queues: TaskQueues::default(),
            deadlines: Deadlines::default(),
            waiters: Waiters::default(),
            queries: Queries::default(),
            commands: WorkerCommands::default(),
            shut_down: ShutDownWorkers::default(),
            errands: Errands::default(),
            happened: Happened::default(),
        }
    }

    /// Sets the time for the next calls. Neither clock goes back.
    pub(crate) fn at(&mut self, now: Now) -> &mut Self {
        self.now = Now { time: self.now.time.max(now.time), wall: self.now.wall.max(now.wall) };
        self.remove_expired_runs();
        self
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    /// Returns the callers that can be resumed now.
    pub(crate) fn take_wakeups(&mut self) -> Vec<WaiterId> {
        self.waiters.take_wakeups()
    }

    /// Returns what has happened so far.
    pub(crate) fn happened(&self) -> Happened {
        self.happened
    }

    /// Returns the next deadline of the server's clock.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// Returns the next deadline of the machine's clock.
    pub(crate) fn next_wall_deadline(&self) -> Option<Time> {
        self.deadlines.next_wall()
    }

    /// Returns true if a workflow task or a query will be taken from its worker, on the machine's clock.
    pub(crate) fn will_retake(&self) -> bool {
        self.deadlines.any_on_wall_only()
    }

    /// Returns the time to which the server's clock must move, because running work has used up its time on the
    /// machine's clock.
    pub(crate) fn overtaken(&self) -> Option<Time> {
        self.deadlines.overtaken(self.now)
    }

    /// Returns the run that a request refers to; without a run id, the latest one.
    fn find(&self, namespace: &str, execution: Option<&common::WorkflowExecution>) -> Result<ExecutionId, Error> {
        let namespace = self.namespaces.get(namespace)?;
        let execution = check_execution(execution)?;
        if execution.run_id.is_empty() {
            let key = (namespace.id.clone(), execution.workflow_id.clone());
            return self.current.get(&key).copied().ok_or_else(|| Error::workflow_not_found(&execution.workflow_id));
        }
        self.by_run_id
            .get(&execution.run_id)
            .copied()
            .filter(|id| self.executions[id.0].workflow_id == execution.workflow_id)
            .filter(|id| self.executions[id.0].namespace.id == namespace.id)
            .ok_or_else(|| Error::run_not_found(&execution.workflow_id, &execution.run_id))
    }

    /// Like [`Self::find`], for requests that need an open run.
    fn find_running(
        &self,
        namespace: &str,
        execution: Option<&common::WorkflowExecution>,
    ) -> Result<ExecutionId, Error> {
        let id = self.find(namespace, execution)?;
        if self.executions[id.0].is_running() { Ok(id) } else { Err(Error::completed()) }
    }

    fn execution(&self, id: ExecutionId) -> &Execution {
        &self.executions[id.0]
    }

    /// Runs one transaction and executes its effects. A step that can fail must do so before it changes anything.
    fn transact<T>(&mut self, id: ExecutionId, step: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        self.transact_within_limits(id, step).0
    }

    /// Like [`Self::transact`], for a caller who learns that the run was terminated instead.
    fn try_transact<T>(&mut self, id: ExecutionId, step: impl FnOnce(&mut Transaction<'_>) -> T) -> Result<T, Error> {
        let (result, excess) = self.transact_within_limits(id, step);
        excess.map_or(Ok(result), Err)
    }

    fn transact_within_limits<T>(
        &mut self,
        id: ExecutionId,
        step: impl FnOnce(&mut Transaction<'_>) -> T,
    ) -> (T, Option<Error>) {
        let mut transaction = Transaction {
            execution: &mut self.executions[id.0],
            now: self.now,
            ids: &mut self.ids,
            endpoints: &self.endpoints,
            namespaces: &self.namespaces,
            cross_namespace_commands: self.options.cross_namespace_commands,
            sequence: &mut self.sequence,
            minimum_run_lifetime: self.options.minimum_run_lifetime,
            effects: Vec::new(),
            stays_in_memory: false,
        };
        let before = Extent::of(transaction.execution);
        let snapshot = transaction.snapshot_of_long_history();
        let result = step(&mut transaction);
        let excess = transaction.end_too_long_history(snapshot);
        if !transaction.execution.state.task_is_started() {
            transaction.flush_buffer();
        }
        if !transaction.stays_in_memory {
            transaction.write_speculative_task();
        }
        self.happened.count(before.change_of(transaction.execution));
        transaction.execution.drop_stale_pages();
        transaction.execution.transitions += 1;
        if !transaction.execution.is_running() {
            let continues = transaction.effects.iter().any(|effect| matches!(effect, Effect::Continue(_)));
            transaction.state().updates.abort_pending(continues);
        }
        let (effects, running) = (transaction.effects, transaction.execution.is_running());
        let closes = if running {
            self.open.insert(id);
            false
        } else {
            self.open.remove(&id)
        };
        if closes {
            self.keep_closed_run(id);
        }
        let ends_chain = closes && !effects.iter().any(|effect| matches!(effect, Effect::Continue(_)));
        self.carry_out(id, effects);
        self.wake_history_readers(id);
        self.advance_queries(id);
        if ends_chain {
            self.deliver_completions(id);
        }
        self.advance_updates(id);
        if !self.execution(id).state.is_closing() {
            self.errands.release_held(id);
        }
        self.run_errands();
        (result, excess)
    }

    fn carry_out(&mut self, id: ExecutionId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::SetDeadline(key, deadline, wall) => self.deadlines.set(key, deadline, wall),
                Effect::RemoveDeadline(key) => {
                    self.deadlines.remove(key);
                }
                Effect::DispatchWorkflowTask => self.dispatch_workflow_task(id),
                Effect::DispatchActivity(scheduled_event_id) => self.dispatch_activity(id, scheduled_event_id),
                Effect::TellWorkerToStop(queue, token) => self.command_to_cancel(id, queue, token),
                Effect::Errand(errand) => self.errands.add(id, errand),
                Effect::RequestOfNexusHandler(operation, purpose) => {
                    self.dispatch_nexus_request(id, operation, purpose);
                }
                Effect::Continue(next) => {
                    let (namespace, workflow_id) =
                        (self.execution(id).namespace.clone(), self.execution(id).workflow_id.clone());
                    self.create_run(namespace, workflow_id, *next);
                }
            }
        }
    }
}
