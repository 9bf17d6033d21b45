//! Names known only at run time: of activities, workflows, messages and search attributes, in workflows and on the
//! client.

use abide::prelude::*;
use abide::worker::WorkflowErrorType;
use abide::{ActivityType, QueryType, SearchAttributeKey, SignalType, UpdateType, WorkflowType};
use abide_testing::TestWorkflowEnvironment;

use super::Outcome;

const REGION: SearchAttributeKey<String> = SearchAttributeKey::keyword("Region");

/// Each step is an activity, and so is each local check; the argument contains all their names.
#[workflow]
async fn review(ctx: &WorkflowContext, steps: Vec<String>) -> Result<u64, WorkflowError> {
    let mut points = 0;
    for step in steps {
        let activity = ActivityType::<fn(u64) -> u64>::named(format!("review-{step}"));
        let check = ActivityType::<fn(u64) -> u64>::named(format!("check-{step}"));
        points = ctx.activity(activity.clone(), points).start_to_close_timeout(secs(5)).await?;
        points = ctx.activity(activity, points).start_to_close_timeout(secs(5)).await?;
        points = ctx.local_activity(check, points).start_to_close_timeout(secs(5)).await?;
    }
    Ok(points)
}

#[tokio::test]
async fn activities_and_mocks() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let mut worker = env.worker("reviews").workflow(review);
    for (step, points) in [("style", 1), ("tests", 10)] {
        let activity = ActivityType::<fn(u64) -> u64>::named(format!("review-{step}"));
        worker = worker.mock(activity, move |so_far| Ok(so_far + points));
        worker = worker.mock(ActivityType::<fn(u64) -> u64>::named(format!("check-{step}")), |so_far| Ok(so_far + 100));
    }
    let steps = vec!["style".to_owned(), "tests".to_owned()];
    let reviewed = env.client().execute(review, steps).task_queue("reviews");
    assert_eq!(env.run(worker, reviewed).await?, 222);
    Ok(())
}

/// The cart of one tenant: the workflow and its messages.
#[workflow(name = "cart-acme")]
#[derive(Default)]
struct Cart {
    items: State<Vec<String>>,
    closed: State<bool>,
}

#[workflow_methods]
impl Cart {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.closed.get()).await?;
        Ok(self.items.get())
    }

    #[signal(name = "add-acme")]
    fn add(&self, item: String) {
        self.items.update(|items| items.push(item));
    }

    #[update(name = "close-acme")]
    fn close(&self, last: String) -> usize {
        self.add(last);
        self.closed.set(true);
        self.items.with(Vec::len)
    }

    #[query(name = "items-acme")]
    fn items(&self) -> Vec<String> {
        self.items.get()
    }
}

fn cart(tenant: &str) -> WorkflowType<fn() -> Vec<String>> {
    WorkflowType::named(format!("cart-{tenant}"))
}

fn add(tenant: &str) -> SignalType<fn(String)> {
    SignalType::named(format!("add-{tenant}"))
}

#[tokio::test]
async fn workflows_and_messages_on_the_client() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let region = REGION.with_name(format!("{}Of{}", REGION.name(), "Acme"));
    env.server().add_search_attribute(&region);
    let worker = env.worker("carts").workflow(Cart::run);
    let (client, tenant) = (env.client().clone(), "acme");

    let talked = env.run(worker, async {
        let start = client.start(cart(tenant), ()).id("cart-1").task_queue("carts");
        let handle = start.search_attributes([region.set("EU")]).with_signal(add(tenant), "pen".into()).await?;
        handle.signal(add(tenant), "ink".into()).await?;
        let items = QueryType::<fn() -> Vec<String>>::named(format!("items-{tenant}"));
        assert_eq!(handle.query(items, ()).await?, ["pen", "ink"]);
        assert_eq!(handle.describe().await?.info().search_attribute(&region), Some("EU".to_owned()));

        let unknown = handle.query(QueryType::<fn() -> u32>::named(format!("price-{tenant}")), ()).await;
        assert!(unknown.expect_err("there is none").to_string().contains("price-acme"));
        let close = UpdateType::<fn(String) -> usize>::named(format!("close-{tenant}"));
        assert_eq!(handle.update(close, "paper".into()).await?, 3);
        Ok::<_, Box<dyn std::error::Error>>(handle.result().await?)
    });

    assert_eq!(talked.await?, ["pen", "ink", "paper"]);
    Ok(())
}

/// A child whose name comes from the argument, with a signal by name; then the next run, of a type by name.
#[workflow]
async fn shops(ctx: &WorkflowContext, tenants: Vec<String>) -> Result<u32, WorkflowError> {
    for tenant in tenants {
        let child = ctx.child_workflow(cart(&tenant), ()).id("the-cart").start().await?;
        child.signal(add(&tenant), "nib".into()).await?;
        ctx.external_workflow("the-cart").signal(add(&tenant), "quill".into()).await?;
        child.detach();
    }
    let next = WorkflowType::<fn(u32) -> u32>::named(format!("count-{}", "shops"));
    Err(ctx.continue_as_new(next, 7).into())
}

#[workflow(name = "count-shops")]
async fn count(_ctx: &WorkflowContext, shops: u32) -> Result<u32, WorkflowError> {
    Ok(shops)
}

#[tokio::test]
async fn children_messages_to_them_and_the_next_run() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("shops").workflow(shops).workflow(count).workflow(Cart::run);
    let counted = env.client().execute(shops, vec!["acme".to_owned()]).task_queue("shops");
    assert_eq!(env.run(worker, counted).await?, 7);
    Ok(())
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_called_by_the_name_of_what_gave_it() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let (worker, client) = (env.worker("carts").workflow(Cart::run), env.client().clone());
    env.run(worker, async {
        let wrong = WorkflowType::<fn() -> bool>::named("cart-acme");
        let handle = client.start(wrong, ()).id("cart-1").task_queue("carts").await?;
        let items = handle.query(QueryType::<fn() -> u32>::named("items-acme"), ()).await;
        let expected = "the result of query `items-acme`: expected `u32`, found JSON: an array of 0 elements";
        assert_eq!(items.expect_err("it is a list").to_string(), expected);
        let closed = handle.update(UpdateType::<fn(String) -> String>::named("close-acme"), "pen".into()).await;
        let closed = closed.expect_err("it is a number").to_string();
        assert_eq!(closed, "the result of update `close-acme`: expected `String`, found JSON: an integer");
        let ended = handle.result().await.expect_err("it is a list").to_string();
        let whose = "the result of workflow `cart-1`: expected `bool`, found JSON: an array of 1 element";
        assert!(ended.ends_with(whose), "{ended}");
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .await
}

#[workflow]
async fn elsewhere(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[tokio::test]
async fn names_that_a_worker_cannot_use_are_refused() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let reserved = Worker::builder(env.client(), "__temporal_reviews").workflow(review).build();
    let text = reserved.expect_err("Temporal reserves it").to_string();
    assert!(text.contains("`__temporal_reviews` begins with `__temporal_`, which Temporal reserves"), "{text}");
    let unknown = Worker::builder(env.client(), "reviews")
        .workflow(review)
        .workflow_failure_errors_of(elsewhere, [WorkflowErrorType::Nondeterminism])
        .build();
    let text = unknown.expect_err("it is not registered").to_string();
    assert!(text.contains("`workflow_failure_errors_of` names the workflow `elsewhere`, which is not"), "{text}");
    Ok(())
}
