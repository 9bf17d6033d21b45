//! An account of a tenant, which a guest tries to close before its owner does. `cargo run --example interceptor`

mod interceptors;
mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::interceptors::{ForTenant, OnlyOwnersClose, ROLE, TenantPropagation};
use crate::workflow::{Account, archive, bill};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start_with(|options| options.interceptor(ForTenant("acme"))).await?;
    let client = server.client();
    let worker = Worker::builder(client, "interceptor").workflow(Account::run).workflow(archive).activities(bill);
    let worker = worker.workflow_interceptor(TenantPropagation).workflow_interceptor(OnlyOwnersClose).build()?;
    let account = async {
        let account = client.start(Account::run, 995).id(unique("account")).task_queue("interceptor").await?;
        for role in ["guest", "owner"] {
            account.signal(Account::close, ()).header(ROLE, &role).await?;
            println!("the {role} closes the account: closed {}", account.query(Account::is_closed, ()).await?);
        }
        for line in account.result().await? {
            println!("{line}");
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(account).await?
}
