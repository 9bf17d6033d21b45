//! How long nothing has happened on a server whose clock stands, and what follows from that. Measured on the machine's
//! clock: what is under way outside the server shows itself in time, or never.

use std::time::Duration;

use super::engine::time::Time;

/// A queue that nobody has polled by then has no worker.
const UNPOLLED: Duration = Duration::from_millis(250);
/// A worker that has not come back to its queue by then is not coming soon.
const UNTAKEN: Duration = Duration::from_secs(1);
/// By default, so long somebody outside has to make something happen where nothing can happen by itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// So many times longer may something that is under way show nothing.
const UNDER_WAY: u32 = 12;

/// What follows from a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Queues that nobody polls do not hold the clock.
    Unpolled,
    /// Tasks that nobody takes do not hold the clock, this once.
    Untaken,
    /// If nothing can happen by itself, nothing will.
    Stuck,
    /// What is under way will not end.
    Endless,
}

const STAGES: [Stage; 4] = [Stage::Unpolled, Stage::Untaken, Stage::Stuck, Stage::Endless];

/// The present silence.
#[derive(Debug)]
pub(crate) struct Silence {
    patience: Duration,
    changes: u64,
    /// When something changed last.
    changed: Time,
    /// Since when somebody has waited for a change.
    since: Time,
    passed: usize,
}

impl Silence {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, changes: 0, changed: Time::default(), since: Time::default(), passed: 0 }
    }

    /// Begins anew if something has changed since.
    pub(crate) fn listen(&mut self, changes: u64, wall: Time) {
        if changes != self.changes {
            self.begin(changes, wall);
        }
    }

    /// Begins anew.
    pub(crate) fn begin(&mut self, changes: u64, wall: Time) {
        *self = Self { changes, changed: wall, since: wall, passed: 0, patience: self.patience };
    }

    /// Nothing has changed, but only now does somebody wait for it.
    pub(crate) fn restart(&mut self, wall: Time) {
        (self.since, self.passed) = (wall, 0);
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The next stage, and when it is reached on the machine's clock.
    pub(crate) fn next(&self) -> Option<(Time, Stage)> {
        let stage = *STAGES.get(self.passed)?;
        let at = match stage {
            Stage::Unpolled => self.since.plus(UNPOLLED),
            Stage::Untaken => self.since.plus(UNTAKEN),
            Stage::Stuck => self.since.plus(self.patience.max(UNTAKEN)),
            Stage::Endless => self.changed.plus(self.patience.saturating_mul(UNDER_WAY).max(UNTAKEN)),
        };
        Some((at, stage))
    }

    /// The next stage is done.
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
        assert_eq!(silence.next(), Some((at(0.25), Stage::Unpolled)));
        silence.pass();
        assert_eq!(silence.next(), Some((at(1.0), Stage::Untaken)));
        silence.listen(1, at(2.0));
        assert_eq!(silence.next(), Some((at(1.0), Stage::Untaken)), "nothing has changed");
        silence.restart(at(2.0));
        assert_eq!(silence.next(), Some((at(2.25), Stage::Unpolled)));
        silence.pass();
        silence.pass();
        assert_eq!(silence.next(), Some((at(7.0), Stage::Stuck)));
        silence.pass();
        assert_eq!(silence.next(), Some((at(60.0), Stage::Endless)));
        silence.pass();
        assert_eq!(silence.next(), None);
        silence.listen(2, at(61.0));
        assert_eq!(silence.next(), Some((at(61.25), Stage::Unpolled)));
    }
}
