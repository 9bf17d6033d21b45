//! Public methods of private types leak nothing, and strict lints stay quiet about what the macros write.
#![deny(warnings, missing_docs, unreachable_pub, rust_2018_idioms, unused_qualifications, missing_debug_implementations)]

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

#[deprecated]
#[activity]
async fn old() -> Result<(), ActivityError> {
    Ok(())
}

fn main() {
    fn is_activities(_: impl abide::activity::Activities) {}
    is_activities(Payments);
    let _ = (Player::run, Player::hit, Player::health);
    #[allow(deprecated)]
    let _ = old;

    #[activity]
    async fn inside_a_function() -> Result<(), ActivityError> {
        Ok(())
    }
    is_activities(inside_a_function);
}
