//! All runs, and their retention: a closed run is removed when its namespace's retention has passed, as on a real
//! server. No deadline is set for that, so time never skips to it: runs are removed when the clock has passed it.
//!
//! Extends `Engine`.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::Duration;

use super::execution::{Execution, ExecutionId, History, State};
use super::start::NewRun;
use crate::engine::Engine;
use crate::engine::api::enums::WorkflowExecutionStatus;
use crate::engine::namespace::NamespaceName;
use crate::engine::time::Time;

/// Additional time for a run that a caller still reads or queries.
const GRACE: Duration = Duration::from_secs(60);

/// All runs by their handles. A removed run is replaced by a closed run without history, for queued tasks and late
/// wakeups that still have its handle.
#[derive(Debug)]
pub(crate) struct Executions {
    runs: Vec<Option<Box<Execution>>>,
    removed: Box<Execution>,
    /// Closed runs by the time of their removal.
    expiring: BTreeSet<(Time, ExecutionId)>,
}

impl Default for Executions {
    fn default() -> Self {
        let mut state = State::of(&NewRun::default(), Time::default());
        state.status = WorkflowExecutionStatus::Terminated;
        let namespace = Arc::new(NamespaceName { id: String::new(), name: String::new() });
        let removed = Execution::new(ExecutionId(usize::MAX), namespace, String::new(), String::new(), state);
        Self { runs: Vec::new(), removed: Box::new(removed), expiring: BTreeSet::new() }
    }
}

impl Executions {
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn push(&mut self, run: Execution) {
        self.runs.push(Some(Box::new(run)));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Execution> {
        self.runs.iter().filter_map(Option::as_deref)
    }

    /// Schedules a closed run for removal at `at`.
    pub(crate) fn expire(&mut self, id: ExecutionId, at: Time) {
        self.expiring.insert((at, id));
    }

    fn take_expired(&mut self, now: Time) -> Option<ExecutionId> {
        let (at, id) = *self.expiring.first().filter(|(at, _)| *at <= now)?;
        self.expiring.remove(&(at, id));
        Some(id)
    }
}

impl Index<usize> for Executions {
    type Output = Execution;

    fn index(&self, index: usize) -> &Execution {
        self.runs.get(index).and_then(Option::as_deref).unwrap_or(&self.removed)
    }
}

impl IndexMut<usize> for Executions {
    fn index_mut(&mut self, index: usize) -> &mut Execution {
        self.runs.get_mut(index).and_then(Option::as_deref_mut).unwrap_or(&mut self.removed)
    }
}

impl Execution {
    /// Creates a run without events.
    pub(crate) fn new(
        id: ExecutionId,
        namespace: Arc<NamespaceName>,
        workflow_id: String,
        run_id: String,
        state: State,
    ) -> Self {
        Self {
            id,
            namespace,
            workflow_id,
            run_id,
            history: History::default(),
            state,
            queries: Vec::new(),
            update_waiters: Vec::new(),
            completion_pages: None,
            reset_run_id: String::new(),
            copied_events: 0,
            transitions: 0,
        }
    }
}

impl Engine {
    /// Keeps a closed run for the retention of its namespace.
    pub(crate) fn keep_closed_run(&mut self, id: ExecutionId) {
        if self.options.keeps_closed_runs {
            return;
        }
        let retention = self.namespaces.retention(&self.execution(id).namespace.name);
        self.executions.expire(id, self.now.time.plus(retention));
    }

    /// Removes the runs whose retention has passed.
    pub(crate) fn remove_expired_runs(&mut self) {
        while let Some(id) = self.executions.take_expired(self.now.time) {
            let run = self.execution(id);
            let busy = !run.queries.is_empty() || !run.update_waiters.is_empty();
            if busy || self.waiters.reads_history(id) {
                self.executions.expire(id, self.now.time.plus(GRACE));
                continue;
            }
            let Some(run) = self.executions.runs.get_mut(id.0).and_then(Option::take) else { continue };
            self.by_run_id.remove(&run.run_id);
            let key = (run.namespace.id.clone(), run.workflow_id.clone());
            if self.current.get(&key) == Some(&id) {
                self.current.remove(&key);
            }
        }
    }
}
