//! Names the statements behind a refused completion: the server's text says which kind of command it refuses.

use abide_protos::temporal::api::enums::v1::CommandType;

use crate::replay::{Statement, WorkflowTaskCompletion};

/// The type of a command that was sent, and its statement.
pub(super) type Issued = (CommandType, Statement);

/// Maximum statements that are named.
const NAMED: usize = 3;

/// The statements of a completion's commands.
pub(super) fn statements(completion: &WorkflowTaskCompletion) -> Vec<Issued> {
    let types = completion.commands.iter().map(|command| command.command_type());
    types.zip(completion.statements.iter().copied()).collect()
}

/// Names the statements that the refused command can come from, as the end of a sentence. Empty if the text names no
/// kind of command, or none of them has a statement.
pub(super) fn named(issued: &[Issued], refusal: &str) -> String {
    let cause = refusal.split(':').next().unwrap_or_default().trim();
    let refused = refused_types(cause);
    let mut places: Vec<String> = Vec::new();
    for (_, statement) in issued.iter().filter(|(command_type, _)| refused.contains(command_type)) {
        if let Some(place) = statement.map(ToString::to_string).filter(|place| !places.contains(place)) {
            places.push(place);
        }
    }
    let more = places.len().saturating_sub(NAMED);
    places.truncate(NAMED);
    match (&*places, more) {
        ([], _) => String::new(),
        ([place], _) => format!("; the command is issued at {place}"),
        (_, 0) => format!("; the command is issued at one of {}", places.join(", ")),
        (_, more) => format!("; the command is issued at one of {}, or at one of {more} more lines", places.join(", ")),
    }
}

/// The types of command that a server refuses for a cause.
fn refused_types(cause: &str) -> &'static [CommandType] {
    use CommandType as C;
    match cause {
        "BadScheduleActivityAttributes" | "ScheduleActivityDuplicateId" | "PendingActivitiesLimitExceeded" => {
            &[C::ScheduleActivityTask]
        }
        "BadRequestCancelActivityAttributes" => &[C::RequestCancelActivityTask],
        "BadStartTimerAttributes" | "StartTimerDuplicateId" => &[C::StartTimer],
        "BadCancelTimerAttributes" => &[C::CancelTimer],
        "BadRecordMarkerAttributes" => &[C::RecordMarker],
        "BadContinueAsNewAttributes" => &[C::ContinueAsNewWorkflowExecution],
        "BadStartChildExecutionAttributes" | "PendingChildWorkflowsLimitExceeded" => &[C::StartChildWorkflowExecution],
        "BadSignalWorkflowExecutionAttributes" | "PendingSignalsLimitExceeded" => &[C::SignalExternalWorkflowExecution],
        "BadRequestCancelExternalWorkflowExecutionAttributes" | "PendingRequestCancelLimitExceeded" => {
            &[C::RequestCancelExternalWorkflowExecution]
        }
        "BadSearchAttributes" => {
            &[C::UpsertWorkflowSearchAttributes, C::StartChildWorkflowExecution, C::ContinueAsNewWorkflowExecution]
        }
        "BadModifyWorkflowPropertiesAttributes" => &[C::ModifyWorkflowProperties],
        "BadScheduleNexusOperationAttributes" | "PendingNexusOperationsLimitExceeded" => &[C::ScheduleNexusOperation],
        "BadRequestCancelNexusOperationAttributes" => &[C::RequestCancelNexusOperation],
        // A workflow's end comes from no statement, and other causes name no command.
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[track_caller]
    fn here() -> Statement {
        Some(Location::caller())
    }

    #[test]
    fn the_statements_of_the_refused_kind_are_named() {
        let (timer, first) = (here(), here());
        let mut issued = vec![(CommandType::StartTimer, timer), (CommandType::ScheduleActivityTask, first)];
        let refusal = "BadScheduleActivityAttributes: ActivityType is not set.";
        let place = |statement: Statement| statement.unwrap().to_string();
        assert_eq!(named(&issued, refusal), format!("; the command is issued at {}", place(first)));
        issued.push((CommandType::ScheduleActivityTask, first));
        assert_eq!(named(&issued, refusal), format!("; the command is issued at {}", place(first)), "one line, twice");
        let second = here();
        issued.push((CommandType::ScheduleActivityTask, second));
        let expected = format!("; the command is issued at one of {}, {}", place(first), place(second));
        assert_eq!(named(&issued, refusal), expected);
        issued.extend([here(), here()].map(|statement| (CommandType::ScheduleActivityTask, statement)));
        assert!(named(&issued, refusal).ends_with(", or at one of 1 more lines"), "{}", named(&issued, refusal));
    }

    #[test]
    fn a_refusal_that_names_no_command_names_no_statement() {
        let issued = [(CommandType::StartTimer, here())];
        assert_eq!(named(&issued, "BadSearchAttributes: Namespace default has no mapping"), "");
        assert_eq!(named(&issued, "the service is unavailable"), "");
        assert_eq!(named(&[(CommandType::StartTimer, None)], "BadStartTimerAttributes: no timer id"), "");
    }
}
