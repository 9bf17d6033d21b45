//! Workflows as functions and as structs, and their messages: names and types.

use std::any::type_name;
use std::collections::VecDeque;

use abide::prelude::*;
use abide::{
    AnyWorkflow, Arguments, QueryDefinition, SignalDefinition, SignalOf, UpdateDefinition, Workflow, WorkflowDefinition,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Action {
    damage: u32,
}

#[workflow]
async fn process_order(_ctx: &WorkflowContext, order: String) -> Result<String, WorkflowError> {
    Ok(order)
}

#[workflow(name = "order/v2")]
async fn renamed(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Player {
    pending: State<VecDeque<Action>>,
    health: State<u32>,
}

type Answer<T> = Result<T, WorkflowError>;

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, id: u64, saved: Option<u32>) -> Result<u32, WorkflowError> {
        self.health.set(saved.unwrap_or(100));
        self.apply(ctx).await;
        self.submit_action(Action { damage: 1 });
        self.check_trade(&3, "gold")?;
        Ok(self.player_health() + u32::try_from(id)? + self.trade(ctx, 1, "gold".into()).await?)
    }

    #[signal]
    fn submit_action(&self, action: Action) {
        self.pending.update(|pending| pending.push_back(action));
    }

    #[signal(name = "heal-now")]
    async fn heal(&self, _ctx: &WorkflowContext, by: u32) -> Answer<()> {
        self.health.update(|health| *health += by);
        Ok(())
    }

    #[query]
    fn player_health(&self) -> u32 {
        self.health.get()
    }

    #[query(name = "pending")]
    fn pending_actions(&self, at_most: usize) -> Answer<Vec<Action>> {
        Ok(self.pending.with(|pending| pending.iter().take(at_most).cloned().collect()))
    }

    #[update]
    async fn trade(&self, _ctx: &WorkflowContext, offer: u32, for_what: String) -> Answer<u32> {
        drop(for_what);
        Ok(offer)
    }

    // An argument may have any type that a reference to it coerces to.
    #[update_validator(trade)]
    fn check_trade(&self, offer: &u32, for_what: &str) -> Answer<()> {
        match (offer, for_what) {
            (0, _) | (_, "") => Err(ApplicationFailure::new("a trade has two sides").into()),
            _ => Ok(()),
        }
    }

    #[update(name = "rest", unfinished_policy = abandon)]
    fn rest_a_while(&self) -> u32 {
        self.health.get()
    }

    async fn apply(&self, _ctx: &WorkflowContext) {
        while let Some(action) = self.pending.update(VecDeque::pop_front) {
            self.health.update(|health| *health = health.saturating_sub(action.damage));
        }
    }
}

#[workflow(name = "given-at-the-struct")]
#[derive(Default)]
struct NamedAtStruct;

#[workflow_methods]
impl NamedAtStruct {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

#[workflow]
#[derive(Default)]
struct NamedAtRun;

#[workflow_methods]
impl NamedAtRun {
    #[run(name = "given-at-run")]
    async fn main_routine(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn types_of<Kind, W: Workflow<Kind>>(_: W) -> (&'static str, &'static str) {
    (type_name::<<W::Definition as Arguments>::Args>(), type_name::<<W::Definition as WorkflowDefinition>::Output>())
}

fn query_types<Q: QueryDefinition>(_: Q) -> (&'static str, String) {
    (type_name::<Q::Args>(), type_name::<Q::Output>().replace("macros::workflows::", ""))
}

fn update_types<U: UpdateDefinition>(_: U) -> (&'static str, &'static str) {
    (type_name::<U::Args>(), type_name::<U::Output>())
}

fn belongs_to_player<S: SignalOf<Player> + SignalOf<AnyWorkflow>>(_: S) {}

#[test]
fn a_workflow_is_named_as_its_function_or_struct_unless_told_otherwise() {
    assert_eq!(process_order.definition().name(), "process_order");
    assert_eq!(renamed.definition().name(), "order/v2");
    assert_eq!(Player::run.name(), "Player");
    assert_eq!(NamedAtStruct::run.name(), "given-at-the-struct");
    assert_eq!(NamedAtRun::main_routine.name(), "given-at-run");
}

#[test]
fn a_message_is_named_as_its_method_unless_told_otherwise() {
    assert_eq!(SignalDefinition::name(&Player::submit_action), "submit_action");
    assert_eq!(SignalDefinition::name(&Player::heal), "heal-now");
    assert_eq!(QueryDefinition::name(&Player::player_health), "player_health");
    assert_eq!(QueryDefinition::name(&Player::pending_actions), "pending");
    assert_eq!(UpdateDefinition::name(&Player::trade), "trade");
    assert_eq!(UpdateDefinition::name(&Player::rest_a_while), "rest");
    assert_eq!(format!("{:?}", Player::submit_action), "Player::submit_action");
}

#[test]
fn arguments_are_unit_the_value_or_a_tuple_and_the_context_is_none_of_them() {
    assert_eq!(types_of(process_order), ("alloc::string::String", "alloc::string::String"));
    assert_eq!(types_of(renamed), ("()", "()"));
    assert_eq!(types_of(Player::run), ("(u64, core::option::Option<u32>)", "u32"));
}

#[test]
fn the_answer_of_a_query_is_the_value_or_what_stands_in_the_result_however_it_is_spelled() {
    assert_eq!(query_types(Player::player_health), ("()", "u32".into()));
    assert_eq!(query_types(Player::pending_actions), ("usize", "alloc::vec::Vec<Action>".into()));
}

#[test]
fn the_result_of_an_update_is_read_like_the_answer_of_a_query() {
    assert_eq!(update_types(Player::trade), ("(u32, alloc::string::String)", "u32"));
    assert_eq!(update_types(Player::rest_a_while), ("()", "u32"));
}

#[test]
fn a_signal_knows_its_workflow() {
    belongs_to_player(Player::submit_action);
    belongs_to_player(Player::heal);
    fn same_arguments<A: Arguments<Args = Action>>(_: A) {}
    same_arguments(Player::submit_action);
}
