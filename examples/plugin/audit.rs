//! A plugin that writes down what a program does, and notices payloads that somebody has changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abide::WorkflowReplayer;
use abide::client::RpcError;
use abide::converter::{CodecResult, PayloadCodec, RawPayload, SerializationContext};
use abide::interceptor::*;
use abide::plugin::Plugin;
use abide::prelude::*;
use abide::worker::{Registered, WorkerBuilder};

/// The plugin and its interceptors in one. Clones have the same journal.
#[derive(Clone)]
pub struct Audit {
    program: String,
    journal: Arc<Mutex<Vec<String>>>,
}

impl Audit {
    pub fn new(program: &str) -> Self {
        Self { program: program.into(), journal: Arc::default() }
    }

    pub fn journal(&self) -> MutexGuard<'_, Vec<String>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plugin for Audit {
    fn name(&self) -> &str {
        "example.audit"
    }

    fn configure_client(&self, options: ClientOptions) -> ClientOptions {
        options.interceptor(self.clone()).map_data_converter(|converter| converter.codec(Checksums))
    }

    fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
        worker.activity_interceptor(self.clone())
    }

    fn configure_replayer(&self, replayer: WorkflowReplayer) -> WorkflowReplayer {
        replayer.map_data_converter(|converter| converter.codec(Checksums))
    }
}

/// Tells each workflow who has started it, and refuses orders of nothing.
#[async_trait]
impl ClientInterceptor for Audit {
    async fn start_workflow(
        &self,
        mut input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        if input.arguments.get::<u64>(0)? == 0 {
            return Err(RpcError::refused(format!("{} orders nothing", self.program)));
        }
        input.headers.set("started-by", &self.program)?;
        self.journal().push(format!("{} starts {}", self.program, input.workflow_type));
        next.run(input).await
    }
}

/// Writes down how each attempt ends.
#[async_trait]
impl ActivityInterceptor for Audit {
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        let ended = next.run(ctx, input).await;
        let how = if ended.is_ok() { "is done" } else { "has failed" };
        self.journal().push(format!("attempt {} of {} {how}", ctx.info().attempt, ctx.info().activity_type));
        ended
    }
}

/// Adds a checksum to each payload, and refuses a payload that does not fit its checksum.
pub struct Checksums;

/// FNV-1a finds accidents. Against people, use a codec that encrypts.
fn checksum(data: &[u8]) -> [u8; 4] {
    data.iter().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193)).to_be_bytes()
}

impl PayloadCodec for Checksums {
    async fn encode(&self, _: &SerializationContext, mut payloads: Vec<RawPayload>) -> CodecResult {
        for payload in &mut payloads {
            payload.metadata.insert("checksum".into(), checksum(&payload.data).into());
        }
        Ok(payloads)
    }

    async fn decode(&self, _: &SerializationContext, mut payloads: Vec<RawPayload>) -> CodecResult {
        for payload in &mut payloads {
            if payload.metadata.remove("checksum").is_some_and(|expected| expected != checksum(&payload.data)) {
                return Err("a payload does not fit its checksum: it was changed after it was sent".into());
            }
        }
        Ok(payloads)
    }
}
