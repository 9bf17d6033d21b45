//! Approvals in time, failing tools, cancelled searches.

#[path = "workflow.rs"]
mod workflow;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abide::activity::ActivityCancelReason;
use abide::prelude::*;
use abide_testing::{ActivityEnvironment, TestWorker, TestWorkflowEnvironment};

use self::workflow::{Agent, Call, Reply, ask_model, search, use_tool};
use crate::{Outcome, assert_replays};

fn worker(env: &TestWorkflowEnvironment) -> TestWorker {
    env.worker("agent").workflow(Agent::run).workflow(use_tool)
}

#[tokio::test]
async fn a_booking_needs_the_approval_of_a_human_in_time() -> Outcome {
    const BOOKED: &str = "take train to Bonn; hotel in Bonn is booked";
    const NOT_BOOKED: &str = "take train to Bonn; hotel in Bonn is not booked, because nobody approved it";
    for (minute, is_approved, trip) in [(20, true, BOOKED), (20, false, NOT_BOOKED), (40, true, NOT_BOOKED)] {
        let env = TestWorkflowEnvironment::start().await?;
        let agent = env.client().handle(Agent::run, "agent");
        env.at(mins(minute), async move {
            let decided = agent.start_update(Agent::decide, ("hotel in Bonn".into(), is_approved)).await;
            // After half an hour, the workflow is closed.
            assert_eq!(decided.is_ok(), minute < 30);
        });
        let plan = env.client().execute(Agent::run, ("Bonn".into(), mins(30))).id("agent").task_queue("agent");
        let worker = worker(&env).activities(ask_model).mock(search, Ok);
        assert_eq!(
            env.run(worker, async {
                let trip = plan.await;
                env.sleep(mins(50)).await;
                trip
            })
            .await?,
            trip
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_decision_that_nobody_waits_for_is_rejected() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = worker(&env).activities(ask_model).mock(search, Ok);
    let decided = async {
        let plan = env.client().start(Agent::run, ("Bonn".into(), mins(30))).task_queue("agent").await?;
        env.sleep(mins(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(plan.update(Agent::decide, ("hotel in Rome".into(), true)).await)
    };
    let error = env.run(worker, decided).await?.unwrap_err();
    assert_eq!(error.message(), "nobody waits for this decision");
    Ok(())
}

#[tokio::test]
async fn the_model_learns_that_a_tool_has_failed() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = worker(&env).mock(search, |_| Err(ApplicationFailure::new("no network").non_retryable().into()));
    let worker = worker.mock(ask_model, |talk| match &talk[..] {
        [town] => Ok(Reply::Calls(vec![Call::Search(town.clone())])),
        talk => Ok(Reply::Answer(talk.join(": "))),
    });
    let plan = env.client().execute(Agent::run, ("Bonn".into(), mins(30))).task_queue("agent");
    assert_eq!(env.run(worker, plan).await?, "Bonn: the tool has failed: no network");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_agent_stops_its_searches() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let stopped = Arc::new(AtomicU32::new(0));
    let stops = Arc::clone(&stopped);
    let worker = worker(&env).activities(ask_model).mock_async(search, move |ctx, _what| {
        let stops = Arc::clone(&stops);
        async move {
            ctx.cancelled().await;
            stops.fetch_add(1, Ordering::Relaxed);
            Err(ActivityError::cancelled())
        }
    });
    let agent = env.client().handle(Agent::run, "agent");
    // While the first attempts are within their heartbeat timeout.
    env.at(millis(500), async move { agent.cancel().await });
    let plan = env.client().execute(Agent::run, ("Bonn".into(), mins(30))).id("agent").task_queue("agent");
    assert!(env.run(worker, plan).await.unwrap_err().is_cancelled());
    assert_eq!(stopped.load(Ordering::Relaxed), 2);
    Ok(())
}

#[tokio::test]
async fn a_search_reports_its_progress_and_continues_after_a_failure() -> Outcome {
    let env = ActivityEnvironment::new().cancel_at_heartbeat(2, ActivityCancelReason::Cancelled);
    assert!(env.run(search, "a".into()).await.unwrap_err().is_cancelled());
    assert_eq!(env.heartbeats::<u64>()?, [1, 2]);
    let next = env.next_attempt();
    assert_eq!(next.run(search, "a".into()).await.ok().as_deref(), Some("the best a"));
    assert_eq!(next.heartbeats::<u64>()?, [3]);
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("agent", |replayer| replayer.workflow(Agent::run).workflow(use_tool))
}
