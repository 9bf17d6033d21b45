//! A test whose only thread is blocked for ever cannot be ended, but it says why, although the test harness keeps its
//! output.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use super::Outcome;

/// The name of the test below: the child process is the same program and runs only this test.
const TEST: &str = "blocked::a_test_whose_thread_is_blocked_says_so_before_it_ends";
/// The variable that is set in the child process.
const CHILD: &str = "ABIDE_BLOCKED_CHILD";

#[activity]
async fn blocks() -> Result<(), ActivityError> {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

#[workflow]
async fn is_blocked(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.activity(blocks, ()).start_to_close_timeout(hours(1)).await?)
}

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_test_whose_thread_is_blocked_says_so_before_it_ends() -> Outcome {
    if std::env::var(CHILD).is_ok() {
        let env = TestWorkflowEnvironment::start().await?;
        env.set_patience(secs(1));
        let worker = env.worker("pay").workflow(is_blocked).activities(blocks);
        return Ok(env.run(worker, env.client().execute(is_blocked, ()).id("order-7").task_queue("pay")).await?);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args([TEST, "--exact"]).env(CHILD, "1").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Process(command.spawn()?);
    let stderr = child.0.stderr.take().ok_or("it has no standard error")?;
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("abide-testing: ")).ok_or("it ended and said nothing")?;
    assert!(line.contains("blocked by activity `blocks` (id 1) of workflow `order-7`"), "{line}");
    Ok(())
}
