//! Codecs that refuse what they have decoded: `ApplicationFailure::payload_validation`.

use abide::NexusError;
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;

use crate::arm::{Outcome, compare};
use crate::nexus_endpoint::create_endpoint;

/// Refuses the number 0.
struct NotZero;

impl PayloadCodec for NotZero {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        Ok(payloads)
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        if payloads.iter().any(|payload| payload.data == b"0") {
            return Err(ApplicationFailure::payload_validation()
                .detail(&"expected another number than 0".to_string())?
                .into());
        }
        Ok(payloads)
    }
}

#[abide::nexus_service]
trait Numbers {
    fn halve(number: u64) -> u64;
}

struct Halves;

#[abide::nexus_handlers(implements = Numbers)]
impl Halves {
    #[nexus_operation]
    fn halve(number: u64) -> Result<u64, NexusError> {
        Ok(number / 2)
    }
}

#[activity]
async fn double(number: u64) -> Result<u64, ActivityError> {
    Ok(number * 2)
}

#[workflow]
async fn calculates(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(millis(10)).maximum_attempts(3);
    let call = ctx.activity(double, 0).start_to_close_timeout(secs(10)).retry_policy(policy);
    let refused = call.await.expect_err("it is refused");
    let cause = refused.cause().expect("an activity fails with its own failure");
    let mut told = vec![cause.to_string(), cause.detail::<String>(0)?.unwrap_or_default()];
    let call = ctx.nexus_operation(ctx.info().task_queue.clone(), Numbers::halve, 0);
    let refused = call.schedule_to_close_timeout(secs(20)).await.expect_err("it is refused");
    told.push(refused.cause().map(|cause| cause.to_string()).unwrap_or_default());
    told.push(ctx.activity(double, 4).start_to_close_timeout(secs(10)).await?.to_string());
    Ok(told)
}

#[tokio::test]
async fn a_payload_that_a_codec_refuses_is_not_tried_again() -> Outcome {
    compare("refused-payloads", |arm| async move {
        create_endpoint(&arm).await?;
        // The workflow's own worker would refuse the histories, which have the number, too.
        let options = ClientOptions::new(arm.address()).data_converter(DataConverter::new().codec(NotZero));
        let strict = Client::connect(options).await?;
        let others = Worker::builder(&strict, arm.queue()).activities(double).nexus_handlers(Halves).build()?;
        let worker = Worker::builder(&arm.client, arm.queue()).workflow(calculates).build()?;
        let body = async {
            let handle = arm.client.start(calculates, ()).id(arm.id()).task_queue(arm.queue()).await?;
            let expected = [
                "Payload validation failed (PayloadValidationError)",
                "expected another number than 0",
                "the input of the operation is not valid: the payload codec failed to decode 1 payloads: Payload validation \
                 failed",
                "8",
            ];
            assert_eq!(handle.result().await?, expected);
            Ok::<_, Box<dyn std::error::Error>>(vec![handle.fetch_history().await?])
        };
        Box::pin(others.run_until(Box::pin(worker.run_until(body)))).await??
    })
    .await
}
