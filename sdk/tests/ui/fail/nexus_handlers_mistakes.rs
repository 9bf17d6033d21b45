//! Mistakes in blocks of Nexus handlers.
use abide::{NexusContext, NexusError, WorkflowContext};

#[abide::nexus_service]
pub trait Payments {
    fn charge(cents: u64) -> String;
}

struct Bank;

#[abide::nexus_handlers]
impl Bank {
    #[nexus_operation]
    fn charge(_cents: u64) -> Result<String, NexusError> {
        Ok(String::new())
    }
}

struct Names;

#[abide::nexus_handlers(implements = Payments)]
impl Names {
    #[nexus_operation(name = "charge")]
    fn charge(_cents: u64) -> Result<String, NexusError> {
        Ok(String::new())
    }

    #[nexus_cancel]
    fn stop(_token: String) -> Result<(), NexusError> {
        Ok(())
    }

    #[nexus_cancel(refund)]
    fn stop_refund(_token: String) -> Result<(), NexusError> {
        Ok(())
    }

    #[nexus_cancel(charge)]
    fn stop_charge() -> Result<(), NexusError> {
        Ok(())
    }

    #[nexus_cancel(charge)]
    fn stop_charge_again(_token: String) -> Result<(), NexusError> {
        Ok(())
    }
}

struct Signatures;

#[abide::nexus_handlers(implements = Payments)]
impl Signatures {
    #[nexus_operation]
    async fn charge(&mut self, ctx: &WorkflowContext, cents: &str, more: u64) {}

    #[nexus_operation]
    #[nexus_cancel(charge)]
    fn both(&self, ctx: NexusContext) -> Result<(), NexusError> {
        Ok(())
    }
}

struct Idle;

#[abide::nexus_handlers(implements = Payments)]
impl Idle {
    fn charge(_cents: u64) {}
}

#[abide::nexus_handlers(implements = Payments)]
struct NotABlock;

fn main() {}
