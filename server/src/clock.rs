//! The two clocks of a server. The machine's clock always runs. The server's clock either runs with it, or stands still
//! and is moved explicitly, so that a test observes exactly the time it lets pass.
//!
//! The machine's clock is tokio's: in a test that has paused it, it stands still, and jumps when all tasks wait. Then
//! the server's clock follows, so that the time an activity slept shows as elapsed.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::engine::time::{Now, Time};

/// The way in which the server's clock moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// With the machine's clock.
    Flowing,
    /// Only when it is skipped or advanced.
    Standing,
    /// Like [`Self::Standing`], and with tokio's clock, which is paused.
    Paused,
}

impl Pace {
    /// Returns the kind of standing clock that fits the state of tokio's clock.
    #[expect(clippy::disallowed_methods, reason = "only a clock can tell whether another one stands")]
    pub(crate) fn standing() -> Self {
        let (machine, tokio) = (std::time::Instant::now(), Instant::now());
        while machine.elapsed() < Duration::from_micros(5) {
            std::hint::spin_loop();
        }
        if Instant::now() == tokio { Self::Paused } else { Self::Standing }
    }

    /// Returns true if the clock can skip time.
    pub(crate) fn skips(self) -> bool {
        matches!(self, Self::Standing | Self::Paused)
    }
}

/// The source of time for the engine.
#[derive(Debug)]
pub(crate) struct Clock {
    pace: Pace,
    /// The machine's clock at the start, and the time it showed.
    started: Instant,
    started_wall: Time,
    /// The server's time when it was last set, and the machine's time then.
    base: Time,
    base_wall: Time,
    /// True while the server's clock does not follow the machine's.
    halted: bool,
}

impl Clock {
    /// Creates a clock that starts at `start`, or at the current time.
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

    /// Stops following the machine's clock, or continues from where it stopped.
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

    /// Returns the wait on the machine's clock until the server's clock reaches `time` by itself; `None` if it never
    /// does.
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
