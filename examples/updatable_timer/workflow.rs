//! A seat in a theatre, held until a deadline that can move.

use std::time::{Duration, SystemTime};

use abide::prelude::*;
use abide::workflow::UpdatableTimer;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Seat {
    Sold,
    Released,
}

#[workflow]
pub struct Hold {
    began: SystemTime,
    end: UpdatableTimer,
    is_paid: State<bool>,
}

#[workflow_methods]
impl Hold {
    #[init]
    fn new(ctx: &WorkflowContext, time: Duration) -> Self {
        let began = ctx.now();
        Self { began, end: ctx.updatable_timer(began + time), is_paid: State::new(false) }
    }

    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, _time: Duration) -> Result<Seat, WorkflowError> {
        // If both are ready, the upper branch wins: who pays at the last moment gets the seat.
        let seat = abide::select! {
            paid = ctx.wait_until(|| self.is_paid.get()) => paid.map(|()| Seat::Sold),
            ended = self.end.wait() => ended.map(|()| Seat::Released),
        };
        Ok(seat?)
    }

    #[signal]
    pub fn extend(&self, by: Duration) {
        self.end.set_deadline(self.end.deadline() + by);
    }

    /// A deadline that has passed ends the wait at once.
    #[signal]
    pub fn shorten(&self, by: Duration) {
        self.end.set_deadline(self.end.deadline() - by);
    }

    #[signal]
    pub fn pay(&self) {
        self.is_paid.set(true);
    }

    /// Returns how long the seat is held, from the beginning.
    #[query]
    pub fn held_for(&self) -> Duration {
        self.end.deadline().duration_since(self.began).unwrap_or_default()
    }
}
