//! Two payments, as their client sees them and as the server sees them. `cargo run --example encryption`

mod codec;
mod workflow;

use abide::converter::DataConverter;
use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::codec::Encryption;
use crate::workflow::{charge, pay};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Real keys come from a key service.
    let codec = Encryption::new([("key-2025", [25; 32]), ("key-2026", [26; 32])], "key-2026");
    let converter = DataConverter::new().codec(codec).encode_common_attributes();
    let server = Server::find_or_start_with(|options| options.data_converter(converter)).await?;
    let client = server.client();
    let worker = Worker::builder(client, "encryption").workflow(pay).activities(charge).build()?;
    let payments = async {
        for card in ["4242-4242", "0000-0000"] {
            let payment = client.start(pay, card.into()).id(unique("pay")).task_queue("encryption").await?;
            match payment.result().await {
                Ok(receipt) => println!("the client sees: {receipt}"),
                Err(error) => println!("the client sees: {error}"),
            }
            let history = payment.fetch_history().await?.to_binary();
            let history = String::from_utf8_lossy(&history);
            let encrypted = history.matches("binary/encrypted").count();
            println!("the server sees: {encrypted} encrypted values, the number is there: {}", history.contains(card));
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(payments).await?
}
