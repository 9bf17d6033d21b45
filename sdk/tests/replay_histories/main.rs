//! Histories that other SDKs recorded on real servers, replayed against the same workflows written in Rust.
//!
//! The files under `tests/histories` were recorded for this project with the Python SDK 1.35; `python.rs` holds the
//! twins of its workflows, `payloads.rs` the one about encodings, `changed.rs` those that no longer fit, `verdicts.rs`
//! what is said of what cannot be replayed, `table.rs` what became of each file, and `mutations.rs` spoils each history
//! that fits; `inputs.rs` has small ones that others found faults with. Other repositories' files stay outside
//! of this one: `ABIDE_HISTORIES` names the folder that holds them, and what is not replayed without it is said by name.
#![expect(clippy::print_stdout, reason = "says by name what was not replayed")]

mod changed;
mod children;
mod go;
mod inputs;
mod live_markers;
mod local_activities;
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

use abide::replayer::{ReplayError, Replayed};
use abide::{History, WorkflowReplayer};

/// A history, and the name of its file.
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

/// The only history of a file in this repository.
fn recorded(name: &str) -> Recorded {
    let history = one(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories").join(format!("{name}.json")));
    Recorded { name: name.to_string(), history }
}

/// The only history of a file of another repository; says what is left out where those are not at hand.
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

/// The history fits the workflow, the workflow ends now as it did then, and no spoilt copy fits.
#[track_caller]
fn fits(replayer: &WorkflowReplayer, history: &Recorded) -> Replayed {
    let replayed = replayed(replayer, history);
    assert!(replayed.same_outcome(), "now: {}\nrecorded: {}", replayed.outcome(), replayed.recorded());
    replayed
}

/// The history fits the workflow, and no spoilt copy does.
#[track_caller]
fn replayed(replayer: &WorkflowReplayer, history: &Recorded) -> Replayed {
    let replayed = replayer.replay(history).unwrap_or_else(|error| panic!("{error}\n\n{}", **history));
    mutations::none_fits(replayer, &history.name, history);
    replayed
}

/// The history no longer fits: returns where.
#[track_caller]
fn differs(replayer: &WorkflowReplayer, history: &History) -> Box<abide::replay::Nondeterminism> {
    match replayer.replay(history) {
        Err(ReplayError::Nondeterminism(found)) => found,
        other => panic!("expected a nondeterminism error, found {other:?}"),
    }
}
