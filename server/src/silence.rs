//! Measures how long nothing has happened on a server whose clock stands still, and determines the consequences.
//! Measured on the machine's clock: work outside the server shows activity in time, or never.

use std::time::Duration;

use super::engine::time::Time;

/// Time after which a queue without a poll counts as having no worker.
const UNPOLLED: Duration = Duration::from_millis(250);
/// Time after which a worker that has not polled its queue again counts as not coming soon.
const UNTAKEN: Duration = Duration::from_secs(1);
/// Default time for the test to make something happen when nothing can happen by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Factor by which running work may be silent for longer.
const UNDER_WAY: u32 = 12;

/// A consequence of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SilenceStage {
    /// Queues without polls no longer stop the clock.
    Unpolled,
    /// Untaken tasks do not stop the clock, this once.
    Untaken,
    /// If nothing can happen by itself, nothing will.
    Stuck,
    /// Running work will not end.
    Endless,
}

const STAGES: [SilenceStage; 4] =
    [SilenceStage::Unpolled, SilenceStage::Untaken, SilenceStage::Stuck, SilenceStage::Endless];

/// The current silence.
#[derive(Debug)]
pub(crate) struct Silence {
    patience: Duration,
    changes: u64,
    /// Time of the last change.
    changed: Time,
    /// Time since which a caller has waited for a change.
    since: Time,
    passed: usize,
}

impl Silence {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, changes: 0, changed: Time::default(), since: Time::default(), passed: 0 }
    }

    /// Restarts if something has changed since.
    pub(crate) fn listen(&mut self, changes: u64, wall: Time) {
        if changes != self.changes {
            self.begin(changes, wall);
        }
    }

    /// Starts from the beginning.
    pub(crate) fn begin(&mut self, changes: u64, wall: Time) {
        *self = Self { changes, changed: wall, since: wall, passed: 0, patience: self.patience };
    }

    /// Restarts because a caller waits for a change only from now on.
    pub(crate) fn restart(&mut self, wall: Time) {
        (self.since, self.passed) = (wall, 0);
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Returns the next stage, and the time at which it is reached on the machine's clock.
    pub(crate) fn next(&self) -> Option<(Time, SilenceStage)> {
        let stage = *STAGES.get(self.passed)?;
        let at = match stage {
            SilenceStage::Unpolled => self.since.plus(UNPOLLED),
            SilenceStage::Untaken => self.since.plus(UNTAKEN),
            SilenceStage::Stuck => self.since.plus(self.patience.max(UNTAKEN)),
            SilenceStage::Endless => self.changed.plus(self.patience.saturating_mul(UNDER_WAY).max(UNTAKEN)),
        };
        Some((at, stage))
    }

    /// Marks the next stage as done.
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_has_its_stages_and_ends_with_a_change() {
        let at = |seconds: f64| Time::from_nanos(1).plus(Duration::from_secs_f64(seconds));
        let mut silence = Silence::new(PATIENCE);
        silence.listen(1, at(0.0));
        assert_eq!(silence.next(), Some((at(0.25), SilenceStage::Unpolled)));
        silence.pass();
        assert_eq!(silence.next(), Some((at(1.0), SilenceStage::Untaken)));
        silence.listen(1, at(2.0));
        assert_eq!(silence.next(), Some((at(1.0), SilenceStage::Untaken)), "nothing has changed");
        silence.restart(at(2.0));
        assert_eq!(silence.next(), Some((at(2.25), SilenceStage::Unpolled)));
        silence.pass();
        silence.pass();
        assert_eq!(silence.next(), Some((at(7.0), SilenceStage::Stuck)));
        silence.pass();
        assert_eq!(silence.next(), Some((at(60.0), SilenceStage::Endless)));
        silence.pass();
        assert_eq!(silence.next(), None);
        silence.listen(2, at(61.0));
        assert_eq!(silence.next(), Some((at(61.25), SilenceStage::Unpolled)));
    }
}
