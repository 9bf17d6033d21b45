//! Schedules as messages: what is written, what is read, and what stays.

use std::time::SystemTime;

use abide_protos::temporal::api::common::v1::WorkflowType;
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::schedule::v1 as proto;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use proptest::prelude::*;

use super::*;
use crate::duration::extremes;
use crate::{Priority, RetryPolicy, SearchAttributeKey, WorkflowType as ByName, hours, mins, secs};

const REGION: SearchAttributeKey<String> = SearchAttributeKey::keyword("Region");

fn by_name() -> ByName<fn(String, u32) -> ()> {
    ByName::new("report")
}

fn full() -> Schedule {
    let action = ScheduleAction::start_workflow(by_name(), ("SECRET".to_string(), 7))
        .id("report")
        .task_queue("reports")
        .execution_timeout(hours(3))
        .run_timeout(hours(2))
        .task_timeout(secs(20))
        .retry_policy(RetryPolicy::new().maximum_attempts(3))
        .priority(Priority::new().priority_key(1))
        .header("tenant", &"SECRET".to_string())
        .memo("owner", &"SECRET".to_string())
        .search_attributes([REGION.set("EU")])
        .static_summary("SECRET summary")
        .static_details("SECRET details");
    let spec = ScheduleSpec::new()
        .calendar(ScheduleCalendar::new().hours([9, 17]).minutes([ScheduleRange::from(0..=59).step(10)]).comment("c"))
        .every_with_offset(hours(24), hours(6))
        .every(mins(90))
        .cron("@daily")
        .exclude(ScheduleCalendar::new().months([12]).days_of_month([24..=26]))
        .start_time(SystemTime::UNIX_EPOCH + secs(5))
        .end_time(SystemTime::UNIX_EPOCH + secs(9))
        .jitter(secs(30))
        .time_zone("Europe/Berlin");
    Schedule::new(action)
        .spec(spec)
        .overlap(ScheduleOverlapPolicy::CancelOther)
        .catchup_window(mins(5))
        .pause_on_failure()
        .keep_original_workflow_id()
        .paused("later")
        .remaining_actions(3)
}

#[test]
fn a_schedule_is_read_back_as_it_was_written() {
    let written = full().to_proto().unwrap();
    let read = Schedule::from_proto(written.clone());
    assert_eq!(read.to_proto().unwrap(), written);
    assert_eq!((&read.spec.calendars, &read.spec.intervals), (&full().spec.calendars, &full().spec.intervals));
    assert_eq!((&read.policies.overlap, &read.state), (&full().policies.overlap, &full().state));
    let action = &read.action;
    assert_eq!(action.arguments_of(by_name()).unwrap(), ("SECRET".to_string(), 7));
    assert_eq!(action.memo_value::<String>("owner").unwrap().as_deref(), Some("SECRET"));
    assert_eq!(action.search_attribute(&REGION).as_deref(), Some("EU"));
    assert_eq!(action.headers.get::<String>("tenant").unwrap().as_deref(), Some("SECRET"));
    assert_eq!(action.summary().unwrap().as_deref(), Some("SECRET summary"));
    assert_eq!(action.details().unwrap().as_deref(), Some("SECRET details"));
}

#[test]
fn debug_shows_no_value() {
    let text = format!("{:?}", full());
    assert!(text.contains("report") && !text.contains("SECRET") && !text.contains("83, 69"), "{text}");
}

#[test]
fn fields_without_a_method_stay_as_they_are() {
    let mut message = full().to_proto().unwrap();
    let spec = message.spec.as_mut().unwrap();
    spec.timezone_data = vec![1, 2, 3];
    spec.calendar.push(proto::CalendarSpec { hour: "3".into(), ..Default::default() });
    message.policies.as_mut().unwrap().overlap_policy = 99;
    let info = NewWorkflowExecutionInfo {
        workflow_type: Some(WorkflowType { name: "report".into() }),
        task_queue: Some(TaskQueue { name: "q".into(), kind: TaskQueueKind::Normal as i32, normal_name: "n".into() }),
        cron_schedule: "@daily".into(),
        ..Default::default()
    };
    message.action = Some(proto::ScheduleAction { action: Some(proto::schedule_action::Action::StartWorkflow(info)) });
    let read = Schedule::from_proto(message.clone());
    assert_eq!(read.policies.overlap, None);
    assert_eq!(read.to_proto().unwrap(), message);
    let mut set = read;
    set.policies.overlap = Some(ScheduleOverlapPolicy::Skip);
    assert_eq!(set.to_proto().unwrap().policies.unwrap().overlap_policy, 1);
}

#[test]
fn a_value_that_cannot_be_written_is_an_error_of_the_schedule() {
    let map = std::collections::BTreeMap::from([((1, 2), 3)]);
    let action = ScheduleAction::start_workflow(by_name(), ("a".into(), 1)).memo("pairs", &map);
    let error = Schedule::new(action).to_proto().unwrap_err().to_string();
    assert!(error.starts_with("memo `pairs`: "), "{error}");
}

#[test]
fn arguments_that_do_not_fit_say_so_without_their_value() {
    let mut action = ScheduleAction::start_workflow(by_name(), ("a".into(), 1));
    action.set_arguments_of(ByName::<fn(String) -> ()>::new("report"), "SECRET".into());
    let error = action.arguments_of(ByName::<fn(u32) -> ()>::new("report")).unwrap_err().to_string();
    assert!(error.contains("workflow `report`") && !error.contains("SECRET"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Uses times, durations and numbers at the ends of their range wherever a description has one.
    #[test]
    fn no_number_of_a_description_panics(
        time in extremes::time(), duration in extremes::duration(), number in any::<i64>(), small in any::<i32>(),
    ) {
        let range = || vec![proto::Range { start: small, end: small.wrapping_add(1), step: small.wrapping_neg() }];
        let calendar = proto::StructuredCalendarSpec { second: range(), year: range(), ..Default::default() };
        let schedule = proto::Schedule {
            spec: Some(proto::ScheduleSpec {
                structured_calendar: vec![calendar],
                interval: vec![proto::IntervalSpec { interval: Some(duration), phase: Some(duration) }],
                start_time: Some(time),
                end_time: Some(time),
                jitter: Some(duration),
                ..Default::default()
            }),
            policies: Some(proto::SchedulePolicies {
                overlap_policy: small,
                catchup_window: Some(duration),
                ..Default::default()
            }),
            state: Some(proto::ScheduleState { limited_actions: true, remaining_actions: number, ..Default::default() }),
            ..Default::default()
        };
        let read = Schedule::from_proto(schedule);
        let written = read.to_proto().unwrap();
        prop_assert_eq!(Schedule::from_proto(written.clone()).to_proto().unwrap(), written);
        let result = proto::ScheduleActionResult { schedule_time: Some(time), actual_time: Some(time), ..Default::default() };
        let info = proto::ScheduleInfo {
            action_count: number,
            buffer_size: number,
            recent_actions: vec![result],
            future_action_times: vec![time],
            create_time: Some(time),
            ..Default::default()
        };
        let response = abide_protos::temporal::api::workflowservice::v1::DescribeScheduleResponse {
            info: Some(info),
            ..Default::default()
        };
        let described = ScheduleDescription::from_proto("s".into(), response);
        let told = format!("{described:?} {:?}", described.info().create_time());
        prop_assert!(!told.is_empty());
    }
}

#[test]
fn a_number_alone_is_what_servers_send_for_a_range_without_end() {
    let read = ScheduleRange::from_proto(&proto::Range { start: 5, end: 0, step: 0 });
    assert_eq!(read, ScheduleRange::from(5));
}
