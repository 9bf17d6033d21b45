//! Tests of the report. The schedule itself runs on a real server only: `scripts/examples` runs it there.

#[path = "workflow.rs"]
mod workflow;

use abide::client::{CreateScheduleError, Schedule, ScheduleAction, ScheduleError};
use abide_testing::TestWorkflowEnvironment;

use self::workflow::report;
use crate::{Outcome, assert_replays};

#[tokio::test]
async fn a_report_counts_from_one_without_an_earlier_one() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("reports").workflow(report);
    let first = env.run(worker, env.client().execute(report, "EU".into()).task_queue("reports")).await?;
    assert_eq!(first, 1);
    Ok(())
}

#[tokio::test]
async fn the_embedded_server_says_that_it_has_no_schedules() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let action = ScheduleAction::start_workflow(report, "EU".into()).task_queue("reports");
    let error = env.client().create_schedule("reports", Schedule::new(action)).await.unwrap_err();
    let CreateScheduleError::Rpc(rpc) = &error else { panic!("{error:?}") };
    assert!(rpc.is_unimplemented(), "{rpc}");
    let text = error.to_string();
    assert!(text.ends_with("CreateSchedule; schedules need a real Temporal server"), "{text}");
    let error = env.client().schedule("reports").pause("later").await.unwrap_err();
    assert!(matches!(&error, ScheduleError::Rpc(rpc) if rpc.is_unimplemented()), "{error:?}");
    Ok(())
}

#[test]
fn the_recorded_histories_replay() -> Outcome {
    assert_replays("schedule", |replayer| replayer.workflow(report))
}
