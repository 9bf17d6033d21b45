//! A worker without keys: the server sees encrypted payloads, and the client reads the result.

use abide::client::ClientOptions;
use abide::codec_server::{CodecServer, RemoteCodec};
use abide::converter::DataConverter;
use abide_testing::TestWorkflowEnvironment;

use crate::Outcome;
use crate::encryption::codec::Encryption;
use crate::encryption::workflow::{charge, pay};

// A replay of the finished test blocks a thread while the codec runs, and the codec waits for the server in this process.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_keys_encrypts_through_the_server() -> Outcome {
    let keys = Encryption::new([("key", [7; 32])], "key");
    let endpoint = CodecServer::with_bearer_token(DataConverter::new().codec(keys), "token").serve(0).await?;
    let remote = RemoteCodec::new(format!("http://{}", endpoint.address()))?.bearer_token("token")?;
    let options = ClientOptions::default().data_converter(DataConverter::new().codec(remote));
    let env = TestWorkflowEnvironment::start_with(options).await?;
    let worker = env.worker("codec-server").workflow(pay).activities(charge);
    let payment = env.client().execute(pay, "4242-4242".into()).id("payment").task_queue("codec-server");
    assert_eq!(env.run(worker, payment).await?, "card 4242-4242 was charged");
    let stored = env.client().handle(pay, "payment").fetch_history().await?.to_binary();
    assert!(!String::from_utf8_lossy(&stored).contains("4242"));
    Ok(())
}
