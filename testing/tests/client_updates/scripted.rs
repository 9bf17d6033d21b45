//! The client's reaction to answers that no server gives on demand: an update that is not accepted within the server's
//! time limit, a server that is briefly unavailable, an update that takes longer than one poll.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use abide::client::{Client, ClientOptions, Connection, UpdateError};
use abide_protos::temporal::api::common::v1::{Payload, Payloads, WorkflowExecution};
use abide_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use abide_protos::temporal::api::update::v1::{Outcome as UpdateOutcome, UpdateRef, outcome};
use abide_protos::temporal::api::workflowservice::v1 as api;
use abide_protos_server::workflow_service_server::{WorkflowService, WorkflowServiceServer};
use tonic::{Code, Request, Response, Status};

use crate::definitions::{Counter, Double};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Gives its scripted answers to one call after another, and records the requests.
#[derive(Clone, Default)]
struct Scripted {
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    asked: Vec<String>,
}

#[derive(Clone)]
enum Answer {
    Stage(Stage),
    Result(i64),
    Error(Code),
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Script { answers: answers.into_iter().collect(), asked: Vec::new() };
        Self { script: Arc::new(Mutex::new(script)) }
    }

    fn next(&self, asked: String) -> Result<(Stage, Option<UpdateOutcome>), Status> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.asked.push(asked);
        match script.answers.pop_front() {
            Some(Answer::Stage(stage)) => Ok((stage, None)),
            Some(Answer::Result(number)) => {
                let payload = Payload {
                    metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
                    data: number.to_string().into_bytes(),
                    ..Default::default()
                };
                let value = outcome::Value::Success(Payloads { payloads: vec![payload] });
                Ok((Stage::Completed, Some(UpdateOutcome { value: Some(value) })))
            }
            Some(Answer::Error(code)) => Err(Status::new(code, "by the script")),
            None => Err(Status::internal("the script is over")),
        }
    }

    async fn client(&self) -> Result<Client, Box<dyn std::error::Error>> {
        let service = WorkflowServiceServer::new(self.clone());
        let connection = Connection::in_process(service, &ClientOptions::new("in process")).await?;
        Ok(Client::from_connection(connection))
    }

    fn asked(&self) -> Vec<String> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }
}

#[tonic::async_trait]
impl WorkflowService for Scripted {
    async fn get_system_info(
        &self,
        _request: Request<api::GetSystemInfoRequest>,
    ) -> Result<Response<api::GetSystemInfoResponse>, Status> {
        Ok(Response::new(api::GetSystemInfoResponse::default()))
    }

    async fn update_workflow_execution(
        &self,
        request: Request<api::UpdateWorkflowExecutionRequest>,
    ) -> Result<Response<api::UpdateWorkflowExecutionResponse>, Status> {
        let request = request.into_inner();
        let wanted = request.wait_policy.unwrap_or_default().lifecycle_stage();
        let id = request.request.and_then(|request| request.meta).map(|meta| meta.update_id).unwrap_or_default();
        let (stage, outcome) = self.next(format!("update {id} until {wanted:?}"))?;
        let workflow_execution = Some(WorkflowExecution { workflow_id: "c".to_owned(), run_id: "run-1".to_owned() });
        Ok(Response::new(api::UpdateWorkflowExecutionResponse {
            update_ref: Some(UpdateRef { workflow_execution, update_id: id }),
            outcome,
            stage: stage.into(),
            link: None,
        }))
    }

    async fn poll_workflow_execution_update(
        &self,
        request: Request<api::PollWorkflowExecutionUpdateRequest>,
    ) -> Result<Response<api::PollWorkflowExecutionUpdateResponse>, Status> {
        let request = request.into_inner();
        let wanted = request.wait_policy.unwrap_or_default().lifecycle_stage();
        let update = request.update_ref.unwrap_or_default();
        let run_id = update.workflow_execution.unwrap_or_default().run_id;
        let (stage, outcome) = self.next(format!("poll {} of {run_id} until {wanted:?}", update.update_id))?;
        let update_ref = None;
        Ok(Response::new(api::PollWorkflowExecutionUpdateResponse { outcome, stage: stage.into(), update_ref }))
    }
}

#[tokio::test]
async fn an_update_that_is_not_accepted_yet_is_sent_again_under_its_id() -> Outcome {
    let server = Scripted::new([
        Answer::Stage(Stage::Admitted),
        Answer::Error(Code::DeadlineExceeded),
        Answer::Error(Code::Unavailable),
        Answer::Stage(Stage::Accepted),
    ]);
    let counter = server.client().await?.handle(Counter, "c");
    let update = counter.start_update(Double, 1).await?;
    assert_eq!(update.run_id(), Some("run-1"));
    assert_eq!(server.asked(), vec![format!("update {} until Accepted", update.id()); 4]);
    Ok(())
}

#[tokio::test]
async fn an_accepted_update_is_polled_until_it_has_completed() -> Outcome {
    let server = Scripted::new([
        Answer::Stage(Stage::Accepted),
        Answer::Stage(Stage::Accepted),
        Answer::Error(Code::DeadlineExceeded),
        Answer::Error(Code::Unavailable),
        Answer::Result(2),
    ]);
    let counter = server.client().await?.handle(Counter, "c");
    assert_eq!(counter.update(Double, 1).id("u").await?, 2);
    let mut expected = vec!["update u until Completed".to_owned()];
    expected.extend(vec!["poll u of run-1 until Completed".to_owned(); 4]);
    assert_eq!(server.asked(), expected);
    Ok(())
}

#[tokio::test]
async fn a_result_that_comes_at_once_is_not_polled_for() -> Outcome {
    let server = Scripted::new([Answer::Result(2)]);
    let update = server.client().await?.handle(Counter, "c").start_update(Double, 1).await?;
    assert_eq!((update.result().await?, update.result().await?), (2, 2));
    assert_eq!(server.asked().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_lasting_error_is_not_retried() -> Outcome {
    let server = Scripted::new([Answer::Error(Code::InvalidArgument), Answer::Error(Code::NotFound)]);
    let counter = server.client().await?.handle(Counter, "c");
    let error = counter.update(Double, 1).await.expect_err("it is refused");
    assert!(matches!(&error, UpdateError::Rpc(error) if error.is_invalid_argument()), "{error}");
    let error = counter.update_handle(Double, "u").result().await.expect_err("it is not there");
    assert!(matches!(error, UpdateError::NotFound { .. }), "{error}");
    assert_eq!(server.asked(), [server.asked()[0].as_str(), "poll u of  until Completed"]);
    Ok(())
}
