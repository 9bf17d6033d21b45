//! Nexus operations in a test: handlers of its worker, on virtual time.

use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abide::prelude::*;
use abide::{NexusError, NexusHandlerErrorType};
use abide_testing::TestWorkflowEnvironment;

use super::{Outcome, real_time};

#[abide::nexus_service]
trait Desk {
    fn ask(question: String) -> String;
}

/// Answers a question after it was asked this often.
#[derive(Clone)]
struct Clerk {
    refusals: u32,
    asked: Arc<AtomicU32>,
}

impl Clerk {
    fn new(refusals: u32) -> Self {
        Self { refusals, asked: Arc::default() }
    }
}

#[abide::nexus_handlers(implements = Desk)]
impl Clerk {
    #[nexus_operation]
    async fn ask(&self, question: String) -> Result<String, NexusError> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.refusals {
            return Err(NexusError::unavailable("the desk is closed"));
        }
        Ok(format!("{question}? Yes"))
    }
}

#[workflow]
async fn visit(ctx: &WorkflowContext, endpoint: String) -> Result<String, WorkflowError> {
    let asking = ctx.nexus_operation(endpoint, Desk::ask, "really".into()).schedule_to_close_timeout(days(1));
    Ok(match asking.await {
        Ok(answer) => answer,
        Err(error) => format!("{:?} {:?}", error.handler_error_type(), error.timeout_type()),
    })
}

#[tokio::test]
async fn retries_of_a_handler_take_virtual_time() -> Outcome {
    let began = real_time();
    let env = TestWorkflowEnvironment::start().await?;
    env.server().add_nexus_endpoint("desk", "visits");
    let clerk = Clerk::new(6);
    let worker = env.worker("visits").workflow(visit).nexus_handlers(clerk.clone());
    let visited = env.run(worker, env.client().execute(visit, "desk".into()).task_queue("visits"));
    assert_eq!(visited.await?, "really? Yes");
    assert_eq!(clerk.asked.load(Ordering::Relaxed), 7);
    assert!(env.elapsed() > secs(30), "1 + 2 + 4 + .. s, less what the server takes off at random");
    assert!(began.elapsed() < secs(10));
    Ok(())
}

#[tokio::test]
async fn an_endpoint_without_handlers_ends_the_call_with_its_timeout() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.server().add_nexus_endpoint("desk", "nobody");
    let worker = env.worker("visits").workflow(visit).nexus_handlers(Clerk::new(0));
    let visited = env.run(worker, env.client().execute(visit, "desk".into()).task_queue("visits"));
    assert_eq!(visited.await?, "None Some(ScheduleToClose)");
    assert!(env.elapsed() >= hours(23));
    Ok(())
}

#[tokio::test]
async fn an_endpoint_is_created_once_and_has_a_valid_name() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.server().add_nexus_endpoint("desk", "visits");
    for (name, reason) in [("desk", "already registered"), ("the desk", "must match the regex")] {
        let panic = catch_unwind(std::panic::AssertUnwindSafe(|| env.server().add_nexus_endpoint(name, "visits")));
        let text = panic.expect_err("it cannot be created").downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(text.contains(name) && text.contains(reason), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_serves_a_service_once_and_not_on_its_own_queue() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let twice = Worker::builder(env.client(), "visits").nexus_handlers(Clerk::new(0)).nexus_handlers(Clerk::new(1));
    let text = twice.build().expect_err("one is too many").to_string();
    assert!(text.contains("the Nexus operation `Desk/ask` is registered twice"), "{text}");
    let own = Worker::builder(env.client(), "visits").own_queue(|own| own.nexus_handlers(Clerk::new(0)));
    let text = own.build().expect_err("no endpoint leads there").to_string();
    assert!(text.contains("a Nexus handler is registered in `own_queue`"), "{text}");
    Ok(())
}

#[test]
fn a_handler_is_tested_as_the_method_that_it_is() {
    let refused =
        futures_util::FutureExt::now_or_never(Clerk::new(1).ask("really".into())).expect("it waits for nothing");
    let error = refused.expect_err("the desk is closed");
    assert_eq!(error.handler_error_type(), Some(NexusHandlerErrorType::Unavailable));
}
