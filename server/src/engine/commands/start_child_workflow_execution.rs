//! START_CHILD_WORKFLOW_EXECUTION.

use super::super::api::enums::{ParentClosePolicy, WorkflowIdReusePolicy, WorkflowTaskFailedCause};
use super::super::api::{command, history};
use super::super::limits::{self, ID_LIMIT};
use super::super::retry;
use super::super::time;
use super::super::transaction::Transaction;
use super::{Completion, Refusal, check_search_attributes, target_namespace};
use crate::engine::history::Extras;
use crate::engine::task_queues::check_queue_of_user;
use crate::engine::workflow::{cron, normal_queue, task_timeout};

const PENDING_LIMIT: usize = 2000;

#[expect(deprecated, reason = "SDKs still send control and inherit_build_id, and the real server still copies them")]
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    attributes: command::StartChildWorkflowExecutionCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let bad = |text: String| Refusal::new(WorkflowTaskFailedCause::BadStartChildExecutionAttributes, text);
    let execution = &transaction.execution;
    let namespace = target_namespace(transaction, &attributes.namespace).map_err(|text| bad(text.to_owned()))?;
    let policy = attributes.parent_close_policy();
    let reuse = attributes.workflow_id_reuse_policy();
    let queue = attributes.task_queue.map(|queue| queue.name).filter(|name| !name.is_empty());
    let queue = queue.unwrap_or_else(|| execution.state.task_queue().to_owned());
    let mut event = history::StartChildWorkflowExecutionInitiatedEventAttributes {
        namespace: namespace.name.clone(),
        namespace_id: namespace.id.clone(),
        workflow_id: attributes.workflow_id,
        workflow_type: attributes.workflow_type,
        task_queue: Some(normal_queue(&queue)),
        input: attributes.input,
        workflow_execution_timeout: attributes.workflow_execution_timeout,
        workflow_run_timeout: attributes.workflow_run_timeout,
        workflow_task_timeout: attributes.workflow_task_timeout,
        parent_close_policy: match policy {
            ParentClosePolicy::Unspecified => ParentClosePolicy::Terminate.into(),
            policy => policy.into(),
        },
        control: attributes.control,
        workflow_task_completed_event_id: completion.completed_event_id,
        workflow_id_reuse_policy: match reuse {
            WorkflowIdReusePolicy::Unspecified => WorkflowIdReusePolicy::AllowDuplicate.into(),
            policy => policy.into(),
        },
        retry_policy: attributes.retry_policy,
        cron_schedule: attributes.cron_schedule,
        header: attributes.header,
        memo: attributes.memo,
        search_attributes: attributes.search_attributes,
        inherit_build_id: attributes.inherit_build_id,
        priority: attributes.priority,
        versioning_override: attributes.versioning_override,
        ..Default::default()
    };
    check(transaction, &event).map_err(bad)?;
    check_search_attributes(transaction, &namespace.name, event.search_attributes.as_ref(), |problem| {
        format!("invalid SearchAttributes on StartChildWorkflowCommand: {problem}. {}", about(&event))
    })?;
    limits::check_priority(event.priority.as_ref()).map_err(|error| bad(error.message))?;
    check_queue_of_user(event.task_queue.as_ref()).map_err(|error| {
        let problem = error.message;
        bad(format!(
            "invalid TaskQueue on StartChildWorkflowExecutionCommand: {problem}. {} TaskQueue={queue}",
            about(&event)
        ))
    })?;
    limits::check_command(event.input.as_ref(), "StartChildWorkflowExecutionCommandAttributes.Input")?;
    fill_in(&mut event);
    if execution.state.children.len() >= PENDING_LIMIT {
        let text = format!(
            "the number of pending child workflow executions, {PENDING_LIMIT}, has reached the per-workflow limit of \
             {PENDING_LIMIT}"
        );
        return Err(Refusal::new(WorkflowTaskFailedCause::PendingChildWorkflowsLimitExceeded, text));
    }
    completion.children.insert(event.workflow_id.clone());
    transaction.initiate_child(event, extras);
    Ok(())
}

/// Refuses an invalid cron schedule of a child.
fn check(
    transaction: &Transaction<'_>,
    event: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
) -> Result<(), String> {
    const COMMAND: &str = "StartChildWorkflowExecutionCommand";
    let (id, namespace) = (&event.workflow_id, &event.namespace);
    let kind = event.workflow_type.as_ref().map_or("", |kind| kind.name.as_str());
    if id.is_empty() {
        let about = format!("WorkflowType={kind} Namespace={namespace}");
        return Err(format!("Required field WorkflowId is not set on {COMMAND}. {about}"));
    }
    if kind.is_empty() {
        let about = format!("WorkflowId={id} Namespace={namespace}");
        return Err(format!("Required field WorkflowType is not set on {COMMAND}. {about}"));
    }
    if id.len() > ID_LIMIT {
        let about = format!("WorkflowId={id} Length={} Limit={ID_LIMIT} WorkflowType={kind}", id.len());
        return Err(format!("WorkflowId on {COMMAND} exceeds length limit. {about} Namespace={namespace}"));
    }
    if kind.len() > ID_LIMIT {
        let about = format!("WorkflowId={id} WorkflowType={kind} Length={} Limit={ID_LIMIT}", kind.len());
        return Err(format!("WorkflowType on {COMMAND} exceeds length limit. {about} Namespace={namespace}"));
    }
    let timeouts = [
        ("WorkflowExecutionTimeout", event.workflow_execution_timeout.as_ref()),
        ("WorkflowRunTimeout", event.workflow_run_timeout.as_ref()),
        ("WorkflowTaskTimeout", event.workflow_task_timeout.as_ref()),
    ];
    for (name, timeout) in timeouts {
        time::checked(timeout)
            .map_err(|problem| format!("Invalid {name} on {COMMAND}: {problem}. {}", about(event)))?;
    }
    if let Some(policy) = &event.retry_policy {
        retry::validate(policy).map_err(|error| {
            format!("invalid WorkflowRetryPolicy on {COMMAND}: {}. {}", error.message, about(event))
        })?;
    }
    cron::validate(&event.cron_schedule, transaction.time())
        .map_err(|error| format!("invalid CronSchedule on {COMMAND}: {}. {}", error.message, about(event)))
}

/// Names the child in an error.
fn about(event: &history::StartChildWorkflowExecutionInitiatedEventAttributes) -> String {
    let kind = event.workflow_type.as_ref().map_or("", |kind| &kind.name);
    format!("WorkflowId={} WorkflowType={kind} Namespace={}", event.workflow_id, event.namespace)
}

/// Sets defaults for missing timeouts and for the retry policy.
fn fill_in(event: &mut history::StartChildWorkflowExecutionInitiatedEventAttributes) {
    let execution = time::stored(event.workflow_execution_timeout.as_ref());
    let run = time::shorter(time::stored(event.workflow_run_timeout.as_ref()), execution);
    let task = task_timeout(time::stored(event.workflow_task_timeout.as_ref()), run);
    event.workflow_execution_timeout = execution.map(time::proto);
    event.workflow_run_timeout = Some(time::proto(run.unwrap_or_default()));
    event.workflow_task_timeout = Some(time::proto(task));
    event.retry_policy = event.retry_policy.take().map(|policy| retry::with_defaults(Some(policy)));
}
