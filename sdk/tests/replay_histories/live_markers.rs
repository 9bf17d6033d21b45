//! Compares the markers that Core wrote in recorded histories with those that a live run of the twins writes.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use abide::Workflow;
use abide::replay::{HistoryPage, Input, LocalActivityResolution, LocalActivityResult, Output, Until, WorkflowTask};
use abide::runtime::{Grouping, RunOptions, RunOrder, WorkflowRegistry, WorkflowRun};
use abide::workflow::WorkflowImplementation;
use abide_protos::Timestamp;
use abide_protos::temporal::api::command::v1::command::Attributes as CommandAttributes;
use abide_protos::temporal::api::command::v1::{Command, RecordMarkerCommandAttributes};
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::history_event::Attributes as EventAttributes;
use abide_protos::temporal::api::history::v1::{HistoryEvent, MarkerRecordedEventAttributes};

use super::local_activities::{
    SignalTimerRace, local_activities, local_activity_backoff, local_activity_cancel, local_activity_heartbeat,
};
use super::recorded;

/// Replaces our own times of scheduling in markers, which differ between runs.
const WALL_TIME: Timestamp = Timestamp { seconds: 1, nanos: 2 };
const OUR_SCHEDULE_TIME: &str = r#""original_schedule_time":{"seconds":1,"nanos":2}"#;

type Marker = MarkerRecordedEventAttributes;

/// Feeds a live run the recorded tasks and the recorded results of its local activities. Returns the markers it writes.
struct Live {
    run: WorkflowRun,
    clock: Timestamp,
    scheduled: HashMap<u64, Timestamp>,
    written: Vec<RecordMarkerCommandAttributes>,
}

impl Live {
    fn follow(mut self, events: &[HistoryEvent]) -> Vec<RecordMarkerCommandAttributes> {
        let mut seen = 0;
        for (index, event) in events.iter().enumerate() {
            if event.event_type() != EventType::WorkflowTaskStarted {
                continue;
            }
            let history = HistoryPage { events: events[seen..=index].to_vec(), next_page_token: Vec::new() };
            seen = index + 1;
            let (until, wall_time) = (Until::Started(event.event_id), Some(WALL_TIME));
            let task = WorkflowTask { until, attempt: 1, history, wall_time, ..WorkflowTask::default() };
            self.pass_time(event.event_time);
            let mut output = self.run.handle(Input::WorkflowTask(Box::new(task)));
            let rest = events[seen..].iter().take_while(|event| event.event_type() != EventType::WorkflowTaskStarted);
            let mut markers = rest.filter_map(marker).filter(|marker| data(marker)["attempt"] != 0);
            loop {
                let next = match output {
                    Output::Complete(completion) => break self.note(completion.commands),
                    Output::RunLocalActivities { start, .. } => {
                        self.scheduled.extend(start.iter().map(|task| (u64::from(task.seq), self.clock)));
                        markers.next()
                    }
                    other => panic!("{other:?}"),
                };
                let input = match next {
                    Some(marker) => Input::LocalActivityResolved(Box::new(self.resolution(marker))),
                    None => Input::HeartbeatDue,
                };
                output = self.run.handle(input);
            }
        }
        self.written
    }

    fn resolution(&mut self, marker: &Marker) -> LocalActivityResolution {
        let data = data(marker);
        let time = |key: &str| {
            let (seconds, nanos) = (data[key]["seconds"].as_i64()?, data[key]["nanos"].as_i64()?);
            Some(Timestamp { seconds, nanos: i32::try_from(nanos).unwrap() })
        };
        let nanos = |time: Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let (seq, ended) = (data["seq"].as_u64().unwrap(), time("complete_time").expect("it ended"));
        let run_time = u64::try_from(nanos(ended) - nanos(self.scheduled[&seq])).unwrap();
        self.pass_time(Some(ended));
        let result = match (&marker.failure, time("backoff")) {
            (None, _) => LocalActivityResult::Completed(marker.details["result"].payloads[0].clone()),
            (Some(failure), None) => LocalActivityResult::Failed(Box::new(failure.clone())),
            (Some(failure), Some(delay)) => {
                let delay = Duration::from_nanos(u64::try_from(nanos(delay)).unwrap());
                LocalActivityResult::BackOff { failure: Box::new(failure.clone()), delay }
            }
        };
        LocalActivityResolution {
            seq: u32::try_from(seq).unwrap(),
            result,
            attempt: u32::try_from(data["attempt"].as_u64().unwrap()).unwrap(),
            run_time: Duration::from_nanos(run_time),
            wall_time: Some(WALL_TIME),
        }
    }

    fn pass_time(&mut self, time: Option<Timestamp>) {
        let order = |time: Timestamp| (time.seconds, time.nanos);
        self.clock = time.filter(|time| order(*time) > order(self.clock)).unwrap_or(self.clock);
    }

    fn note(&mut self, commands: Vec<Command>) {
        self.written.extend(commands.into_iter().filter_map(|command| match command.attributes {
            Some(CommandAttributes::RecordMarkerCommandAttributes(marker)) => Some(marker),
            _ => None,
        }));
    }
}

fn marker(event: &HistoryEvent) -> Option<&Marker> {
    match &event.attributes {
        Some(EventAttributes::MarkerRecordedEventAttributes(marker)) => Some(marker),
        _ => None,
    }
}

fn data(marker: &Marker) -> serde_json::Value {
    serde_json::from_slice(&marker.details["data"].payloads[0].data).unwrap()
}

#[track_caller]
fn writes_what_was_recorded<Kind, W>(workflow: W, name: &str)
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation,
{
    let mut registry = WorkflowRegistry::default();
    registry.add(workflow);
    // The markers of Python's histories were written in Python's order.
    let order = Some(RunOrder { grouping: Grouping::ByRank, ..RunOrder::OURS });
    let options = RunOptions { order, ..RunOptions::new("default", "q") };
    let run = WorkflowRun::new(Arc::new(registry), Arc::new(options), "id".into(), "run".into());
    let live = Live { run, clock: Timestamp::default(), scheduled: HashMap::new(), written: Vec::new() };
    let history = recorded(name);
    let written = live.follow(history.events());
    let recorded: Vec<&Marker> = history.events().iter().filter_map(marker).collect();
    assert_eq!(written.len(), recorded.len(), "{name}");
    for (written, recorded) in written.into_iter().zip(recorded) {
        let text = |payloads: &Payloads| String::from_utf8(payloads.payloads[0].data.clone()).unwrap();
        let theirs = text(&recorded.details["data"]);
        let time = &data(recorded)["original_schedule_time"];
        let (seconds, nanos) = (&time["seconds"], &time["nanos"]);
        let their_time = format!(r#""original_schedule_time":{{"seconds":{seconds},"nanos":{nanos}}}"#);
        assert_eq!(text(&written.details["data"]).replace(OUR_SCHEDULE_TIME, &their_time), theirs, "{name}");
        assert_eq!(written.details.get("result"), recorded.details.get("result"), "{name}");
        assert_eq!(written.failure, recorded.failure, "{name}");
    }
}

#[test]
fn a_live_run_writes_the_markers_that_core_wrote_byte_for_byte() {
    writes_what_was_recorded(local_activities, "local_activities");
    writes_what_was_recorded(local_activity_backoff, "local_activity_backoff");
    writes_what_was_recorded(local_activity_heartbeat, "local_activity_heartbeat");
    writes_what_was_recorded(local_activity_cancel, "local_activity_cancel");
    writes_what_was_recorded(SignalTimerRace::run, "signal_timer_race");
}
