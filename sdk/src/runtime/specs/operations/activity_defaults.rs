//! Default options of activity types: what calls take from the definition, and what overrides it.

use expect_test::expect;

use super::local_activities::begin;
use crate::duration::{mins, secs};
use crate::replay::Output;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, run_of};
use crate::workflow::{ActivityOptions, LocalActivityOptions};
use crate::{ActivityError, Priority, RetryPolicy, activities, activity};

#[activity(
    start_to_close_timeout = mins(5),
    schedule_to_close_timeout = mins(50),
    schedule_to_start_timeout = mins(2),
    heartbeat_timeout = secs(30),
    retry_policy = RetryPolicy::new().maximum_attempts(3),
    task_queue = "tills",
    priority = Priority::new().priority_key(2)
)]
async fn charge(cents: u64) -> Result<u64, ActivityError> {
    Ok(cents)
}

#[activity(heartbeat_timeout = secs(30))]
async fn count() -> Result<u64, ActivityError> {
    Ok(0)
}

#[activity(start_to_close_timeout = secs(0))]
async fn never() -> Result<u64, ActivityError> {
    Ok(0)
}

#[derive(Clone)]
struct Shop;

impl Shop {
    const QUEUE: &'static str = "shelves";
}

#[activities]
impl Shop {
    #[activity(schedule_to_close_timeout = mins(1), task_queue = Self::QUEUE, auto_heartbeat)]
    async fn sell(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

#[test]
fn a_call_without_options_has_those_of_the_definition() {
    check(
        |ctx| async move { Ok(ctx.activity(charge, 5).await?) },
        FIRST_TASK,
        expect![
            "ScheduleActivityTask id=1 type=charge queue=tills input=5 schedule_to_close=50m schedule_to_start=2m start_to_close=5m heartbeat=30s retry.maximum_attempts=3 priority.priority_key=2"
        ],
    );
    check(
        |ctx| async move { Ok(ctx.activity(Shop::sell, ()).start().await?) },
        FIRST_TASK,
        expect!["ScheduleActivityTask id=1 type=sell queue=shelves schedule_to_close=1m"],
    );
}

#[test]
fn the_call_and_shared_options_override_the_definition_option_by_option() {
    let shared = || ActivityOptions::with_start_to_close_timeout(secs(9)).task_queue("safes");
    let once = || RetryPolicy::new().maximum_attempts(1);
    check(
        move |ctx| async move {
            let calls = [
                ctx.activity(charge, 1).heartbeat_timeout(secs(1)).start(),
                ctx.activity(charge, 2).start_to_close_timeout(secs(2)).start(),
                ctx.activity(charge, 3).options(&shared()).retry_policy(once()).start(),
                ctx.activity(charge, 4).task_queue("pockets").options(&shared()).start(),
            ];
            futures_util::future::try_join_all(calls).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            ScheduleActivityTask id=1 type=charge queue=tills input=1 schedule_to_close=50m schedule_to_start=2m start_to_close=5m heartbeat=1s retry.maximum_attempts=3 priority.priority_key=2
            ScheduleActivityTask id=2 type=charge queue=tills input=2 schedule_to_close=50m schedule_to_start=2m start_to_close=2s heartbeat=30s retry.maximum_attempts=3 priority.priority_key=2
            ScheduleActivityTask id=3 type=charge queue=safes input=3 schedule_to_close=50m schedule_to_start=2m start_to_close=9s heartbeat=30s retry.maximum_attempts=1 priority.priority_key=2
            ScheduleActivityTask id=4 type=charge queue=pockets input=4 schedule_to_close=50m schedule_to_start=2m start_to_close=9s heartbeat=30s retry.maximum_attempts=3 priority.priority_key=2"#]],
    );
}

#[test]
fn defaults_without_a_timeout_join_the_timeout_of_the_call() {
    check(
        |ctx| async move { Ok(ctx.activity(count, ()).start_to_close_timeout(mins(1)).await?) },
        FIRST_TASK,
        expect!["ScheduleActivityTask id=1 type=count start_to_close=1m heartbeat=30s"],
    );
}

#[test]
fn a_replay_compares_no_defaults() {
    let recorded = "5 ActivityTaskScheduled id=1 type=charge start_to_close=1s\n6 ActivityTaskStarted\n\
                    7 ActivityTaskCompleted result=5\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted";
    check(
        |ctx| async move { Ok(ctx.activity(charge, 5).await?) },
        &after_first_task(recorded),
        expect!["CompleteWorkflowExecution result=5"],
    );
}

#[test]
fn a_default_of_zero_is_no_timeout() {
    check(
        |ctx| async move {
            ctx.activity(never, ()).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: activity `never` has no timeout, because zero means none: set `start_to_close_timeout(..)` or `schedule_to_close_timeout(..)` to more than zero (at activity_defaults.rs `ctx.activity(never, ()).await?;`)"#
        ]],
    );
}

#[test]
fn a_local_activity_takes_what_applies_to_it() {
    let mut run = run_of(|ctx| async move {
        let shared = LocalActivityOptions::with_start_to_close_timeout(secs(9));
        let calls = [
            ctx.local_activity(charge, 1).start(),
            ctx.local_activity(charge, 2).start_to_close_timeout(secs(2)).start(),
            ctx.local_activity(charge, 3).options(&shared).start(),
        ];
        ctx.local_activity(charge, 4).await?;
        futures_util::future::try_join_all(calls).await?;
        Ok(())
    });
    let Output::RunLocalActivities { start, .. } = begin(&mut run) else { panic!("nothing is to be run") };
    let attempts = RetryPolicy::new().maximum_attempts(3);
    for (task, start_to_close) in start.iter().zip([mins(5), secs(2), secs(9), mins(5)]) {
        assert_eq!(task.start_to_close_timeout, Some(start_to_close));
        let limits = (task.schedule_to_close_timeout, task.schedule_to_start_timeout);
        assert_eq!(limits, (Some(mins(50)), Some(mins(2))));
        assert_eq!(format!("{:?}", task.retry_policy), format!("{attempts:?}"));
    }
    assert_eq!(start.len(), 4);
}
