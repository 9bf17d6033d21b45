//! Results, queries and failures, which need a worker.

use abide::client::{QueryError, WorkflowFailedError};
use abide::prelude::*;
use abide::worker::Worker;

use super::{client, unique};

#[workflow]
#[derive(Default)]
struct Cart {
    items: State<Vec<String>>,
    is_paid: State<bool>,
}

#[workflow_methods]
impl Cart {
    /// Returns the items once they are paid for.
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.is_paid.get()).await?;
        Ok(self.items.get())
    }

    #[signal]
    fn add(&self, item: String, count: u32) {
        self.items.update(|items| items.extend((0..count).map(|_| item.clone())));
    }

    #[signal]
    fn pay(&self) {
        self.is_paid.set(true);
    }

    #[query]
    fn items(&self) -> Vec<String> {
        self.items.get()
    }

    #[query]
    fn price(&self) -> Result<u32, WorkflowError> {
        Err(ApplicationFailure::new("nobody knows the price").error_type("NoPrice").into())
    }
}

/// Counts down, with one run per step.
#[workflow]
async fn count_down(ctx: &WorkflowContext, from: u32) -> Result<String, WorkflowError> {
    if from == 0 { Ok("lift-off".to_string()) } else { ctx.continue_as_new(count_down, from - 1).into() }
}

#[workflow]
async fn decline(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Err(ApplicationFailure::new("the card was declined").error_type("CardDeclined").into())
}

/// Ends when it is asked to.
#[workflow]
async fn obey(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.wait_until(|| false).await?;
    Ok(())
}

async fn with_worker(client: &Client, queue: &str, test: impl Future<Output = ()>) {
    let worker =
        Worker::builder(client, queue).workflow(Cart::run).workflow(count_down).workflow(decline).workflow(obey);
    worker.build().unwrap().run_until(test).await.unwrap();
}

#[tokio::test]
async fn signals_and_queries_have_arguments_and_answers_of_their_own_types() {
    let test = "signals_and_queries_have_arguments_and_answers_of_their_own_types";
    let Some(client) = client(test).await else { return };
    let queue = unique("cart");
    with_worker(&client, &queue, async {
        let start = client.start(Cart::run, ()).task_queue(&queue);
        let cart = start.with_signal(Cart::add, ("book".to_string(), 2)).await.unwrap();
        assert_eq!(cart.query(Cart::items, ()).await.unwrap(), ["book", "book"]);
        let error = cart.query(Cart::price, ()).await.unwrap_err();
        let QueryError::Failed(failure) = &error else { panic!("{error:?}") };
        assert!(failure.message().contains("nobody knows the price"), "{failure}");

        cart.signal(Cart::add, ("pen".to_string(), 1)).await.unwrap();
        cart.signal(Cart::pay, ()).await.unwrap();
        assert_eq!(cart.result().await.unwrap(), ["book", "book", "pen"]);
        assert_eq!(cart.query(Cart::items, ()).await.unwrap().len(), 3, "a closed workflow answers too");
    })
    .await;
}

#[tokio::test]
async fn the_result_is_that_of_the_last_run() {
    let Some(client) = client("the_result_is_that_of_the_last_run").await else { return };
    let queue = unique("count-down");
    with_worker(&client, &queue, async {
        let handle = client.start(count_down, 2).task_queue(&queue).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), "lift-off");
        let error = handle.result().without_following_runs().await.unwrap_err();
        let WorkflowFailedError::ContinuedAsNew { new_run_id } = error else { panic!("{error:?}") };
        let second = client.handle(count_down, handle.workflow_id()).with_run_id(new_run_id);
        assert_eq!(second.result().await.unwrap(), "lift-off");
    })
    .await;
}

#[tokio::test]
async fn a_failure_keeps_its_type_and_a_cancellation_is_no_failure() {
    let Some(client) = client("a_failure_keeps_its_type_and_a_cancellation_is_no_failure").await else { return };
    let queue = unique("ends");
    with_worker(&client, &queue, async {
        let error = client.execute(decline, ()).task_queue(&queue).await.unwrap_err();
        assert_eq!(error.failure().and_then(Failure::error_type), Some("CardDeclined"));
        assert_eq!(error.to_string(), "the workflow failed: the card was declined (CardDeclined)");

        let handle = client.start(obey, ()).task_queue(&queue).await.unwrap();
        handle.cancel().reason("closing time").await.unwrap();
        let error = handle.result().await.unwrap_err();
        assert!(error.is_cancelled() && matches!(error, WorkflowFailedError::Cancelled(_)), "{error:?}");
    })
    .await;
}
