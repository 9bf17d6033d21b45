//! Order, variables and failures of steps.

#[path = "workflow.rs"]
mod workflow;

use std::collections::BTreeMap;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Process, ProcessError, charge, interpret, reserve, ship};
use crate::{Outcome, assert_replays};

type Variables = BTreeMap<String, String>;

fn process(steps: &str) -> Process {
    let steps = serde_yaml_ng::from_str(steps).expect("steps in YAML");
    Process { variables: [("article".into(), "book".into())].into(), steps }
}

#[tokio::test]
async fn results_are_the_arguments_of_later_steps() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("dsl").workflow(interpret).activities(reserve).activities(charge).activities(ship);
    let order: Process = serde_yaml_ng::from_str(include_str!("order.yaml"))?;
    let variables: Variables = env.run(worker, env.client().execute(interpret, order).task_queue("dsl")).await?;
    assert_eq!(variables["parcel"], "parcel with reservation of a book and receipt of Ada");
    Ok(())
}

#[tokio::test]
async fn steps_take_their_time_in_sequence_and_in_parallel() -> Outcome {
    let reserve_twice = "[{activity: reserve, arguments: [article], result: one},
        {activity: reserve, arguments: [article], result: other}]";
    for (kind, seconds) in [("sequence", 2), ("parallel", 1)] {
        let env = TestWorkflowEnvironment::start().await?;
        // Each call takes a second, because it succeeds at the second attempt.
        let worker = env.worker("dsl").workflow(interpret).mock_async(reserve, |ctx, arguments| async move {
            if ctx.info().attempt == 1 { Err(ApplicationFailure::new("busy").into()) } else { Ok(arguments.concat()) }
        });
        let steps = process(&format!("{kind}: {reserve_twice}"));
        let variables = env.run(worker, env.client().execute(interpret, steps).task_queue("dsl")).await?;
        assert_eq!((variables["other"].as_str(), env.elapsed()), ("book", secs(seconds)));
    }
    Ok(())
}

#[tokio::test]
async fn a_variable_without_a_value_fails_the_process_and_cancels_the_other_branch() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("dsl").workflow(interpret).mock(reserve, |_| Err(ApplicationFailure::new("busy").into()));
    let steps = process(
        "parallel: [{activity: reserve, arguments: [article], result: one},
            {activity: ship, arguments: [price], result: parcel}]",
    );
    let error = env.run(worker, env.client().execute(interpret, steps).task_queue("dsl")).await.unwrap_err();
    let unbound = ProcessError::Unbound { activity: "ship".into(), variable: "price".into() };
    assert_eq!(error.application_error(), Some(unbound));
    assert_eq!(env.elapsed(), secs(0));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("dsl", |replayer| replayer.workflow(interpret))
}
