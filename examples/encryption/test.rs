//! Tests of the codec: what the server sees, old keys, and payloads that somebody has changed.

#[path = "codec.rs"]
pub(crate) mod codec;
#[path = "workflow.rs"]
pub(crate) mod workflow;

use abide::converter::{DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide::{History, WorkflowReplayer};
use abide_testing::TestWorkflowEnvironment;

use self::codec::Encryption;
use self::workflow::{charge, pay};
use crate::{Outcome, assert_replays};

const CARD: &str = "4242-4242";
const DECLINED: &str = "0000-0000";
const OLD: (&str, [u8; 32]) = ("key-2025", [25; 32]);
const NEW: (&str, [u8; 32]) = ("key-2026", [26; 32]);

fn converter(codec: Encryption) -> DataConverter {
    DataConverter::new().codec(codec).encode_common_attributes()
}

/// Runs a payment, and returns its history as the server has it.
async fn paid(card: &str, codec: Encryption) -> Result<History, Box<dyn std::error::Error>> {
    let options = ClientOptions::default().data_converter(converter(codec));
    let env = TestWorkflowEnvironment::start_with(options).await?;
    let worker = env.worker("encryption").workflow(pay).activities(charge);
    let payment = env.client().execute(pay, card.into()).id("payment").task_queue("encryption");
    let told = env.run(worker, payment).await.unwrap_or_else(|error| error.to_string());
    assert!(told.contains(card), "{told}");
    Ok(env.client().handle(pay, "payment").fetch_history().await?)
}

fn contains(history: &History, text: &str) -> bool {
    history.to_binary().windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

#[tokio::test]
async fn the_server_sees_no_plaintext() -> Outcome {
    let history = paid(CARD, Encryption::new([NEW], NEW.0)).await?;
    assert!(!contains(&history, CARD));
    assert!(!contains(&history, "charged"));
    assert!(!contains(&history, "json/plain"));
    assert!(contains(&history, "binary/encrypted") && contains(&history, NEW.0));
    Ok(())
}

#[tokio::test]
async fn messages_of_failures_are_encrypted_too() -> Outcome {
    let history = paid(DECLINED, Encryption::new([NEW], NEW.0)).await?;
    assert!(!contains(&history, DECLINED));
    assert!(!contains(&history, "declined"));
    Ok(())
}

#[tokio::test]
async fn what_an_old_key_encrypted_is_readable_as_long_as_the_key_is_there() -> Outcome {
    let history = paid(CARD, Encryption::new([OLD], OLD.0)).await?;
    let replayer = |codec| WorkflowReplayer::new().workflow(pay).data_converter(converter(codec));
    let replayed = replayer(Encryption::new([OLD, NEW], NEW.0)).replay(&history)?;
    assert_eq!(replayed.result::<String>()?.as_deref(), Some("card 4242-4242 was charged"));
    let error = replayer(Encryption::new([NEW], NEW.0)).replay(&history).unwrap_err();
    assert!(error.to_string().contains("there is no key `key-2025`"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_payload_is_encrypted_differently_each_time_and_cannot_be_changed() -> Outcome {
    let codec = Encryption::new([OLD, NEW], NEW.0);
    let metadata = [("encoding".into(), b"json/plain".to_vec())].into();
    let plain = RawPayload { metadata, data: b"\"4242\"".to_vec() };
    let context = &SerializationContext::workflow("default", "payment");
    let encrypted = codec.encode(context, vec![plain.clone(), plain.clone()]).await.unwrap();
    assert_ne!(encrypted[0], encrypted[1]);
    // Payloads from before the codec are passed on.
    let decrypted = codec.decode(context, vec![encrypted[0].clone(), plain.clone()]).await.unwrap();
    assert_eq!(decrypted, [plain.clone(), plain]);

    let mut forged = encrypted[0].clone();
    forged.data[20] ^= 1;
    assert!(codec.decode(context, vec![forged]).await.is_err());
    let mut short = encrypted[1].clone();
    short.data.truncate(5);
    assert!(codec.decode(context, vec![short]).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_payload_cannot_be_moved_to_another_workflow() -> Outcome {
    let codec = Encryption::new([NEW], NEW.0);
    let plain = RawPayload::from_value(&CARD)?;
    let (own, other) = (SerializationContext::workflow("default", "a"), SerializationContext::workflow("default", "b"));
    let encrypted = codec.encode(&own, vec![plain.clone()]).await.unwrap();
    let error = codec.decode(&other, encrypted.clone()).await.unwrap_err().to_string();
    assert_eq!(error, "a payload of `b` comes from another workflow");
    // Who changes the name that it carries does not get any further.
    let mut forged = encrypted[0].clone();
    forged.metadata.insert("encryption-workflow-id".into(), b"b".to_vec());
    assert!(codec.decode(&other, vec![forged]).await.is_err());
    assert_eq!(codec.decode(&SerializationContext::Unknown, encrypted).await.unwrap(), [plain]);
    Ok(())
}

#[test]
fn the_recorded_runs_replay() -> Outcome {
    assert_replays("encryption", |replayer| {
        replayer.workflow(pay).data_converter(converter(Encryption::new([OLD, NEW], NEW.0)))
    })
}
