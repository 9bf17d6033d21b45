//! Failures with more causes than protobuf libraries read at once, on a real server, which accepts and delivers them.

use std::fmt;

use abide::client::WorkflowFailedError;
use abide::prelude::*;
use abide::worker::Worker;

use super::{client, unique};

/// One of many errors, each the source of the previous one.
#[derive(Debug)]
struct Link {
    number: u32,
    source: Option<&'static Link>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.number)
    }
}

impl std::error::Error for Link {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.map(|source| source as _)
    }
}

/// Returns a chain of errors that is never dropped: dropping it recursively would overflow the stack.
fn links(count: u32) -> &'static Link {
    let mut source = None;
    for number in (1..=count).rev() {
        source = Some(&*Box::leak(Box::new(Link { number, source })));
    }
    source.expect("there is at least one")
}

#[activity]
async fn fail_deeply(causes: u32) -> Result<(), ActivityError> {
    Err(ApplicationFailure::new("the activity").non_retryable().cause(links(causes)).into())
}

/// Fails with this many causes, of its own or of an activity.
#[workflow]
async fn deep(ctx: &WorkflowContext, causes: u32, in_activity: bool) -> Result<(), WorkflowError> {
    if in_activity {
        ctx.activity(fail_deeply, causes).start_to_close_timeout(secs(10)).await?;
    }
    Err(ApplicationFailure::new("the workflow").cause(links(causes)).into())
}

#[tokio::test]
async fn a_workflow_that_fails_with_very_many_causes_is_readable() {
    let Some(client) = client("a_workflow_that_fails_with_very_many_causes_is_readable").await else { return };
    let queue = unique("deep");
    let worker = Worker::builder(&client, &*queue).workflow(deep).activities(fail_deeply).build().unwrap();
    let told = worker.run_until(async {
        for (causes, in_activity) in [(120, false), (1_000, false), (100_000, false), (120, true), (100_000, true)] {
            let started =
                client.start(deep, (causes, in_activity)).id(unique("deep")).task_queue(&*queue).await.unwrap();
            let WorkflowFailedError::Failed(failure) = started.result().await.unwrap_err() else { panic!("it fails") };
            assert_eq!(failure.root_cause().message(), format!("error {causes}"));
            assert!(failure.to_string().contains("causes are left out here"), "{failure}");
            let history = started.fetch_history().await.unwrap();
            let replayed = abide::WorkflowReplayer::new().workflow(deep).replay(&history).unwrap();
            assert!(replayed.same_outcome(), "{}", replayed.outcome());
        }
    });
    tokio::time::timeout(std::time::Duration::from_secs(50), told).await.expect("in time").unwrap();
}

/// Another SDK may write such a failure: the server accepts 10,000 levels, prost reads 100.
#[tokio::test]
async fn a_failure_that_another_sdk_has_written_with_very_many_causes_is_readable() {
    use abide_protos::temporal::api::command::v1 as command;
    use abide_protos::temporal::api::enums::v1::CommandType;
    use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
    use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
    use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
    use abide_protos::temporal::api::workflowservice::v1::{
        PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest,
    };
    let Some(client) = client("a_failure_that_another_sdk_has_written").await else { return };
    let address = format!("http://{}", std::env::var("ABIDE_TEST_SERVER").unwrap());
    let mut raw = WorkflowServiceClient::connect(address).await.unwrap();
    let queue = unique("deep-raw");
    for causes in [120, 3_000] {
        // The server needs a time that grows with the square of the depth: on a slow machine more than its default of 10 s.
        let start = client.start(deep, (1, false)).id(unique("deep-raw")).task_queue(&*queue);
        let started = start.task_timeout(secs(60)).await.unwrap();
        let poll = PollWorkflowTaskQueueRequest {
            namespace: "default".into(),
            task_queue: Some(TaskQueue { name: queue.clone(), ..Default::default() }),
            ..Default::default()
        };
        let mut poll = tonic::Request::new(poll);
        poll.set_timeout(std::time::Duration::from_secs(30));
        let task_token = raw.poll_workflow_task_queue(poll).await.unwrap().into_inner().task_token;
        let link = |number: u32| FailureProto { message: format!("error {number}"), ..Default::default() };
        let failure = (1..causes)
            .rev()
            .fold(link(causes), |cause, number| FailureProto { cause: Some(Box::new(cause)), ..link(number) });
        let attributes = command::FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
        let command = command::Command {
            command_type: CommandType::FailWorkflowExecution as i32,
            attributes: Some(command::command::Attributes::FailWorkflowExecutionCommandAttributes(attributes)),
            ..Default::default()
        };
        let completed = RespondWorkflowTaskCompletedRequest {
            task_token,
            commands: vec![command],
            namespace: "default".into(),
            ..Default::default()
        };
        raw.respond_workflow_task_completed(completed).await.unwrap();
        let WorkflowFailedError::Failed(failure) = started.result().await.unwrap_err() else { panic!("it fails") };
        assert_eq!(failure.root_cause().message(), format!("error {causes}"));
        assert_eq!(started.fetch_history().await.unwrap().events().len(), 5);
    }
}
