//! Signal-with-start from a workflow, which only a real server carries out.

use abide::client::ClientOptions;
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide::worker::Worker;

use crate::{LIMIT, address, unique};

#[workflow(name = "SignalledStock")]
#[derive(Default)]
struct Stock {
    items: State<u32>,
}

#[workflow_methods]
impl Stock {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, shop: String) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.items.get() >= 5).await?;
        Ok(format!("{} in {shop}", self.items.get()))
    }

    #[signal]
    fn restock(&self, items: u32) {
        *self.items.write() += items;
    }
}

#[workflow(name = "RestocksTwice")]
async fn restocks(ctx: &WorkflowContext, id: String) -> Result<(bool, bool, bool), WorkflowError> {
    let first = ctx.signal_with_start(&*id, Stock::run, "Paris".into(), Stock::restock, 2);
    let first = first.execution_timeout(mins(1)).memo("by", &"the test").summary("the first one").await?;
    let second = ctx.signal_with_start(&*id, Stock::run, "Rome".into(), Stock::restock, 3).await?;
    Ok((first.was_started(), second.was_started(), first.run_id() == second.run_id()))
}

/// Turns every byte around.
struct Inverted;

impl PayloadCodec for Inverted {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        Ok(payloads
            .into_iter()
            .map(|payload| RawPayload {
                metadata: [("encoding".to_string(), b"inverted".to_vec())].into(),
                data: payload.to_bytes().iter().map(|byte| !byte).collect(),
            })
            .collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let one = |payload: RawPayload| {
            if payload.encoding() != Some("inverted") {
                return Err("a payload is not inverted");
            }
            let bytes: Vec<u8> = payload.data.iter().map(|byte| !byte).collect();
            RawPayload::from_bytes(&bytes).map_err(|_| "it cannot be read")
        };
        Ok(payloads.into_iter().map(one).collect::<Result<_, _>>()?)
    }
}

#[tokio::test]
async fn a_workflow_signals_another_and_starts_it_first() {
    let Some(address) = address("a_workflow_signals_another_and_starts_it_first") else { return };
    for codec in [false, true] {
        let options = ClientOptions::new(&*address);
        let converter = DataConverter::new().codec(Inverted);
        let options = if codec { options.data_converter(converter) } else { options };
        let client = Client::connect(options).await.unwrap();
        let (queue, id) = (unique("restocks"), unique("stock"));
        let worker = Worker::builder(&client, &*queue).workflow(restocks).workflow(Stock::run).max_cached_workflows(0);
        let body = async {
            let told = client.execute(restocks, id.clone()).task_queue(&*queue).await.unwrap();
            assert_eq!(told, (true, false, true));
            assert_eq!(client.handle(Stock::run, &*id).result().await.unwrap(), "5 in Paris");
        };
        let running = worker.build().unwrap().run_until(body);
        tokio::time::timeout(LIMIT, Box::pin(running)).await.expect("the test ends in time").unwrap();
    }
}

#[tokio::test]
async fn a_server_that_does_not_offer_it_refuses_the_workflow_task() {
    let Some(address) = address("a_server_that_does_not_offer_it_refuses_the_workflow_task") else { return };
    let client = Client::connect(ClientOptions::new(address).namespace("plain")).await.unwrap();
    let queue = unique("restocks");
    let worker = Worker::builder(&client, &*queue).workflow(restocks).build().unwrap();
    let body = async {
        let handle = client.start(restocks, unique("stock")).id(&*queue).task_queue(&*queue);
        let handle = handle.task_timeout(std::time::Duration::from_secs(1)).await.unwrap();
        crate::eventually("the workflow task is tried again", async || {
            handle.fetch_history().await.unwrap().to_string().contains("WorkflowTaskTimedOut")
        })
        .await;
        handle.terminate().await.unwrap();
    };
    tokio::time::timeout(LIMIT, Box::pin(worker.run_until(body))).await.expect("the test ends in time").unwrap();
}
