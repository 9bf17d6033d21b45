//! The reasons to end a test that gets nowhere, and their texts.
//!
//! Extends `Flow`.

use std::time::Duration;

use abide_protos::fields::std_duration_text;

use super::callers::Caller;
use super::clock::Pace;
use super::engine::Hold;
use super::engine::told::Told;
use super::flow::{Flow, Moment, Sleep};
use super::silence::{MANY_SKIPS, SilenceStage, UNDER_WAY};

/// Number of skips for one awaited outcome after which it counts as never coming, however short a time they take.
const SKIP_LIMIT: u32 = 1_000_000;

/// Maximum names in one list of a text.
const NAMES_TOLD: usize = 3;

/// The reason to end a test.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) why: Told,
    /// True if the lines at which the workflows' code waits help to understand it.
    pub(super) wants_lines: bool,
}

impl Flow {
    /// Checks if skipping time leads to the awaited outcome.
    pub(super) fn ask_where_skips_lead(&mut self) {
        let is_activity = |kind: &Sleep| kind.awaits().and_then(Caller::attempt).is_some();
        let others = self.sleepers.values().any(|sleeper| !is_activity(&sleeper.kind));
        let hopeless = if others { None } else { self.engine.hopeless_activity() };
        let taken = self.clock.now().wall.since(self.skips_since);
        let many = self.skips >= MANY_SKIPS && taken >= self.silence.patience().saturating_mul(UNDER_WAY);
        let why = match hopeless {
            Some(why) => why,
            None if many || self.skips >= SKIP_LIMIT => {
                let (skips, taken) = (self.skips, std_duration_text(Duration::from_secs(taken.as_secs())));
                format!(
                    "time was skipped {skips} times in {taken}, and what the test awaits has still not happened. Look \
                     for an endless loop: a workflow that starts one timer after another or continues as new, or an \
                     activity that is retried without a limit. If the loop does end, allow more time with \
                     `env.set_patience(..)`"
                )
                .into()
            }
            None => return,
        };
        self.end_with(why);
    }

    /// Sets a reason to end the test if nothing more can happen.
    pub(super) fn end_if_stuck(&mut self) {
        if let Some(why) = self.why_stuck() {
            self.end_with(why);
        }
    }

    fn why_stuck(&self) -> Option<String> {
        if !self.is_awaited() || self.hold_of_code() > Hold::Untaken {
            return None;
        }
        let never = "nothing more can happen, so what the test awaits will never happen";
        if self.engine.will_retake() {
            return None;
        }
        if self.next_due().is_none() {
            return self.acting_waits().then(|| never.to_owned());
        }
        // A paused clock goes on by itself.
        if self.pace == Pace::Paused || !self.acting_waits() {
            return None;
        }
        if self.acting.is_empty() {
            // The clock stands still for an activity that is left open, and nothing in this process runs.
            return (self.hold() > Hold::Untaken).then(|| never.to_owned());
        }
        Some(format!("nothing more can happen{}", self.told_of_acting()))
    }

    /// Returns true if everything that the test does at a virtual time waits for this server.
    fn acting_waits(&self) -> bool {
        let task = |caller: Caller| caller.other().map(|other| other.first_seen);
        let waits = |moment: &Moment| {
            let acts = moment.caller.and_then(task);
            acts.is_some() && self.awaiting().any(|caller| task(caller) == acts)
        };
        self.acting.values().all(waits)
    }

    /// Sets a reason to end the test: running work brings nothing forward.
    pub(super) fn end_endless(&mut self, stage: SilenceStage) {
        let taken = self.silence.lasts(stage, self.clock.now().wall);
        let taken = std_duration_text(Duration::from_secs(taken.as_secs()));
        let longer = "(if it does continue, allow more time with `env.set_patience(..)`)";
        let why = match stage {
            SilenceStage::Held => {
                let waiters = names(self.waiters_for_time()).unwrap_or_default();
                let held = names(self.holders()).map(|holders| {
                    format!(". The clock is held by {holders}, until that ends; heartbeats do not change this {longer}")
                });
                let held = held.unwrap_or_default();
                format!(
                    "virtual time has stood still for {taken} of real time, and {waiters} can come only when it passes{held}"
                )
            }
            SilenceStage::Aimless => format!(
                "no workflow has made progress for {taken} of real time. An activity that only sends heartbeats or is \
                 retried, and a test that only sends queries and updates or sleeps, do not move a workflow forward \
                 {longer}"
            ),
            SilenceStage::Unpolled | SilenceStage::Untaken | SilenceStage::Stuck | SilenceStage::Endless => {
                "nothing has happened for a long time, and the test would wait forever".to_owned()
            }
        };
        let awaited = if self.is_awaited() { "" } else { ": time passes only while the test awaits an outcome" };
        self.end_with(format!("{why}{awaited}{}", self.told_of_acting()));
    }

    /// Sets a reason to end a test, with what is awaited and what the open runs wait for.
    fn end_with(&mut self, why: impl Into<Told>) {
        self.verdict = Some(Verdict { why: self.told(why.into()), wants_lines: true });
    }

    fn told(&self, mut why: Told) -> Told {
        let parked = self.parked.iter().filter(|(_, parked)| parked.awaits.is_some());
        let mut awaited: Vec<String> = parked.filter_map(|(id, _)| self.engine.awaited_by(*id)).collect();
        if self.sleepers.values().any(|sleeper| sleeper.kind.awaits().and_then(Caller::other).is_some()) {
            awaited.push("the end of a sleep on the environment's clock".to_owned());
        }
        let awaited = if awaited.is_empty() { "nothing from this server".to_owned() } else { awaited.join(", ") };
        why.push(format!(".\nAwaited: {awaited}."));
        if let Some(later) = names(self.named_moments()) {
            why.push(format!("\nTo come: {later}."));
        }
        why.push("\nOpen:");
        why.append(self.engine.open_runs());
        why
    }

    /// Returns a sentence about what the test does at a virtual time and has not ended.
    fn told_of_acting(&self) -> String {
        let Some(acting) = names(self.acting.values().map(|moment| moment.name.clone())) else { return String::new() };
        format!(
            ". The action of {acting} has not ended, and the clock stands still until it ends: the action must not await \
             anything that takes virtual time. Send an update with `start_update(..)` and await its outcome in the test"
        )
    }

    /// Returns what stops the clock.
    fn holders(&self) -> impl Iterator<Item = String> {
        let orphans = self.orphans_of_closed_workflows();
        self.attempts.local().into_iter().chain(self.engine.holders(&self.waiting())).chain(orphans)
    }

    /// Returns what comes only when time passes.
    fn waiters_for_time(&self) -> impl Iterator<Item = String> {
        let sleeps = self.moments().any(|sleeper| sleeper.kind.awaits().is_some());
        let asleep = sleeps.then(|| "the end of `env.sleep(..)`".to_owned());
        self.named_moments().chain(asleep).chain(self.engine.next_step())
    }

    fn named_moments(&self) -> impl Iterator<Item = String> {
        self.moments().filter_map(|sleeper| match &sleeper.kind {
            Sleep::Waits(name) => Some(name.clone()),
            Sleep::Awaits(_) => None,
        })
    }
}

/// Returns a list of names; `None` if there are none.
fn names(names: impl IntoIterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(NAMES_TOLD);
    let mut told = names.get(..NAMES_TOLD.min(names.len()))?.join(", ");
    if more > 0 {
        told = format!("{told} and {more} more");
    }
    (!told.is_empty()).then_some(told)
}
