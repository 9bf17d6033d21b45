//! Children of a parent that is reset. Those started before the reset point continue and belong to the new run: their
//! later events are recorded again, and future events go to the new run. Those started after that point continue as
//! well, but without a parent that waits for them; while one is open, its id is in use.
//!
//! Extends `Engine` and `Transaction`.

use super::reset::RESETTER;
use crate::engine::Engine;
use crate::engine::api::{Attributes, common, history};
use crate::engine::children::Child;
use crate::engine::errand::Errand;
use crate::engine::transaction::{Effect, Transaction};
use crate::engine::workflow::{Execution, ExecutionId};

/// Maximum length of a chain of resets that is followed.
const FOLLOWED_RESETS: usize = 100;

impl Engine {
    /// Returns the run that replaced a closed run by a reset; otherwise the run itself.
    pub(crate) fn after_resets(&self, mut id: ExecutionId) -> ExecutionId {
        for _ in 0..FOLLOWED_RESETS {
            let execution = self.execution(id);
            match self.by_run_id.get(&execution.reset_run_id) {
                Some(next) if !execution.is_running() => id = *next,
                _ => break,
            }
        }
        id
    }

    /// Returns the first run of a child that an earlier run of a reset parent has started.
    pub(crate) fn child_to_reconnect(
        &self,
        parent: ExecutionId,
        initiated_event_id: i64,
        attributes: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
    ) -> Option<String> {
        let parent = self.execution(parent);
        if initiated_event_id > parent.copied_events {
            return None;
        }
        let namespace = self.namespaces.get(&attributes.namespace).ok()?;
        let child = self.execution(*self.current.get(&(namespace.id.clone(), attributes.workflow_id.clone()))?);
        let started_by = child.state.start.parent_workflow_execution.as_ref()?;
        let starter = self.execution(*self.by_run_id.get(&started_by.run_id)?);
        let same_origin = starter.state.start.original_execution_run_id == parent.state.start.original_execution_run_id;
        (same_origin && starter.workflow_id == parent.workflow_id).then(|| child.first_run_id().to_owned())
    }
}

impl Execution {
    /// Returns true if the run was terminated to be replaced by a reset.
    pub(crate) fn was_terminated_by_reset(&self) -> bool {
        let last = self.history.events.last().and_then(|event| event.attributes.as_ref());
        matches!(last, Some(Attributes::WorkflowExecutionTerminatedEventAttributes(end)) if end.identity == RESETTER)
    }
}

impl Transaction<'_> {
    /// Updates the children according to a copied event.
    pub(crate) fn note_child(&mut self, event_id: i64, attributes: &Attributes) {
        match attributes {
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a) => {
                self.state().children.insert(event_id, Child::initiated(event_id, a));
            }
            Attributes::ChildWorkflowExecutionStartedEventAttributes(a) => {
                self.note_child_started(event_id, a.initiated_event_id, a.workflow_execution.as_ref());
            }
            _ => {
                if let Some(initiated_event_id) = ended_child(attributes) {
                    self.state().children.remove(&initiated_event_id);
                }
            }
        }
    }

    /// Records an event of a child after the reset point, if the new run has started that child.
    #[expect(deprecated, reason = "SDKs still send control and the real server still copies it")]
    pub(crate) fn reapply_child_event(&mut self, attributes: Attributes) {
        use Attributes::*;
        let pending = |initiated_event_id: i64| self.execution.state.children.get(&initiated_event_id).cloned();
        if let ChildWorkflowExecutionStartedEventAttributes(started) = attributes {
            let initiated_event_id = started.initiated_event_id;
            if pending(initiated_event_id).is_some_and(|child| child.started_event_id == 0) {
                let child = started.workflow_execution.clone();
                let event_id = self.record(started);
                self.note_child_started(event_id, initiated_event_id, child.as_ref());
            }
            return;
        }
        let Some(child) = ended_child(&attributes).and_then(pending) else { return };
        /// Builds the same event for the child of this run.
        macro_rules! again {
            ($ended:expr) => {{
                let mut ended = $ended;
                ended.started_event_id = child.started_event_id;
                self.record(ended)
            }};
        }
        match attributes {
            ChildWorkflowExecutionCompletedEventAttributes(ended) => again!(ended),
            ChildWorkflowExecutionFailedEventAttributes(ended) => again!(ended),
            ChildWorkflowExecutionCanceledEventAttributes(ended) => again!(ended),
            ChildWorkflowExecutionTimedOutEventAttributes(ended) => again!(ended),
            ChildWorkflowExecutionTerminatedEventAttributes(ended) => again!(ended),
            // The real server drops namespace and task here.
            StartChildWorkflowExecutionFailedEventAttributes(failed) => {
                self.record(history::StartChildWorkflowExecutionFailedEventAttributes {
                    workflow_id: failed.workflow_id,
                    workflow_type: failed.workflow_type,
                    cause: failed.cause,
                    control: failed.control,
                    initiated_event_id: failed.initiated_event_id,
                    ..Default::default()
                })
            }
            _ => return,
        };
        self.state().children.remove(&child.initiated_event_id);
    }

    /// Starts the children that copied events initiate and that no run has recorded as started.
    pub(crate) fn start_missing_children(&mut self) {
        let children = self.execution.state.children.values();
        let missing: Vec<i64> =
            children.filter(|child| child.started_event_id == 0).map(|child| child.initiated_event_id).collect();
        self.effects.extend(missing.into_iter().map(|child| Effect::Errand(Errand::StartChild(child))));
    }

    fn note_child_started(
        &mut self,
        event_id: i64,
        initiated_event_id: i64,
        execution: Option<&common::WorkflowExecution>,
    ) {
        if let Some(child) = self.state().children.get_mut(&initiated_event_id) {
            child.started_event_id = event_id;
            child.run_id = execution.map(|execution| execution.run_id.clone()).unwrap_or_default();
        }
    }
}

/// Returns true for an event of a child that a reset may have to record again.
pub(crate) fn is_of_child(attributes: &Attributes) -> bool {
    matches!(attributes, Attributes::ChildWorkflowExecutionStartedEventAttributes(_))
        || ended_child(attributes).is_some()
}

/// Returns the child (by initiated event id) that an event ends, or whose start it refuses.
fn ended_child(attributes: &Attributes) -> Option<i64> {
    use Attributes::*;
    match attributes {
        StartChildWorkflowExecutionFailedEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionCompletedEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionFailedEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionCanceledEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionTimedOutEventAttributes(a) => Some(a.initiated_event_id),
        ChildWorkflowExecutionTerminatedEventAttributes(a) => Some(a.initiated_event_id),
        _ => None,
    }
}
