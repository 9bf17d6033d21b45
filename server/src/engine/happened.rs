//! Counts what has happened on a server, so that a test that gets nowhere can be told from one that goes on.

use super::api::Attributes;
use super::workflow::Execution;

/// How often something has happened. The numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Happened {
    /// Changes of any kind.
    pub(crate) changes: u64,
    /// Changes, without workflow tasks that only come and go. A worker completes them again and again while a local
    /// activity runs, whether that works or hangs.
    pub(crate) signs: u64,
    /// Steps forward of a workflow: its history has grown by more than workflow tasks. Heartbeats and further attempts of
    /// an activity are no such steps.
    pub(crate) steps: u64,
}

/// The kind of a change of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Only workflow tasks came or went.
    Tasks,
    /// Nothing was written: for example a heartbeat, or the start of an attempt.
    Sign,
    /// The workflow has taken a step forward.
    Step,
}

impl Happened {
    pub(crate) fn count(&mut self, change: Change) {
        self.changes += 1;
        self.signs += u64::from(change != Change::Tasks);
        self.steps += u64::from(change == Change::Step);
    }
}

/// The number of events of a run before a change, written and buffered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    written: usize,
    buffered: usize,
}

impl Extent {
    pub(crate) fn of(run: &Execution) -> Self {
        Self { written: run.history.events.len(), buffered: run.state.buffer.len() }
    }

    /// Returns the kind of the change that has led from here to the present state.
    pub(crate) fn change_of(self, run: &Execution) -> Change {
        let written = run.history.events.get(self.written..).unwrap_or_default();
        let of_tasks = written.iter().all(|event| event.attributes.as_ref().is_some_and(is_of_workflow_task));
        if run.state.buffer.len() > self.buffered || !of_tasks {
            Change::Step
        } else if written.is_empty() {
            Change::Sign
        } else {
            Change::Tasks
        }
    }
}

fn is_of_workflow_task(attributes: &Attributes) -> bool {
    matches!(
        attributes,
        Attributes::WorkflowTaskScheduledEventAttributes(_)
            | Attributes::WorkflowTaskStartedEventAttributes(_)
            | Attributes::WorkflowTaskCompletedEventAttributes(_)
            | Attributes::WorkflowTaskFailedEventAttributes(_)
            | Attributes::WorkflowTaskTimedOutEventAttributes(_)
    )
}
