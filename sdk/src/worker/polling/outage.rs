//! Logs an outage of the server once at its start, once if it lasts, and once at its end, for all pollers together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::RpcError;
use crate::duration::measured_text;

/// Minimum time between two reports of outages; also the time after which a lasting outage is reported again.
const QUIET: Duration = Duration::from_secs(60);

/// Availability of the server, shared by all pollers of a worker.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    away: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    /// True if this outage was logged, so that its end is logged too.
    logged: bool,
    /// True if it was logged that the outage lasts.
    logged_again: bool,
    last_logged: Option<Instant>,
}

impl Outage {
    /// Records a failed poll. Returns true if that was logged.
    pub(crate) fn began(&self, task_queue: &str, error: &RpcError) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.since.is_none() {
            state.since = Some(now);
            self.away.store(true, Ordering::Relaxed);
        }
        let quiet = state.last_logged.is_some_and(|last| now - last < QUIET);
        if quiet || state.logged_again {
            return false;
        }
        state.last_logged = Some(now);
        if std::mem::replace(&mut state.logged, true) {
            state.logged_again = true;
            let lasts = state.since.map(|since| now - since).unwrap_or_default();
            tracing::warn!(task_queue, "polling has failed for {} and is still retried: {error}", measured_text(lasts));
        } else {
            tracing::warn!(task_queue, "polling has failed and is retried until the server is back: {error}");
        }
        true
    }

    /// Records a successful call. Returns true if that was logged.
    pub(crate) fn ended(&self, task_queue: &str) -> bool {
        if !self.away.load(Ordering::Relaxed) {
            return false;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.away.store(false, Ordering::Relaxed);
        let Some(since) = state.since.take() else { return false };
        state.logged_again = false;
        if !std::mem::take(&mut state.logged) {
            return false;
        }
        tracing::info!(task_queue, "the server is back after {}", measured_text(Instant::now() - since));
        true
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn error() -> RpcError {
        RpcError::for_test(Code::Unavailable, "connection refused")
    }

    #[tokio::test(start_paused = true)]
    async fn ten_pollers_and_an_outage_make_two_lines() {
        let outage = Outage::default();
        let began = (0..500).filter(|_| outage.began("queue", &error())).count();
        let ended = (0..10).filter(|_| outage.ended("queue")).count();
        assert_eq!((began, ended), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn b126_errors_that_last_for_a_minute_are_told_once_more() {
        let outage = Outage::default();
        let mut lines = Vec::new();
        for second in 0..600 {
            if outage.began("queue", &error()) {
                lines.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, [0, 60]);
        assert!(outage.ended("queue"));
        assert!(outage.began("queue", &error()), "another outage");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_flickers_is_reported_once_a_minute() {
        let outage = Outage::default();
        let mut lines = 0;
        for _second in 0..59 {
            lines += usize::from(outage.began("queue", &error()));
            lines += usize::from(outage.ended("queue"));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(outage.began("queue", &error()));
    }
}
