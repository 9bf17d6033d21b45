//! Structured concurrency, sagas, retries of a part of a workflow, activities with defaults and automatic heartbeats, and
//! a struct of search attributes.

use abide::prelude::*;
use abide::workflow::TimedOut;

use crate::arm::{Outcome, compare};

/// Has no timeout of its own in the calls below.
#[activity(start_to_close_timeout = secs(10))]
async fn step(n: u32) -> Result<u32, ActivityError> {
    if n == 3 {
        return Err(ApplicationFailure::new("three is too many").non_retryable().into());
    }
    Ok(n)
}

/// Would exceed its heartbeat timeout without the worker's heartbeats.
#[activity(auto_heartbeat, start_to_close_timeout = secs(30), heartbeat_timeout = secs(1))]
async fn long_step(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    match tokio::time::timeout(millis(2500), ctx.cancelled()).await {
        Ok(_) => Err(ActivityError::cancelled()),
        Err(_over) => Ok(ctx.info().attempt),
    }
}

#[derive(Debug, PartialEq, abide::SearchAttributes)]
struct Attributes {
    test_keyword: String,
    test_int: Option<i64>,
    test_bool: bool,
}

/// The name of a part of the workflow.
struct Part(&'static str);

#[workflow]
async fn structured(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let mut told = Vec::new();
    let late: Result<_, TimedOut> = ctx.timeout(millis(20), ctx.timer(secs(60))).await;
    told.push(late.expect_err("the timer takes a minute").to_string());

    let group = ctx.task_group();
    let (waits, fails) = (ctx.clone(), ctx.clone());
    group.spawn(async move { Ok(waits.timer(secs(60)).await?) });
    group.spawn(async move { Ok(fails.activity(step, 3).await.map(drop)?) });
    let failed: Result<Vec<()>, WorkflowError> = group.join_all().await;
    told.push(failed.expect_err("a branch fails").message());

    let saga = ctx.saga();
    let steps = saga.run(async {
        let done = ctx.activity(step, 1).await?;
        saga.compensate_with(ctx.activity(step, done + 10));
        ctx.activity(step, 3).await?;
        Ok(())
    });
    told.push(format!("compensated: {}", steps.await.expect_err("the second step fails").is_compensated()));

    let twice = RetryPolicy::new().initial_interval(millis(20)).maximum_attempts(2);
    let retried = ctx.retry(twice, async |attempt| match attempt {
        1 => Err(ApplicationFailure::new("not yet").into()),
        _ => Ok(ctx.activity(step, attempt).await?),
    });
    told.push(format!("attempt {}", retried.await?));

    let reminder = ctx.updatable_timer(ctx.now() + secs(60));
    let moves = async {
        ctx.timer(millis(20)).await?;
        reminder.set_deadline(ctx.now());
        Ok::<_, WorkflowError>(())
    };
    let (reached, moved) = abide::join!(reminder.wait(), moves);
    reached?;
    moved?;

    let named = ctx.with_value(Part("fan-out"), async {
        let sums = map_concurrent([1, 2], 1, async |n| ctx.activity(step, n).await).await;
        let part = ctx.value::<Part>().map_or("", |part| part.0);
        Ok::<_, WorkflowError>(format!("{part}: {}", sums.into_iter().sum::<Result<u32, _>>()?))
    });
    told.push(named.await?);

    let attributes = || Attributes { test_keyword: "structured".into(), test_int: None, test_bool: true };
    ctx.upsert_search_attributes(attributes());
    told.push(format!("attributes: {}", ctx.search_attributes() == Some(attributes())));
    told.push(format!("long step: attempt {}", ctx.activity(long_step, ()).await?));
    Ok(told)
}

#[tokio::test]
async fn what_is_built_on_operations_records_the_same_history() -> Outcome {
    compare("structured", |arm| async move {
        let worker = arm.worker().workflow(structured).activities(step).activities(long_step).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(structured, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let expected = [
                    "timed out after 20ms",
                    "three is too many",
                    "compensated: true",
                    "attempt 2",
                    "fan-out: 3",
                    "attributes: true",
                    "long step: attempt 1",
                ];
                assert_eq!(handle.result().await?, expected);
                let described: Option<Attributes> = handle.describe().await?.info().search_attributes();
                assert_eq!(described.map(|attributes| attributes.test_keyword), Some("structured".into()));
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}
