//! The two clocks of a server. The machine's clock only ever runs. The server's clock either runs with it, or stands still
//! and is moved by hand, so that a test observes exactly the time it let pass.
//!
//! The machine's clock is tokio's: under a test that has paused it, it stands too and jumps when all tasks wait. Then the
//! server's clock goes along, so that what an activity slept shows as elapsed.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::engine::time::{Now, Time};

/// How the server's clock moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// With the machine's clock.
    Flowing,
    /// Only when it is skipped or advanced.
    Standing,
    /// As [`Self::Standing`], and with tokio's clock, which is paused.
    Paused,
}

impl Pace {
    /// A standing clock, in view of tokio's.
    #[expect(clippy::disallowed_methods, reason = "only a clock can tell whether another one stands")]
    pub(crate) fn standing() -> Self {
        let (machine, tokio) = (std::time::Instant::now(), Instant::now());
        while machine.elapsed() < Duration::from_micros(5) {
            std::hint::spin_loop();
        }
        if Instant::now() == tokio { Self::Paused } else { Self::Standing }
    }

    /// It can be moved on by skipping.
    pub(crate) fn skips(self) -> bool {
        matches!(self, Self::Standing | Self::Paused)
    }
}

/// Tells the time to the engine.
#[derive(Debug)]
pub(crate) struct Clock {
    pace: Pace,
    /// The machine's clock at the start, and what time it was then.
    started: Instant,
    started_wall: Time,
    /// The server's time when it was last set, and what the machine's clock showed then.
    base: Time,
    base_wall: Time,
    /// The server's clock does not go along with the machine's for now.
    halted: bool,
}

impl Clock {
    /// A clock that starts at `start`, or at the present time.
    #[expect(clippy::disallowed_methods, reason = "the one place where the embedded server reads the machine's clock")]
    pub(crate) fn new(pace: Pace, start: Option<SystemTime>) -> Self {
        let wall = time_of(SystemTime::now());
        let base = start.map_or(wall, time_of);
        Self { pace, started: Instant::now(), started_wall: wall, base, base_wall: wall, halted: false }
    }

    pub(crate) fn now(&self) -> Now {
        let wall = self.started_wall.plus(self.started.elapsed());
        let time = if self.goes_along() { self.base.plus(wall.since(self.base_wall)) } else { self.base };
        Now { time, wall }
    }

    /// Stops going along with the machine's clock, or goes on from where it stopped.
    pub(crate) fn halt(&mut self, halted: bool) {
        let now = self.now();
        (self.base, self.base_wall, self.halted) = (now.time, now.wall, halted);
    }

    fn goes_along(&self) -> bool {
        match self.pace {
            Pace::Flowing | Pace::Paused => !self.halted,
            Pace::Standing => false,
        }
    }

    /// Moves the server's clock forward to `time`; it never goes back.
    pub(crate) fn move_to(&mut self, time: Time) {
        let now = self.now();
        self.base = now.time.max(time);
        self.base_wall = now.wall;
    }

    /// How long to wait on the machine's clock until the server's clock shows `time` by itself; `None` if it never does.
    pub(crate) fn until(&self, time: Time) -> Option<Duration> {
        self.goes_along().then(|| time.since(self.now().time))
    }

    pub(crate) fn until_wall(&self, wall: Time) -> Duration {
        wall.since(self.now().wall)
    }
}

pub(crate) fn time_of(time: SystemTime) -> Time {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::default().plus(since)
}
