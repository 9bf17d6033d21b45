//! In a library that requires documentation everywhere, the macros' output needs no further documentation.
#![deny(warnings, missing_docs, unreachable_pub, rust_2018_idioms, missing_debug_implementations)]

/// Activities.
pub mod activities {
    use abide::prelude::*;

    /// Says hello.
    #[activity]
    pub async fn greet(name: String) -> Result<String, ActivityError> {
        Ok(name)
    }

    /// Payments.
    #[derive(Debug)]
    pub struct Payments;

    #[activities]
    impl Payments {
        /// Charges.
        #[activity]
        pub async fn charge(&self) -> Result<(), ActivityError> {
            Ok(())
        }
    }

    /// The bank.
    #[abide::activity_definitions]
    pub trait Bank {
        /// Charges.
        fn charge(cents: u64);
    }

    /// A player.
    #[abide::workflow_definition]
    pub trait Player {
        /// Plays.
        #[run]
        fn run();
    }

    /// A desk.
    #[abide::nexus_service]
    pub trait Desk {
        /// Greets.
        fn hello(name: String) -> String;
    }

    /// A clerk.
    #[derive(Debug)]
    pub struct Clerk;

    #[abide::nexus_handlers(implements = Desk)]
    impl Clerk {
        /// Greets.
        #[nexus_operation]
        pub async fn hello(&self, name: String) -> Result<String, abide::NexusError> {
            Ok(name)
        }
    }

    /// An order.
    #[workflow]
    pub async fn order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let _ = (ctx, order, greet, Payments::charge);
        Ok(())
    }
}

#[test]
fn its_definitions_can_be_used_from_outside() {
    use abide::{Activity, ActivityDefinition, Workflow, WorkflowDefinition};
    assert_eq!(activities::order.definition().name(), "order");
    assert_eq!(activities::greet.definition().name(), "greet");
    assert_eq!(activities::Payments::charge.name(), "charge");
}
