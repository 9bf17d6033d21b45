//! Nexus operations that updates back, in the namespace that calls back for updates: see `.ci/real-server`.

use std::time::Duration;

use abide::client::ClientOptions;
use abide::prelude::*;
use abide::worker::Worker;
use abide::{NexusContext, NexusError, NexusStart};
use abide_protos::temporal::api::nexus::v1::{EndpointSpec, EndpointTarget, endpoint_target};
use abide_protos::temporal::api::operatorservice::v1::CreateNexusEndpointRequest;
use abide_protos::temporal::api::operatorservice::v1::operator_service_client::OperatorServiceClient;

use crate::{LIMIT, address, unique};

const NAMESPACE: &str = "plain";

#[abide::nexus_service]
trait Shipping {
    fn ship(to: String) -> String;
}

struct Warehouse;

#[abide::nexus_handlers(implements = Shipping)]
impl Warehouse {
    #[nexus_operation]
    async fn ship(&self, ctx: &NexusContext, to: String) -> Result<NexusStart<String>, NexusError> {
        let order = ctx.client().handle(Order::run, format!("{}-order", ctx.info().task_queue));
        ctx.back_with_update(order.start_update(Order::ship, to)).await
    }
}

#[workflow(name = "ShippedOrder")]
#[derive(Default)]
struct Order {
    shipped: State<u32>,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.shipped.get() == 1 && ctx.all_handlers_finished()).await?;
        Ok(())
    }

    #[update]
    async fn ship(&self, ctx: &WorkflowContext, to: String) -> Result<String, WorkflowError> {
        ctx.timer(millis(300)).await?;
        *self.shipped.write() += 1;
        Ok(format!("on its way to {to}"))
    }

    #[update_validator(ship)]
    fn check(&self, to: &str) -> Result<(), WorkflowError> {
        if to.is_empty() { Err("there is no address".into()) } else { Ok(()) }
    }
}

#[workflow]
async fn ships(ctx: &WorkflowContext, to: String) -> Result<String, WorkflowError> {
    let call = ctx.nexus_operation(ctx.info().task_queue.clone(), Shipping::ship, to);
    match call.schedule_to_close_timeout(secs(30)).await {
        Ok(told) => Ok(told),
        Err(error) => Ok(error.cause().map(|cause| cause.message().to_string()).unwrap_or_default()),
    }
}

async fn create_endpoint(address: &str, queue: &str) {
    let worker = endpoint_target::Worker { namespace: NAMESPACE.into(), task_queue: queue.into() };
    let target = EndpointTarget { variant: Some(endpoint_target::Variant::Worker(worker)) };
    let spec = EndpointSpec { name: queue.into(), target: Some(target), ..Default::default() };
    let mut operator = OperatorServiceClient::connect(format!("http://{address}")).await.unwrap();
    operator.create_nexus_endpoint(CreateNexusEndpointRequest { spec: Some(spec) }).await.unwrap();
    // A server does not tell when all its parts know a new endpoint.
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn the_result_of_an_update_is_that_of_the_operation() {
    let Some(address) = address("the_result_of_an_update_is_that_of_the_operation") else { return };
    let client = Client::connect(ClientOptions::new(&address).namespace(NAMESPACE)).await.unwrap();
    let queue = unique("nexus-updates");
    create_endpoint(&address, &queue).await;
    let worker = Worker::builder(&client, &*queue).workflow(ships).workflow(Order::run).nexus_handlers(Warehouse);
    let body = worker.build().unwrap().run_until(async {
        let order = client.start(Order::run, ()).id(format!("{queue}-order")).task_queue(&*queue).await.unwrap();
        let ship = |to: &str| client.execute(ships, to.to_string()).id(format!("{queue}-{to}")).task_queue(&*queue);
        assert_eq!(ship("").await.unwrap(), "there is no address");
        assert_eq!(ship("Ada").await.unwrap(), "on its way to Ada");
        order.result().await.unwrap();
        let caller = client.handle(ships, format!("{queue}-Ada")).fetch_history().await.unwrap().to_json().unwrap();
        assert!(caller.contains("EVENT_TYPE_NEXUS_OPERATION_STARTED"), "the result came later");
        assert!(caller.contains(&format!("{queue}-order")), "the start links to the order");
    });
    tokio::time::timeout(LIMIT, body).await.expect("the test ends in time").unwrap();
}
