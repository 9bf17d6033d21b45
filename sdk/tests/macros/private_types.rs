//! Public methods of private types expose no private type, and strict lints accept the macros' output.
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    unused_qualifications,
    missing_debug_implementations
)]

use abide::prelude::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct Amount(u32);

struct Payments;

#[activities]
impl Payments {
    #[activity]
    pub async fn charge(&self, amount: Amount) -> Result<Amount, ActivityError> {
        Ok(amount)
    }
}

#[workflow]
#[derive(Default)]
struct Player {
    health: State<u32>,
}

#[workflow_methods]
impl Player {
    #[run]
    pub async fn run(&self, _ctx: &WorkflowContext) -> Result<Amount, WorkflowError> {
        Ok(Amount(self.health.get()))
    }

    #[signal]
    pub fn hit(&self, amount: Amount) {
        self.health.update(|health| *health -= amount.0);
    }

    #[query]
    pub fn health(&self) -> Amount {
        Amount(self.health.get())
    }
}

mod public {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Secret(u32);

    #[derive(Debug)]
    pub(super) struct Refunds;

    #[activities]
    impl Refunds {
        #[activity]
        async fn refund(&self, secret: Secret) -> Result<Secret, ActivityError> {
            Ok(secret)
        }
    }

    #[workflow]
    #[derive(Default)]
    pub(super) struct Vault;

    #[workflow_methods]
    impl Vault {
        #[run]
        pub(super) async fn run(&self) -> Result<(), WorkflowError> {
            Ok(())
        }

        #[signal]
        fn fill(&self, _secret: Secret) {}

        #[query]
        fn secret(&self) -> Secret {
            Secret(1)
        }

        #[update]
        fn replace(&self, secret: Secret) -> Secret {
            secret
        }
    }

    pub(super) fn names() -> String {
        format!("{:?} {:?} {:?} {:?}", Refunds::refund, Vault::fill, Vault::secret, Vault::replace)
    }
}

#[deprecated]
#[activity]
async fn old() -> Result<(), ActivityError> {
    Ok(())
}

fn activities_of<Kind>(activities: impl abide::activity::Activities<Kind>) -> Vec<String> {
    let mut registry = abide::activity::ActivityRegistry::default();
    activities.register(&mut registry);
    registry.names().map(str::to_owned).collect()
}

#[test]
fn public_methods_of_private_types_are_definitions_too() {
    assert_eq!(activities_of(Payments), ["charge"]);
    assert_eq!(
        format!("{:?} {:?} {:?}", Player::run, Player::hit, Player::health),
        "Player::run Player::hit Player::health"
    );
}

#[test]
fn private_methods_of_visible_types_have_private_types() {
    assert_eq!(public::names(), "Refunds::refund Vault::fill Vault::secret Vault::replace");
    assert_eq!(activities_of(public::Refunds), ["refund"]);
    assert_eq!(format!("{:?}", public::Vault::run), "Vault::run");
}

#[test]
fn definitions_can_stand_inside_a_function() {
    #[activity]
    async fn inside_a_function() -> Result<(), ActivityError> {
        Ok(())
    }

    struct Local;

    #[activities]
    impl Local {
        #[activity]
        async fn inside(&self) -> Result<(), ActivityError> {
            Ok(())
        }
    }

    #[allow(deprecated)]
    let names = [activities_of(inside_a_function), activities_of(Local), activities_of(old)];
    assert_eq!(names.concat(), ["inside_a_function", "inside", "old"]);
}
