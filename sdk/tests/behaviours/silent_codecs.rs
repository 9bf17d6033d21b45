//! Codecs that never return: the task's timeout ends them, the slot is freed, and an error is reported.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::failure::v1::Failure;
use abide_protos::temporal::api::workflowservice::v1::*;
use tokio::time::Instant;

use crate::harness::FIRST_TASK;
use crate::server::{Server, activity, run, seconds, task};

/// A codec that changes nothing; this many of its calls do not return.
#[derive(Clone, Default)]
struct Silent {
    encodes: Arc<AtomicUsize>,
    decodes: Arc<AtomicUsize>,
    /// Blocks the thread of such a call until opened.
    gate: Option<Arc<Gate>>,
}

impl PayloadCodec for Silent {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        self.answer(&self.encodes, payloads).await
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        self.answer(&self.decodes, payloads).await
    }
}

impl Silent {
    async fn answer(&self, silent: &AtomicUsize, payloads: Vec<RawPayload>) -> CodecResult {
        if silent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            match &self.gate {
                Some(gate) => gate.wait(),
                None => return pending().await,
            }
        }
        Ok(payloads)
    }
}

/// Blocks threads until opened.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Longer than any test may take, but bounded.
    const LIMIT: Duration = Duration::from_secs(20);

    fn wait(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_timeout_while(open, Self::LIMIT, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
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
    assert!(message.contains("the payload codec did not ") && message.contains(what), "{message}");
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

/// Returns a codec that blocks the thread of one call.
fn blocking(what: &str) -> (Silent, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let codec = Silent { gate: Some(Arc::clone(&gate)), ..Silent::default() };
    let silent = if what == "decode" { &codec.decodes } else { &codec.encodes };
    silent.store(1, Ordering::SeqCst);
    (codec, gate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b131_a_codec_that_blocks_its_thread_ends_with_the_attempts_time() {
    for what in ["decode", "encode"] {
        let (server, (codec, gate)) = (Server::new(), blocking(what));
        let worker = server.worker_of(&client(&server, codec).await).activities(echo).max_concurrent_activities(1);
        run(worker.build().unwrap(), async {
            let began = Instant::now();
            let timeout = Some(seconds(1));
            server.activity_task(PollActivityTaskQueueResponse { start_to_close_timeout: timeout, ..echo_task() });
            check(server.request::<RespondActivityTaskFailedRequest>(1).await.failure, what);
            server.activity_task(echo_task());
            server.request::<RespondActivityTaskCompletedRequest>(1).await;
            assert!(began.elapsed() < Gate::LIMIT / 2, "the thread was free again after {:?}", began.elapsed());
            gate.open();
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b131_a_codec_that_blocks_its_thread_ends_with_the_workflow_tasks_time() {
    let (server, (codec, gate)) = (Server::new(), blocking("decode"));
    let worker = server.worker_of(&client(&server, codec).await).workflow(takes).build().unwrap();
    run(worker, async {
        let began = Instant::now();
        let started = FIRST_TASK.replace("type=wf", "type=wf input=\"text\"");
        let scheduled = "WorkflowTaskScheduled start_to_close_timeout=1s";
        server.workflow_task(task(&started.replace("WorkflowTaskScheduled", scheduled)));
        check(server.request::<RespondWorkflowTaskFailedRequest>(1).await.failure, "decode");
        assert!(began.elapsed() < Gate::LIMIT / 2, "the thread was free again after {:?}", began.elapsed());
        gate.open();
    })
    .await;
}
