//! Nexus operations that workflows back: tokens, links, repeated requests, shared workflows, cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abide::client::{WorkflowFailedError, WorkflowIdConflictPolicy};
use abide::prelude::*;
use abide::workflow::NexusOperationCancellationType;
use abide::{History, NexusContext, NexusError, NexusHandlerErrorType, NexusStart, WorkflowType};

use crate::arm::{Arm, Histories, Outcome, compare, until, until_event};
use crate::nexus_endpoint::create_endpoint;

#[abide::nexus_service]
trait Orders {
    fn fulfil(order: String) -> String;
    fn join(order: String) -> String;
    fn fulfil_twice(order: String) -> String;
    fn stumble(order: String) -> String;
    fn look_up(order: String) -> String;
    fn hurry(order: String) -> String;
}

#[derive(Clone, Default)]
struct Warehouse {
    stumbles: Arc<AtomicU32>,
    looked_up: Arc<AtomicU32>,
}

fn order_id(ctx: &NexusContext, order: &str) -> String {
    format!("{}-{order}", ctx.info().task_queue)
}

#[abide::nexus_handlers(implements = Orders)]
impl Warehouse {
    #[nexus_operation]
    async fn fulfil(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
        ctx.start_workflow(Order::run, order.clone()).id(order_id(ctx, &order)).await
    }

    #[nexus_operation]
    async fn join(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
        let start = ctx.start_workflow(Order::run, order.clone()).id(order_id(ctx, &order));
        start.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).await
    }

    #[nexus_operation]
    async fn fulfil_twice(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
        let _first = ctx.start_workflow(Order::run, order.clone()).id(order_id(ctx, &order)).await?;
        ctx.start_workflow(Order::run, order.clone()).id(order_id(ctx, "second")).await
    }

    /// Forgets what it has started, so that the request is repeated. The id is that of the request.
    #[nexus_operation]
    async fn stumble(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
        let started = ctx.start_workflow(Order::run, order).await?;
        match self.stumbles.fetch_add(1, Ordering::Relaxed) {
            0 => Err(NexusError::unavailable("where was I?")),
            _ => Ok(started),
        }
    }

    /// Answers at once if it can, and else leaves it to a workflow.
    #[nexus_operation]
    async fn look_up(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
        if order == "known" {
            return Ok(NexusStart::completed("at once".into()));
        }
        self.fulfil(ctx, order).await
    }

    #[nexus_operation]
    async fn hurry(&self, ctx: &NexusContext, order: String) -> Result<NexusStart<String>, NexusError> {
        let order = ctx.client().handle(Order::run, order_id(ctx, &order));
        ctx.back_with_update(order.start_update(Order::hurry, ())).await
    }

    /// Counts, and does what would be done without it.
    #[nexus_cancel(look_up)]
    async fn stop_looking(&self, ctx: &NexusContext, token: String) -> Result<(), NexusError> {
        self.looked_up.fetch_add(1, Ordering::Relaxed);
        ctx.cancel_operation(&token).await
    }
}

/// The workflow behind the operations. Ends when it is told.
#[workflow]
#[derive(Default)]
struct Order {
    is_done: State<bool>,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, order: String) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.is_done.get()).await?;
        Ok(format!("{order} is fulfilled"))
    }

    #[update]
    fn hurry(&self) -> String {
        "done already".into()
    }

    #[signal]
    fn finish(&self) {
        self.is_done.set(true);
    }
}

/// Calls an operation, and returns what came of it.
#[workflow]
async fn calls(ctx: &WorkflowContext, operation: String, order: String) -> Result<String, WorkflowError> {
    let operation = abide::NexusOperation::<String, String>::named("Orders", operation);
    let call = ctx.nexus_operation(ctx.info().task_queue.clone(), operation, order);
    Ok(match call.schedule_to_close_timeout(secs(60)).await {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => "cancelled".into(),
        Err(error) => format!("{:?}", error.handler_error_type()),
    })
}

/// Calls an operation, cancels it once it has started, and returns what came of it.
#[workflow]
async fn cancels(ctx: &WorkflowContext, operation: String, order: String) -> Result<String, WorkflowError> {
    let operation = abide::NexusOperation::<String, String>::named("Orders", operation);
    let call = ctx.nexus_operation(ctx.info().task_queue.clone(), operation, order);
    let wait = NexusOperationCancellationType::WaitCancellationCompleted;
    let operation = call.schedule_to_close_timeout(secs(60)).cancellation_type(wait).start().await?;
    operation.cancel();
    match operation.await {
        Ok(result) => Ok(result),
        Err(error) => Ok(format!("cancelled: {}", error.is_cancelled())),
    }
}

async fn with_warehouse(arm: &Arm, warehouse: Warehouse, body: impl Future<Output = Histories>) -> Histories {
    create_endpoint(arm).await?;
    let worker = arm.worker().workflow(calls).workflow(cancels).workflow(Order::run).nexus_handlers(warehouse);
    let running = worker.build()?.run_until(Box::pin(body));
    Box::pin(running).await?
}

/// Returns the history of the workflow that backs an order.
async fn history_of(arm: &Arm, id: &str) -> Result<History, Box<dyn std::error::Error>> {
    let order = arm.client.handle(WorkflowType::<fn()>::named("Order"), id);
    Ok(order.fetch_history().await?)
}

async fn finish(arm: &Arm, order: &str) -> Outcome {
    let order = arm.client.handle(Order::run, format!("{}-{order}", arm.queue()));
    Ok(order.signal(Order::finish, ()).await?)
}

/// Returns what the links of an event and of its callbacks name: the workflow's id and the event.
fn links(history: &History, event: &str) -> Vec<String> {
    let json: serde_json::Value =
        serde_json::from_str(&history.to_json().expect("it writes JSON")).expect("it is JSON");
    let events = json["events"].as_array().cloned().unwrap_or_default();
    let event = events.iter().find(|known| known["eventType"] == event).cloned().unwrap_or_default();
    let mut links = event["links"].as_array().cloned().unwrap_or_default();
    let attributes = event.as_object().into_iter().flat_map(|event| event.values());
    let callbacks = attributes.flat_map(|attributes| {
        ["completionCallbacks", "attachedCompletionCallbacks"].map(|name| attributes[name].as_array().cloned())
    });
    links.extend(callbacks.flatten().flatten().flat_map(|it| it["links"].as_array().cloned().unwrap_or_default()));
    let texts = links.iter().map(|link| {
        let event = &link["workflowEvent"];
        let reference = if event["eventRef"].is_null() { &event["requestIdRef"] } else { &event["eventRef"] };
        format!("{} {}", event["workflowId"].as_str().unwrap_or("?"), reference["eventType"].as_str().unwrap_or("?"))
    });
    texts.collect()
}

#[tokio::test]
async fn an_operation_and_its_workflow_link_to_each_other() -> Outcome {
    compare("nexus-links", |arm| async move {
        with_warehouse(&arm, Warehouse::default(), async {
            let start = arm.client.start(calls, ("fulfil".into(), "book".into()));
            let caller = start.id(arm.id()).task_queue(arm.queue()).await?;
            until_event(&caller, "EVENT_TYPE_NEXUS_OPERATION_STARTED", 1).await?;
            finish(&arm, "book").await?;
            assert_eq!(caller.result().await?, "book is fulfilled");
            let (caller, id) = (caller.fetch_history().await?, format!("{}-book", arm.queue()));
            let order = history_of(&arm, &id).await?;
            let expected = format!("{id} EVENT_TYPE_WORKFLOW_EXECUTION_STARTED");
            assert_eq!(links(&caller, "EVENT_TYPE_NEXUS_OPERATION_STARTED"), [expected]);
            let expected = format!("{} EVENT_TYPE_NEXUS_OPERATION_SCHEDULED", arm.id());
            assert_eq!(links(&order, "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"), [expected]);
            Ok(vec![caller, order])
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_repeated_request_finds_the_workflow_that_it_has_started() -> Outcome {
    compare("nexus-repeated", |arm| async move {
        let warehouse = Warehouse::default();
        let stumbles = Arc::clone(&warehouse.stumbles);
        with_warehouse(&arm, warehouse, async {
            let start = arm.client.start(calls, ("stumble".into(), "book".into()));
            let caller = start.id(arm.id()).task_queue(arm.queue()).await?;
            until_event(&caller, "EVENT_TYPE_NEXUS_OPERATION_STARTED", 1).await?;
            assert_eq!(stumbles.load(Ordering::Relaxed), 2);
            let query = format!("WorkflowType = 'Order' AND TaskQueue = '{}'", arm.queue());
            until("the only order is listed", || async { Ok(arm.client.count(&query).await?.count() == 1) }).await?;
            let order = arm.client.list(&query).next().await?.expect("one order");
            arm.client.handle(Order::run, order.workflow_id()).signal(Order::finish, ()).await?;
            assert_eq!(caller.result().await?, "book is fulfilled");
            Ok(vec![history_of(&arm, order.workflow_id()).await?])
        })
        .await
    })
    .await
}

#[tokio::test]
async fn several_operations_share_a_workflow_if_the_handler_wants_it() -> Outcome {
    compare("nexus-shared", |arm| async move {
        with_warehouse(&arm, Warehouse::default(), async {
            let mut callers = Vec::new();
            for (number, operation) in ["fulfil", "join", "fulfil"].into_iter().enumerate() {
                let start = arm.client.start(calls, (operation.into(), "book".into()));
                let caller = start.id(format!("{}-{number}", arm.id())).task_queue(arm.queue()).await?;
                if number < 2 {
                    until_event(&caller, "EVENT_TYPE_NEXUS_OPERATION_STARTED", 1).await?;
                }
                callers.push(caller);
            }
            // Without the policy, the id is in use. Another attempt would not change it.
            let refused = callers.pop().expect("the third");
            assert_eq!(refused.result().await?, format!("{:?}", Some(NexusHandlerErrorType::Internal)));
            finish(&arm, "book").await?;
            let mut histories = Vec::new();
            for caller in callers {
                assert_eq!(caller.result().await?, "book is fulfilled");
                histories.push(caller.fetch_history().await?);
            }
            let order = history_of(&arm, &format!("{}-book", arm.queue())).await?;
            let joined = links(&order, "EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED");
            assert_eq!(joined, [format!("{}-1 EVENT_TYPE_NEXUS_OPERATION_SCHEDULED", arm.id())]);
            histories.push(order);
            Ok(histories)
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_request_to_cancel_cancels_the_workflow() -> Outcome {
    compare("nexus-cancel-backed", |arm| async move {
        let warehouse = Warehouse::default();
        let looked_up = Arc::clone(&warehouse.looked_up);
        with_warehouse(&arm, warehouse, async {
            for operation in ["fulfil", "look_up"] {
                let start = arm.client.start(cancels, (operation.into(), operation.into()));
                let caller = start.id(format!("{}-{operation}-caller", arm.id())).task_queue(arm.queue()).await?;
                assert_eq!(caller.result().await?, "cancelled: true", "{operation}");
                let ended = arm.client.handle(Order::run, format!("{}-{operation}", arm.queue())).result().await;
                assert!(matches!(ended, Err(WorkflowFailedError::Cancelled(_))), "{operation}: {ended:?}");
            }
            assert_eq!(looked_up.load(Ordering::Relaxed), 1);
            let start = arm.client.start(calls, ("look_up".into(), "known".into()));
            let caller = start.id(format!("{}-known", arm.id())).task_queue(arm.queue()).await?;
            assert_eq!(caller.result().await?, "at once");
            // The caller's events come in an order that depends on the time.
            Ok(Vec::new())
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_request_starts_one_workflow_that_backs_it() -> Outcome {
    compare("nexus-twice", |arm| async move {
        with_warehouse(&arm, Warehouse::default(), async {
            let start = arm.client.start(calls, ("fulfil_twice".into(), "book".into()));
            let caller = start.id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(caller.result().await?, format!("{:?}", Some(NexusHandlerErrorType::Internal)));
            Ok(vec![caller.fetch_history().await?])
        })
        .await
    })
    .await
}

/// By default, a server does not call back for updates: the caller would wait for ever.
#[tokio::test]
async fn an_update_backs_an_operation_only_where_the_server_calls_back_for_it() -> Outcome {
    compare("nexus-update", |arm| async move {
        with_warehouse(&arm, Warehouse::default(), async {
            let start = arm.client.start(calls, ("hurry".into(), "book".into()));
            let caller = start.id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(caller.result().await?, format!("{:?}", Some(NexusHandlerErrorType::NotImplemented)));
            Ok(vec![caller.fetch_history().await?])
        })
        .await
    })
    .await
}
