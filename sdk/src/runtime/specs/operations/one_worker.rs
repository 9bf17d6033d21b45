//! Activities that run on one worker, and begin again on another one if that worker is gone.

use expect_test::expect;

use crate::duration::{mins, secs};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::ActivityOptions;
use crate::{ActivityError, RetryPolicy, WorkflowContext, WorkflowError, activity};

#[activity]
async fn download(url: String) -> Result<String, ActivityError> {
    Ok(url)
}

#[activity(task_queue = "common", schedule_to_start_timeout = mins(9))]
async fn upload(file: String) -> Result<u32, ActivityError> {
    Ok(file.len() as u32)
}

/// Downloads and uploads, on at most two workers.
async fn process(ctx: WorkflowContext) -> Result<u32, WorkflowError> {
    let two_workers = RetryPolicy::new().initial_interval(secs(10)).maximum_attempts(2);
    let options = ActivityOptions::with_start_to_close_timeout(secs(5)).schedule_to_start_timeout(secs(30));
    let processing = ctx.on_one_worker(two_workers, &options, async |here| {
        let file = ctx.activity(download, "u".into()).options(&here).await?;
        Ok(ctx.activity(upload, file).options(&here).await?)
    });
    processing.await
}

/// A worker answers with its queue, and the download ends with `event`, numbered 13.
fn download_ends_with(event: &str) -> String {
    after_first_task(&format!(
        "5 ActivityTaskScheduled type=abide_own_queue
         6 ActivityTaskStarted
         7 ActivityTaskCompleted scheduled=5 result=\"common-a\"
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted
         10 WorkflowTaskCompleted
         11 ActivityTaskScheduled type=download
         12 ActivityTaskStarted
         13 {event}
         14 WorkflowTaskScheduled
         15 WorkflowTaskStarted"
    ))
}

#[test]
fn a_worker_is_asked_for_its_queue_first() {
    check(process, FIRST_TASK, expect!["ScheduleActivityTask id=1 type=abide_own_queue start_to_close=10s"]);
}

#[test]
fn options_name_the_queue_whose_workers_are_asked() {
    check(
        |ctx| async move {
            let options = ActivityOptions::with_schedule_to_close_timeout(mins(5));
            let options =
                options.task_queue("hosts").priority(crate::Priority::new().priority_key(2)).heartbeat_timeout(secs(9));
            ctx.on_one_worker(RetryPolicy::new(), &options, async |_| Ok(())).await
        },
        FIRST_TASK,
        expect![
            "ScheduleActivityTask id=1 type=abide_own_queue queue=hosts start_to_close=10s priority.priority_key=2"
        ],
    );
}

#[test]
fn the_steps_go_to_that_queue_and_wait_only_for_a_while() {
    let asked = after_first_task(
        "5 ActivityTaskScheduled type=abide_own_queue
         6 ActivityTaskStarted
         7 ActivityTaskCompleted scheduled=5 result=\"common-a\"
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
    );
    check(
        process,
        &asked,
        expect![[
            r#"ScheduleActivityTask id=2 type=download queue=common-a input="u" schedule_to_start=30s start_to_close=5s"#
        ]],
    );
    // Without a timeout of the author, there is one of a minute.
    check(
        |ctx| async move {
            let options = ActivityOptions::with_start_to_close_timeout(secs(5));
            let running = ctx.on_one_worker(RetryPolicy::new(), &options, async |here| {
                Ok(ctx.activity(download, "u".into()).options(&here).await?)
            });
            running.await
        },
        &asked,
        expect![[
            r#"ScheduleActivityTask id=2 type=download queue=common-a input="u" schedule_to_start=1m start_to_close=5s"#
        ]],
    );
}

#[test]
fn an_activity_with_defaults_goes_to_that_queue_too() {
    check(
        process,
        &download_ends_with("ActivityTaskCompleted scheduled=11 result=\"f\""),
        expect![[
            r#"ScheduleActivityTask id=3 type=upload queue=common-a input="f" schedule_to_start=30s start_to_close=5s"#
        ]],
    );
}

#[test]
fn a_worker_that_is_gone_is_replaced_after_the_policys_interval() {
    let not_started = download_ends_with("ActivityTaskTimedOut scheduled=11 timeout=ScheduleToStart");
    check(process, &not_started, expect!["StartTimer id=1 after=10s"]);
    let silent = download_ends_with("ActivityTaskTimedOut scheduled=11 timeout=Heartbeat");
    check(process, &silent, expect!["StartTimer id=1 after=10s"]);
    let again = format!(
        "{not_started}
         16 WorkflowTaskCompleted
         17 TimerStarted
         18 TimerFired
         19 WorkflowTaskScheduled
         20 WorkflowTaskStarted"
    );
    check(process, &again, expect!["ScheduleActivityTask id=3 type=abide_own_queue start_to_close=10s"]);
    check(
        process,
        &format!(
            "{again}
             21 WorkflowTaskCompleted
             22 ActivityTaskScheduled type=abide_own_queue
             23 ActivityTaskStarted
             24 ActivityTaskCompleted scheduled=22 result=\"common-b\"
             25 WorkflowTaskScheduled
             26 WorkflowTaskStarted"
        ),
        expect![[
            r#"ScheduleActivityTask id=4 type=download queue=common-b input="u" schedule_to_start=30s start_to_close=5s"#
        ]],
    );
}

#[test]
fn the_last_worker_that_is_gone_ends_the_steps() {
    check(
        |ctx| async move {
            let options = ActivityOptions::with_start_to_close_timeout(secs(5));
            let once = RetryPolicy::new().maximum_attempts(1);
            let running = ctx.on_one_worker(once, &options, async |here| {
                Ok(ctx.activity(download, "u".into()).options(&here).await?)
            });
            running.await
        },
        &download_ends_with("ActivityTaskTimedOut scheduled=11 timeout=ScheduleToStart"),
        expect![[
            r#"FailWorkflowExecution message="Activity task timed out" activity.scheduled_event_id=11 activity.started_event_id=12 activity=download activity.activity_id=2 activity.retry_state=Timeout cause="activity StartToClose timeout" cause.timeout=ScheduleToStart"#
        ]],
    );
}

#[test]
fn other_failures_are_not_retried() {
    check(
        process,
        &download_ends_with("ActivityTaskFailed scheduled=11 message=\"no disk\""),
        expect![[
            r#"FailWorkflowExecution message="Activity task failed" activity.scheduled_event_id=11 activity.started_event_id=12 activity=download activity.activity_id=2 activity.retry_state=NonRetryableFailure cause="no disk""#
        ]],
    );
    check(
        process,
        &download_ends_with("ActivityTaskTimedOut scheduled=11 timeout=StartToClose"),
        expect![[
            r#"FailWorkflowExecution message="Activity task timed out" activity.scheduled_event_id=11 activity.started_event_id=12 activity=download activity.activity_id=2 activity.retry_state=Timeout cause="activity StartToClose timeout" cause.timeout=StartToClose"#
        ]],
    );
}

#[test]
fn a_timeout_in_a_child_says_nothing_about_the_worker() {
    check(
        |ctx| async move {
            let options = ActivityOptions::with_start_to_close_timeout(secs(5));
            let child = crate::WorkflowType::<fn()>::new("child");
            let running = ctx.on_one_worker(RetryPolicy::new(), &options, async |_| {
                Ok(ctx.child_workflow(child.clone(), ()).id("c").await?)
            });
            running.await
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=abide_own_queue
             6 ActivityTaskStarted
             7 ActivityTaskCompleted scheduled=5 result=\"common-a\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 StartChildWorkflowExecutionInitiated type=child id=c
             12 ChildWorkflowExecutionStarted type=child id=c
             13 ChildWorkflowExecutionFailed type=child id=c message=\"Activity task timed out\" activity=x \
             cause=\"activity ScheduleToStart timeout\" cause.timeout=ScheduleToStart
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[
            r#"FailWorkflowExecution message="Child Workflow execution failed" child.workflow_execution=c/run-of-c child=child child.initiated_event_id=11 child.started_event_id=12 cause="Activity task timed out" cause.activity=x cause.cause="activity ScheduleToStart timeout" cause.cause.timeout=ScheduleToStart"#
        ]],
    );
}

#[test]
fn a_cancellation_ends_the_steps() {
    check(
        process,
        &after_first_task(
            "5 ActivityTaskScheduled type=abide_own_queue
             6 WorkflowExecutionCancelRequested
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            RequestCancelActivityTask scheduled=5
            CancelWorkflowExecution"#]],
    );
}
