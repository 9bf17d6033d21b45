//! Mistakes in contracts of Nexus services.
use abide::{NexusContext, NexusError};

#[abide::nexus_service(version = 2)]
pub trait Payments {
    fn charge(&self, cents: u64) -> String;
    async fn refund(receipt: String);
    fn look(ctx: &NexusContext) -> String;
    fn pay(cents: u64) -> Result<String, String>;
    fn transfer(from: String, to: String);
    #[nexus_operation(start_to_close_timeout = mins(5))]
    fn open();
}

#[abide::nexus_service]
pub trait Empty {}

#[abide::nexus_service]
struct NotATrait;

#[abide::nexus_service]
pub trait Sealed {
    fn seal(text: std::rc::Rc<str>);
}

struct Seal;

#[abide::nexus_handlers(implements = Sealed)]
impl Seal {
    #[nexus_operation]
    fn seal(_text: std::rc::Rc<str>) -> Result<(), NexusError> {
        Ok(())
    }
}

fn main() {}
