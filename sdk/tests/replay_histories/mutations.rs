//! Edits histories that fit, one change at a time, and checks that they no longer fit.
//!
//! Every history that a test here declares as fitting is checked. Each command event is removed in turn, with all
//! events that refer to it. And the history is cut after each completed task, like that of an open run, with different
//! ends: such a beginning fits unchanged, but neither with one command removed (the code has one more) nor with one
//! command added (the code has one less).
//!
//! Edits that a replay cannot detect are listed in [`Unnoticed`], and by file and event in `unnoticed.txt`.

use std::collections::BTreeSet;

use abide::replay::text::event_line;
use abide::{History, WorkflowReplayer};
use abide_protos::temporal::api::enums::v1::EventType as E;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;

/// The reason that a replay cannot detect a missing command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unnoticed {
    /// Without its marker a local activity is still running, and no recorded event depends on it.
    LocalActivityUnderWay,
    /// An update that was never accepted leaves no trace, and no recorded event depends on it.
    UpdateNeverCame,
    /// A timer has no name, and other SDKs number timers differently, so the next timer takes the place of the missing
    /// one.
    NextTimerTakesItsPlace,
    /// Without its only command an answer looks like a heartbeat, and so like one task with the next: a timer or a child
    /// that is started and cancelled within it was never sent.
    CancelledInAHeartbeat,
    /// The list of patches after a marker is removed with the marker, and the code no longer asks for that patch.
    OfADeprecatedPatch,
    /// A replay does not compare if a run lists its versions: Go does, and Java only if it is told to.
    ListOfVersions,
    /// Without its marker a run has the version from before the change, and the code does the same for both.
    VersionFromBefore,
    /// Without its marker a value has not changed, and the code does the same for both values.
    ValueDidNotChange,
    /// A history that ends with the answer to a task, and has none of its commands, may have been cut off before the
    /// command that closes the run; Core accepts it, for open and closed runs. This applies to every run that ends in a
    /// task without other commands, so these are not listed individually.
    CutOffBeforeItsEnd,
}

/// The ends appended after a cut.
const ENDS: [&str; 5] = ["", "Terminated", "TimedOut", "an empty task", "a task in hand"];

/// Edits a fitting history in all ways; fails if an edited one still fits and is not listed as undetectable.
#[track_caller]
pub(super) fn none_fits(replayer: &WorkflowReplayer, name: &str, history: &History) {
    let events = history.events();
    let listed: BTreeSet<&str> = include_str!("unnoticed.txt").lines().collect();
    let mut problems = Vec::new();
    let fits = |events: Vec<HistoryEvent>| {
        let (workflow_id, run_id) = (history.workflow_id().unwrap_or_default(), history.run_id().unwrap_or_default());
        replayer.replay(&History::from_events(numbered(events)).with_execution(workflow_id, run_id)).is_ok()
    };
    let mut must_not_fit = |left_out: Option<usize>, edit: &str, spoilt: Vec<HistoryEvent>| {
        let ends_with = spoilt.last().map(HistoryEvent::event_type);
        if !fits(spoilt) {
            return;
        }
        let Some(event) = left_out.map(|index| &events[index]) else {
            return problems.push(edit.to_string());
        };
        let event_type = event.event_type();
        let line = |why| format!("{name}: {} {event_type:?}: {why:?}", event.event_id);
        match unnoticed(events, event, ends_with) {
            Some(Unnoticed::CutOffBeforeItsEnd) => {}
            Some(why) if listed.contains(&*line(why)) => {}
            Some(why) => problems.push(format!("{edit} it, and not in unnoticed.txt: {}", line(why))),
            None => problems.push(format!("{edit} {} {event_type:?}", event.event_id)),
        }
    };
    for index in (0..events.len()).filter(|index| is_of_command(&events[*index])) {
        must_not_fit(Some(index), "without", without(events, index));
    }
    for (answer, end) in answers(events) {
        let closes = is_closing(&events[end - 1]);
        for ending in if closes { &ENDS[..1] } else { &ENDS[..] } {
            let cut = || events[..end].to_vec();
            if !closes && !fits(ended(cut(), ending)) {
                must_fit(name, events, end, ending);
            }
            if end > answer + 1 {
                let edit = format!("cut, then {ending}, without");
                must_not_fit(Some(end - 1), &edit, ended(without(&cut(), end - 1), ending));
            }
            let mut more = cut();
            more.insert(end - usize::from(closes), another_command());
            must_not_fit(None, &format!("cut at {end}, then {ending}, with another command"), ended(more, ending));
        }
    }
    assert!(problems.is_empty(), "these fit, though {name} was spoilt:\n{}", problems.join("\n"));
}

#[track_caller]
fn must_fit(name: &str, events: &[HistoryEvent], end: usize, ending: &str) {
    panic!("{name} does not fit, cut after {}, then {ending}", event_line(&events[end - 1]));
}

/// Returns the reason that the history may fit without this event, if it has this end.
fn unnoticed(events: &[HistoryEvent], event: &HistoryEvent, ends_with: Option<E>) -> Option<Unnoticed> {
    let before = events.iter().rev().find(|before| before.event_id + 1 == event.event_id);
    match &event.attributes {
        Some(A::TimerStartedEventAttributes(_)) => {
            let is_timer = |event: &&HistoryEvent| event.event_type() == E::TimerStarted;
            let is_only_one = events.iter().filter(is_timer).count() == 1;
            Some(if is_only_one { Unnoticed::CancelledInAHeartbeat } else { Unnoticed::NextTimerTakesItsPlace })
        }
        Some(A::StartChildWorkflowExecutionInitiatedEventAttributes(_))
            if events.iter().filter(|event| is_of_command(event) && !is_closing(event)).count() == 1 =>
        {
            Some(Unnoticed::CancelledInAHeartbeat)
        }
        Some(A::UpsertWorkflowSearchAttributesEventAttributes(_)) => match &before?.attributes {
            Some(A::MarkerRecordedEventAttributes(marker)) if marker.marker_name == "Version" => {
                Some(Unnoticed::ListOfVersions)
            }
            Some(A::MarkerRecordedEventAttributes(_)) => Some(Unnoticed::OfADeprecatedPatch),
            _ => None,
        },
        Some(A::MarkerRecordedEventAttributes(marker)) if marker.marker_name == "core_local_activity" => {
            Some(Unnoticed::LocalActivityUnderWay)
        }
        Some(A::MarkerRecordedEventAttributes(marker)) if marker.marker_name == "Version" => {
            Some(Unnoticed::VersionFromBefore)
        }
        Some(A::MarkerRecordedEventAttributes(marker)) if marker.marker_name == "MutableSideEffect" => {
            Some(Unnoticed::ValueDidNotChange)
        }
        Some(A::WorkflowExecutionUpdateAcceptedEventAttributes(_)) => Some(Unnoticed::UpdateNeverCame),
        _ if is_closing(event) && ends_with == Some(E::WorkflowTaskCompleted) => Some(Unnoticed::CutOffBeforeItsEnd),
        _ => None,
    }
}

/// Returns the history without one command event, and without all events that refer to it.
fn without(events: &[HistoryEvent], index: usize) -> Vec<HistoryEvent> {
    let mut left_out = BTreeSet::from([events[index].event_id]);
    let mut kept = Vec::new();
    for event in events {
        let mut event = event.clone();
        let tied = event.attributes.as_mut().and_then(tie).map(|id| *id);
        match left_out.contains(&event.event_id) || tied.is_some_and(|tied| left_out.contains(&tied)) {
            true => drop(left_out.insert(event.event_id)),
            false => kept.push(event),
        }
    }
    kept
}

/// Renumbers the events and the references to them.
fn numbered(mut events: Vec<HistoryEvent>) -> Vec<HistoryEvent> {
    let old: Vec<i64> = events.iter().map(|event| event.event_id).collect();
    let new = |id: i64| old.partition_point(|known| *known <= id) as i64;
    for (index, event) in events.iter_mut().enumerate() {
        event.event_id = index as i64 + 1;
        if let Some(A::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) = &mut event.attributes {
            let id = &mut accepted.accepted_request_sequencing_event_id;
            *id = new(*id);
        }
        if let Some(id) = event.attributes.as_mut().and_then(tie) {
            *id = new(*id);
        }
    }
    events
}

/// Returns the index of each WorkflowTaskCompleted event, and where the events of its commands end.
fn answers(events: &[HistoryEvent]) -> Vec<(usize, usize)> {
    let completed = (0..events.len()).filter(|index| events[*index].event_type() == E::WorkflowTaskCompleted);
    let commands = |index: usize| events[index + 1..].iter().take_while(|event| is_of_command(event)).count();
    completed.map(|index| (index, index + 1 + commands(index))).collect()
}

fn is_of_command(event: &HistoryEvent) -> bool {
    is_closing(event)
        || matches!(
            event.event_type(),
            E::ActivityTaskScheduled
                | E::ActivityTaskCancelRequested
                | E::MarkerRecorded
                | E::RequestCancelExternalWorkflowExecutionInitiated
                | E::SignalExternalWorkflowExecutionInitiated
                | E::StartChildWorkflowExecutionInitiated
                | E::TimerStarted
                | E::TimerCanceled
                | E::UpsertWorkflowSearchAttributes
                | E::WorkflowPropertiesModified
                | E::NexusOperationScheduled
                | E::NexusOperationCancelRequested
                | E::WorkflowExecutionUpdateAccepted
                | E::WorkflowExecutionUpdateCompleted
        )
}

fn is_closing(event: &HistoryEvent) -> bool {
    matches!(
        event.event_type(),
        E::WorkflowExecutionCompleted
            | E::WorkflowExecutionFailed
            | E::WorkflowExecutionCanceled
            | E::WorkflowExecutionContinuedAsNew
    )
}

/// Appends an end that does not depend on the code to a cut history.
fn ended(mut events: Vec<HistoryEvent>, ending: &str) -> Vec<HistoryEvent> {
    // An event of another kind. Without it an answer without commands would be a heartbeat, and join the next task.
    let news = HistoryEvent { event_type: 9999, worker_may_ignore: true, ..HistoryEvent::default() };
    let scheduled = of(E::WorkflowTaskScheduled, A::WorkflowTaskScheduledEventAttributes(Default::default()));
    let started = of(E::WorkflowTaskStarted, A::WorkflowTaskStartedEventAttributes(Default::default()));
    let completed = of(E::WorkflowTaskCompleted, A::WorkflowTaskCompletedEventAttributes(Default::default()));
    events.extend(match ending {
        "Terminated" => {
            let attributes = A::WorkflowExecutionTerminatedEventAttributes(Default::default());
            vec![of(E::WorkflowExecutionTerminated, attributes)]
        }
        "TimedOut" => {
            let attributes = A::WorkflowExecutionTimedOutEventAttributes(Default::default());
            vec![of(E::WorkflowExecutionTimedOut, attributes)]
        }
        "an empty task" => vec![news, scheduled, started, completed],
        "a task in hand" => vec![news.clone(), scheduled, started, news],
        _ => Vec::new(),
    });
    // Ids above all others, so that these events stay at the end.
    let mut last = 0;
    for event in &mut events {
        last = event.event_id.max(last + 1);
        event.event_id = last;
    }
    events
}

/// A command that no twin issues. It is inserted before an event, has that event's id, and is removed with it.
fn another_command() -> HistoryEvent {
    let timer = abide_protos::temporal::api::history::v1::TimerStartedEventAttributes {
        timer_id: "another".into(),
        ..Default::default()
    };
    of(E::TimerStarted, A::TimerStartedEventAttributes(timer))
}

fn of(event_type: E, attributes: A) -> HistoryEvent {
    HistoryEvent { event_type: event_type as i32, attributes: Some(attributes), ..HistoryEvent::default() }
}

/// Returns the reference to the event that started what this event continues.
fn tie(attributes: &mut A) -> Option<&mut i64> {
    Some(match attributes {
        A::ActivityTaskStartedEventAttributes(event) => &mut event.scheduled_event_id,
        A::ActivityTaskCompletedEventAttributes(event) => &mut event.scheduled_event_id,
        A::ActivityTaskFailedEventAttributes(event) => &mut event.scheduled_event_id,
        A::ActivityTaskTimedOutEventAttributes(event) => &mut event.scheduled_event_id,
        A::ActivityTaskCanceledEventAttributes(event) => &mut event.scheduled_event_id,
        A::ActivityTaskCancelRequestedEventAttributes(event) => &mut event.scheduled_event_id,
        A::TimerFiredEventAttributes(event) => &mut event.started_event_id,
        A::TimerCanceledEventAttributes(event) => &mut event.started_event_id,
        A::StartChildWorkflowExecutionFailedEventAttributes(event) => &mut event.initiated_event_id,
        A::ChildWorkflowExecutionStartedEventAttributes(event) => &mut event.initiated_event_id,
        A::ChildWorkflowExecutionCompletedEventAttributes(event) => &mut event.initiated_event_id,
        A::ChildWorkflowExecutionFailedEventAttributes(event) => &mut event.initiated_event_id,
        A::ChildWorkflowExecutionCanceledEventAttributes(event) => &mut event.initiated_event_id,
        A::ChildWorkflowExecutionTimedOutEventAttributes(event) => &mut event.initiated_event_id,
        A::ChildWorkflowExecutionTerminatedEventAttributes(event) => &mut event.initiated_event_id,
        A::SignalExternalWorkflowExecutionFailedEventAttributes(event) => &mut event.initiated_event_id,
        A::ExternalWorkflowExecutionSignaledEventAttributes(event) => &mut event.initiated_event_id,
        A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(event) => &mut event.initiated_event_id,
        A::ExternalWorkflowExecutionCancelRequestedEventAttributes(event) => &mut event.initiated_event_id,
        A::NexusOperationStartedEventAttributes(event) => &mut event.scheduled_event_id,
        A::NexusOperationCompletedEventAttributes(event) => &mut event.scheduled_event_id,
        A::NexusOperationFailedEventAttributes(event) => &mut event.scheduled_event_id,
        A::NexusOperationTimedOutEventAttributes(event) => &mut event.scheduled_event_id,
        A::NexusOperationCanceledEventAttributes(event) => &mut event.scheduled_event_id,
        A::NexusOperationCancelRequestedEventAttributes(event) => &mut event.scheduled_event_id,
        A::NexusOperationCancelRequestCompletedEventAttributes(event) => &mut event.scheduled_event_id,
        A::NexusOperationCancelRequestFailedEventAttributes(event) => &mut event.scheduled_event_id,
        A::WorkflowExecutionUpdateCompletedEventAttributes(event) => &mut event.accepted_event_id,
        _ => return None,
    })
}
