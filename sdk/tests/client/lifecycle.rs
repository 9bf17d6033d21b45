//! The lifecycle of a workflow, as far as a client can drive it without a worker.

use std::time::Duration;

use abide::client::{
    Client, QueryError, QueryRejectCondition, SignalError, StartError, WorkflowExecutionStatus, WorkflowFailedError,
    WorkflowHandle, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
use abide::{RetryPolicy, TemporalFailure, millis, mins, secs};

use super::workflows::{AddItem, Items, ProcessOrder, Unwritable};
use super::{client, unique};

async fn started(client: &Client, id: &str) -> WorkflowHandle<ProcessOrder> {
    client.start(ProcessOrder, "4711".to_string()).id(id).task_queue(id).await.unwrap()
}

async fn event_types(handle: &WorkflowHandle<ProcessOrder>) -> Vec<&'static str> {
    let history = handle.fetch_history().await.unwrap();
    history.events().iter().map(|event| event.event_type().as_str_name()).collect()
}

#[tokio::test]
async fn a_start_gives_the_options_to_the_server_and_a_handle_to_the_caller() {
    let Some(client) = client("a_start_gives_the_options_to_the_server_and_a_handle_to_the_caller").await else {
        return;
    };
    let id = unique("start");
    let handle = client
        .start(ProcessOrder, "4711".to_string())
        .id(&id)
        .task_queue("nobody-polls")
        .execution_timeout(mins(10))
        .run_timeout(mins(5))
        .task_timeout(secs(3))
        .retry_policy(RetryPolicy::new().maximum_attempts(2))
        .memo("customer", &"Ada".to_string())
        .await
        .unwrap();
    assert_eq!(handle.workflow_id(), id);
    assert_eq!(handle.run_id(), handle.first_execution_run_id());

    let description = handle.describe().await.unwrap();
    let info = description.info();
    assert_eq!((info.workflow_id(), Some(info.run_id())), (id.as_str(), handle.run_id()));
    assert_eq!((info.workflow_type(), info.task_queue()), ("process_order", "nobody-polls"));
    assert_eq!(description.status(), WorkflowExecutionStatus::Running);
    assert_eq!(info.memo::<String>("customer").unwrap().as_deref(), Some("Ada"));
    assert_eq!(info.memo::<String>("nothing").unwrap(), None);
    assert!(info.start_time().is_some() && info.close_time().is_none());
    assert_eq!(description.workflow_task_attempt(), Some(1));
    assert!(description.pending_activities().is_empty() && !description.is_cancel_requested());
    handle.terminate().reason("end of test").await.unwrap();
}

#[tokio::test]
async fn a_start_without_id_gets_one_and_without_task_queue_is_refused() {
    let Some(client) = client("a_start_without_id_gets_one_and_without_task_queue_is_refused").await else { return };
    let handle = client.start(ProcessOrder, String::new()).task_queue("nobody-polls").await.unwrap();
    assert_eq!(handle.workflow_id().len(), 36);
    handle.terminate().reason("end of test").await.unwrap();

    let error = client.start(ProcessOrder, String::new()).await.unwrap_err();
    assert!(matches!(error, StartError::MissingTaskQueue { .. }));
    assert!(error.to_string().contains(".task_queue("), "{error}");
}

#[tokio::test]
async fn an_argument_that_cannot_be_written_starts_nothing() {
    let Some(client) = client("an_argument_that_cannot_be_written_starts_nothing").await else { return };
    let id = unique("unwritable");
    let error = client.start(Unwritable, [(vec![1], 1)].into()).id(&id).task_queue("q").await.unwrap_err();
    assert!(matches!(error, StartError::Payload(_)) && error.to_string().contains("`: argument 1: "), "{error}");
    assert!(client.handle(Unwritable, id).describe().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_argument_of_three_megabytes_is_refused_with_a_sentence() {
    let Some(client) = client("an_argument_of_three_megabytes_is_refused_with_a_sentence").await else { return };
    let large = "x".repeat(3 * 1024 * 1024);
    let error = client.start(ProcessOrder, large).id(unique("large")).task_queue("q").await.unwrap_err();
    assert!(error.to_string().contains("StartWorkflowExecution: INVALID_ARGUMENT: Blob data size"), "{error}");
}

#[tokio::test]
async fn the_id_policies_decide_what_a_second_start_meets() {
    let Some(client) = client("the_id_policies_decide_what_a_second_start_meets").await else { return };
    let id = unique("policies");
    let start = || client.start(ProcessOrder, "4711".to_string()).id(&id).task_queue("nobody-polls");
    let first = start().await.unwrap();

    let StartError::AlreadyStarted { run_id, .. } = start().await.unwrap_err() else { panic!("started twice") };
    assert_eq!(Some(run_id.as_str()), first.run_id());
    let same = start().id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).await.unwrap();
    assert_eq!(same.run_id(), first.run_id());
    let other = start().id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting).await.unwrap();
    assert_ne!(other.run_id(), first.run_id());
    assert!(first.result().await.unwrap_err().is_terminated());

    other.terminate().reason("end of test").await.unwrap();
    let rejected = start().id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate).await.unwrap_err();
    assert!(matches!(rejected, StartError::AlreadyStarted { .. }));
}

#[tokio::test]
async fn the_same_request_starts_one_workflow_only() {
    let Some(client) = client("the_same_request_starts_one_workflow_only").await else { return };
    let id = unique("request");
    let start = || client.start(ProcessOrder, String::new()).id(&id).task_queue("nobody-polls").request_id("request-1");
    let (first, second) = (start().await.unwrap(), start().await.unwrap());
    assert_eq!(first.run_id(), second.run_id());
    first.terminate().reason("end of test").await.unwrap();
}

#[tokio::test]
async fn a_signal_reaches_a_running_workflow_and_no_other() {
    let Some(client) = client("a_signal_reaches_a_running_workflow_and_no_other").await else { return };
    let id = unique("signal");
    let handle = started(&client, &id).await;
    handle.signal(AddItem, "book".to_string()).request_id("signal-1").await.unwrap();
    handle.signal(AddItem, "book".to_string()).request_id("signal-1").await.unwrap();
    assert_eq!(
        event_types(&handle).await,
        [
            "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
            "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED",
            "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"
        ],
        "the same request counts once"
    );

    handle.terminate().reason("end of test").await.unwrap();
    let error = handle.signal(AddItem, "pen".to_string()).await.unwrap_err();
    assert!(matches!(&error, SignalError::NotFound { signal, .. } if signal == "add_item"), "{error:?}");
    assert!(error.to_string().contains(&id), "{error}");
}

#[tokio::test]
async fn a_signal_with_start_starts_once_and_signals_twice() {
    let Some(client) = client("a_signal_with_start_starts_once_and_signals_twice").await else { return };
    let id = unique("signal-with-start");
    let send = |item: &str| {
        let start = client.start(ProcessOrder, "4711".to_string()).id(&id).task_queue("nobody-polls");
        start.with_signal(AddItem, item.to_string())
    };
    let first = send("book").await.unwrap();
    let second = send("pen").await.unwrap();
    assert_eq!(first.run_id(), second.run_id());
    assert_eq!(
        event_types(&first).await,
        [
            "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED",
            "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED",
            "EVENT_TYPE_WORKFLOW_TASK_SCHEDULED",
            "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"
        ]
    );
    first.terminate().reason("end of test").await.unwrap();
}

#[tokio::test]
async fn a_history_of_many_pages_is_fetched_whole() {
    let Some(client) = client("a_history_of_many_pages_is_fetched_whole").await else { return };
    let handle = started(&client, &unique("pages")).await;
    for item in 0..300 {
        handle.signal(AddItem, item.to_string()).await.unwrap();
    }
    let history = handle.fetch_history().await.unwrap();
    let ids: Vec<i64> = history.events().iter().map(|event| event.event_id).collect();
    assert_eq!(ids, (1..=302).collect::<Vec<i64>>());
    assert_eq!((history.workflow_id(), history.run_id()), (Some(handle.workflow_id()), handle.run_id()));
    assert!(history.to_string().contains("WorkflowExecutionSignaled"), "{history}");
    handle.terminate().reason("end of test").await.unwrap();
}

#[tokio::test]
async fn a_cancellation_is_requested_and_a_termination_is_the_end() {
    let Some(client) = client("a_cancellation_is_requested_and_a_termination_is_the_end").await else { return };
    let handle = started(&client, &unique("cancel")).await;
    handle.cancel().reason("the customer changed their mind").await.unwrap();
    let description = handle.describe().await.unwrap();
    assert!(description.is_cancel_requested() && description.status() == WorkflowExecutionStatus::Running);

    let terminate = handle.terminate().reason("out of stock").detail(&"cups").unwrap().detail(&3).unwrap();
    terminate.await.unwrap();
    assert_eq!(handle.describe().await.unwrap().status(), WorkflowExecutionStatus::Terminated);
    let error = handle.result().await.unwrap_err();
    let WorkflowFailedError::Terminated { reason, details, .. } = &error else { panic!("{error:?}") };
    assert_eq!((&**reason, details.len()), ("out of stock", 2));
    assert_eq!((details.get::<String>(0).unwrap(), details.get::<u32>(1).unwrap()), ("cups".to_string(), 3));
    assert_eq!(error.to_string(), "the workflow was terminated: out of stock");
    assert!(handle.terminate().reason("again").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_handle_does_not_touch_a_later_workflow_of_the_same_id() {
    let Some(client) = client("a_handle_does_not_touch_a_later_workflow_of_the_same_id").await else { return };
    let id = unique("later");
    let first = started(&client, &id).await;
    first.terminate().reason("make room").await.unwrap();
    let second = started(&client, &id).await;
    assert!(first.terminate().reason("too late").await.unwrap_err().is_not_found());
    assert_eq!(second.describe().await.unwrap().status(), WorkflowExecutionStatus::Running);

    let only_first = client.handle(ProcessOrder, &id).with_run_id(first.run_id().unwrap());
    assert_eq!(only_first.describe().await.unwrap().status(), WorkflowExecutionStatus::Terminated);
    second.terminate().reason("end of test").await.unwrap();
}

#[tokio::test]
async fn a_workflow_that_takes_too_long_times_out_and_execute_says_so() {
    let Some(client) = client("a_workflow_that_takes_too_long_times_out_and_execute_says_so").await else { return };
    let execute = client.execute(ProcessOrder, "4711".to_string()).id(unique("timeout")).task_queue("nobody-polls");
    let error = execute.run_timeout(secs(1)).await.unwrap_err();
    assert!(error.is_timeout() && !error.is_retry_timeout(), "{error:?}");

    let error = client.execute(ProcessOrder, String::new()).await.unwrap_err();
    assert!(matches!(error, WorkflowFailedError::NotStarted(StartError::MissingTaskQueue { .. })), "{error:?}");
}

#[tokio::test]
async fn a_wait_follows_a_retried_run_unless_it_is_told_not_to() {
    let Some(client) = client("a_wait_follows_a_retried_run_unless_it_is_told_not_to").await else { return };
    let retry = RetryPolicy::new().initial_interval(millis(100)).maximum_attempts(2);
    let start = client.start(ProcessOrder, "4711".to_string()).id(unique("retried")).task_queue("nobody-polls");
    let handle = start.run_timeout(secs(1)).retry_policy(retry).await.unwrap();

    assert!(handle.result().without_following_runs().await.unwrap_err().is_timeout());
    assert!(handle.result().await.unwrap_err().is_timeout());
    let last = client.handle(ProcessOrder, handle.workflow_id()).describe().await.unwrap();
    assert_ne!(Some(last.info().run_id()), handle.run_id(), "the retry is a run of its own");
    assert_eq!(Some(last.info().first_execution_run_id()), handle.run_id());
    assert_eq!(last.status(), WorkflowExecutionStatus::TimedOut, "the second wait ended with the second run");
}

#[tokio::test]
async fn a_query_is_rejected_or_cannot_be_answered_without_a_worker() {
    let Some(client) = client("a_query_is_rejected_or_cannot_be_answered_without_a_worker").await else { return };
    let handle = started(&client, &unique("query")).await;
    handle.terminate().reason("end of test").await.unwrap();

    let error = handle.query(Items, ()).reject_condition(QueryRejectCondition::NotOpen).await.unwrap_err();
    let text = "query `items` was rejected: the workflow is terminated, which its `reject_condition(..)` excludes";
    assert!(error.to_string().starts_with(text), "{error}");
    let error = handle.query(Items, ()).await.unwrap_err();
    assert!(matches!(&error, QueryError::NotReady { query, .. } if query == "items"), "{error:?}");
    let error = client.handle(ProcessOrder, unique("nobody")).query(Items, ()).await.unwrap_err();
    assert!(matches!(error, QueryError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn a_workflow_that_is_not_there_is_not_found() {
    let Some(client) = client("a_workflow_that_is_not_there_is_not_found").await else { return };
    let handle = client.handle(ProcessOrder, unique("nobody"));
    let error = handle.result().await.unwrap_err();
    assert!(matches!(&error, WorkflowFailedError::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains(handle.workflow_id()), "{error}");
    assert!(handle.cancel().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn workflows_are_listed_and_counted_by_query() {
    let Some(client) = client("workflows_are_listed_and_counted_by_query").await else { return };
    let queue = unique("listed");
    for order in ["1", "2", "3"] {
        client.start(ProcessOrder, order.to_string()).task_queue(&queue).await.unwrap();
    }
    let query = format!("TaskQueue = '{queue}'");
    // Visibility lags slightly behind the start.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while client.count(&query).await.unwrap().count() < 3 {
        assert!(tokio::time::Instant::now() < deadline, "the workflows did not become visible");
    }
    let mut list = client.list(&query).page_size(2);
    let mut ids = std::collections::BTreeSet::new();
    while let Some(info) = list.next().await.unwrap() {
        assert_eq!((info.workflow_type(), info.status()), ("process_order", WorkflowExecutionStatus::Running));
        ids.insert(info.workflow_id().to_string());
    }
    assert_eq!(ids.len(), 3);

    let by_status = client.count(format!("{query} GROUP BY ExecutionStatus")).await.unwrap();
    let group = &by_status.groups()[0];
    assert_eq!((group.count(), group.value::<String>(0).unwrap().as_deref()), (3, Some("Running")));
    assert!(client.list("this is no query").next().await.unwrap_err().is_invalid_argument());
    for id in ids {
        client.handle(ProcessOrder, id).terminate().reason("end of test").await.unwrap();
    }
}
