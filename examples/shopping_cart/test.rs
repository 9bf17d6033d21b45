//! Tests of a cart's life: its start, its end, and what it refuses.

#[path = "workflow.rs"]
mod workflow;

use std::error::Error;

use abide::WorkflowDefinition;
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::workflow::{Cart, CartError, End, deliver};
use crate::{Outcome, assert_replays};

/// Adds to the running cart, or starts one that expires after an hour.
async fn add(
    env: &TestWorkflowEnvironment,
    article: &str,
) -> Result<(WorkflowHandle<impl WorkflowDefinition<Output = End, Workflow = Cart>>, usize), Box<dyn Error>> {
    let cart = env.client().start(Cart::run, hours(1)).id("cart").task_queue("shopping_cart");
    let (cart, added) = cart.with_update(Cart::add, article.into()).await?;
    Ok((cart, added.result().await?))
}

#[tokio::test]
async fn the_first_article_starts_the_cart_that_the_others_use() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("shopping_cart").workflow(Cart::run).activities(deliver);
    let ordered = env.run(worker, async {
        let (cart, articles) = add(&env, "book").await?;
        let (same, more) = add(&env, "pen").await?;
        assert_eq!((articles, more, cart.run_id()), (1, 2, same.run_id()));
        assert_eq!(cart.update(Cart::check_out, ()).await?, 1_700);
        Ok::<_, Box<dyn Error>>(cart.result().await?)
    });
    assert_eq!(ordered.await?, End::Ordered { articles: vec!["book".into(), "pen".into()] });
    Ok(())
}

#[tokio::test]
async fn each_article_keeps_the_cart_for_another_hour() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("shopping_cart").workflow(Cart::run).activities(deliver);
    let ended = env.run(worker, async {
        let (cart, _) = add(&env, "book").await?;
        env.sleep(mins(45)).await;
        add(&env, "pen").await?;
        let first = cart.result().await?;
        let (next, articles) = add(&env, "book").await?;
        next.terminate().await?;
        Ok::<_, Box<dyn Error>>((first, articles, cart.run_id() == next.run_id()))
    });
    assert_eq!(ended.await?, (End::Abandoned, 1, false));
    assert_eq!(env.elapsed(), mins(105));
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("shopping_cart").workflow(Cart::run);
    // Until the delivery succeeds, the cart is checked out but open.
    let worker = worker.mock_async(deliver, |ctx, _| async move {
        match ctx.info().attempt {
            1 => Err(ApplicationFailure::new("the van is full").next_retry_delay(hours(5)).into()),
            _ => Ok(()),
        }
    });
    let refused = env.run(worker, async {
        let cart = env.client().start(Cart::run, hours(1)).id("cart").task_queue("shopping_cart").await?;
        let empty = cart.update(Cart::check_out, ()).await.unwrap_err();
        let unknown = cart.update(Cart::add, "unicorn".into()).await.unwrap_err();
        cart.update(Cart::add, "book".into()).await?;
        cart.update(Cart::check_out, ()).await?;
        let late = cart.update(Cart::add, "pen".into()).await.unwrap_err();
        let twice = cart.update(Cart::check_out, ()).await.unwrap_err();
        cart.result().await?;
        Ok::<_, Box<dyn Error>>([empty, unknown, late, twice].map(|error| error.application_error()))
    });
    let no_article = CartError::NoArticle { article: "unicorn".into() };
    let told = [CartError::Empty, no_article, CartError::CheckedOut, CartError::CheckedOut];
    assert_eq!(refused.await?, told.map(Some));
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("shopping_cart", |replayer| replayer.workflow(Cart::run))
}
