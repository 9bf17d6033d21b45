//! Histories that other SDKs recorded on real servers, replayed with the same workflows written in Rust.
//!
//! The files in `tests/histories` were recorded for this project with the Python SDK 1.35. `python.rs` has the twins of
//! its workflows, `payloads.rs` the twin for encodings, `changed.rs` twins that no longer fit, `verdicts.rs` the
//! reports on histories that cannot be replayed, `table.rs` the result for each file. `mutations.rs` edits each fitting
//! history; `inputs.rs` has small histories that revealed bugs, `markers.rs` those
//! with versions and side effects of the Go and Java SDKs. Files from other repositories are not included:
//! `ABIDE_HISTORIES` names the folder with them, and without it, the names of the skipped histories are printed.
#![expect(clippy::print_stdout, reason = "says by name what was not replayed")]

mod changed;
mod children;
mod go;
mod inputs;
mod live_markers;
mod local_activities;
mod markers;
mod messages;
mod mutations;
mod nexus;
mod others;
mod payloads;
mod python;
mod side_data;
mod table;
mod updates;
mod verdicts;
mod versions;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use abide::interceptor::WorkflowInterceptor;
use abide::replayer::{ReplayError, Replayed};
use abide::{History, WorkflowReplayer};

/// A history and the name of its file.
struct Recorded {
    name: String,
    history: History,
}

impl Deref for Recorded {
    type Target = History;

    fn deref(&self) -> &History {
        &self.history
    }
}

/// Returns the only history of a file in this repository.
fn recorded(name: &str) -> Recorded {
    let history = one(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories").join(format!("{name}.json")));
    Recorded { name: name.to_string(), history }
}

/// Returns the only history of a file from another repository; if it is not available, prints its name.
fn from_elsewhere(name: &str) -> Option<Recorded> {
    match std::env::var_os("ABIDE_HISTORIES") {
        Some(folder) => {
            let history = one(&PathBuf::from(folder).join(name));
            Some(Recorded { name: name.to_string(), history })
        }
        None => {
            println!("not replayed, ABIDE_HISTORIES is not set: {name}");
            None
        }
    }
}

fn one(path: &Path) -> History {
    let mut histories = History::load(path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(histories.len(), 1, "{}", path.display());
    histories.remove(0)
}

/// Checks that the history fits the workflow, ends as recorded, and that no edited copy fits.
#[track_caller]
fn fits(replayer: &WorkflowReplayer, history: &Recorded) -> Replayed {
    let replayed = replayed(replayer, history);
    assert!(replayed.same_outcome(), "now: {}\nrecorded: {}", replayed.outcome(), replayed.recorded());
    replayed
}

/// Checks that the history fits the workflow, and that no edited copy does.
#[track_caller]
fn replayed(replayer: &WorkflowReplayer, history: &Recorded) -> Replayed {
    let replayed = replayer.replay(history).unwrap_or_else(|error| panic!("{error}\n\n{}", **history));
    mutations::none_fits(replayer, &history.name, history);
    // An interceptor that only passes on changes nothing.
    let intercepted = replayer.clone().interceptor(PassesOn).replay(history);
    let intercepted = intercepted.unwrap_or_else(|error| panic!("with an interceptor: {error}\n\n{}", **history));
    assert_eq!(intercepted.outcome(), replayed.outcome(), "left: with an interceptor; right: without");
    replayed
}

struct PassesOn;

impl WorkflowInterceptor for PassesOn {}

/// Checks that the history does not fit. Returns the first difference.
#[track_caller]
fn differs(replayer: &WorkflowReplayer, history: &History) -> Box<abide::replay::Nondeterminism> {
    let intercepted = replayer.clone().interceptor(PassesOn).replay(history);
    assert!(matches!(intercepted, Err(ReplayError::Nondeterminism(_))), "with an interceptor: {intercepted:?}");
    match replayer.replay(history) {
        Err(ReplayError::Nondeterminism(found)) => found,
        other => panic!("expected a nondeterminism error, found {other:?}"),
    }
}
