//! Schedules. The embedded server has none, so they are tested on a real one only.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use abide::client::{
    Client, ClientOptions, CreateScheduleError, RpcError, Schedule, ScheduleAction, ScheduleBackfill, ScheduleCalendar,
    ScheduleDescription, ScheduleError, ScheduleHandle, ScheduleInterval, ScheduleOverlapPolicy, ScheduleRange,
    ScheduleSpec, WorkflowExecutionStatus,
};
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::interceptor::{
    ClientInterceptor, ClientNext, CreateScheduleInput, PatchScheduleInput, UpdateScheduleInput, async_trait,
};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{Priority, WorkflowType};

use super::{client, unique};

const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");
const NUMBER: SearchAttributeKey<i64> = SearchAttributeKey::int("TestInt");

#[workflow]
async fn report(ctx: &WorkflowContext, region: String, pages: u32) -> Result<String, WorkflowError> {
    let tenant = ctx.info().header::<String>("tenant")?.unwrap_or_default();
    Ok(format!("{tenant}: {region} {pages}"))
}

/// Runs until it is cancelled.
#[workflow]
async fn long_report(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.wait_until(|| false).await?;
    Ok(())
}

/// A time that is long gone, in seconds since 1970: 2026-01-05, a Monday, at 0:00 in UTC.
const MONDAY: u64 = 1_767_571_200;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(MONDAY + seconds)
}

fn action(queue: &str) -> ScheduleAction {
    ScheduleAction::start_workflow(report, ("EU".into(), 7)).task_queue(queue)
}

/// Describes the schedule until it is as expected. Fails after half a minute.
async fn until(handle: &ScheduleHandle, is_so: impl Fn(&ScheduleDescription) -> bool) -> ScheduleDescription {
    let mut ticks = tokio::time::interval(millis(50));
    for _ in 0..600 {
        ticks.tick().await;
        let described = handle.describe().await.unwrap();
        if is_so(&described) {
            return described;
        }
    }
    panic!("waited in vain: {:?}", handle.describe().await.unwrap());
}

/// A schedule with everything.
fn full() -> Schedule {
    let calendar = ScheduleCalendar::new().hours([9, 17]).minutes([ScheduleRange::from(0..=59).step(10)]);
    let holidays = ScheduleCalendar::whole_days().months([12]).days_of_month([24..=26]);
    let spec = ScheduleSpec::new()
        .calendar(calendar.comment("office"))
        .every_with_offset(hours(24), hours(6))
        .cron("15 3 * * 1-5")
        .exclude(holidays)
        .start_time(at(0))
        .end_time(at(10_000_000_000))
        .jitter(secs(30))
        .time_zone("Europe/Berlin");
    let action = action("reports")
        .execution_timeout(hours(3))
        .run_timeout(hours(2))
        .task_timeout(secs(20))
        .retry_policy(RetryPolicy::new().maximum_attempts(3))
        .priority(Priority::new().priority_key(1))
        .header("tenant", &"acme".to_string())
        .memo("owner", &"ada".to_string())
        .search_attributes([NUMBER.set(3)])
        .static_summary("Report")
        .static_details("of the day");
    Schedule::new(action)
        .spec(spec)
        .overlap(ScheduleOverlapPolicy::BufferOne)
        .catchup_window(mins(5))
        .pause_on_failure()
        .keep_original_workflow_id()
        .paused("not yet")
        .remaining_actions(3)
}

#[tokio::test]
async fn a_schedule_is_described_with_all_that_it_was_created_with() {
    let Some(client) = client("a_schedule_is_described_with_all_that_it_was_created_with").await else { return };
    let id = unique("schedule");
    let create = client.create_schedule(&id, full()).memo("team", &"red".to_string());
    let handle = create.search_attributes([KEYWORD.set(&*id)]).await.unwrap();
    assert_eq!(handle.schedule_id(), id);

    let described = handle.describe().await.unwrap();
    assert_eq!(described.memo::<String>("team").unwrap().as_deref(), Some("red"));
    assert_eq!(described.search_attribute(&KEYWORD).as_deref(), Some(&*id));
    let Schedule { action, spec, policies, state, .. } = described.schedule();
    assert_eq!((&*action.workflow_type, &*action.workflow_id, &*action.task_queue), ("report", &*id, "reports"));
    assert_eq!(action.arguments_of(report).unwrap(), ("EU".to_string(), 7));
    let timeouts = (action.execution_timeout, action.run_timeout, action.task_timeout);
    assert_eq!(timeouts, (Some(hours(3)), Some(hours(2)), Some(secs(20))));
    assert!(format!("{:?}", action.retry_policy).contains("maximum_attempts: 3"));
    assert_eq!(action.priority.as_ref().unwrap().priority_key, Some(1));
    assert_eq!(action.headers.get::<String>("tenant").unwrap().as_deref(), Some("acme"));
    assert_eq!(action.memo_value::<String>("owner").unwrap().as_deref(), Some("ada"));
    assert_eq!(action.search_attribute(&NUMBER), Some(3));
    assert_eq!(action.summary().unwrap().as_deref(), Some("Report"));
    assert_eq!(action.details().unwrap().as_deref(), Some("of the day"));
    // The server has made a calendar of the cron expression.
    assert_eq!((spec.calendars.len(), spec.cron_expressions.len(), spec.excluded_calendars.len()), (2, 0, 1));
    assert_eq!((&*spec.calendars[0].comment, &spec.calendars[0].hours), ("office", &vec![9.into(), 17.into()]));
    let ScheduleInterval { every, offset, .. } = spec.intervals[0];
    assert_eq!((every, offset), (hours(24), hours(6)));
    assert_eq!(
        (spec.start_time, spec.jitter, spec.time_zone.as_deref()),
        (Some(at(0)), Some(secs(30)), Some("Europe/Berlin"))
    );
    assert_eq!((policies.overlap, policies.catchup_window), (Some(ScheduleOverlapPolicy::BufferOne), Some(mins(5))));
    assert!(policies.pause_on_failure && policies.keep_original_workflow_id);
    assert_eq!((state.paused, &*state.note, state.remaining_actions), (true, "not yet", Some(3)));
    assert_eq!((described.info().action_count(), described.info().update_time()), (0, None));
    assert!(described.info().create_time().is_some());

    // In winter, 3:15 in Berlin is 2:15 in UTC; the interval is 6:00 in UTC; the calendar begins at 9:00 in Berlin.
    let times = handle.matching_times(at(0), at(8 * 3600 + 60)).await.unwrap();
    let minutes: Vec<u64> = times.iter().map(|time| time.duration_since(at(0)).unwrap().as_secs() / 60).collect();
    assert_eq!(minutes, [135, 360, 480]);

    let again = client.create_schedule(&id, Schedule::new(self::action("q"))).await.unwrap_err();
    assert!(
        matches!(&again, CreateScheduleError::AlreadyExists { schedule_id, .. } if *schedule_id == id),
        "{again:?}"
    );
    handle.delete().await.unwrap();
    let gone = until_gone(&handle).await;
    assert!(matches!(&gone, ScheduleError::NotFound { schedule_id, .. } if *schedule_id == id), "{gone:?}");
}

async fn until_gone(handle: &ScheduleHandle) -> ScheduleError {
    let mut ticks = tokio::time::interval(millis(50));
    for _ in 0..600 {
        ticks.tick().await;
        if let Err(error) = handle.describe().await {
            return error;
        }
    }
    panic!("the schedule was deleted, but it is still there");
}

#[tokio::test]
async fn triggers_and_backfills_start_workflows_with_their_arguments_and_headers() {
    let test = "triggers_and_backfills_start_workflows_with_their_arguments_and_headers";
    let Some(client) = client(test).await else { return };
    let (id, queue) = (unique("schedule"), unique("reports"));
    let schedule = Schedule::new(action(&queue).header("tenant", &"acme".to_string()))
        .spec(ScheduleSpec::new().every(hours(1)))
        .overlap(ScheduleOverlapPolicy::BufferAll)
        .paused("only by hand");
    let worker = Worker::builder(&client, &queue).workflow(report).build().unwrap();
    let story = async {
        let create = client.create_schedule(&id, schedule);
        let handle = create.backfill(ScheduleBackfill::new(at(0), at(3601))).await.unwrap();
        until(&handle, |described| described.info().action_count() == 2).await;
        handle.trigger().overlap(ScheduleOverlapPolicy::AllowAll).await.unwrap();
        // Server 1.32 may drop a trigger that a backfill follows at once.
        until(&handle, |described| described.info().action_count() == 3).await;
        let two = [ScheduleBackfill::new(at(7000), at(7201)), ScheduleBackfill::new(at(10_000), at(14_401))];
        handle.backfill(two.map(|backfill| backfill.overlap(ScheduleOverlapPolicy::AllowAll))).await.unwrap();
        let ended = |described: &ScheduleDescription| {
            let actions = described.info().recent_actions();
            // The schedule does not watch those that overlap.
            described.info().action_count() == 6
                && actions[..2].iter().all(|action| action.status == WorkflowExecutionStatus::Completed)
        };
        let info = until(&handle, ended).await.info().clone();
        let started = info.recent_actions();
        assert_eq!((started.len(), info.running_workflows().len(), info.overlap_skipped()), (6, 0, 0));
        assert!(started.iter().all(|action| action.workflow_id.starts_with(&format!("{id}-20"))), "{started:?}");
        assert!(started.iter().all(|action| action.actual_time.is_some() && action.schedule_time.is_some()));
        let run = client.handle(report, &*started[0].workflow_id).with_run_id(&*started[0].first_execution_run_id);
        assert_eq!(run.result().await.unwrap(), "acme: EU 7");
        handle.delete().await.unwrap();
    };
    worker.run_until(story).await.unwrap();
}

#[tokio::test]
async fn two_triggers_within_a_second_have_one_workflow_id_and_start_it_once() {
    let test = "two_triggers_within_a_second_have_one_workflow_id_and_start_it_once";
    let Some(client) = client(test).await else { return };
    let id = unique("schedule");
    // Nobody polls the queue, so the workflows stay open.
    let action = ScheduleAction::start_workflow(long_report, ()).id(&*id).task_queue(unique("nobody"));
    let schedule = Schedule::new(action).overlap(ScheduleOverlapPolicy::AllowAll).paused("only by hand");
    let handle = client.create_schedule(&id, schedule).trigger_immediately().await.unwrap();
    let first = until(&handle, |described| described.info().action_count() == 1).await;
    // A trigger in the first one's second is dropped; one of the next seconds starts another workflow.
    let mut triggers = 0;
    let mut ticks = tokio::time::interval(millis(300));
    let second = loop {
        ticks.tick().await;
        handle.trigger().await.unwrap();
        triggers += 1;
        let described = handle.describe().await.unwrap();
        if described.info().action_count() > 1 {
            break described;
        }
        assert!(triggers < 100, "waited in vain: {described:?}");
    };
    let started = second.info().recent_actions();
    assert_eq!(started[0].workflow_id, first.info().recent_actions()[0].workflow_id);
    assert_ne!(started[0].workflow_id, started[1].workflow_id);
    handle.delete().await.unwrap();
    for action in started {
        client.handle(long_report, &*action.workflow_id).terminate().await.unwrap();
    }
}

#[tokio::test]
async fn a_schedule_acts_by_itself_as_often_as_it_may_and_overlaps_are_skipped() {
    let test = "a_schedule_acts_by_itself_as_often_as_it_may_and_overlaps_are_skipped";
    let Some(client) = client(test).await else { return };
    let id = unique("schedule");
    // Nobody polls the queue, so the first workflow stays open.
    let action = ScheduleAction::start_workflow(long_report, ()).id(&*id).task_queue(unique("nobody"));
    let schedule = Schedule::new(action).spec(ScheduleSpec::new().every(secs(1)));
    let handle = client.create_schedule(&id, schedule.remaining_actions(5)).await.unwrap();
    let described = until(&handle, |described| described.info().overlap_skipped() > 0).await;
    let running = described.info().running_workflows();
    assert_eq!(running.len(), 1);
    let started = running[0].0.to_string();
    assert!(started.starts_with(&format!("{id}-20")), "{started}");
    assert!(!described.info().next_action_times().is_empty());
    assert_eq!(described.schedule().state.remaining_actions, Some(4));
    handle.delete().await.unwrap();
    client.handle(long_report, started).terminate().await.unwrap();
}

#[tokio::test]
async fn updates_change_only_what_the_closure_changes_and_repeat_after_a_conflict() {
    let test = "updates_change_only_what_the_closure_changes_and_repeat_after_a_conflict";
    let Some(client) = client(test).await else { return };
    let id = unique("schedule");
    let schedule = Schedule::new(action("reports").memo("owner", &"ada".to_string())).paused("at first");
    let schedule = schedule.spec(ScheduleSpec::new().cron("0 12 * * *"));
    let create = client.create_schedule(&id, schedule).memo("team", &"red".to_string()).memo("floor", &1);
    let handle = create.search_attributes([KEYWORD.set("a"), NUMBER.set(1)]).await.unwrap();

    // Nothing is changed, so nothing is sent.
    handle.update(|_| {}).await.unwrap();
    assert_eq!(handle.describe().await.unwrap().info().update_time(), None);

    let update = handle.update(|schedule| {
        schedule.action.set_arguments_of(report, ("US".into(), 9));
        schedule.spec.intervals.push(ScheduleSpec::new().every(mins(10)).intervals[0]);
        schedule.state.note = "changed".into();
    });
    let update = update.search_attributes([KEYWORD.set("b"), NUMBER.unset()]);
    update.await.unwrap();
    let described = until(&handle, |described| described.schedule().state.note == "changed").await;
    let Schedule { action, spec, state, .. } = described.schedule();
    assert_eq!(action.arguments_of(report).unwrap(), ("US".to_string(), 9));
    assert_eq!(action.memo_value::<String>("owner").unwrap().as_deref(), Some("ada"));
    assert_eq!((spec.calendars.len(), spec.intervals.len(), state.paused), (1, 1, true));
    assert_eq!(described.search_attribute(&KEYWORD).as_deref(), Some("b"));
    assert_eq!(described.search_attribute(&NUMBER), None);
    assert_eq!(described.memo::<String>("team").unwrap().as_deref(), Some("red"));
    let error = handle.update(|_| {}).memo("team", &"blue".to_string()).remove_memo("floor").await;
    // This server's schedules are workflows, whose memo it does not update.
    let refused = matches!(&error, Err(ScheduleError::Rpc(error)) if error.is_failed_precondition());
    assert!(refused, "{error:?}");

    // Somebody else is faster, the first time.
    let (other, tries) = (handle.clone(), Arc::new(AtomicU32::new(0)));
    let options = ClientOptions::new(std::env::var("ABIDE_TEST_SERVER").unwrap());
    let racing = Client::connect(options.interceptor(Racing(Mutex::new(Some(other))))).await.unwrap();
    let counted = Arc::clone(&tries);
    let update = racing.schedule(&*id).update(move |schedule| {
        counted.fetch_add(1, Ordering::Relaxed);
        schedule.policies.pause_on_failure = true;
    });
    update.await.unwrap();
    let described = until(&handle, |described| described.schedule().policies.pause_on_failure).await;
    assert_eq!((&*described.schedule().state.note, tries.load(Ordering::Relaxed)), ("faster", 2));
    handle.delete().await.unwrap();
}

/// Lets somebody else update the schedule between the read and the write of the first update.
struct Racing(Mutex<Option<ScheduleHandle>>);

#[async_trait]
impl ClientInterceptor for Racing {
    async fn update_schedule(
        &self,
        input: UpdateScheduleInput,
        next: ClientNext<'_, UpdateScheduleInput>,
    ) -> Result<(), RpcError> {
        let other = self.0.lock().unwrap().take();
        if let Some(other) = other {
            other.update(|schedule| schedule.state.note = "faster".into()).await.unwrap();
            until(&other, |described| described.schedule().state.note == "faster").await;
        }
        next.run(input).await
    }
}

#[tokio::test]
async fn schedules_are_paused_listed_and_counted() {
    let Some(client) = client("schedules_are_paused_listed_and_counted").await else { return };
    let group = unique("group");
    let query = format!("TestKeyword = '{group}'");
    let mut handles = Vec::new();
    for _ in 0..3 {
        let schedule = Schedule::new(action("reports")).spec(ScheduleSpec::new().every(hours(1)));
        let create = client.create_schedule(unique("schedule"), schedule).search_attributes([KEYWORD.set(&*group)]);
        handles.push(create.memo("team", &"red".to_string()).await.unwrap());
    }
    handles[0].pause("too hot").await.unwrap();
    let paused = until(&handles[0], |described| described.schedule().state.paused).await;
    assert_eq!(paused.schedule().state.note, "too hot");
    let listed = format!("{query} AND TemporalSchedulePaused = true");
    let mut ticks = tokio::time::interval(millis(50));
    while client.count_schedules(&*listed).await.unwrap().count() != 1
        || client.count_schedules(&*query).await.unwrap().count() != 3
    {
        ticks.tick().await;
    }
    let mut list = client.list_schedules(&*query).page_size(2);
    let (mut found, mut is_paused) = (0, 0);
    while let Some(entry) = list.next().await.unwrap() {
        found += 1;
        is_paused += u32::from(entry.is_paused());
        assert_eq!((entry.workflow_type(), entry.spec().intervals.len()), ("report", 1));
        assert_eq!(entry.memo::<String>("team").unwrap().as_deref(), Some("red"));
        assert_eq!(entry.search_attribute(&KEYWORD).as_deref(), Some(&*group));
        assert!(!entry.next_action_times().is_empty() || entry.is_paused(), "{entry:?}");
    }
    assert_eq!((found, is_paused), (3, 1));
    handles[0].unpause("").await.unwrap();
    let unpaused = until(&handles[0], |described| !described.schedule().state.paused).await;
    assert_eq!(unpaused.schedule().state.note, "unpaused");
    for handle in handles {
        handle.delete().await.unwrap();
    }
    let error = client.list_schedules("Nonsense =").next().await.unwrap_err();
    assert!(error.is_invalid_argument(), "{error}");
}

/// Reverses the bytes, so that nothing can be read on the server.
struct Reversed;

impl PayloadCodec for Reversed {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let reverse = |payload: RawPayload| RawPayload {
            metadata: [("encoding".to_string(), b"binary/reversed".to_vec())].into(),
            data: payload.to_bytes().into_iter().rev().collect(),
        };
        Ok(payloads.into_iter().map(reverse).collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let open = |payload: RawPayload| {
            let bytes: Vec<u8> = payload.data.into_iter().rev().collect();
            Ok(RawPayload::from_bytes(&bytes)?)
        };
        payloads.into_iter().map(open).collect()
    }
}

#[tokio::test]
async fn a_codec_covers_arguments_memos_and_summaries_of_a_schedule() {
    let test = "a_codec_covers_arguments_memos_and_summaries_of_a_schedule";
    let Some(plain) = client(test).await else { return };
    let options = ClientOptions::new(std::env::var("ABIDE_TEST_SERVER").unwrap());
    let sealing = options.data_converter(DataConverter::new().codec(Reversed));
    let client = Client::connect(sealing).await.unwrap();
    let id = unique("schedule");
    let action = action("reports").memo("owner", &"ada".to_string()).static_summary("Report");
    let create = client.create_schedule(&id, Schedule::new(action)).memo("team", &"red".to_string());
    let handle = create.await.unwrap();
    handle.update(|schedule| schedule.state.note = "changed".into()).await.unwrap();
    let read = until(&handle, |described| described.schedule().state.note == "changed").await;
    assert_eq!(read.schedule().action.arguments_of(report).unwrap(), ("EU".to_string(), 7));
    assert_eq!(read.schedule().action.memo_value::<String>("owner").unwrap().as_deref(), Some("ada"));
    assert_eq!(read.schedule().action.summary().unwrap().as_deref(), Some("Report"));
    assert_eq!(read.memo::<String>("team").unwrap().as_deref(), Some("red"));
    let stored = plain.schedule(&*id).describe().await.unwrap();
    let argument: RawPayload = stored.schedule().action.arguments.get(0).unwrap();
    assert_eq!(argument.encoding(), Some("binary/reversed"));
    let memo = stored.schedule().action.memo_value::<RawPayload>("owner").unwrap().unwrap();
    assert_eq!(memo.encoding(), Some("binary/reversed"));
    assert_eq!(stored.memo::<RawPayload>("team").unwrap().unwrap().encoding(), Some("binary/reversed"));
    let text = stored.schedule().action.summary().unwrap_err().to_string();
    assert!(text.contains("binary/reversed"), "{text}");
    let mut ticks = tokio::time::interval(millis(50));
    let entry = loop {
        ticks.tick().await;
        if let Some(entry) = client.list_schedules(format!("ScheduleId = '{id}'")).next().await.unwrap() {
            break entry;
        }
    };
    assert_eq!(entry.memo::<String>("team").unwrap().as_deref(), Some("red"));
    handle.delete().await.unwrap();
}

/// Renames schedules, and refuses triggers.
struct Renaming;

#[async_trait]
impl ClientInterceptor for Renaming {
    async fn create_schedule(
        &self,
        mut input: CreateScheduleInput,
        next: ClientNext<'_, CreateScheduleInput>,
    ) -> Result<String, RpcError> {
        input.schedule_id = format!("acme-{}", input.schedule_id);
        input.schedule.action.headers.set("tenant", &"acme".to_string())?;
        input.set_memo("tenant", &"acme".to_string())?;
        next.run(input).await
    }

    async fn patch_schedule(
        &self,
        mut input: PatchScheduleInput,
        next: ClientNext<'_, PatchScheduleInput>,
    ) -> Result<(), RpcError> {
        if input.trigger {
            return Err(RpcError::refused("nobody may trigger this"));
        }
        input.pause = input.pause.map(|note| format!("acme: {note}"));
        next.run(input).await
    }
}

#[tokio::test]
async fn interceptors_see_and_change_the_calls_about_schedules() {
    let test = "interceptors_see_and_change_the_calls_about_schedules";
    let Some(plain) = client(test).await else { return };
    let options = ClientOptions::new(std::env::var("ABIDE_TEST_SERVER").unwrap()).interceptor(Renaming);
    let client = Client::connect(options).await.unwrap();
    let id = unique("schedule");
    let by_name = WorkflowType::<fn(u32) -> ()>::new("somewhere_else");
    let action = ScheduleAction::start_workflow(by_name, 1).task_queue("elsewhere");
    let handle = client.create_schedule(&id, Schedule::new(action)).await.unwrap();
    assert_eq!(handle.schedule_id(), format!("acme-{id}"));
    handle.pause("later").await.unwrap();
    let refused = handle.trigger().await.unwrap_err();
    assert!(matches!(&refused, ScheduleError::Rpc(error) if error.is_refused()), "{refused}");
    let same = plain.schedule(handle.schedule_id());
    let described = until(&same, |described| described.schedule().state.paused).await;
    assert_eq!(described.schedule().state.note, "acme: later");
    assert_eq!(described.memo::<String>("tenant").unwrap().as_deref(), Some("acme"));
    assert_eq!(described.schedule().action.headers.get::<String>("tenant").unwrap().as_deref(), Some("acme"));
    same.delete().await.unwrap();
}

#[tokio::test]
async fn a_schedule_without_a_task_queue_is_refused_before_it_is_sent() {
    let Some(client) = client("a_schedule_without_a_task_queue_is_refused_before_it_is_sent").await else { return };
    let action = ScheduleAction::start_workflow(long_report, ());
    let error = client.create_schedule("s", Schedule::new(action)).await.unwrap_err();
    assert!(error.to_string().contains("`long_report` without a task queue"), "{error}");
    let missing = client.schedule(unique("missing"));
    assert!(matches!(missing.pause("").await, Err(ScheduleError::NotFound { .. })));
    assert!(matches!(missing.delete().await, Err(ScheduleError::NotFound { .. })));
    assert!(matches!(missing.update(|_| {}).await, Err(ScheduleError::NotFound { .. })));
}
