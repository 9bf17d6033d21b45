//! The text of a failure: what failed and why, down the chain of causes.
//!
//! The failure of an activity, a child workflow or a Nexus operation has a message that is the same for all of them
//! ("Activity task failed"), so its text begins with the name of what failed.

use std::fmt;

use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ActivityFailureInfo, Failure as FailureProto};

use super::application::error_type;
use super::cancelled::{ACTIVITY_CANCELLED, CANCELLED};

/// Writes the message of a failure and each cause after a colon. A cause that only repeats the previous text is omitted.
pub(super) fn write_chain(f: &mut fmt::Formatter<'_>, failure: &FailureProto) -> fmt::Result {
    let mut next = Some(failure);
    let mut said: Option<&FailureProto> = None;
    while let Some(link) = next {
        next = link.cause.as_deref();
        let name = name(link);
        // Core's own cancellations have no text besides their kind.
        let says_nothing = link.message.is_empty() && error_type(link).is_none() && name.is_none();
        if says_nothing || (name.is_none() && said.is_some_and(|said| repeats(said, link))) {
            continue;
        }
        if said.is_some() {
            f.write_str(": ")?;
        }
        said = Some(link);
        let message = link.message.strip_suffix(": ").unwrap_or(&link.message);
        match &name {
            Some(name) if message.is_empty() => f.write_str(name)?,
            Some(name) => write!(f, "{name}: {message}")?,
            None => f.write_str(message)?,
        }
        f.write_str(was_not_scheduled(link))?;
        if let Some(error_type) = error_type(link).filter(|error_type| !error_type.is_empty()) {
            write!(f, " ({error_type})")?;
        }
    }
    Ok(())
}

/// Returns the name of what failed, if the failure stands for an activity, a child workflow or a Nexus operation.
fn name(failure: &FailureProto) -> Option<String> {
    let with_id = |what: &str, name: &str, id: &str| match (name, id) {
        ("", "") => None,
        (name, "") => Some(format!("{what} {name}")),
        (name, id) => Some(format!("{what} {name} (id {id})")),
    };
    match failure.failure_info.as_ref()? {
        FailureInfo::ActivityFailureInfo(info) => {
            let name = info.activity_type.as_ref().map_or("", |activity_type| &activity_type.name);
            with_id("activity", name, &info.activity_id)
        }
        FailureInfo::ChildWorkflowExecutionFailureInfo(info) => {
            let name = info.workflow_type.as_ref().map_or("", |workflow_type| &workflow_type.name);
            let id = info.workflow_execution.as_ref().map_or("", |execution| &execution.workflow_id);
            with_id("child workflow", name, id)
        }
        FailureInfo::NexusOperationExecutionFailureInfo(info) => match (&*info.service, &*info.operation) {
            ("", "") => None,
            (service, operation) => Some(format!("Nexus operation {service}/{operation} at {}", info.endpoint)),
        },
        FailureInfo::ApplicationFailureInfo(_)
        | FailureInfo::TimeoutFailureInfo(_)
        | FailureInfo::CanceledFailureInfo(_)
        | FailureInfo::TerminatedFailureInfo(_)
        | FailureInfo::ServerFailureInfo(_)
        | FailureInfo::ResetWorkflowFailureInfo(_)
        | FailureInfo::NexusHandlerFailureInfo(_) => None,
    }
}

/// Returns true if a cause adds nothing to the text of the failure before it.
fn repeats(said: &FailureProto, cause: &FailureProto) -> bool {
    let cause_type = error_type(cause);
    let same_text = said.message == cause.message
        && [Some(""), Some(error_type(said).unwrap_or_default()), None].contains(&cause_type);
    let is_bare = [CANCELLED, ACTIVITY_CANCELLED].contains(&&*cause.message) && is_cancellation(cause);
    same_text || (is_bare && name(said).is_some() && said.message.contains("cancelled"))
}

/// Continues the message of an activity that was cancelled before its command was sent. On the wire its failure is that
/// of any cancelled activity, which old histories hold, but it has no scheduled event.
fn was_not_scheduled(failure: &FailureProto) -> &'static str {
    let is_unscheduled = matches!(
        &failure.failure_info,
        Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo { scheduled_event_id: 0, .. }))
    );
    let is_cancelled = failure.message == ACTIVITY_CANCELLED && failure.cause.as_deref().is_some_and(is_cancellation);
    if is_unscheduled && is_cancelled { " before it was scheduled" } else { "" }
}

fn is_cancellation(failure: &FailureProto) -> bool {
    matches!(failure.failure_info, Some(FailureInfo::CanceledFailureInfo(_)))
}

#[cfg(test)]
mod tests {
    use abide_protos::temporal::api::common::v1::{ActivityType, WorkflowExecution, WorkflowType};
    use abide_protos::temporal::api::failure::v1::{ChildWorkflowExecutionFailureInfo, NexusOperationFailureInfo};

    use super::super::{ActivityFailure, ApplicationFailure, Failure, cancelled_failure};
    use super::*;

    fn failure(message: &str, info: FailureInfo, cause: FailureProto) -> FailureProto {
        FailureProto {
            message: message.to_string(),
            failure_info: Some(info),
            cause: Some(Box::new(cause)),
            ..Default::default()
        }
    }

    fn activity(message: &str, scheduled_event_id: i64, cause: FailureProto) -> FailureProto {
        let activity_type = Some(ActivityType { name: "charge".to_string() });
        let info =
            ActivityFailureInfo { scheduled_event_id, activity_type, activity_id: "3".into(), ..Default::default() };
        failure(message, FailureInfo::ActivityFailureInfo(info), cause)
    }

    fn child(id: &str, message: &str, cause: FailureProto) -> FailureProto {
        let info = ChildWorkflowExecutionFailureInfo {
            workflow_type: Some(WorkflowType { name: "ship".to_string() }),
            workflow_execution: Some(WorkflowExecution { workflow_id: id.to_string(), run_id: String::new() }),
            ..Default::default()
        };
        failure(message, FailureInfo::ChildWorkflowExecutionFailureInfo(info), cause)
    }

    fn declined() -> FailureProto {
        Failure::from(ApplicationFailure::new("no money").error_type("CardDeclined")).into_proto()
    }

    #[track_caller]
    fn says(failure: FailureProto, text: &str) {
        assert_eq!(Failure::from_proto(failure).to_string(), text);
    }

    #[test]
    fn each_operation_on_the_way_is_named() {
        says(
            activity("Activity task failed", 5, declined()),
            "activity charge (id 3): Activity task failed: no money (CardDeclined)",
        );
        let message = "Child Workflow execution failed";
        says(
            child("outer", message, child("inner", message, activity("Activity task failed", 5, declined()))),
            "child workflow ship (id outer): Child Workflow execution failed: \
             child workflow ship (id inner): Child Workflow execution failed: \
             activity charge (id 3): Activity task failed: no money (CardDeclined)",
        );
        let info = NexusOperationFailureInfo {
            endpoint: "bank".into(),
            service: "payments".into(),
            operation: "charge".into(),
            ..Default::default()
        };
        says(
            failure(
                "nexus operation completed unsuccessfully",
                FailureInfo::NexusOperationExecutionFailureInfo(info),
                declined(),
            ),
            "Nexus operation payments/charge at bank: nexus operation completed unsuccessfully: no money (CardDeclined)",
        );
    }

    #[test]
    fn the_error_of_the_call_has_the_same_text() {
        let failure = activity("Activity task failed", 5, declined());
        assert_eq!(
            ActivityFailure::from_proto(failure).to_string(),
            "activity charge (id 3): Activity task failed: no money (CardDeclined)"
        );
    }

    #[test]
    fn an_operation_without_a_name_is_told_by_its_message() {
        let info = FailureInfo::ActivityFailureInfo(ActivityFailureInfo::default());
        says(failure("activity error", info, declined()), "activity error: no money (CardDeclined)");
    }

    #[test]
    fn an_activity_that_was_never_scheduled_is_told_from_one_that_was() {
        let cancelled = || cancelled_failure(ACTIVITY_CANCELLED, None);
        says(activity(ACTIVITY_CANCELLED, 5, cancelled()), "activity charge (id 3): Activity cancelled");
        says(
            activity(ACTIVITY_CANCELLED, 0, cancelled()),
            "activity charge (id 3): Activity cancelled before it was scheduled",
        );
        says(
            activity(ACTIVITY_CANCELLED, 0, cancelled_failure("took too long", None)),
            "activity charge (id 3): Activity cancelled before it was scheduled: took too long",
        );
        // Local activities have no event either.
        says(
            activity("Local activity failed", 0, declined()),
            "activity charge (id 3): Local activity failed: no money (CardDeclined)",
        );
    }

    #[test]
    fn a_cancellation_is_told_once() {
        let cancelled = || cancelled_failure(CANCELLED, None);
        says(
            child("ship-1", "Child Workflow Execution cancelled before scheduled: ", cancelled()),
            "child workflow ship (id ship-1): Child Workflow Execution cancelled before scheduled",
        );
        let info = FailureInfo::ApplicationFailureInfo(Default::default());
        says(failure("not cancelled by me", info, cancelled()), "not cancelled by me: Cancelled");
    }
}
