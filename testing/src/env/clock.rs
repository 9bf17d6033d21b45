//! The environment's clock, for code that does not have the environment.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use abide_server::embedding::Host;

/// The clock of a [`TestWorkflowEnvironment`](crate::TestWorkflowEnvironment), made by
/// [`clock`](crate::TestWorkflowEnvironment::clock). Clones show the same time.
///
/// The closures of mocks own what they use, so they cannot hold the environment:
///
/// ```
/// # use abide::prelude::*;
/// # use abide_testing::TestWorkflowEnvironment;
/// # #[activity] async fn is_open() -> Result<bool, ActivityError> { Ok(false) }
/// # #[workflow]
/// # async fn wait(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
/// #     while !ctx.activity(is_open, ()).start_to_close_timeout(mins(1)).await? {
/// #         ctx.timer(hours(1)).await?;
/// #     }
/// #     Ok(())
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let env = TestWorkflowEnvironment::start().await?;
/// let clock = env.clock();
/// let worker = env.worker("shop").workflow(wait).mock(is_open, move |()| Ok(clock.elapsed() >= hours(9)));
/// env.run(worker, env.client().execute(wait, ()).task_queue("shop")).await?;
/// assert_eq!(env.elapsed(), hours(9));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestClock {
    pub(super) host: Arc<Host>,
    pub(super) started: SystemTime,
}

impl TestClock {
    /// Returns the time on the environment's clock.
    pub fn now(&self) -> SystemTime {
        self.host.system_time()
    }

    /// Returns the time that has passed on the environment's clock since the environment started.
    pub fn elapsed(&self) -> Duration {
        self.now().duration_since(self.started).unwrap_or_default()
    }
}
