//! All that is needed, on virtual time.

#[path = "workflow.rs"]
mod workflow;

use abide_testing::TestWorkflowEnvironment;

use self::workflow::{greet, hello};
use crate::{Outcome, assert_replays};

#[tokio::test]
async fn ada_is_greeted() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("hello").workflow(hello).activities(greet);
    let greeting = env.run(worker, env.client().execute(hello, "Ada".into()).task_queue("hello")).await?;
    assert_eq!(greeting, "Hello, Ada!");
    Ok(())
}

#[test]
fn the_recorded_run_replays() -> Outcome {
    assert_replays("hello", |replayer| replayer.workflow(hello))
}
