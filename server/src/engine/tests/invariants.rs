//! Invariants that hold after any sequence of requests.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::api::{Attributes, HistoryEvent};
use super::spec::{Spec, read_all};
use crate::engine::history::event_type;

/// Requests in arbitrary order, most of which are usually refused.
const REQUESTS: &[&str] = &[
    "start",
    "start conflict=terminate retry=2 run_timeout=20s",
    "signal a",
    "signal b request=same",
    "signal-with-start c",
    "cancel",
    "terminate",
    "query q",
    "answer yes",
    "poll",
    "poll",
    "poll sticky",
    "fail-task",
    "respond:",
    "respond sticky: timer 1 1s; activity 1 retry=2 hb=2s",
    "respond sticky inline force: activity 2 s2c=5s; timer 2 3s",
    "respond: cancel-timer 1",
    "respond: cancel-activity 5; marker m",
    "respond inline: timer 1 1s; timer 1 1s",
    "respond answer=yes: activity 3 eager s2s=1s",
    "respond: complete",
    "respond: child kid; child kid retry=2 run_timeout=20s",
    "respond force: child kid policy=abandon; child other policy=cancel",
    "respond: child kid reuse=terminate; complete",
    "respond: signal-workflow kid a child; cancel-workflow kid child; cancel-workflow other",
    "respond: signal-workflow wf a; cancel-workflow wf",
    "respond of=wf: timer 1 1s",
    "respond of=kid: complete",
    "respond of=other: fail",
    "cancel of=kid",
    "terminate of=other",
    "signal a of=kid",
    "respond: fail",
    "respond: continue-as-new",
    "take",
    "done 1",
    "done 2",
    "failed 1",
    "failed 2 non-retryable",
    "failed 3",
    "beat 1 x",
    "cancelled 1",
    "wait 0.5s",
    "wait 1s",
    "wait 11s",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories_are_well_formed_and_nothing_outlives_its_run(
        script in prop::collection::vec(prop::sample::select(REQUESTS), 1..60)
    ) {
        let mut spec = Spec::new();
        for line in &script {
            spec.run(line);
            let runs: Vec<_> = spec.engine.executions.iter().map(|run| run.execution()).collect();
            for run in runs {
                let events = read_all(&mut spec.engine, run).expect("the run exists");
                well_formed(&events).map_err(|problem| {
                    TestCaseError::fail(format!("{problem} after {line:?} in {script:?}\n{}", spec.out))
                })?;
            }
            for run in spec.engine.executions.iter() {
                let state = &run.state;
                let pending = !state.activities.is_empty() || !state.timers.is_empty() || state.task.is_some();
                let pending = pending || !state.children.is_empty();
                prop_assert!(run.is_running() || !pending, "a closed run has something pending after {line:?}");
                prop_assert!(run.is_running() || state.buffer.is_empty());
                prop_assert!(state.task_is_started() || state.buffer.is_empty(), "events are buffered without a task");
            }
        }
        if spec.engine.executions.iter().all(|run| !run.is_running()) {
            prop_assert_eq!(spec.engine.next_deadline(), None, "a deadline outlives its run");
        }
    }

    #[test]
    fn the_same_requests_give_the_same_histories(
        script in prop::collection::vec(prop::sample::select(REQUESTS), 1..40)
    ) {
        let histories = |script: &[&str]| {
            let mut spec = Spec::new();
            script.iter().for_each(|line| spec.run(line));
            let runs: Vec<_> = spec.engine.executions.iter().map(|run| run.history.events.clone()).collect();
            (spec.out, runs)
        };
        prop_assert_eq!(histories(&script), histories(&script));
    }
}

/// Checks what SDKs rely on in every history.
fn well_formed(events: &[HistoryEvent]) -> Result<(), String> {
    let mut scheduled = BTreeSet::new();
    let mut started = BTreeSet::new();
    let mut ended = BTreeSet::new();
    let mut previous: Option<&HistoryEvent> = None;
    for (index, event) in events.iter().enumerate() {
        let name = format!("event {} {:?}", event.event_id, event.event_type());
        let Some(attributes) = &event.attributes else { return Err(format!("{name} has no attributes")) };
        if event.event_id != i64::try_from(index + 1).unwrap_or_default() {
            return Err(format!("{name} stands at place {}", index + 1));
        }
        if event_type(attributes) != event.event_type() {
            return Err(format!("{name} has attributes of another type"));
        }
        if let Some(previous) = previous {
            check_neighbours(previous, event)?;
        }
        if let Some((id, is_start)) = operation_of(attributes) {
            let fresh = if is_start { started.insert(id) } else { ended.insert(id) };
            if !scheduled.contains(&id) || !fresh {
                return Err(format!("{name} belongs to no pending operation"));
            }
        }
        if begins(attributes) {
            scheduled.insert(event.event_id);
        }
        previous = Some(event);
    }
    Ok(())
}

fn check_neighbours(previous: &HistoryEvent, event: &HistoryEvent) -> Result<(), String> {
    use super::super::api::enums::EventType;
    if closes(previous) {
        return Err(format!("event {} follows the closing event", event.event_id));
    }
    if previous.event_type() == EventType::WorkflowTaskStarted {
        let ends_task = matches!(
            event.event_type(),
            EventType::WorkflowTaskCompleted | EventType::WorkflowTaskFailed | EventType::WorkflowTaskTimedOut
        );
        if !ends_task && !closes(event) {
            return Err(format!("event {} comes between a task's start and its end", event.event_id));
        }
    }
    Ok(())
}

fn closes(event: &HistoryEvent) -> bool {
    use super::super::api::enums::EventType;
    matches!(
        event.event_type(),
        EventType::WorkflowExecutionCompleted
            | EventType::WorkflowExecutionFailed
            | EventType::WorkflowExecutionTimedOut
            | EventType::WorkflowExecutionCanceled
            | EventType::WorkflowExecutionTerminated
            | EventType::WorkflowExecutionContinuedAsNew
    )
}

/// Returns true if later events report the result of what this one starts.
fn begins(attributes: &Attributes) -> bool {
    matches!(
        attributes,
        Attributes::ActivityTaskScheduledEventAttributes(_)
            | Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(_)
            | Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
            | Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
    )
}

/// Returns the activity, the child or the message that an event starts (`true`) or ends.
fn operation_of(attributes: &Attributes) -> Option<(i64, bool)> {
    match attributes {
        Attributes::ActivityTaskStartedEventAttributes(a) => Some((a.scheduled_event_id, true)),
        Attributes::ActivityTaskCompletedEventAttributes(a) => Some((a.scheduled_event_id, false)),
        Attributes::ActivityTaskFailedEventAttributes(a) => Some((a.scheduled_event_id, false)),
        Attributes::ActivityTaskTimedOutEventAttributes(a) => Some((a.scheduled_event_id, false)),
        Attributes::ActivityTaskCanceledEventAttributes(a) => Some((a.scheduled_event_id, false)),
        Attributes::ChildWorkflowExecutionStartedEventAttributes(a) => Some((a.initiated_event_id, true)),
        Attributes::StartChildWorkflowExecutionFailedEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::ChildWorkflowExecutionCompletedEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::ChildWorkflowExecutionFailedEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::ChildWorkflowExecutionCanceledEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::ChildWorkflowExecutionTimedOutEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::ChildWorkflowExecutionTerminatedEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::ExternalWorkflowExecutionSignaledEventAttributes(a) => Some((a.initiated_event_id, false)),
        Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => {
            Some((a.initiated_event_id, false))
        }
        Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => Some((a.initiated_event_id, false)),
        _ => None,
    }
}
