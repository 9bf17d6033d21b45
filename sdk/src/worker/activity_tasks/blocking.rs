//! Detects activities and payload codecs that block the async runtime: they wait or compute for a long time without an
//! `.await`, and everything else on their thread (heartbeats, polls, other activities) stands still.
//!
//! Each poll is measured when it ends, which needs no thread and no timer. Code that never returns is not detected.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

use crate::activity::ActivityInfo;

/// A poll normally takes microseconds. Load alone does not stretch it to a second.
const LIMIT: Duration = Duration::from_secs(1);

/// Wraps the code of one attempt. The first time that it blocks is logged.
pub(crate) async fn noticed<F: Future>(code: F, info: &ActivityInfo) -> F::Output {
    told_of(code, |blocked| warn(info, blocked)).await
}

/// Wraps any code. The first time that it blocks is passed to `tell`.
pub(crate) async fn told_of<F: Future>(code: F, tell: impl FnOnce(Duration)) -> F::Output {
    #[expect(clippy::disallowed_methods, reason = "a thread is blocked in real time")]
    let began = Instant::now();
    measured(code, || began.elapsed(), tell).await
}

/// Runs `code` and reports the first of its polls that takes too long.
async fn measured<F: Future>(code: F, now: impl Fn() -> Duration, report: impl FnOnce(Duration)) -> F::Output {
    let (mut code, mut report) = (pin!(code), Some(report));
    poll_fn(|context| {
        let began = now();
        let polled = code.as_mut().poll(context);
        let taken = now().saturating_sub(began);
        if taken >= LIMIT
            && let Some(report) = report.take()
        {
            report(taken);
        }
        polled
    })
    .await
}

fn warn(info: &ActivityInfo, blocked: Duration) {
    let (activity_type, activity_id, attempt) = (&info.activity_type, &info.activity_id, info.attempt);
    let (workflow_id, run_id) = (&info.workflow_id, &info.run_id);
    tracing::warn!(activity_type, activity_id, attempt, workflow_id, run_id, "{}", warning(activity_type, blocked));
}

fn warning(activity_type: &str, blocked: Duration) -> String {
    let millis = blocked.as_millis();
    format!(
        "activity `{activity_type}` has blocked a thread of the async runtime for {millis} ms: for that time it did \
         not reach an `.await` that waits. Heartbeats, polls and other activities on that thread stood still, and the \
         activity could not be cancelled. Make it a `fn` with `#[activity(blocking)]`, or run the blocking part in \
         `tokio::task::spawn_blocking` and await it"
    )
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures_util::FutureExt as _;
    use tokio::task::yield_now;

    use super::*;

    /// Returns the reports for code whose polls take this many milliseconds, with the given time between polls.
    fn reported(polls: &[u64], between: u64) -> Vec<u128> {
        let (clock, reports) = (Cell::new(0), RefCell::new(Vec::new()));
        let code = async {
            for taken in polls {
                clock.set(clock.get() + taken);
                yield_now().await;
            }
            "ended"
        };
        let report = |blocked: Duration| reports.borrow_mut().push(blocked.as_millis());
        {
            let mut running = pin!(measured(code, || Duration::from_millis(clock.get()), report));
            for _ in polls {
                assert_eq!(running.as_mut().now_or_never(), None);
                clock.set(clock.get() + between);
            }
            assert_eq!(running.as_mut().now_or_never(), Some("ended"));
        }
        reports.into_inner()
    }

    #[test]
    fn code_that_does_not_come_back_for_a_second_is_reported() {
        assert_eq!(reported(&[5, 999, 20], 0), []);
        assert_eq!(reported(&[5, 1000, 20], 0), [1000]);
    }

    #[test]
    fn an_attempt_is_reported_once_at_its_first_long_poll() {
        assert_eq!(reported(&[1500, 3000, 1500], 0), [1500]);
    }

    #[test]
    fn time_in_which_code_waits_does_not_count() {
        assert_eq!(reported(&[5, 20, 5], 60_000), []);
    }

    #[test]
    fn code_that_blocks_and_never_waits_is_reported() {
        let (clock, reported) = (Cell::new(0), Cell::new(None));
        let code = async { clock.set(2000) };
        let ended = measured(code, || Duration::from_millis(clock.get()), |blocked| reported.set(Some(blocked)));
        assert_eq!(ended.now_or_never(), Some(()));
        assert_eq!(reported.get(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn the_warning_names_the_activity_and_what_to_do() {
        let text = warning("resize_image", Duration::from_millis(1500));
        let expected = "activity `resize_image` has blocked a thread of the async runtime for 1500 ms: for that time \
                        it did not reach an `.await` that waits. Heartbeats, polls and other activities on that thread \
                        stood still, and the activity could not be cancelled. Make it a `fn` with \
                        `#[activity(blocking)]`, or run the blocking part in `tokio::task::spawn_blocking` and await \
                        it";
        assert_eq!(text, expected);
    }
}
