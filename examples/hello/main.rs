//! All that a program needs: a workflow, an activity, a worker and a call. `cargo run --example hello`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{greet, hello};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "hello").workflow(hello).activities(greet).build()?;
    let greeting = client.execute(hello, "Ada".into()).id(unique("hello")).task_queue("hello");
    println!("{}", worker.run_until(greeting).await??);
    Ok(())
}
