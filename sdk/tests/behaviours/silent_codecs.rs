//! Codecs that never return: the task's own time ends that, its slot is free again, and somebody is told.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload};
use abide::prelude::*;
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::failure::v1::Failure;
use abide_protos::temporal::api::workflowservice::v1::*;
use tokio::time::Instant;

use crate::harness::FIRST_TASK;
use crate::server::{Server, activity, run, task};

/// Leaves payloads as they are; so many calls do not return.
#[derive(Clone, Default)]
struct Silent {
    encodes: Arc<AtomicUsize>,
    decodes: Arc<AtomicUsize>,
}

impl PayloadCodec for Silent {
    async fn encode(&self, payloads: Vec<RawPayload>) -> CodecResult {
        answer(&self.encodes, payloads).await
    }

    async fn decode(&self, payloads: Vec<RawPayload>) -> CodecResult {
        answer(&self.decodes, payloads).await
    }
}

async fn answer(silent: &AtomicUsize, payloads: Vec<RawPayload>) -> CodecResult {
    if silent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return pending().await;
    }
    Ok(payloads)
}

#[activity]
async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

#[workflow(name = "wf")]
async fn takes(ctx: &WorkflowContext, _: String) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(())
}

fn echo_task() -> PollActivityTaskQueueResponse {
    let input = Payloads { payloads: vec![abide::converter::to_payload(&"text".to_string()).unwrap()] };
    PollActivityTaskQueueResponse { input: Some(input), ..activity("echo") }
}

async fn client(server: &Server, codec: Silent) -> Client {
    server.client_with(ClientOptions::default().data_converter(DataConverter::new().codec(codec))).await
}

#[track_caller]
fn check(failure: Option<Failure>, what: &str) {
    let message = failure.unwrap().message;
    assert!(message.contains("the payload codec has not returned within") && message.contains(what), "{message}");
}

#[tokio::test(start_paused = true)]
async fn b131_a_codec_that_never_returns_ends_with_the_attempts_time() {
    for what in ["decode", "encode"] {
        let (server, codec) = (Server::new(), Silent::default());
        let silent = if what == "decode" { &codec.decodes } else { &codec.encodes };
        silent.store(1, Ordering::SeqCst);
        let worker = server.worker_of(&client(&server, codec).await).activities(echo).max_concurrent_activities(1);
        run(worker.build().unwrap(), async {
            let began = Instant::now();
            server.activity_task(echo_task());
            check(server.request::<RespondActivityTaskFailedRequest>(1).await.failure, what);
            assert_eq!(began.elapsed().as_secs(), 60, "the attempt's start-to-close timeout");
            server.activity_task(echo_task());
            server.request::<RespondActivityTaskCompletedRequest>(1).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn b131_a_codec_that_never_returns_ends_with_the_workflow_tasks_time() {
    let (server, codec) = (Server::new(), Silent::default());
    codec.decodes.store(1, Ordering::SeqCst);
    let worker = server.worker_of(&client(&server, codec).await).workflow(takes).build().unwrap();
    run(worker, async {
        let began = Instant::now();
        server.workflow_task(task(&FIRST_TASK.replace("type=wf", "type=wf input=\"text\"")));
        check(server.request::<RespondWorkflowTaskFailedRequest>(1).await.failure, "decode");
        assert_eq!(began.elapsed().as_secs(), 10, "the workflow task's timeout");
    })
    .await;
}
