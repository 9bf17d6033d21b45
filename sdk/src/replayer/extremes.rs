//! Times and durations at the ends of their range, through the replayer: every history gets a result.

use proptest::prelude::*;

use super::{RunOutcome, WorkflowReplayer};
use crate::History;
use crate::duration::extremes::{duration, time};
use crate::replay::text::parse_history;
use crate::runtime::specs::replays::extremes::{HISTORY, curious, with};

/// Returns the history of the core's spec, with its end.
fn ended() -> String {
    format!("{HISTORY}\n22 WorkflowTaskCompleted\n23 WorkflowExecutionCompleted result=\"seen\"")
}

#[test]
fn the_history_fits_before_it_is_spoilt() {
    let replayer = WorkflowReplayer::new().workflow(curious);
    let replayed = replayer.replay(&History::from_events(parse_history(&ended()).unwrap())).unwrap();
    assert!(replayed.same_outcome(), "{} {}", replayed.outcome(), replayed.recorded());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_time_and_no_duration_ends_a_replay_without_a_verdict(
        time in time(),
        duration in duration(),
        only in 0_usize..24,
        closed in any::<bool>(),
    ) {
        let mut events = parse_history(if closed { ended() } else { HISTORY.to_string() }.as_str()).unwrap();
        let chosen = events.iter_mut().enumerate().filter(|(index, _)| only == 23 || *index == only);
        chosen.for_each(|(_, event)| with(event, time, duration));
        let history = History::from_events(events);
        let replayer = WorkflowReplayer::new().workflow(curious);
        let told = match replayer.replay(&history) {
            Ok(replayed) => {
                let expected = if closed { matches!(replayed.outcome(), RunOutcome::Completed(_)) } else { true };
                prop_assert!(expected, "{replayed:?}");
                format!("{} {} {replayed:?}", replayed.outcome(), replayed.recorded())
            }
            Err(error) => error.to_string(),
        };
        prop_assert!(!told.contains("panicked") && !told.contains("overflow"), "{told}");
    }
}
