//! Updates: accepted, rejected, across several tasks, with a start, after a reset.

use std::future::{Future, IntoFuture};
use std::sync::atomic::{AtomicU32, Ordering};

use abide::client::{UpdateError, WorkflowHandle};
use abide::prelude::*;
use abide::{UpdateType, WorkflowDefinition};
use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::update::v1::UpdateRef;
use abide_protos::temporal::api::workflowservice::v1::PollWorkflowExecutionUpdateRequest;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use futures_util::future::join;

use crate::arm::{Arm, Histories, Outcome, compare, until, until_event};

type Failed = Box<dyn std::error::Error>;

#[activity]
async fn check(amount: i64) -> Result<i64, ActivityError> {
    Ok(amount)
}

/// Number of times that the validator of `shaky` has run, in all runs of this process.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// An account that stays open until it is closed.
#[workflow]
#[derive(Default)]
struct Account {
    balance: State<i64>,
    notes: State<Vec<String>>,
    closed: State<bool>,
}

#[workflow_methods]
impl Account {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
        ctx.wait_until(|| self.closed.get()).await?;
        Ok(self.balance.get())
    }

    #[update]
    fn deposit(&self, amount: i64) -> Result<i64, WorkflowError> {
        if amount == 13 {
            return Err(ApplicationFailure::new("unlucky").error_type("Unlucky").detail(&amount)?.into());
        }
        self.balance.update(|balance| *balance += amount);
        Ok(self.balance.get())
    }

    #[update_validator(deposit)]
    fn check_deposit(&self, amount: &i64) -> Result<(), WorkflowError> {
        match *amount {
            1.. => Ok(()),
            _ => Err(ApplicationFailure::new("must be positive").error_type("Invalid").into()),
        }
    }

    /// Takes two workflow tasks.
    #[update]
    async fn withdraw(&self, ctx: &WorkflowContext, amount: i64) -> Result<i64, WorkflowError> {
        let amount = ctx.activity(check, amount).start_to_close_timeout(secs(5)).await?;
        self.balance.update(|balance| *balance -= amount);
        Ok(self.balance.get())
    }

    /// Completes when the note has arrived.
    #[update]
    async fn until_noted(&self, ctx: &WorkflowContext, note: String) -> Result<usize, WorkflowError> {
        ctx.wait_until(|| self.notes.with(|notes| notes.contains(&note))).await?;
        Ok(self.notes.with(Vec::len))
    }

    /// Its validator panics the first time.
    #[update]
    fn shaky(&self) {}

    #[update_validator(shaky)]
    fn check_shaky(&self) -> Result<(), WorkflowError> {
        assert_ne!(ASKED.fetch_add(1, Ordering::Relaxed) % 2, 0, "a validator with a bug");
        Ok(())
    }

    #[update]
    fn close(&self) -> i64 {
        self.closed.set(true);
        self.balance.get()
    }

    #[signal]
    fn note(&self, note: String) {
        self.notes.update(|notes| notes.push(note));
    }
}

/// The same workflow type, without handlers.
#[workflow(name = "Account")]
#[derive(Default)]
struct OldAccount;

#[workflow_methods]
impl OldAccount {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
        ctx.timer(hours(1)).await?;
        Ok(0)
    }

    #[update]
    fn audit(&self) {}
}

/// Returns the handle of a body's account.
fn account(arm: &Arm) -> WorkflowHandle<impl WorkflowDefinition<Output = i64, Workflow = Account> + use<>> {
    arm.client.handle(Account::run, arm.id())
}

/// Starts an account and its worker, runs the body once the first workflow task is done, and returns the history.
async fn with_account<Fut: Future<Output = Result<(), Failed>>>(arm: &Arm, cached: usize, body: Fut) -> Histories {
    let worker = arm.worker().workflow(Account::run).activities(check).max_cached_workflows(cached).build()?;
    let history = worker
        .run_until(async {
            let handle = arm.client.start(Account::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
            until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
            body.await?;
            Ok::<_, Failed>(handle.fetch_history().await?)
        })
        .await??;
    Ok(vec![history])
}

/// Waits until the server has the update, although no worker has seen it.
async fn until_admitted(arm: &Arm, update_id: &str) -> Outcome {
    let client = WorkflowServiceClient::connect(format!("http://{}", arm.address())).await?;
    until("the update is admitted", || async {
        let execution = WorkflowExecution { workflow_id: arm.id(), run_id: String::new() };
        let request = PollWorkflowExecutionUpdateRequest {
            namespace: "default".into(),
            update_ref: Some(UpdateRef { workflow_execution: Some(execution), update_id: update_id.into() }),
            ..Default::default()
        };
        Ok(client.clone().poll_workflow_execution_update(request).await.is_ok())
    })
    .await
}

fn failure(error: &UpdateError) -> &abide::Failure {
    match error {
        UpdateError::Failed(failure) => failure,
        other => panic!("expected a failed update, found {other}"),
    }
}

#[tokio::test]
async fn b113_accepted_and_completed_in_one_task() -> Outcome {
    compare("update-at-once", |arm| async move {
        with_account(
            &arm,
            100,
            Box::pin(async {
                let account = account(&arm);
                assert_eq!(account.update(Account::deposit, 5).id("first").await?, 5);
                assert_eq!(account.update(Account::deposit, 5).id("first").await?, 5, "the same update");
                assert_eq!(account.update(Account::deposit, 1).id("second").await?, 6);
                assert_eq!(account.update_handle(Account::deposit, "first").result().await?, 5);
                Ok(())
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn b113_completed_in_a_later_task() -> Outcome {
    compare("update-later", |arm| async move {
        with_account(
            &arm,
            100,
            Box::pin(async {
                let update = account(&arm).start_update(Account::withdraw, 5).id("first").await?;
                assert_eq!(update.result().await?, -5);
                Ok(())
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn b116_without_a_cache_every_task_replays() -> Outcome {
    compare("update-replays", |arm| async move {
        with_account(
            &arm,
            0,
            Box::pin(async {
                let account = account(&arm);
                assert_eq!(account.update(Account::deposit, 7).id("first").await?, 7);
                assert_eq!(account.update(Account::withdraw, 5).id("second").await?, 2);
                assert!(account.update(Account::deposit, -1).id("third").await.is_err());
                assert_eq!(account.update(Account::close, ()).id("fourth").await?, 2);
                assert_eq!(account.result().await?, 2);
                Ok(())
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn b115_a_rejected_update_leaves_no_trace() -> Outcome {
    compare("update-rejected", |arm| async move {
        with_account(
            &arm,
            100,
            Box::pin(async {
                let account = account(&arm);
                let error = account.update(Account::deposit, -5).id("first").await.expect_err("the validator refuses");
                assert_eq!(
                    (failure(&error).message(), failure(&error).error_type()),
                    ("must be positive", Some("Invalid"))
                );
                // The ids of the dropped task are used again, for another update and for a signal.
                assert_eq!(account.update(Account::deposit, 5).id("second").await?, 5);
                let error = account.update(Account::deposit, 0).id("third").await.expect_err("the validator refuses");
                assert_eq!(failure(&error).message(), "must be positive");
                account.signal(Account::note, "noted".into()).await?;
                // The signal has a task of its own: without this wait the update may join it.
                until_event(&account, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                assert_eq!(account.update(Account::until_noted, "noted".into()).id("fourth").await?, 1);
                Ok(())
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn b113_a_failed_update_does_not_fail_the_workflow() -> Outcome {
    compare("update-failed", |arm| async move {
        with_account(
            &arm,
            100,
            Box::pin(async {
                let account = account(&arm);
                let error = account.update(Account::deposit, 13).id("first").await.expect_err("the handler fails");
                assert_eq!((failure(&error).message(), failure(&error).error_type()), ("unlucky", Some("Unlucky")));
                assert_eq!(failure(&error).detail::<i64>(0)?, Some(13));
                assert_eq!(account.update(Account::close, ()).id("second").await?, 0);
                assert_eq!(account.result().await?, 0);
                Ok(())
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn b113_an_unknown_update_is_rejected() -> Outcome {
    compare("update-unknown", |arm| async move {
        let worker = arm.worker().workflow(OldAccount::run).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(OldAccount::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                let deposit = UpdateType::<fn(i64) -> i64>::new("deposit");
                let error = handle.update(deposit, 5).id("first").await.expect_err("there is no such update");
                assert_eq!(failure(&error).message(), "unknown update `deposit`; this workflow's updates: audit");
                Ok::<_, Failed>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn several_updates_of_one_task_run_side_by_side() -> Outcome {
    compare("update-concurrent", |arm| async move {
        let handle = arm.client.start(Account::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        // Both arrive before the worker starts, in this order; the second completes first.
        let first = handle.update(Account::until_noted, "one".into()).id("first").into_future();
        let rest = async {
            until_admitted(&arm, "first").await?;
            let second = handle.update(Account::until_noted, "two".into()).id("second").into_future();
            let rest = async {
                until_admitted(&arm, "second").await?;
                let worker = arm.worker().workflow(Account::run).build()?;
                let history = worker
                    .run_until(async {
                        for (completed, note) in ["two", "one"].into_iter().enumerate() {
                            until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", completed + 1).await?;
                            handle.signal(Account::note, note.into()).await?;
                            until_event(&handle, "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED", completed + 1)
                                .await?;
                        }
                        Ok::<_, Failed>(handle.fetch_history().await?)
                    })
                    .await??;
                Ok::<_, Failed>(history)
            };
            let (second, history) = join(second, rest).await;
            assert_eq!(second?, 1);
            history
        };
        let (first, history) = join(first, rest).await;
        assert_eq!(first?, 2);
        Ok(vec![history?])
    })
    .await
}

#[tokio::test]
async fn b117_a_signal_and_an_update_of_one_task() -> Outcome {
    compare("update-and-signal", |arm| async move {
        let handle = arm.client.start(Account::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        handle.signal(Account::note, "one".into()).await?;
        let update = handle.update(Account::until_noted, "two".into()).id("first").into_future();
        let rest = async {
            until_admitted(&arm, "first").await?;
            handle.signal(Account::note, "two".into()).await?;
            let worker = arm.worker().workflow(Account::run).build()?;
            let history = worker
                .run_until(async {
                    until_event(&handle, "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED", 1).await?;
                    Ok::<_, Failed>(handle.fetch_history().await?)
                })
                .await??;
            Ok::<_, Failed>(history)
        };
        let (updated, history) = join(update, rest).await;
        assert_eq!(updated?, 2);
        Ok(vec![history?])
    })
    .await
}

#[tokio::test]
async fn b118_an_update_with_the_start_and_with_a_running_workflow() -> Outcome {
    compare("update-with-start", |arm| async move {
        let worker = arm.worker().workflow(Account::run).activities(check).build()?;
        let history = worker
            .run_until(async {
                let start = || arm.client.start(Account::run, ()).id(arm.id()).task_queue(arm.queue());
                let (started, update) = start().with_update(Account::withdraw, 5).update_id("first").await?;
                assert_eq!(update.result().await?, -5);
                let (same, update) = start().with_update(Account::close, ()).update_id("second").await?;
                assert_eq!(update.result().await?, -5);
                assert_eq!(same.run_id(), started.run_id());
                assert_eq!(started.result().await?, -5);
                Ok::<_, Failed>(started.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn an_update_that_ends_the_workflow() -> Outcome {
    compare("update-ends", |arm| async move {
        with_account(
            &arm,
            100,
            Box::pin(async {
                let account = account(&arm);
                // It is accepted, and the workflow closes before it completes.
                let cut_off = account.start_update(Account::until_noted, "never".into()).id("first").await?;
                assert_eq!(account.update(Account::close, ()).id("second").await?, 0);
                assert_eq!(account.result().await?, 0);
                let error = cut_off.result().await.expect_err("its workflow has ended");
                assert!(matches!(error, UpdateError::WorkflowClosed { .. }), "{error:?}");
                let error = account.update(Account::deposit, 1).await.expect_err("the workflow has ended");
                assert!(matches!(error, UpdateError::NotFound { .. }), "{error:?}");
                Ok(())
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn b114_a_panic_in_a_validator_fails_the_task_which_is_tried_again() -> Outcome {
    compare("update-panics", |arm| async move {
        with_account(
            &arm,
            100,
            Box::pin(async {
                account(&arm).update(Account::shaky, ()).id("first").await?;
                Ok(())
            }),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn b116_another_worker_completes_what_the_first_accepted() -> Outcome {
    compare("update-restart", |arm| async move {
        let handle = arm.client.start(Account::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        let worker = || arm.worker().workflow(Account::run).activities(check).build();
        let update = worker()?
            .run_until(async {
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                Ok::<_, Failed>(handle.start_update(Account::until_noted, "go on".into()).id("first").await?)
            })
            .await??;
        handle.signal(Account::note, "go on".into()).await?;
        let history = worker()?
            .run_until(async {
                assert_eq!(update.result().await?, 1);
                Ok::<_, Failed>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn b116_updates_are_applied_again_after_a_reset() -> Outcome {
    compare("update-reset", |arm| async move {
        let worker = arm.worker().workflow(Account::run).activities(check).build()?;
        let histories = worker
            .run_until(async {
                let handle = arm.client.start(Account::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                assert_eq!(handle.update(Account::deposit, 5).id("first").await?, 5);
                handle.signal(Account::note, "noted".into()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                let before = handle.fetch_history().await?;

                arm.reset(handle.run_id().unwrap_or_default(), 4).await?;
                // The current run, which is the new one.
                let handle = account(&arm);
                until_event(&handle, "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED", 1).await?;
                assert_eq!(handle.update_handle(Account::deposit, "first").result().await?, 5);
                assert_eq!(handle.update(Account::until_noted, "noted".into()).id("second").await?, 1);
                Ok::<_, Failed>(vec![before, handle.fetch_history().await?])
            })
            .await??;
        Ok(histories)
    })
    .await
}
