//! Tests of the plugin: with a client and a worker, with a replayer, and its codec alone.

#[path = "audit.rs"]
mod audit;
#[path = "workflow.rs"]
mod workflow;

use abide::converter::{PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;

use self::audit::{Audit, Checksums};
use self::workflow::{charge, order};
use crate::{Outcome, assert_replays};

#[tokio::test]
async fn the_client_and_the_worker_are_audited() -> Outcome {
    let audit = Audit::new("a test");
    let options = ClientOptions::default().plugin(audit.clone());
    let env = TestWorkflowEnvironment::start_with(options).await?;
    let worker = env.worker("plugin").workflow(order).activities(charge);
    let receipt = env.run(worker, env.client().execute(order, 995).id("order").task_queue("plugin")).await?;
    assert_eq!(receipt, "charged 995 cents for a test");
    let lines = ["a test starts order", "attempt 1 of charge has failed", "attempt 2 of charge is done"];
    assert_eq!(*audit.journal(), lines);
    let history = env.client().handle(order, "order").fetch_history().await?;
    assert!(history.to_json()?.contains("checksum"), "the payloads have checksums");
    Ok(())
}

#[tokio::test]
async fn an_order_of_nothing_is_refused() -> Outcome {
    let audit = Audit::new("a test");
    let options = ClientOptions::default().plugin(audit.clone());
    let env = TestWorkflowEnvironment::start_with(options).await?;
    let error = env.client().start(order, 0).task_queue("plugin").await.expect_err("it is refused");
    assert!(error.to_string().ends_with("refused the call: a test orders nothing"), "{error}");
    assert!(audit.journal().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_payload_that_was_changed_is_noticed() -> Outcome {
    let payload = RawPayload::from_value(&995_u64)?;
    let encoded = Checksums.encode(&SerializationContext::Unknown, vec![payload.clone()]).await.expect("it is encoded");
    let decoded = Checksums.decode(&SerializationContext::Unknown, encoded.clone()).await.expect("it is decoded");
    assert_eq!(decoded, std::slice::from_ref(&payload));
    // Payloads from before the plugin are passed on.
    assert_eq!(Checksums.decode(&SerializationContext::Unknown, decoded).await.expect("it has no checksum"), [payload]);
    let mut changed = encoded;
    changed[0].data[0] ^= 1;
    assert!(Checksums.decode(&SerializationContext::Unknown, changed).await.is_err());
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("plugin", |replayer| replayer.workflow(order).plugin(Audit::new("a test")))
}
