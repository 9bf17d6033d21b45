//! The rate limit: the maximum activities that a worker starts per second.
//!
//! A poll starts only when the next activity may start. Several polls that wait at the same time may bring their tasks
//! at the same moment; then each task waits for its turn.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Spreads starts evenly; without a limit it does nothing.
#[derive(Debug)]
pub(crate) struct Rate {
    interval: Option<Duration>,
    /// Earliest time of the next start.
    next: Mutex<Option<Instant>>,
}

impl Rate {
    /// Limits to this many per second, which is above 0; `None` means no limit.
    pub(crate) fn new(per_second: Option<f64>) -> Self {
        // The interval of a very small rate does not fit a `Duration`, so it is limited to a year.
        let longest = Duration::from_secs(365 * 24 * 3600);
        let interval =
            per_second.map(|rate| Duration::try_from_secs_f64(rate.recip()).map_or(longest, |one| one.min(longest)));
        Self { interval, next: Mutex::new(None) }
    }

    /// Waits until an activity may start. Takes no turn, because a poll may bring no task.
    pub(crate) async fn allows(&self) {
        loop {
            let next = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
            match next {
                Some(next) if next > Instant::now() => sleep_until(next).await,
                _ => return,
            }
        }
    }

    /// Takes the next turn and returns its time; `None` if it is now.
    pub(crate) fn take_turn(&self) -> Option<Instant> {
        let interval = self.interval?;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + interval);
        (turn > now).then_some(turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beginnings_are_spread_evenly() {
        let rate = Rate::new(Some(4.0));
        let began = Instant::now();
        let turns: Vec<_> = (0..4).map(|_| rate.take_turn().map(|turn| (turn - began).as_millis())).collect();
        assert_eq!(turns, [None, Some(250), Some(500), Some(750)]);
        rate.allows().await;
        assert_eq!(began.elapsed().as_millis(), 1000);
        assert_eq!(rate.take_turn(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_waits() {
        let rate = Rate::new(None);
        assert!((0..100).all(|_| rate.take_turn().is_none()));
        rate.allows().await;
    }
}
