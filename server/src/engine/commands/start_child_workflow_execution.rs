//! START_CHILD_WORKFLOW_EXECUTION.

use super::super::api::enums::{ParentClosePolicy, WorkflowIdReusePolicy, WorkflowTaskFailedCause};
use super::super::api::{command, history};
use super::super::limits;
use super::super::retry;
use super::super::time;
use super::super::transaction::Transaction;
use super::{Completion, Refusal, check_search_attributes, target_namespace};
use crate::engine::children::start_request;
use crate::engine::history::Extras;
use crate::engine::workflow::cron;
use crate::engine::workflow::normal_queue;
use crate::engine::workflow::{task_timeout, validate};

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
    validate(&start_request(&event)).map_err(|error| bad(error.message))?;
    check_cron(transaction, &event).map_err(bad)?;
    check_search_attributes(transaction, &namespace.name, event.search_attributes.as_ref(), |problem| {
        let kind = event.workflow_type.as_ref().map_or("", |kind| &kind.name);
        format!(
            "invalid SearchAttributes on StartChildWorkflowCommand: {problem}. WorkflowId={} WorkflowType={kind} \
             Namespace={}",
            event.workflow_id, namespace.name
        )
    })?;
    limits::check_command(event.input.as_ref(), "StartChildWorkflowExecutionCommandAttributes.Input")?;
    fill_in(&mut event).map_err(bad)?;
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
fn check_cron(
    transaction: &Transaction<'_>,
    event: &history::StartChildWorkflowExecutionInitiatedEventAttributes,
) -> Result<(), String> {
    cron::validate(&event.cron_schedule, transaction.time()).map_err(|error| {
        let kind = event.workflow_type.as_ref().map_or("", |kind| &kind.name);
        format!(
            "invalid CronSchedule on StartChildWorkflowExecutionCommand: {}. WorkflowId={} WorkflowType={kind} \
             Namespace={}",
            error.message, event.workflow_id, event.namespace
        )
    })
}

/// Sets defaults for missing timeouts and for the retry policy.
fn fill_in(event: &mut history::StartChildWorkflowExecutionInitiatedEventAttributes) -> Result<(), String> {
    let read = |field: &Option<abide_protos::Duration>, name: &str| {
        time::positive(field.as_ref(), name).map_err(|error| error.message)
    };
    let execution = read(&event.workflow_execution_timeout, "WorkflowExecutionTimeout")?;
    let run = time::shorter(read(&event.workflow_run_timeout, "WorkflowRunTimeout")?, execution);
    let task = task_timeout(read(&event.workflow_task_timeout, "WorkflowTaskTimeout")?, run);
    event.workflow_execution_timeout = execution.map(time::proto);
    event.workflow_run_timeout = Some(time::proto(run.unwrap_or_default()));
    event.workflow_task_timeout = Some(time::proto(task));
    event.retry_policy = event.retry_policy.take().map(|policy| retry::with_defaults(Some(policy)));
    Ok(())
}
