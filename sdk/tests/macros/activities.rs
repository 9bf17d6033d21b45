//! Activities as functions and as methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abide::activity::{Activities, ActivityCancellation, ActivityOutbound, ActivityRegistry};
use abide::converter::{from_payload, to_payload};
use abide::prelude::*;
use abide::{Activity, ActivityDefinition, ActivityInfo, PayloadValue};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    sku: String,
    count: u32,
}

#[activity]
async fn check_inventory(items: Vec<Item>) -> Result<u32, ActivityError> {
    Ok(items.iter().map(|item| item.count).sum())
}

#[activity(name = "inventory/count-v2")]
async fn count_again() -> Result<u32, ActivityError> {
    Ok(3)
}

#[activity]
async fn describe(
    ctx: &ActivityContext,
    (sku, count): (String, u32),
    note: Option<String>,
) -> Result<String, ActivityError> {
    let attempt = ctx.info().attempt;
    Ok(format!("{sku} x{count}, attempt {attempt}, note {note:?}"))
}

#[activity(blocking)]
fn double(mut value: u32) -> Result<u32, ActivityError> {
    value *= 2;
    Ok(value)
}

#[activity]
async fn parse(text: String) -> Result<u32, std::num::ParseIntError> {
    text.parse()
}

type Outcome<T> = Result<T, ActivityError>;
type Ctx = ActivityContext;

#[activity]
async fn aliased(_ctx: &Ctx, value: u32) -> Outcome<u32> {
    Ok(value + 1)
}

mod elsewhere {
    use super::*;

    /// A counter.
    #[derive(Default)]
    pub(super) struct Counter {
        pub(super) total: AtomicU32,
    }

    #[activities]
    impl Counter {
        pub(super) const STEP: u32 = 1;

        /// Adds to the total.
        #[activity]
        pub(super) async fn add(&self, amount: u32) -> Result<u32, ActivityError> {
            Ok(self.bump(amount))
        }

        #[activity(name = "AddOne", blocking)]
        pub(super) fn add_one(&self, _ctx: &ActivityContext) -> Result<u32, ActivityError> {
            Ok(self.bump(Self::STEP))
        }

        #[activity]
        pub(super) async fn is_even(value: u32) -> Result<bool, ActivityError> {
            Ok(value.is_multiple_of(2))
        }

        #[activity]
        pub(super) async fn add_two(&self) -> Result<u32, ActivityError> {
            self.add(1).await?;
            Self::add(self, 1).await
        }

        #[cfg(any())]
        #[activity]
        pub(super) async fn not_compiled(&self) -> Result<NoSuchType, ActivityError> {}

        fn bump(&self, amount: u32) -> u32 {
            self.total.fetch_add(amount, Ordering::Relaxed) + amount
        }
    }
}
use elsewhere::Counter;

struct NoHeartbeat;

impl ActivityOutbound for NoHeartbeat {
    fn heartbeat(&self, _details: Vec<abide::__private::Payload>) {}
}

pub(super) fn context() -> ActivityContext {
    ActivityContext::new(ActivityInfo::for_test("test"), ActivityCancellation::new(), Box::new(NoHeartbeat))
}

fn registry_of<Kind>(activities: impl Activities<Kind>) -> ActivityRegistry {
    let mut registry = ActivityRegistry::default();
    activities.register(&mut registry);
    registry
}

/// Runs a registered activity as a worker does: payloads in, payload out.
async fn run<T: PayloadValue>(
    registry: &ActivityRegistry,
    name: &str,
    input: Vec<abide::__private::Payload>,
) -> Result<T, ActivityError> {
    let output = registry.get(name).expect(name).run(context(), input).await?;
    Ok(from_payload(&output).expect("the result was written by this test"))
}

/// Returns the output type of a definition, as the compiler sees it.
fn output_of<Kind, A: Activity<Kind>>(_: A) -> &'static str {
    std::any::type_name::<<A::Definition as ActivityDefinition>::Output>()
}

#[test]
fn an_activity_is_named_as_its_function_unless_told_otherwise() {
    assert_eq!(check_inventory.definition().name(), "check_inventory");
    assert_eq!(count_again.definition().name(), "inventory/count-v2");
    assert_eq!(Counter::add.name(), "add");
    assert_eq!(Counter::add_one.name(), "AddOne");
}

#[test]
fn a_definition_is_a_small_value_that_shows_its_name() {
    let copy = check_inventory;
    assert_eq!(format!("{:?} {:?}", check_inventory.definition(), Counter::add), "CheckInventoryActivity Counter::add");
    assert_eq!(size_of_val(&copy) + size_of_val(&copy.definition()) + size_of_val(&Counter::add), 0);
}

#[test]
fn the_output_is_what_stands_in_the_result_however_it_is_spelled() {
    assert_eq!(output_of(check_inventory), "u32");
    assert_eq!(output_of(parse), "u32");
    assert_eq!(output_of(aliased), "u32");
    assert_eq!(output_of(Counter::is_even), "bool");
}

#[tokio::test]
async fn an_activity_can_still_be_called() {
    let items = vec![Item { sku: "book".into(), count: 2 }, Item { sku: "pen".into(), count: 3 }];
    assert_eq!(check_inventory(items).await.unwrap(), 5);
    let ctx = context();
    assert_eq!(describe(&ctx, ("pen".into(), 3), None).await.unwrap(), "pen x3, attempt 1, note None");
    assert_eq!(double(4).await.unwrap(), 8);
    assert!(parse("no number".into()).await.is_err());
}

#[tokio::test]
async fn a_method_can_be_called_through_its_type_where_its_block_is_not_in_scope() {
    let counter = Counter::default();
    assert_eq!(Counter::add(&counter, 2).await.unwrap(), 2);
    assert_eq!(Counter::add_one(&counter, &context()).unwrap(), 3);
    assert!(Counter::is_even(4).await.unwrap());
}

#[tokio::test]
async fn a_method_can_be_called_on_its_value_where_its_block_is_in_scope() {
    use elsewhere::*;
    let counter = Counter::default();
    assert_eq!(counter.add(2).await.unwrap(), 2);
    assert_eq!(counter.add_two().await.unwrap(), 4);
}

#[tokio::test]
async fn each_argument_is_a_payload_of_its_own_and_the_context_is_none() {
    let registry = registry_of(describe);
    let pair = to_payload(&("pen".to_string(), 3_u32)).unwrap();
    let note = to_payload(&Some("fragile".to_string())).unwrap();
    let text: String = run(&registry, "describe", vec![pair.clone(), note]).await.unwrap();
    assert_eq!(text, "pen x3, attempt 1, note Some(\"fragile\")");
    let text: String = run(&registry, "describe", vec![pair]).await.unwrap();
    assert_eq!(text, "pen x3, attempt 1, note None");
}

#[tokio::test]
async fn arguments_that_do_not_fit_fail_the_activity_with_its_name() {
    let registry = registry_of(check_inventory);
    let text = |result: Result<u32, ActivityError>| result.unwrap_err().to_string();
    let missing = text(run(&registry, "check_inventory", vec![]).await);
    assert!(
        missing
            .starts_with("the arguments of activity `check_inventory` do not fit its function: argument 1 is missing"),
        "{missing}"
    );
    let error = run::<u32>(&registry, "check_inventory", vec![]).await.unwrap_err();
    let failure = abide::TemporalFailure::to_failure(&error).unwrap().to_string();
    assert_eq!(failure.matches("argument 1 is missing").count(), 1, "{failure}");
}

#[tokio::test]
async fn payloads_beyond_the_arguments_are_ignored() {
    let one = to_payload(&Vec::<Item>::new()).unwrap();
    assert_eq!(run::<u32>(&registry_of(check_inventory), "check_inventory", vec![one.clone(), one]).await.unwrap(), 0);
    let null = to_payload(&()).unwrap();
    assert_eq!(run::<u32>(&registry_of(count_again), "inventory/count-v2", vec![null]).await.unwrap(), 3);
}

#[tokio::test]
async fn a_value_registers_all_its_activities_and_they_share_it() {
    let registry = registry_of(Counter::default());
    assert_eq!(registry.names().collect::<Vec<_>>(), ["AddOne", "add", "add_two", "is_even"]);
    assert_eq!(run::<u32>(&registry, "add", vec![to_payload(&5_u32).unwrap()]).await.unwrap(), 5);
    assert_eq!(run::<u32>(&registry, "AddOne", vec![]).await.unwrap(), 6);
    assert!(run::<bool>(&registry, "is_even", vec![to_payload(&6_u32).unwrap()]).await.unwrap());
}

#[tokio::test]
async fn the_error_of_an_activity_keeps_its_type() {
    let registry = registry_of(parse);
    let error = run::<u32>(&registry, "parse", vec![to_payload(&"x".to_string()).unwrap()]).await.unwrap_err();
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
}

#[test]
fn an_attempt_can_move_between_threads() {
    fn assert_send<T: Send>(_: &T) {}
    assert_send(&check_inventory(vec![]));
    let counter = Arc::new(Counter::default());
    assert_send(&Counter::add(&counter, 1));
}
