//! Measures how long nothing has happened on a server whose clock stands still, and determines the consequences.
//! Measured on the machine's clock: work outside the server shows activity in time, or never.
//!
//! What counts as something depends on the consequence. A heartbeat shows that code is alive, so the test need not fail
//! yet. But it brings neither the clock nor a workflow forward, and code can send heartbeats for ever.

use std::time::Duration;

use super::engine::happened::Happened;
use super::engine::time::Time;

/// Time after which a queue without a poll counts as having no worker, and an activity that is left open as one that
/// nobody is about to complete.
const UNPOLLED: Duration = Duration::from_millis(250);
/// Time after which a worker that has not polled its queue again counts as not coming soon.
const UNTAKEN: Duration = Duration::from_secs(1);
/// Default time for the test to make something happen when nothing can happen by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Factor by which running work may be silent for longer, and keep others waiting for the clock.
pub(crate) const UNDER_WAY: u32 = 12;
/// Factor by which running work may be alive for longer while no workflow takes a step.
const AIMLESS: u32 = 120;
/// Number of skips without a step, or for one awaited outcome, after which running work is not given longer than that of
/// [`UNDER_WAY`].
pub(crate) const MANY_SKIPS: u32 = 2_000;
/// A caller that comes back within this time has waited all along: long polls end and are sent again.
const COMES_BACK: Duration = Duration::from_secs(1);

/// A consequence of a silence. At the same time the earlier one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SilenceStage {
    /// Queues without polls no longer stop the clock, nor do activities that are left open.
    Unpolled,
    /// Untaken tasks do not stop the clock, this once.
    Untaken,
    /// If nothing can happen by itself, nothing will.
    Stuck,
    /// Running work will not end: it shows no sign of life.
    Endless,
    /// Running work keeps others waiting for the clock.
    Held,
    /// Whatever happens brings no workflow forward.
    Aimless,
}

/// The stages that follow each other while nothing at all happens.
const STAGES: [SilenceStage; 3] = [SilenceStage::Unpolled, SilenceStage::Untaken, SilenceStage::Stuck];

/// Counts and times by which a silence is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) happened: Happened,
    /// Number of times that the server's clock was skipped.
    pub(crate) skips: u64,
    /// The time on the server's clock.
    pub(crate) time: Time,
}

/// The current silence.
#[derive(Debug)]
pub(crate) struct Silence {
    patience: Duration,
    seen: Seen,
    /// Time since which a caller has waited for a change.
    since: Time,
    passed: usize,
    /// Time until which a caller that has gone was waiting.
    awaited: Time,
    /// Times of the last sign of life, of the last move of the server's clock, and of the last step of a workflow.
    lived: Time,
    moved: Time,
    stepped: Time,
    /// Number of skips before that step.
    skips: u64,
}

impl Silence {
    pub(crate) fn new(patience: Duration) -> Self {
        let never = Time::default();
        let seen = Seen::default();
        let (since, awaited, lived, moved, stepped) = (never, never, never, never, never);
        Self { patience, seen, since, passed: 0, awaited, lived, moved, stepped, skips: 0 }
    }

    /// Restarts what has ended because something has happened since.
    pub(crate) fn listen(&mut self, seen: Seen, wall: Time) {
        let (before, now) = (self.seen.happened, seen.happened);
        let skipped = seen.skips != self.seen.skips;
        if now.changes != before.changes || skipped {
            self.restart(wall);
        }
        if now.signs != before.signs || skipped {
            self.lived = wall;
        }
        if now.steps != before.steps || seen.time != self.seen.time {
            self.moved = wall;
        }
        if now.steps != before.steps {
            (self.stepped, self.skips) = (wall, seen.skips);
        }
        self.seen = seen;
    }

    /// Starts from the beginning.
    pub(crate) fn begin(&mut self, seen: Seen, wall: Time) {
        self.restart(wall);
        (self.lived, self.moved, self.stepped) = (wall, wall, wall);
        (self.skips, self.seen) = (seen.skips, seen);
    }

    /// Restarts because a caller waits for a change only from now on.
    pub(crate) fn restart(&mut self, wall: Time) {
        (self.since, self.passed) = (wall, 0);
    }

    /// Records that a caller has waited until now.
    pub(crate) fn was_awaited(&mut self, wall: Time) {
        self.awaited = wall;
    }

    /// Returns true if a caller that comes now was waiting just before.
    pub(crate) fn is_awaited_again(&self, wall: Time) -> bool {
        wall <= self.awaited.plus(COMES_BACK)
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Returns the next stage for who waits while nothing happens, and when it is reached on the machine's clock.
    pub(crate) fn next(&self) -> Option<(Time, SilenceStage)> {
        let stage = *STAGES.get(self.passed)?;
        let after = match stage {
            SilenceStage::Unpolled => UNPOLLED,
            SilenceStage::Untaken => UNTAKEN,
            SilenceStage::Stuck | SilenceStage::Endless | SilenceStage::Held | SilenceStage::Aimless => {
                self.patience.max(UNTAKEN)
            }
        };
        Some((self.since.plus(after), stage))
    }

    /// Returns the next stage of running work, and when it is reached. `clock_is_waited_for` is true if somebody waits
    /// for a point in time.
    pub(crate) fn next_of_work(&self, clock_is_waited_for: bool) -> (Time, SilenceStage) {
        let many = self.seen.skips.saturating_sub(self.skips) >= u64::from(MANY_SKIPS);
        let endless = (self.after(self.lived, UNDER_WAY), SilenceStage::Endless);
        let held = (self.after(self.moved, UNDER_WAY), SilenceStage::Held);
        let aimless = (self.after(self.stepped, if many { UNDER_WAY } else { AIMLESS }), SilenceStage::Aimless);
        let soonest = endless.min(aimless);
        if clock_is_waited_for { soonest.min(held) } else { soonest }
    }

    /// Returns how long that has lasted which leads to a stage of running work.
    pub(crate) fn lasts(&self, stage: SilenceStage, wall: Time) -> Duration {
        let since = match stage {
            SilenceStage::Unpolled | SilenceStage::Untaken | SilenceStage::Stuck => self.since,
            SilenceStage::Endless => self.lived,
            SilenceStage::Held => self.moved,
            SilenceStage::Aimless => self.stepped,
        };
        wall.since(since)
    }

    /// Marks a stage as done.
    pub(crate) fn pass(&mut self, stage: SilenceStage) {
        self.passed += usize::from(STAGES.contains(&stage));
    }

    fn after(&self, time: Time, factor: u32) -> Time {
        time.plus(self.patience.saturating_mul(factor).max(UNTAKEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Time {
        Time::from_nanos(1).plus(Duration::from_secs_f64(seconds))
    }

    fn seen(changes: u64, signs: u64, steps: u64) -> Seen {
        Seen { happened: Happened { changes, signs, steps }, ..Seen::default() }
    }

    #[test]
    fn a_silence_has_its_stages_and_ends_with_a_change() {
        let mut silence = Silence::new(PATIENCE);
        silence.listen(seen(1, 1, 1), at(0.0));
        assert_eq!(silence.next(), Some((at(0.25), SilenceStage::Unpolled)));
        silence.pass(SilenceStage::Unpolled);
        assert_eq!(silence.next(), Some((at(1.0), SilenceStage::Untaken)));
        silence.listen(seen(1, 1, 1), at(2.0));
        assert_eq!(silence.next(), Some((at(1.0), SilenceStage::Untaken)), "nothing has changed");
        silence.restart(at(2.0));
        assert_eq!(silence.next(), Some((at(2.25), SilenceStage::Unpolled)));
        silence.pass(SilenceStage::Unpolled);
        silence.pass(SilenceStage::Untaken);
        assert_eq!(silence.next(), Some((at(7.0), SilenceStage::Stuck)));
        silence.pass(SilenceStage::Stuck);
        assert_eq!(silence.next(), None);
        assert_eq!(silence.next_of_work(false), (at(60.0), SilenceStage::Endless));
        silence.listen(seen(2, 2, 2), at(61.0));
        assert_eq!(silence.next(), Some((at(61.25), SilenceStage::Unpolled)));
        assert_eq!(silence.next_of_work(false), (at(121.0), SilenceStage::Endless));
    }

    #[test]
    fn signs_of_life_are_enough_for_a_while_and_for_less_long_if_the_clock_is_waited_for() {
        let mut silence = Silence::new(PATIENCE);
        silence.begin(seen(0, 0, 0), at(0.0));
        silence.listen(seen(1, 1, 0), at(50.0));
        assert_eq!(silence.next_of_work(true), (at(60.0), SilenceStage::Held));
        assert_eq!(silence.next_of_work(false), (at(110.0), SilenceStage::Endless));
        silence.listen(seen(2, 2, 0), at(599.0));
        assert_eq!(silence.next_of_work(false), (at(600.0), SilenceStage::Aimless));
        let moved = Seen { time: at(7.0), ..seen(2, 2, 0) };
        silence.listen(moved, at(599.5));
        assert_eq!(
            silence.next_of_work(true),
            (at(600.0), SilenceStage::Aimless),
            "the clock has moved, but no workflow"
        );
        silence.listen(Seen { time: at(7.0), ..seen(3, 3, 1) }, at(599.7));
        assert_eq!(silence.next_of_work(true), (at(659.7), SilenceStage::Endless));
    }

    #[test]
    fn workflow_tasks_that_do_nothing_are_no_sign_of_life() {
        let mut silence = Silence::new(PATIENCE);
        silence.begin(seen(0, 0, 0), at(0.0));
        silence.listen(seen(1, 0, 0), at(8.0));
        assert_eq!(silence.next(), Some((at(8.25), SilenceStage::Unpolled)));
        assert_eq!(silence.next_of_work(false), (at(60.0), SilenceStage::Endless));
    }

    #[test]
    fn a_test_that_skips_on_and_on_is_not_given_longer() {
        let mut silence = Silence::new(PATIENCE);
        silence.begin(seen(0, 0, 0), at(0.0));
        silence.listen(Seen { skips: u64::from(MANY_SKIPS) - 1, ..seen(0, 0, 0) }, at(59.0));
        assert_eq!(silence.next_of_work(false), (at(119.0), SilenceStage::Endless));
        silence.listen(Seen { skips: u64::from(MANY_SKIPS), ..seen(0, 0, 0) }, at(59.0));
        assert_eq!(silence.next_of_work(false), (at(60.0), SilenceStage::Aimless));
    }

    #[test]
    fn a_caller_that_comes_back_at_once_has_waited_all_along() {
        let mut silence = Silence::new(PATIENCE);
        silence.was_awaited(at(20.0));
        assert!(silence.is_awaited_again(at(20.9)));
        assert!(!silence.is_awaited_again(at(21.1)));
    }
}
