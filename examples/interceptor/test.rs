//! Tests of the interceptors: what they pass on, and whom they refuse.

#[path = "interceptors.rs"]
mod interceptors;
#[path = "workflow.rs"]
mod workflow;

use abide::{ClientOptions, WorkflowReplayer};
use abide_testing::{TestWorker, TestWorkflowEnvironment};

use self::interceptors::{ForTenant, OnlyOwnersClose, ROLE, TENANT, TenantPropagation};
use self::workflow::{Account, archive, bill};
use crate::{Outcome, assert_replays};

fn worker(env: &TestWorkflowEnvironment) -> TestWorker {
    let worker = env.worker("interceptor").workflow(Account::run).workflow(archive).activities(bill);
    worker.workflow_interceptor(TenantPropagation).workflow_interceptor(OnlyOwnersClose)
}

#[tokio::test]
async fn the_tenant_reaches_activities_and_children_and_only_owners_close() -> Outcome {
    let options = ClientOptions::default().interceptor(ForTenant("acme"));
    let env = TestWorkflowEnvironment::start_with(options).await?;
    let told = env.run(worker(&env), async {
        let account = env.client().start(Account::run, 995).id("account").task_queue("interceptor").await?;
        account.signal(Account::close, ()).await?;
        account.signal(Account::close, ()).header(ROLE, &"guest").await?;
        assert!(!account.query(Account::is_closed, ()).await?);
        account.signal(Account::close, ()).header(ROLE, &"owner").await?;
        Ok::<_, Box<dyn std::error::Error>>(account.result().await?)
    });
    assert_eq!(told.await?, ["acme pays 995 cents", "the account of acme is archived"]);
    Ok(())
}

#[tokio::test]
async fn mocks_of_activities_get_the_tenant_too() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("interceptor").workflow(Account::run).workflow_interceptor(TenantPropagation);
    let worker = worker.mock_child(archive, |()| Ok("archived, as if".into()));
    let worker = worker.mock_async(bill, |ctx, cents| async move {
        Ok(format!("{cents} of {:?}", ctx.info().header::<String>(TENANT)?))
    });
    let told = env.run(worker, async {
        let account = env.client().start(Account::run, 7).task_queue("interceptor").header(TENANT, &"acme").await?;
        account.signal(Account::close, ()).await?;
        Ok::<_, Box<dyn std::error::Error>>(account.result().await?)
    });
    assert_eq!(told.await?, ["7 of Some(\"acme\")", "archived, as if"]);
    Ok(())
}

#[tokio::test]
async fn an_account_without_a_tenant_fails() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let account = env.client().execute(Account::run, 995).task_queue("interceptor");
    let failed = env.run(worker(&env), account).await.unwrap_err();
    assert!(failed.to_string().contains("the start names no tenant"), "{failed}");
    Ok(())
}

#[test]
fn the_recorded_runs_replay_with_the_interceptors() -> Outcome {
    let with_guard = |replayer: WorkflowReplayer| {
        let replayer = replayer.workflow(Account::run).workflow(archive);
        replayer.interceptor(TenantPropagation).interceptor(OnlyOwnersClose)
    };
    assert_replays("interceptor", with_guard)
}
