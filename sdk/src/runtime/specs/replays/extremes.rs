//! Times and durations at the ends of their range, in every field of a history: nothing panics.

use abide_protos::temporal::api::common::v1::RetryPolicy;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::{Duration, Timestamp};
use proptest::prelude::*;

use crate::duration::extremes::{duration, time};
use crate::duration::{from_proto, secs};
use crate::replay::Input;
use crate::replay::text::parse_history;
use crate::runtime::specs::harness::{new_run, registry, task, text};
use crate::{ActivityError, History, WorkflowContext, WorkflowError, activity, workflow};

#[activity]
async fn work(of: u32) -> Result<u32, ActivityError> {
    Ok(of)
}

/// Reads everything about its run, and uses everything that has a time.
#[workflow(name = "wf")]
pub(crate) async fn curious(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let mut seen = format!("{:?} {:?}", ctx.now(), ctx.info());
    let info = ctx.info();
    seen += &format!("{:?}", (info.start_time, info.start_delay(), info.expiration_time()));
    let _ = ctx.local_activity(work, 1).start_to_close_timeout(secs(5)).await;
    let _ = ctx.activity(work, 1).start_to_close_timeout(secs(5)).await;
    let _ = ctx.timer(secs(1)).await;
    seen += &format!("{:?}", ctx.now());
    Ok(if seen.is_empty() { "nothing".into() } else { "seen".into() })
}

pub(crate) const HISTORY: &str = "1 WorkflowExecutionStarted type=wf
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted
    4 WorkflowTaskCompleted
    5 MarkerRecorded local_activity=1 activity=work index=1 attempt=2 backoff=90s message=\"busy\"
    6 TimerStarted
    7 TimerFired
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted
    10 WorkflowTaskCompleted
    11 MarkerRecorded local_activity=2 activity=work index=2 result=1
    12 ActivityTaskScheduled type=work id=3
    13 ActivityTaskStarted
    14 ActivityTaskFailed message=\"no\" type=No
    15 WorkflowTaskScheduled
    16 WorkflowTaskStarted
    17 WorkflowTaskCompleted
    18 TimerStarted
    19 TimerFired
    20 WorkflowTaskScheduled
    21 WorkflowTaskStarted";

/// Sets every time and every duration of an event.
pub(crate) fn with(event: &mut HistoryEvent, time: Timestamp, duration: Duration) {
    event.event_time = Some(time);
    match &mut event.attributes {
        Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => {
            started.workflow_execution_expiration_time = Some(time);
            started.workflow_execution_timeout = Some(duration);
            started.workflow_run_timeout = Some(duration);
            started.workflow_task_timeout = Some(duration);
            started.first_workflow_task_backoff = Some(duration);
            started.retry_policy = Some(RetryPolicy {
                initial_interval: Some(duration),
                maximum_interval: Some(duration),
                backoff_coefficient: f64::MAX,
                maximum_attempts: i32::MIN,
                ..Default::default()
            });
        }
        Some(Attributes::TimerStartedEventAttributes(timer)) => timer.start_to_fire_timeout = Some(duration),
        Some(Attributes::WorkflowTaskScheduledEventAttributes(task)) => task.start_to_close_timeout = Some(duration),
        Some(Attributes::ActivityTaskScheduledEventAttributes(activity)) => {
            activity.start_to_close_timeout = Some(duration);
            activity.schedule_to_close_timeout = Some(duration);
            activity.heartbeat_timeout = Some(duration);
        }
        Some(Attributes::ActivityTaskFailedEventAttributes(failed)) => {
            if let Some(FailureInfo::ApplicationFailureInfo(info)) =
                failed.failure.as_mut().and_then(|failure| failure.failure_info.as_mut())
            {
                info.next_retry_delay = Some(duration);
            }
        }
        Some(Attributes::MarkerRecordedEventAttributes(marker)) => {
            let written = format!("{{\"seconds\":{},\"nanos\":{}}}", duration.seconds, duration.nanos);
            for payload in marker.details.values_mut().flat_map(|payloads| &mut payloads.payloads) {
                let text = String::from_utf8_lossy(&payload.data).into_owned();
                for (begin, end) in [("\"backoff\":{", '}'), ("_time\":{", '}')] {
                    if let Some(at) = text.find(begin).map(|at| at + begin.len() - 1)
                        && let Some(length) = text[at..].find(end)
                    {
                        let changed = format!("{}{written}{}", &text[..at], &text[at + length + 1..]);
                        payload.data = changed.into_bytes();
                    }
                }
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_time_and_no_duration_of_a_history_panics(
        time in time(),
        duration in duration(),
        only in 0_usize..22,
    ) {
        let mut events = parse_history(HISTORY).unwrap();
        let chosen = events.iter_mut().enumerate().filter(|(index, _)| only == 21 || *index == only);
        chosen.for_each(|(_, event)| with(event, time, duration));
        // Printed, written and read.
        let history = History::from_events(events.clone());
        prop_assert!(!history.to_string().is_empty());
        if let Ok(json) = history.to_json() {
            History::from_json(json).unwrap();
        }
        History::from_binary(&history.to_binary()).unwrap();
        // Replayed.
        let mut run = new_run(&registry(crate::definition::Workflow::definition(curious)), None);
        let told = text(&run.handle(Input::WorkflowTask(Box::new(task(&events)))));
        prop_assert!(told.starts_with("Complete") || told.starts_with("Fail WorkflowWorker"), "{told}");
        prop_assert!(!told.contains("panicked"), "{told}");
        // Read as retry policies and failures.
        let policy = crate::RetryPolicy::from_proto(Some(&RetryPolicy {
            initial_interval: Some(duration),
            maximum_interval: Some(duration),
            backoff_coefficient: f64::INFINITY,
            ..Default::default()
        }));
        for attempt in [0, 1, u32::MAX] {
            let _ = policy.as_ref().map(|policy| policy.delay_after(attempt));
        }
        prop_assert!(std::time::SystemTime::UNIX_EPOCH.checked_add(from_proto(&duration)).is_some());
    }
}
