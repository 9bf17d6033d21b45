//! Cancellation scopes: which operations a scope's cancellation reaches, and which it does not.

use abide::prelude::*;
use futures_util::future::{join, join3};

use crate::arm::{Outcome, compare, until_event};

#[activity]
async fn book(hotel: String) -> Result<String, ActivityError> {
    Ok(hotel)
}

/// Two timers in a scope, one in a nested scope, one shielded from it, and one outside it.
#[workflow]
async fn scoped(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let scope = ctx.cancellation_scope();
    let (long, shielded, nested) = (ctx.clone(), ctx.clone(), ctx.clone());
    let mut outside = std::pin::pin!(ctx.timer(secs(3)).start());
    let in_scope = scope.run(async move {
        let inner = nested.cancellation_scope();
        let within = inner.run(async move { nested.timer(hours(2)).await.map_err(|error| error.to_string()) });
        let alone = shielded.shielded(shielded.timer(millis(1500)));
        let own = async { long.timer(hours(1)).await.map_err(|error| error.to_string()) };
        let (own, within, alone) = join3(own, within, alone).await;
        // An operation started in a cancelled scope fails at once and leaves nothing in the history.
        let late = long.activity(book, "Ritz".into()).start_to_close_timeout(secs(5)).await;
        vec![format!("{own:?}"), format!("{within:?}"), format!("{alone:?}"), format!("{}", late.is_err())]
    });
    let cancels = async {
        let slept = ctx.timer(millis(20)).await;
        scope.cancel_with_reason("took too long");
        slept
    };
    let (mut all, slept) = join(in_scope, cancels).await;
    slept?;
    (&mut outside).await?;
    all.push(format!("{} {}", scope.is_cancelled(), ctx.is_cancelled()));
    all.push(ctx.activity(book, "Savoy".into()).start_to_close_timeout(secs(5)).await?);
    Ok(all)
}

#[tokio::test]
async fn a_scope_is_cancelled_with_all_within_it_and_nothing_else() -> Outcome {
    for cached in [100, 0] {
        compare("scopes", move |arm| async move {
            let worker = arm.worker().workflow(scoped).activities(book).max_cached_workflows(cached).build()?;
            let history = worker
                .run_until(async {
                    let handle = arm.client.start(scoped, ()).id(arm.id()).task_queue(arm.queue()).await?;
                    let cancelled = "Err(\"Cancelled: took too long\")";
                    assert_eq!(handle.result().await?, [cancelled, cancelled, "Ok(())", "true", "true false", "Savoy"]);
                    Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
                })
                .await??;
            Ok(vec![history])
        })
        .await?;
    }
    Ok(())
}

/// Closes by itself when it is cancelled, and returns the reason.
#[workflow]
async fn waits_in_a_scope(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let scope = ctx.cancellation_scope();
    let inner = ctx.clone();
    let told = scope.run(async move { inner.cancelled().await.to_string() }).await;
    ctx.shielded(ctx.timer(millis(20))).await?;
    Ok(format!("{told}, {}", scope.is_cancelled()))
}

#[tokio::test]
async fn a_request_to_cancel_the_workflow_reaches_the_scopes_within_it() -> Outcome {
    compare("scopes-root", |arm| async move {
        let worker = arm.worker().workflow(waits_in_a_scope).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(waits_in_a_scope, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                handle.cancel().reason("no longer needed").await?;
                assert_eq!(handle.result().await?, "Cancelled: no longer needed, true");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}
