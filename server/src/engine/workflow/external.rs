//! Signals and cancellation requests from one workflow to another.
//!
//! Extends `Engine`.

use super::execution::ExecutionId;
use super::signal::SIGNAL_LIMIT;
use crate::engine::Engine;
use crate::engine::api::enums::{
    CancelExternalWorkflowExecutionFailedCause as CancelFailed,
    SignalExternalWorkflowExecutionFailedCause as SignalFailed,
};
use crate::engine::api::{Attributes, common, history};
use crate::engine::errand::Errand;
use crate::engine::workflow_tasks::HISTORY_SERVICE;

/// The reason that a message has no receiver.
#[derive(Clone, Copy)]
enum NoTarget {
    Namespace,
    Workflow,
}

impl Engine {
    /// Delivers a signal and reports the result to the sender. A signal in the answer that closes the sender is
    /// dropped.
    pub(crate) fn signal_external(&mut self, sender: ExecutionId, initiated_event_id: i64) {
        if !self.execution(sender).is_running() {
            return;
        }
        let event = self.execution(sender).history.get(initiated_event_id).and_then(|event| event.attributes.clone());
        let Some(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(initiated)) = event else {
            return;
        };
        let target = initiated.workflow_execution.as_ref();
        let found = self.receiver(sender, &initiated.namespace, target, initiated.child_workflow_only);
        if let Ok(target) = found
            && self.execution(target).state.is_closing()
        {
            return self.errands.hold_until_closed(target, sender, Errand::SignalExternal(initiated_event_id));
        }
        let delivered = match found {
            Ok(id) if !self.execution(id).is_running() => Err(SignalFailed::ExternalWorkflowExecutionNotFound),
            Ok(id) if self.execution(id).state.signal_count >= SIGNAL_LIMIT => {
                Err(SignalFailed::SignalCountLimitExceeded)
            }
            Ok(id) => Ok(id),
            Err(NoTarget::Namespace) => Err(SignalFailed::NamespaceNotFound),
            Err(NoTarget::Workflow) => Err(SignalFailed::ExternalWorkflowExecutionNotFound),
        };
        if let Ok(id) = delivered {
            let signal = history::WorkflowExecutionSignaledEventAttributes {
                signal_name: initiated.signal_name.clone(),
                input: initiated.input.clone(),
                identity: HISTORY_SERVICE.to_owned(),
                header: initiated.header.clone(),
                external_workflow_execution: Some(self.execution(sender).execution()),
                request_id: self.ids.v4(),
                ..Default::default()
            };
            self.transact(id, |transaction| transaction.signal(signal, Vec::new(), false));
        }
        self.transact_if_running(sender, |transaction| {
            #[expect(deprecated, reason = "SDKs still send control and the real server still copies it")]
            match delivered {
                Ok(_) => transaction.record(history::ExternalWorkflowExecutionSignaledEventAttributes {
                    initiated_event_id,
                    namespace: initiated.namespace,
                    namespace_id: initiated.namespace_id,
                    workflow_execution: initiated.workflow_execution,
                    control: initiated.control,
                }),
                Err(cause) => transaction.record(history::SignalExternalWorkflowExecutionFailedEventAttributes {
                    cause: cause.into(),
                    workflow_task_completed_event_id: 0,
                    namespace: initiated.namespace,
                    namespace_id: initiated.namespace_id,
                    workflow_execution: initiated.workflow_execution,
                    initiated_event_id,
                    control: initiated.control,
                }),
            };
            transaction.ensure_workflow_task();
        });
    }

    /// Delivers a cancellation request and reports the result to the sender. A request in the answer that closes the
    /// sender is dropped.
    pub(crate) fn cancel_external(&mut self, sender: ExecutionId, initiated_event_id: i64) {
        if !self.execution(sender).is_running() {
            return;
        }
        let event = self.execution(sender).history.get(initiated_event_id).and_then(|event| event.attributes.clone());
        let Some(Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(initiated)) = event else {
            return;
        };
        let target = initiated.workflow_execution.as_ref();
        let found = self.receiver(sender, &initiated.namespace, target, initiated.child_workflow_only);
        let delivered = found.map_err(|problem| match problem {
            NoTarget::Namespace => CancelFailed::NamespaceNotFound,
            NoTarget::Workflow => CancelFailed::ExternalWorkflowExecutionNotFound,
        });
        // A request to a run that is closed, or was cancelled before, succeeds without an effect.
        if let Ok(id) = delivered
            && self.execution(id).is_running()
            && !self.execution(id).state.cancel_requested
        {
            let attributes = history::WorkflowExecutionCancelRequestedEventAttributes {
                cause: initiated.reason.clone(),
                external_initiated_event_id: initiated_event_id,
                external_workflow_execution: Some(self.execution(sender).execution()),
                identity: HISTORY_SERVICE.to_owned(),
            };
            self.transact(id, |transaction| transaction.request_cancel(attributes, Vec::new()));
        }
        self.transact_if_running(sender, |transaction| {
            #[expect(deprecated, reason = "SDKs still send control and the real server still copies it")]
            match delivered {
                Ok(_) => transaction.record(history::ExternalWorkflowExecutionCancelRequestedEventAttributes {
                    initiated_event_id,
                    namespace: initiated.namespace,
                    namespace_id: initiated.namespace_id,
                    workflow_execution: initiated.workflow_execution,
                }),
                Err(cause) => {
                    transaction.record(history::RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                        cause: cause.into(),
                        workflow_task_completed_event_id: 0,
                        namespace: initiated.namespace,
                        namespace_id: initiated.namespace_id,
                        workflow_execution: initiated.workflow_execution,
                        initiated_event_id,
                        control: initiated.control,
                    })
                }
            };
            transaction.ensure_workflow_task();
        });
    }

    /// Returns the receiver of a message, which is not the sender itself. It may be closed.
    fn receiver(
        &self,
        sender: ExecutionId,
        namespace: &str,
        target: Option<&common::WorkflowExecution>,
        child_only: bool,
    ) -> Result<ExecutionId, NoTarget> {
        self.namespaces.get(namespace).map_err(|_| NoTarget::Namespace)?;
        let id = self.find(namespace, target).map_err(|_| NoTarget::Workflow)?;
        let parent = self.execution(id).state.start.parent_workflow_execution.as_ref();
        let is_child = parent == Some(&self.execution(sender).execution());
        // For a closed run, the relationship does not matter.
        let is_child = is_child || !self.execution(id).is_running();
        if id == sender || (child_only && !is_child) { Err(NoTarget::Workflow) } else { Ok(id) }
    }
}
