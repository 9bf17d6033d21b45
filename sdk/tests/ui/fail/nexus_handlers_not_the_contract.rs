//! Nexus handlers that do not fit their contract, and a worker that gets something else.
use abide::prelude::*;
use abide::{NexusContext, NexusError, NexusStart};

#[abide::nexus_service]
pub trait Payments {
    fn charge(cents: u64) -> String;
    #[nexus_operation(name = "payments.refund")]
    fn refund(receipt: String);
    fn close();
    fn report() -> u32;
}

struct Bank;

#[abide::nexus_handlers(implements = Payments)]
impl Bank {
    #[nexus_operation]
    async fn charge(&self, _cents: u32) -> Result<String, NexusError> {
        Ok(String::new())
    }

    #[nexus_operation]
    async fn refund(&self, _ctx: &NexusContext) -> Result<(), NexusError> {
        Ok(())
    }

    #[nexus_operation]
    async fn report(&self) -> Result<NexusStart<String>, NexusError> {
        Ok(NexusStart::later("report"))
    }

    #[nexus_operation]
    async fn rob(&self) -> Result<(), NexusError> {
        Ok(())
    }
}

#[abide::nexus_service]
pub trait Watch {
    fn watch();
}

struct Guard;

#[abide::nexus_handlers(implements = Watch)]
impl Guard {
    #[nexus_operation]
    async fn watch(&self) -> Result<(), NexusError> {
        let local = std::rc::Rc::new(1);
        std::future::ready(()).await;
        drop(local);
        Ok(())
    }
}

struct Stranger;

fn serve(client: &Client) {
    let _ = Worker::builder(client, "payments").nexus_handlers(Stranger);
}

fn main() {}
