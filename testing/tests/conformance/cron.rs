//! Workflows with a cron schedule: what each run knows of the previous ones, and what ends the chain.

use abide::client::Client;
use abide::prelude::*;
use abide::{History, Workflow};
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use crate::arm::{Histories, Outcome, compare, until_event};

type Failed = Box<dyn std::error::Error>;

/// Describes what a run knows of the previous runs.
fn told(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let info = ctx.info();
    let last = info.last_completion_result::<String>()?.unwrap_or_else(|| "nothing".into());
    let failure = info.last_failure().map_or_else(|| "no failure".into(), |failure| failure.message().to_string());
    Ok(format!("attempt {} by {:?} after [{last}] and [{failure}]", info.attempt, info.cron_schedule))
}

#[workflow]
async fn tick(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let told = told(ctx)?;
    // Only the number of the run, to keep the text short.
    let count = 1 + told.matches("run ").count();
    Ok(format!("run {count}; {told}").replace("attempt 1 by \"@every 1s\" after ", ""))
}

/// Returns the run that follows the one with this history.
fn next_run(history: &History) -> String {
    match history.events().last().and_then(|event| event.attributes.as_ref()) {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(end)) => end.new_execution_run_id.clone(),
        Some(Attributes::WorkflowExecutionFailedEventAttributes(end)) => end.new_execution_run_id.clone(),
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(end)) => end.new_execution_run_id.clone(),
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(end)) => end.new_execution_run_id.clone(),
        _ => String::new(),
    }
}

/// Returns the histories of the first `count` runs of a chain, each as soon as it has closed.
async fn runs<Kind, W: Workflow<Kind>>(
    client: &Client,
    workflow: W,
    id: &str,
    first: String,
    count: usize,
) -> Histories {
    let workflow = workflow.definition();
    let (mut run_id, mut histories) = (first, Vec::new());
    while histories.len() < count {
        assert_ne!(run_id, "", "another run follows");
        let handle = client.handle(workflow.clone(), id.to_string()).with_run_id(run_id);
        // The history shows how it closed.
        let _ended = handle.result().without_following_runs().await;
        let history = handle.fetch_history().await?;
        run_id = next_run(&history);
        histories.push(history);
    }
    Ok(histories)
}

#[tokio::test]
async fn each_cron_run_is_told_the_last_result() -> Outcome {
    compare("cron", |arm| async move {
        let worker = arm.worker().workflow(tick).build()?;
        let histories = worker
            .run_until(Box::pin(async {
                let start = arm.client.start(tick, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.cron_schedule("@every 1s").memo("note", &"kept".to_string()).await?;
                let first = handle.run_id().unwrap_or_default().to_string();
                let histories = runs(&arm.client, tick, &arm.id(), first, 3).await?;
                assert_ne!(next_run(&histories[2]), "");
                arm.client.handle(tick, arm.id()).terminate().reason("three are enough").await?;
                Ok::<_, Failed>(histories)
            }))
            .await??;
        let last = format!("{:?}", histories[2].events().last().map(|event| &event.attributes));
        let expected = "run 3; [run 2; [run 1; [nothing] and [no failure]] and [no failure]] and [no failure]";
        assert!(last.contains("Completed"), "{last}");
        assert!(text_of(&histories[2]).contains(expected), "{}", text_of(&histories[2]));
        Ok(histories)
    })
    .await
}

/// Returns the result in the last event of a history.
fn text_of(history: &History) -> String {
    match history.events().last().and_then(|event| event.attributes.as_ref()) {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(end)) => {
            let payloads = end.result.iter().flat_map(|result| &result.payloads);
            payloads.map(|payload| String::from_utf8_lossy(&payload.data).into_owned()).collect()
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(end)) => {
            end.failure.as_ref().map(|failure| failure.message.clone()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

/// The first run succeeds, the second fails and is retried once, the run after that succeeds.
#[workflow]
async fn stumbles(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let (told, info) = (told(ctx)?, ctx.info());
    let has_result = info.last_completion_result::<String>()?.is_some();
    match info.last_failure().map(|failure| failure.message().to_string()) {
        None if !has_result => Ok("one".into()),
        None => Err(ApplicationFailure::new(format!("two: {told}")).error_type("Stumbled").into()),
        Some(_) if info.attempt > 1 => {
            Err(ApplicationFailure::new("three").error_type("Stumbled").detail(&told)?.into())
        }
        Some(_) => Ok(format!("four: {told}")),
    }
}

#[tokio::test]
async fn a_cron_run_that_fails_is_retried_first_and_then_the_next_run_is_told_the_failure() -> Outcome {
    compare("cron-failure", |arm| async move {
        let worker = arm.worker().workflow(stumbles).build()?;
        let histories = worker
            .run_until(Box::pin(async {
                let start = arm.client.start(stumbles, ()).id(arm.id()).task_queue(arm.queue());
                let policy = RetryPolicy::new().initial_interval(millis(100)).maximum_attempts(2);
                let handle = start.cron_schedule("@every 1s").retry_policy(policy).await?;
                let first = handle.run_id().unwrap_or_default().to_string();
                let histories = runs(&arm.client, stumbles, &arm.id(), first, 4).await?;
                arm.client.handle(stumbles, arm.id()).terminate().reason("seen enough").await?;
                Ok::<_, Failed>(histories)
            }))
            .await??;
        let texts: Vec<String> = histories.iter().map(text_of).collect();
        assert_eq!(texts[0], "\"one\"");
        assert!(texts[1].contains("attempt 1 by \"@every 1s\" after [one] and [no failure]"), "{texts:?}");
        assert_eq!(texts[2], "three");
        assert!(texts[3].contains("[three]"), "{texts:?}");
        Ok(histories)
    })
    .await
}

/// The first run continues as new, which ends the schedule.
#[workflow]
async fn leaves_the_schedule(ctx: &WorkflowContext, again: bool) -> Result<String, WorkflowError> {
    if again {
        return ctx.continue_as_new(leaves_the_schedule, false).into();
    }
    told(ctx)
}

#[tokio::test]
async fn continue_as_new_leaves_the_cron_schedule() -> Outcome {
    compare("cron-continue-as-new", |arm| async move {
        let worker = arm.worker().workflow(leaves_the_schedule).build()?;
        worker
            .run_until(Box::pin(async {
                let start = arm.client.start(leaves_the_schedule, true).id(arm.id()).task_queue(arm.queue());
                let handle = start.cron_schedule("@every 1s").await?;
                let first = handle.run_id().unwrap_or_default().to_string();
                let histories = runs(&arm.client, leaves_the_schedule, &arm.id(), first, 2).await?;
                assert_eq!(next_run(&histories[1]), "", "the chain is over");
                Ok::<_, Failed>(histories)
            }))
            .await?
    })
    .await
}

#[workflow]
async fn takes_long(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(hours(1)).await?;
    Ok("late".into())
}

#[tokio::test]
async fn a_cron_run_that_times_out_is_followed_and_cancellation_ends_the_chain() -> Outcome {
    compare("cron-timeout", |arm| async move {
        let worker = arm.worker().workflow(takes_long).build()?;
        worker
            .run_until(Box::pin(async {
                let start = arm.client.start(takes_long, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.cron_schedule("@every 1s").run_timeout(secs(2)).await?;
                let first = handle.run_id().unwrap_or_default().to_string();
                let mut histories = runs(&arm.client, takes_long, &arm.id(), first, 1).await?;
                let second = arm.client.handle(takes_long, arm.id()).with_run_id(next_run(&histories[0]));
                until_event(&second, "EVENT_TYPE_TIMER_STARTED", 1).await?;
                second.cancel().await?;
                let error = second.result().await.expect_err("the chain ends cancelled");
                assert!(error.is_cancelled(), "{error}");
                histories.push(second.fetch_history().await?);
                Ok::<_, Failed>(histories)
            }))
            .await?
    })
    .await
}

#[tokio::test]
async fn a_cron_workflow_is_cancelled_while_it_waits_for_its_time() -> Outcome {
    compare("cron-waiting", |arm| async move {
        let worker = arm.worker().workflow(takes_long).build()?;
        worker
            .run_until(Box::pin(async {
                let start = arm.client.start(takes_long, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.cron_schedule("@every 1h").await?;
                let description = handle.describe().await?;
                let info = description.info();
                let wait = info.execution_time().and_then(|time| time.duration_since(info.start_time()?).ok());
                assert_eq!(wait.map(|wait| wait.as_secs()), Some(3600));
                handle.cancel().await?;
                let error = handle.result().await.expect_err("it is cancelled");
                assert!(error.is_cancelled(), "{error}");
                Ok::<_, Failed>(vec![handle.fetch_history().await?])
            }))
            .await?
    })
    .await
}

/// The first run ends at once; the second waits until it is cancelled.
#[workflow]
async fn cron_child(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    match ctx.info().last_completion_result::<u32>()? {
        None => Ok(1),
        Some(_) => {
            ctx.timer(hours(1)).await?;
            Ok(2)
        }
    }
}

#[workflow]
async fn cron_parent(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let id = format!("{}-child", ctx.info().workflow_id);
    let child = ctx.child_workflow(cron_child, ()).id(id).cron_schedule("@every 1s").start().await?;
    let error = child.await.expect_err("somebody cancels it");
    Ok(format!("cancelled: {}", error.is_cancelled()))
}

#[tokio::test]
async fn a_parent_waits_for_the_whole_chain_of_a_cron_child() -> Outcome {
    compare("cron-child", |arm| async move {
        let worker = arm.worker().workflow(cron_parent).workflow(cron_child).build()?;
        worker
            .run_until(Box::pin(async {
                let handle = arm.client.start(cron_parent, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                let id = format!("{}-child", arm.id());
                let first = arm
                    .client
                    .handle(cron_child, id.clone())
                    .describe()
                    .await?
                    .info()
                    .first_execution_run_id()
                    .to_string();
                let mut histories = runs(&arm.client, cron_child, &id, first, 1).await?;
                let second = arm.client.handle(cron_child, id).with_run_id(next_run(&histories[0]));
                until_event(&second, "EVENT_TYPE_TIMER_STARTED", 1).await?;
                second.cancel().await?;
                assert_eq!(handle.result().await?, "cancelled: true");
                histories.push(second.fetch_history().await?);
                histories.push(handle.fetch_history().await?);
                Ok::<_, Failed>(histories)
            }))
            .await?
    })
    .await
}

#[workflow]
async fn bad_cron_parent(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let id = format!("{}-child", ctx.info().workflow_id);
    ctx.child_workflow(tick, ()).id(id).cron_schedule("whenever").await?;
    Ok(())
}

#[tokio::test]
async fn bad_schedules_are_refused() -> Outcome {
    compare("cron-bad", |arm| async move {
        for (schedule, text) in [
            ("whenever", "invalid CronSchedule."),
            ("61 * * * *", "invalid CronSchedule."),
            ("0 0 31 2 *", "invalid CronSchedule, no time can be found to satisfy the schedule"),
        ] {
            let start = arm.client.start(tick, ()).id(arm.id()).task_queue(arm.queue());
            let error = start.cron_schedule(schedule).await.expect_err("it is refused");
            assert!(error.to_string().contains(text), "{error}");
        }
        let start = arm.client.start(tick, ()).id(arm.id()).task_queue(arm.queue());
        let error = start.cron_schedule("@daily").start_delay(secs(1)).await.expect_err("it is refused");
        assert!(error.to_string().contains("CronSchedule and WorkflowStartDelay may not be used together."), "{error}");

        let worker = arm.worker().workflow(bad_cron_parent).build()?;
        worker
            .run_until(Box::pin(async {
                let handle = arm.client.start(bad_cron_parent, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_FAILED", 1).await?;
                let history = handle.fetch_history().await?;
                handle.terminate().reason("seen enough").await?;
                Ok::<_, Failed>(vec![History::from_events(history.events()[..4].to_vec())])
            }))
            .await?
    })
    .await
}
