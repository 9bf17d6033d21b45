//! Tests of the decisions: who may make them, how often, and what the deadlines do.

#[path = "workflow.rs"]
mod workflow;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Approval, Refusal, Request, Status, notify};
use crate::{Outcome, assert_replays};

fn request() -> Request {
    let approvers = ["ada".into(), "bob".into()].into();
    Request { what: "laptop".into(), approvers, boss: "zoe".into(), deadline: days(2) }
}

#[tokio::test]
async fn two_must_approve_and_nobody_twice() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("approval").workflow(Approval::run).activities(notify);
    let decided = env.run(worker, async {
        let approval = env.client().start(Approval::run, request()).id("laptop").task_queue("approval").await?;
        let first = approval.update(Approval::decide, ("ada".into(), true)).await?;
        assert_eq!(first, Status::Open { approved_by: ["ada".into()].into() });
        let events = approval.fetch_history().await?.len();
        for (name, refusal) in [
            ("ada", Refusal::HasDecided { name: "ada".into() }),
            ("eve", Refusal::MayNotDecide { name: "eve".into() }),
            ("zoe", Refusal::MayNotDecide { name: "zoe".into() }),
        ] {
            let refused = approval.update(Approval::decide, (name.into(), true)).await.unwrap_err();
            assert_eq!(refused.application_error(), Some(refusal));
        }
        assert_eq!(approval.fetch_history().await?.len(), events, "a refusal leaves no trace");
        approval.update(Approval::decide, ("bob".into(), true)).await?;
        Ok::<_, Box<dyn std::error::Error>>(approval.result().await?)
    });
    assert_eq!(decided.await?, Status::Approved);
    Ok(())
}

#[tokio::test]
async fn one_rejection_is_enough() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("approval").workflow(Approval::run).activities(notify);
    let decided = env.run(worker, async {
        let approval = env.client().start(Approval::run, request()).task_queue("approval").await?;
        approval.update(Approval::decide, ("ada".into(), true)).await?;
        approval.update(Approval::decide, ("bob".into(), false)).await?;
        Ok::<_, Box<dyn std::error::Error>>(approval.result().await?)
    });
    assert_eq!(decided.await?, Status::Rejected { by: "bob".into() });
    Ok(())
}

#[tokio::test]
async fn after_the_deadline_the_boss_decides_alone() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("approval").workflow(Approval::run).mock(notify, |(name, _)| {
        assert_eq!(name, "zoe");
        Ok(())
    });
    let decided = env.run(worker, async {
        let approval = env.client().start(Approval::run, request()).task_queue("approval").await?;
        env.sleep(days(3)).await;
        assert_eq!(approval.query(Approval::status, ()).await?, Status::Escalated);
        let late = approval.update(Approval::decide, ("ada".into(), true)).await.unwrap_err();
        assert_eq!(late.application_error(), Some(Refusal::MayNotDecide { name: "ada".into() }));
        approval.update(Approval::decide, ("zoe".into(), true)).await?;
        Ok::<_, Box<dyn std::error::Error>>(approval.result().await?)
    });
    assert_eq!(decided.await?, Status::Approved);
    assert_eq!(env.elapsed(), days(3));
    Ok(())
}

#[tokio::test]
async fn a_request_that_nobody_decides_expires() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("approval").workflow(Approval::run).activities(notify);
    let decided = env.client().execute(Approval::run, request()).task_queue("approval");
    assert_eq!(env.run(worker, decided).await?, Status::Expired);
    assert_eq!(env.elapsed(), days(4));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("approval", |replayer| replayer.workflow(Approval::run))
}
