//! A player of a game: one workflow for as long as the player lives.

use std::collections::{BTreeMap, VecDeque};

use abide::prelude::*;
use serde::{Deserialize, Serialize};

/// Everything that the next run needs. It travels as an argument, so nothing else survives continue-as-new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Save {
    pub phase: Phase,
    pub health: u32,
    pub gold: u32,
    pub position: (i32, i32),
    pub inventory: BTreeMap<String, u32>,
    pub pending: VecDeque<Action>,
    pub runs: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    #[default]
    Initializing,
    Active,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    Move { east: i32, north: i32 },
    PickUp(String),
    Fall { deep: u32 },
}

#[derive(Clone, Debug, PartialEq, ApplicationError)]
pub enum TradeError {
    #[error("the bag holds only three things")]
    BagIsFull,
    #[error("it costs {price} gold, and {gold} are left")]
    TooExpensive { price: u32, gold: u32 },
}

#[activity(start_to_close_timeout = secs(10))]
pub async fn ask_price(item: String) -> Result<u32, ActivityError> {
    Ok(item.len() as u32 + 3)
}

#[workflow]
pub struct Player {
    save: State<Save>,
    trade: tokio::sync::Mutex<()>,
}

#[workflow_methods]
impl Player {
    /// Signals may come before `run` begins, so the state is there from the start.
    #[init]
    fn new(save: Save, _actions_per_run: u32) -> Self {
        Self { save: State::new(Save { runs: save.runs + 1, ..save }), trade: Default::default() }
    }

    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, _save: Save, actions_per_run: u32) -> Result<Save, WorkflowError> {
        self.save.write().phase = Phase::Active;
        let mut applied = 0;
        // The server suggests a new run when the history has grown long.
        while applied < actions_per_run && self.save.read().health > 0 && !ctx.continue_as_new_suggested() {
            ctx.wait_until(|| !self.save.read().pending.is_empty() || ctx.continue_as_new_suggested()).await?;
            if let Some(action) = self.save.update(|save| save.pending.pop_front()) {
                self.apply(action);
                applied += 1;
            }
        }
        // A trade that is under way ends in this run. Actions that come meanwhile are handed over.
        ctx.wait_until(|| ctx.all_handlers_finished()).await?;
        if self.save.read().health == 0 {
            return Ok(self.save.get());
        }
        ctx.continue_as_new(Player::run, (self.save.get(), actions_per_run)).into()
    }

    #[signal]
    pub fn act(&self, action: Action) {
        self.save.write().pending.push_back(action);
    }

    #[query]
    pub fn save(&self) -> Save {
        self.save.get()
    }

    #[update]
    pub async fn buy(&self, ctx: &WorkflowContext, item: String) -> Result<u32, WorkflowError> {
        // One trade at a time: while this one waits for the price, another must not spend the same gold.
        let _trade = self.trade.lock().await;
        let price = ctx.activity(ask_price, item.clone()).await?;
        let gold = self.save.read().gold;
        let left = gold.checked_sub(price).ok_or(TradeError::TooExpensive { price, gold })?;
        self.save.write().gold = left;
        self.apply(Action::PickUp(item));
        Ok(left)
    }

    #[update_validator(buy)]
    fn check_buy(&self, _item: &str) -> Result<(), WorkflowError> {
        if self.save.read().inventory.len() < 3 { Ok(()) } else { Err(TradeError::BagIsFull)? }
    }

    fn apply(&self, action: Action) {
        let mut save = self.save.write();
        match action {
            Action::Move { east, north } => save.position = (save.position.0 + east, save.position.1 + north),
            Action::PickUp(item) => *save.inventory.entry(item).or_default() += 1,
            Action::Fall { deep } => save.health = save.health.saturating_sub(deep),
        }
    }
}
