//! A schedule in both SDKs: each reads what the other wrote, with the codec of the sealed case.

use std::error::Error;
use std::time::{Duration, SystemTime};

use abide::WorkflowType;
use abide::client::{
    Client, Schedule, ScheduleAction, ScheduleCalendar, ScheduleOverlapPolicy, ScheduleRange, ScheduleSpec,
};
use abide::prelude::*;

const FIRST: Duration = secs(1_767_571_200);

fn sealed() -> WorkflowType<fn(String, u32) -> Vec<String>> {
    WorkflowType::new("Sealed")
}

/// Creates the schedule. `scripts/handover_schedules.py` creates and expects the same.
pub(crate) async fn write(client: &Client, id: &str) -> Result<(), Box<dyn Error>> {
    let action = ScheduleAction::start_workflow(sealed(), ("secret order".into(), 2))
        .id("sealed")
        .task_queue("nobody")
        .run_timeout(mins(5))
        .retry_policy(RetryPolicy::new().maximum_attempts(3))
        .memo("label", &"secret label".to_string())
        .static_summary("secret summary");
    let hours = ScheduleCalendar::new().hours([ScheduleRange::from(8..=20).step(4)]).days_of_week([1..=5]);
    let spec = ScheduleSpec::new()
        .calendar(hours.comment("by day"))
        .every_with_offset(abide::hours(36), abide::hours(6))
        .exclude(ScheduleCalendar::new().months([12]))
        .start_time(SystemTime::UNIX_EPOCH + FIRST)
        .jitter(secs(30))
        .time_zone("Europe/Berlin");
    let schedule = Schedule::new(action)
        .spec(spec)
        .overlap(ScheduleOverlapPolicy::BufferAll)
        .catchup_window(mins(2))
        .pause_on_failure()
        .paused("handed over")
        .remaining_actions(7);
    client.create_schedule(id, schedule).memo("team", &"secret team".to_string()).await?;
    Ok(())
}

/// Reads the schedule that Python has created, and compares it with ours.
pub(crate) async fn read(client: &Client, id: &str) -> Result<(), Box<dyn Error>> {
    let described = client.schedule(id).describe().await?;
    let Schedule { action, spec, policies, state, .. } = described.schedule();
    let (text, times) = action.arguments_of(sealed())?;
    let label = action.memo_value::<String>("label")?;
    let team = described.memo::<String>("team")?;
    expect("secret order, 2", &format!("{text}, {times}"))?;
    expect(
        "secret label, secret summary, secret team",
        &[label, action.summary()?, team].map(Option::unwrap_or_default).join(", "),
    )?;
    expect(
        "Sealed sealed nobody 300s",
        &format!(
            "{} {} {} {:?}",
            action.workflow_type,
            action.workflow_id,
            action.task_queue,
            action.run_timeout.unwrap_or_default()
        ),
    )?;
    let calendar = spec.calendars.first().ok_or("expected a calendar")?;
    let hours = ScheduleRange::from(8..=20).step(4);
    let is_same =
        calendar.hours == [hours] && calendar.days_of_week == [(1..=5).into()] && calendar.comment == "by day";
    let interval = spec.intervals.first().ok_or("expected an interval")?;
    let is_same = is_same
        && (interval.every, interval.offset) == (abide::hours(36), abide::hours(6))
        && spec.excluded_calendars.first().is_some_and(|calendar| calendar.months == [12.into()])
        && spec.start_time == Some(SystemTime::UNIX_EPOCH + FIRST)
        && (spec.jitter, spec.time_zone.as_deref()) == (Some(secs(30)), Some("Europe/Berlin"))
        && policies.overlap == Some(ScheduleOverlapPolicy::BufferAll)
        && (policies.catchup_window, policies.pause_on_failure) == (Some(mins(2)), true)
        && (state.paused, &*state.note, state.remaining_actions) == (true, "handed over", Some(7));
    if is_same { Ok(()) } else { Err(format!("expected the same schedule, found {described:?}").into()) }
}

/// Changes the note, and nothing else.
pub(crate) async fn change(client: &Client, id: &str) -> Result<(), Box<dyn Error>> {
    client.schedule(id).update(|schedule| schedule.state.note = "changed".into()).await?;
    Ok(())
}

fn expect(expected: &str, found: &str) -> Result<(), Box<dyn Error>> {
    if expected == found { Ok(()) } else { Err(format!("expected `{expected}`, found `{found}`").into()) }
}
