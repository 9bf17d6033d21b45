//! Histories that fit are spoilt, edit by edit: then they must not fit any more.
//!
//! Every history that a test here says fits goes through this. Each event of a command is left out in turn, with all
//! that tells of what it began. And the history is cut after each completed task, as that of a run that is still open,
//! with different ends: such a beginning fits as it is, and neither with one command less in it (the code has one more)
//! nor with one command more (the code has one less).
//!
//! What no replay can tell is said by [`Unnoticed`], and by file and event in `unnoticed.txt`.

use std::collections::BTreeSet;

use abide::replay::text::event_line;
use abide::{History, WorkflowReplayer};
use abide_protos::temporal::api::enums::v1::EventType as E;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;

/// Why a replay cannot tell that a command is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unnoticed {
    /// Without its marker a local activity is still under way, and nothing that was recorded waited for it.
    LocalActivityUnderWay,
    /// An update that was never accepted leaves no trace, and nothing that was recorded came of it.
    UpdateNeverCame,
    /// A timer has no name, and other SDKs number it as they like: the next one takes the place of one that is missing.
    NextTimerTakesItsPlace,
    /// Without its only command an answer reads as a heartbeat, and so as one task with the next: a timer that is begun and
    /// cancelled within it was never sent.
    CancelledInAHeartbeat,
    /// The list of patches behind a marker that the code asks for no more goes with the marker.
    OfADeprecatedPatch,
    /// Go lists a run's patches without saying so in a flag.
    GosListOfPatches,
    /// A history that ends with the answer to a task, and holds none of its commands, may have been cut off before the
    /// command that closes the run: Core takes it, whether or not the run is open. True of every run that ends in a task
    /// without other commands, so these are not listed one by one.
    CutOffBeforeItsEnd,
}

/// How a history goes on after it was cut.
const ENDS: [&str; 5] = ["", "Terminated", "TimedOut", "an empty task", "a task in hand"];

/// Spoils a history that fits in every way; fails if it still fits, and nothing says that it may.
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

/// Why the history may fit without this event, if it ends so then.
fn unnoticed(events: &[HistoryEvent], event: &HistoryEvent, ends_with: Option<E>) -> Option<Unnoticed> {
    let before = events.iter().rev().find(|before| before.event_id + 1 == event.event_id);
    match &event.attributes {
        Some(A::TimerStartedEventAttributes(_)) => {
            let is_timer = |event: &&HistoryEvent| event.event_type() == E::TimerStarted;
            let is_only_one = events.iter().filter(is_timer).count() == 1;
            Some(if is_only_one { Unnoticed::CancelledInAHeartbeat } else { Unnoticed::NextTimerTakesItsPlace })
        }
        Some(A::UpsertWorkflowSearchAttributesEventAttributes(_)) => match &before?.attributes {
            Some(A::MarkerRecordedEventAttributes(marker)) if marker.marker_name == "Version" => {
                Some(Unnoticed::GosListOfPatches)
            }
            Some(A::MarkerRecordedEventAttributes(_)) => Some(Unnoticed::OfADeprecatedPatch),
            _ => None,
        },
        Some(A::MarkerRecordedEventAttributes(marker)) if marker.marker_name == "core_local_activity" => {
            Some(Unnoticed::LocalActivityUnderWay)
        }
        Some(A::WorkflowExecutionUpdateAcceptedEventAttributes(_)) => Some(Unnoticed::UpdateNeverCame),
        _ if is_closing(event) && ends_with == Some(E::WorkflowTaskCompleted) => Some(Unnoticed::CutOffBeforeItsEnd),
        _ => None,
    }
}

/// The history without one event of a command, and without all that tells of what it began.
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

/// Numbers the events anew, and what refers to them.
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

/// Each WorkflowTaskCompleted event, by its index, and where the events of its commands end.
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

/// A history that was cut, with an end that no code has a part in.
fn ended(mut events: Vec<HistoryEvent>, ending: &str) -> Vec<HistoryEvent> {
    // Something that happened: without it an answer without commands would be a heartbeat, and join the next task.
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
    // Ids that are larger than all others, so that they stay behind them.
    let mut last = 0;
    for event in &mut events {
        last = event.event_id.max(last + 1);
        event.event_id = last;
    }
    events
}

/// A command that no twin issues; its id is that of the event it stands in front of, and goes with it.
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

/// The event that began what this one tells of.
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
