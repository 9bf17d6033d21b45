//! The scaler of one kind of poll: a pure state machine from poll results and times to the number of polls.
//!
//! ```text
//! an answer, the server suggests fewer      fewer, at once
//! an answer, the server suggests more       more, unless the last increase did not make tasks arrive faster
//! an answer without task or suggestion      one fewer   (*)
//! RESOURCE_EXHAUSTED                        half as many (*)
//! any other error                           unchanged: it passes, or the poller gives up
//! ```
//!
//! (*) Only if the server is known to make suggestions. Another server would never ask for more again.
//!
//! The number stays within its bounds, whatever the server suggests.

use std::time::Duration;

/// Length of the periods whose task counts are compared.
const PERIOD: Duration = Duration::from_millis(100);
/// Maximum poll time while tasks arrive, because many polls may be open when the burst is over.
const POLL_DURING_BURST: Duration = Duration::from_secs(11);

/// Result of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// An answer. The suggestion is the change in the number of polls.
    Answer { has_task: bool, suggestion: Option<i32> },
    /// The server is overloaded.
    ResourceExhausted,
    /// Any other error.
    OtherError,
}

/// Decides on the number of polls.
#[derive(Clone, Debug)]
pub(crate) struct PollScaler {
    minimum: usize,
    maximum: usize,
    target: usize,
    /// True if the server is known to make suggestions.
    server_suggests: bool,
    /// Index of the current period.
    period: u128,
    /// Number of tasks in the current period and the two before it.
    tasks: [u64; 3],
}

impl PollScaler {
    /// Creates a scaler; `server_suggests` is true if the server announces suggestions. A suggestion is followed either
    /// way.
    pub(crate) fn new(minimum: usize, maximum: usize, initial: usize, server_suggests: bool) -> Self {
        let maximum = maximum.max(minimum);
        let target = initial.clamp(minimum, maximum);
        Self { minimum, maximum, target, server_suggests, period: 0, tasks: [0; 3] }
    }

    /// Processes a poll result; `now` may count from any origin. Returns the number of polls that should be open.
    pub(crate) fn polled(&mut self, polled: Polled, now: Duration) -> usize {
        self.advance(now);
        let target = match polled {
            Polled::Answer { has_task, suggestion } => {
                self.tasks[0] += u64::from(has_task);
                self.server_suggests |= suggestion.is_some();
                match suggestion {
                    Some(more) if more > 0 && !self.more_would_help() => self.target,
                    Some(change) => self.target.saturating_add_signed(isize::try_from(change).unwrap_or(0)),
                    None if !has_task && self.server_suggests => self.target.saturating_sub(1),
                    None => self.target,
                }
            }
            Polled::ResourceExhausted if self.server_suggests => self.target / 2,
            Polled::ResourceExhausted | Polled::OtherError => self.target,
        };
        self.target = target.clamp(self.minimum, self.maximum);
        self.target
    }

    /// Returns the maximum time for the next poll, if there is one.
    pub(crate) fn poll_timeout(&mut self, now: Duration) -> Option<Duration> {
        self.advance(now);
        (self.tasks[0] > 1).then_some(POLL_DURING_BURST)
    }

    /// Returns true if the task rate grew by a tenth from one period to the next. If it did not, the worker is the
    /// bottleneck. The division truncates: with fewer than ten tasks in a period, an equal number is enough.
    fn more_would_help(&self) -> bool {
        let [_, last, before] = self.tasks;
        last >= before.saturating_mul(11) / 10
    }

    fn advance(&mut self, now: Duration) {
        let period = now.as_millis() / PERIOD.as_millis();
        let [present, last, _] = self.tasks;
        match period.saturating_sub(self.period) {
            0 => return,
            1 => self.tasks = [0, present, last],
            2 => self.tasks = [0, 0, present],
            _ => self.tasks = [0; 3],
        }
        self.period = period;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TASK: Polled = Polled::Answer { has_task: true, suggestion: None };
    const EMPTY: Polled = Polled::Answer { has_task: false, suggestion: None };

    fn suggests(change: i32) -> Polled {
        Polled::Answer { has_task: true, suggestion: Some(change) }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Returns a scaler from 1 to 10 polls that starts with 5.
    fn scaler(server_suggests: bool) -> PollScaler {
        PollScaler::new(1, 10, 5, server_suggests)
    }

    /// Returns the number of polls after each of these results, all at the same time.
    fn targets(mut scaler: PollScaler, polled: &[Polled]) -> Vec<usize> {
        polled.iter().map(|polled| scaler.polled(*polled, Duration::ZERO)).collect()
    }

    #[test]
    fn b126_the_server_suggests_more_and_fewer() {
        assert_eq!(targets(scaler(true), &[suggests(1), suggests(3), suggests(-2), suggests(0)]), [6, 9, 7, 7]);
        assert_eq!(targets(scaler(true), &[suggests(100), suggests(-100)]), [10, 1]);
        assert_eq!(targets(scaler(true), &[suggests(i32::MAX), suggests(i32::MIN)]), [10, 1]);
    }

    #[test]
    fn b126_empty_answers_make_fewer_once_the_server_is_known_to_ask_for_more() {
        assert_eq!(targets(scaler(true), &[EMPTY, TASK, EMPTY]), [4, 4, 3]);
        assert_eq!(targets(scaler(false), &[EMPTY, EMPTY, suggests(0), EMPTY]), [5, 5, 5, 4]);
        assert_eq!(targets(scaler(true), &[EMPTY; 6]), [4, 3, 2, 1, 1, 1]);
        let empty_with_suggestion = Polled::Answer { has_task: false, suggestion: Some(2) };
        assert_eq!(targets(scaler(true), &[empty_with_suggestion]), [7], "the suggestion counts");
    }

    #[test]
    fn b126_an_overloaded_server_gets_half_as_many_polls() {
        assert_eq!(targets(scaler(true), &[Polled::ResourceExhausted; 4]), [2, 1, 1, 1]);
        assert_eq!(targets(scaler(false), &[Polled::ResourceExhausted; 4]), [5; 4]);
    }

    #[test]
    fn b126_other_errors_change_nothing() {
        assert_eq!(targets(scaler(true), &[Polled::OtherError; 4]), [5; 4]);
    }

    #[test]
    fn b126_no_more_polls_while_they_bring_no_more_tasks() {
        let mut scaler = scaler(true);
        let mut in_period = |period: u64, tasks: usize| {
            for _ in 0..tasks {
                scaler.polled(TASK, millis(100 * period + 50));
            }
        };
        in_period(0, 20);
        in_period(1, 21);
        let empty_but = |change| Polled::Answer { has_task: false, suggestion: Some(change) };
        // The two periods before had 20 and 21 tasks: an increase of less than a tenth.
        assert_eq!(scaler.polled(empty_but(1), millis(210)), 5);
        assert_eq!(scaler.polled(empty_but(-1), millis(210)), 4, "fewer is always done");
        // The two periods before had 21 tasks and none.
        assert_eq!(scaler.polled(empty_but(1), millis(310)), 4);
        assert_eq!(scaler.polled(empty_but(1), millis(410)), 5, "nothing has come in for a while");
        scaler.polled(TASK, millis(510));
        scaler.polled(TASK, millis(610));
        assert_eq!(scaler.polled(empty_but(1), millis(710)), 6, "of few tasks, as many as before will do");
    }

    #[test]
    fn b126_polls_are_short_while_tasks_come_in() {
        let mut scaler = scaler(true);
        assert_eq!(scaler.poll_timeout(millis(0)), None);
        scaler.polled(TASK, millis(10));
        assert_eq!(scaler.poll_timeout(millis(20)), None);
        scaler.polled(TASK, millis(30));
        assert_eq!(scaler.poll_timeout(millis(40)), Some(Duration::from_secs(11)));
        assert_eq!(scaler.poll_timeout(millis(140)), None);
    }

    fn any_polled() -> impl Strategy<Value = Polled> {
        prop_oneof![
            (any::<bool>(), proptest::option::of(prop_oneof![-3_i32..=3, any::<i32>()]))
                .prop_map(|(has_task, suggestion)| Polled::Answer { has_task, suggestion }),
            Just(Polled::ResourceExhausted),
            Just(Polled::OtherError),
        ]
    }

    proptest! {
        #[test]
        fn b126_the_number_stays_within_its_bounds_and_moves_where_it_should(
            minimum in 1_usize..20, more in 0_usize..100, initial in 0_usize..200, server_suggests: bool,
            polled in proptest::collection::vec((any_polled(), 0_u64..250), 0..200),
        ) {
            let maximum = minimum + more;
            let mut scaler = PollScaler::new(minimum, maximum, initial, server_suggests);
            let mut known = server_suggests;
            let (mut before, mut now) = (initial.clamp(minimum, maximum), Duration::ZERO);
            for (polled, pause) in polled {
                now += millis(pause);
                let target = scaler.polled(polled, now);
                prop_assert!((minimum..=maximum).contains(&target), "{target} after {polled:?}");
                match polled {
                    Polled::Answer { suggestion: Some(suggestion), .. } => {
                        known = true;
                        let bound = before.saturating_add_signed(suggestion as isize).clamp(minimum, maximum);
                        if suggestion > 0 {
                            prop_assert!(target == before || target == bound);
                        } else {
                            prop_assert_eq!(target, bound);
                        }
                    }
                    Polled::Answer { has_task: false, .. } if known => {
                        prop_assert_eq!(target, (before - 1).max(minimum));
                    }
                    Polled::ResourceExhausted if known => prop_assert_eq!(target, (before / 2).max(minimum)),
                    _ => prop_assert_eq!(target, before),
                }
                before = target;
            }
        }
    }
}
