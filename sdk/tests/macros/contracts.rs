//! Contracts: definitions without bodies, shared by callers and implementations.

use std::any::type_name;

use abide::prelude::*;
use abide::{ActivityDefinition, QueryOf, SignalDefinition, SignalOf, UpdateDefinition, UpdateOf, WorkflowDefinition};

/// A crate without workers and clients.
mod game {
    /// The bank.
    #[abide::activity_definitions]
    pub trait Bank {
        /// Charges a card.
        fn charge(card: String, cents: u64) -> String;
        #[activity(name = "bank/refund")]
        fn refund(receipt: String);
    }

    /// A player.
    #[abide::workflow_definition(name = "player")]
    pub trait Player {
        #[run]
        fn run(health: u32) -> u32;
        #[signal]
        fn submit(action: String);
        #[query(name = "get-health")]
        fn health() -> u32;
        #[update]
        fn trade(item: String, count: u8) -> Vec<String>;
    }
}

use game::{Bank, Player};

struct FirstBank;

#[activities(implements = game::Bank)]
impl FirstBank {
    #[activity]
    async fn charge(&self, ctx: &ActivityContext, card: String, cents: u64) -> Result<String, ActivityError> {
        Ok(format!("{cents} from {card}, attempt {}", ctx.info().attempt))
    }

    #[activity(name = "bank/refund", blocking)]
    fn refund(_receipt: String) -> Result<(), ActivityError> {
        Ok(())
    }
}

#[workflow]
#[derive(Default)]
struct Entity {
    health: State<u32>,
}

#[workflow_methods(implements = Player)]
impl Entity {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, health: u32) -> Result<u32, WorkflowError> {
        self.health.set(health);
        ctx.wait_until(|| self.health.get() == 0).await?;
        Ok(0)
    }

    #[signal]
    fn submit(&self, action: String) {
        *self.health.write() -= u32::from(action == "fall");
    }

    #[query(name = "get-health")]
    fn health(&self) -> u32 {
        self.health.get()
    }

    #[update]
    async fn trade(&self, ctx: &WorkflowContext, item: String, count: u8) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(secs(1)).await?;
        Ok(vec![item; count.into()])
    }
}

fn activity_types<A: ActivityDefinition>(_: A) -> (&'static str, &'static str) {
    (type_name::<A::Args>(), type_name::<A::Output>())
}

fn is_of<W, S: SignalOf<W>, Q: QueryOf<W>, U: UpdateOf<W>>(_: S, _: Q, _: U) {}

#[test]
fn a_contract_has_names_and_types() {
    assert_eq!(Bank::charge.name(), "charge");
    assert_eq!(Bank::refund.name(), "bank/refund");
    assert_eq!(activity_types(Bank::charge), ("(alloc::string::String, u64)", "alloc::string::String"));
    assert_eq!(activity_types(Bank::refund), ("alloc::string::String", "()"));
    assert_eq!(Player::run.name(), "player");
    assert_eq!(SignalDefinition::name(&Player::submit), "submit");
    assert_eq!(UpdateDefinition::name(&Player::trade), "trade");
    assert_eq!(
        format!("{:?} {:?}", Bank::charge, Player::health),
        "ActivityContract(charge) QueryContract(get-health)"
    );
}

#[test]
fn an_implementation_has_the_contracts_names() {
    assert_eq!(FirstBank::charge.name(), Bank::charge.name());
    assert_eq!(FirstBank::refund.name(), Bank::refund.name());
    assert_eq!(Entity::run.name(), "player");
}

#[test]
fn handles_of_the_contract_and_of_its_implementation_take_the_messages_of_both() {
    is_of::<Player, _, _, _>(Player::submit, Player::health, Player::trade);
    is_of::<Player, _, _, _>(Entity::submit, Entity::health, Entity::trade);
    is_of::<Entity, _, _, _>(Entity::submit, Entity::health, Entity::trade);
    fn workflow_of<W: WorkflowDefinition>(_: W) -> &'static str {
        type_name::<W::Workflow>().rsplit("::").next().unwrap()
    }
    assert_eq!((workflow_of(Player::run), workflow_of(Entity::run)), ("Player", "Player"));
}
