//! One process has the keys, a worker without keys uses them, and so can the web UI. `cargo run --example codec_server`

#[path = "../encryption/codec.rs"]
mod codec;
#[path = "../encryption/workflow.rs"]
mod workflow;

use abide::codec_server::{CodecServer, RemoteCodec};
use abide::converter::{DataConverter, PayloadCodec as _, RawPayload, SerializationContext};
use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::codec::Encryption;
use crate::workflow::{charge, pay};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The process with the keys. The token comes from your secrets.
    let keys = Encryption::new([("key-2025", [25; 32]), ("key-2026", [26; 32])], "key-2026");
    let codecs = CodecServer::with_bearer_token(DataConverter::new().codec(keys), "a token");
    let endpoint = codecs.allow_origin("https://temporal.example.com").serve(0).await?;
    let url = format!("http://{}", endpoint.address());

    // A worker and a client without keys.
    let remote = RemoteCodec::new(&url)?.bearer_token("a token")?;
    let converter = DataConverter::new().codec(remote);
    let server = Server::find_or_start_with(|options| options.data_converter(converter)).await?;
    let client = server.client();
    let worker = Worker::builder(client, "codec-server").workflow(pay).activities(charge).build()?;
    let payment = client.execute(pay, "4242-4242".into()).id(unique("pay")).task_queue("codec-server");
    println!("with the token: {}", worker.run_until(payment).await??);

    // Somebody without the token.
    let stranger = RemoteCodec::new(&url)?;
    let refused = stranger.encode(&SerializationContext::Unknown, vec![RawPayload::from_value(&"4242-4242")?]).await;
    println!("without it: {}", if refused.is_err() { "refused" } else { "accepted" });
    Ok(())
}
