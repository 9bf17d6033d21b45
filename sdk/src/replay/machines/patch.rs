//! A change to a workflow's code: the marker that records which version of the change a run has.
//!
//! A change has versions: -1 is the code from before the change. A patch has only one more version, 1. The version of a
//! call is chosen before there is a machine. Live code gets the newest version. Replayed code gets the recorded one if
//! the look-ahead found the marker among the records of the current task or an earlier one, and -1 if it did not. The
//! answer is kept for the run. A call that gets another version than -1 records a marker, once for each id, and after it
//! an upsert of `TemporalChangeVersion` with all changes so far, so that runs can be listed by their versions.
//!
//! A patch's marker without a call is nondeterminism, unless `deprecate_patch` recorded it: then it is skipped together
//! with its upsert. A version's marker without a call is always skipped, as in the Go and Java SDKs.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;

use abide_protos::temporal::api::command::v1::UpsertWorkflowSearchAttributesCommandAttributes;
use abide_protos::temporal::api::common::v1::SearchAttributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;

use super::change_marker::{Change, ChangeKind, DEFAULT_VERSION, PATCH_VERSION};
use super::marker::{Input, State, step};
use super::upsert_search_attributes::CHANGE_VERSION;
use crate::replay::flags::CoreFlag;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::state_machines::{FollowError, Machine, StateMachines};
use crate::search_attributes::SearchAttributeKey;

/// Size (in bytes of the value) from which on the server refuses the upsert, so that it is left out.
const CHANGE_VERSION_LIMIT: usize = 2048;

/// A change whose marker has no event yet.
#[derive(Debug)]
pub(crate) struct PatchMachine {
    state: State,
    kind: ChangeKind,
    id: Box<str>,
}

impl PatchMachine {
    pub(crate) fn describe(&self) -> String {
        format!("{}={}", self.kind.noun(), self.id)
    }
}

/// State of the changes that a run has met. Most runs meet none.
#[derive(Debug, Default)]
pub(crate) struct Patches {
    /// Version of each change that the code has asked for.
    answers: BTreeMap<Box<str>, i32>,
    /// Latest change that the code has asked for without a marker in the history so far, and the statement.
    latest_unmarked: Option<(Change, &'static Location<'static>)>,
    found: BTreeMap<Box<str>, Found>,
    /// Entries of `TemporalChangeVersion`: all changes whose new code this run has taken. As in Core, skipped markers are
    /// not included.
    marked: BTreeSet<Box<str>>,
    /// Last marker that the look-ahead found.
    last_found: Option<(i64, Box<str>)>,
    /// Upsert of a skipped marker.
    passed_over: Option<i64>,
}

/// A marker that the look-ahead found.
#[derive(Debug)]
struct Found {
    change: Change,
    /// True if an upsert of `TemporalChangeVersion` follows.
    is_listed: bool,
    /// True if the marker of a version has gone by without a call.
    is_skipped: bool,
}

impl StateMachines {
    /// Returns true if the code takes the new path of a change, and records the marker then.
    pub(crate) fn patch(&mut self, id: &str, deprecated: bool, location: &'static Location<'static>) -> bool {
        let newest = Change { id: id.into(), version: PATCH_VERSION, kind: ChangeKind::Patch { deprecated } };
        self.version_of(newest, location) != DEFAULT_VERSION
    }

    /// Returns true if live code asks for a change for the first time, so that a call would choose the new path.
    pub(crate) fn chooses(&self, id: &str) -> bool {
        let is_known = |patches: &Patches| patches.answers.contains_key(id) || patches.found.contains_key(id);
        !self.replaying && !self.patches.as_deref().is_some_and(is_known)
    }

    /// Keeps the old path of a change for this run. Nothing records it: a replay finds no marker.
    pub(crate) fn keep_old_path(&mut self, id: &str) {
        self.patches.get_or_insert_default().answers.insert(id.into(), DEFAULT_VERSION);
    }

    /// Returns this run's version of a change. A new run gets `newest`, and records the marker then.
    pub(crate) fn version(&mut self, id: &str, newest: i32, location: &'static Location<'static>) -> i32 {
        self.version_of(Change { id: id.into(), version: newest, kind: ChangeKind::Version }, location)
    }

    fn version_of(&mut self, newest: Change, location: &'static Location<'static>) -> i32 {
        let (replaying, flag) = (self.replaying, CoreFlag::UpsertSearchAttributeOnPatch);
        let upserts = self.flags.uses(flag, replaying);
        let patches = self.patches.get_or_insert_default();
        if let Some(&answer) = patches.answers.get(&newest.id) {
            return answer;
        }
        let (change, is_listed) = match patches.found.get(&newest.id) {
            Some(found) if found.is_skipped => {
                patches.marked.insert(found.change.entry());
                patches.answers.insert(newest.id, found.change.version);
                return found.change.version;
            }
            Some(found) => {
                patches.marked.insert(found.change.entry());
                // The flag says nothing about versions: Go always lists them, Java only if it is told to.
                let is_known = replaying && (found.is_listed || found.change.kind == ChangeKind::Version);
                (Change { version: found.change.version, ..newest }, is_known.then_some(found.is_listed))
            }
            None if replaying => {
                patches.answers.insert(newest.id.clone(), DEFAULT_VERSION);
                patches.latest_unmarked = Some((newest, location));
                return DEFAULT_VERSION;
            }
            None => {
                patches.marked.insert(newest.entry());
                (newest, None)
            }
        };
        patches.answers.insert(change.id.clone(), change.version);
        let upsert = match is_listed {
            Some(true) => Some(SearchAttributes::default()),
            Some(false) => None,
            // The list is written unless it has become too long.
            None if upserts => change_version(&patches.marked),
            None => None,
        };
        let (state, kind, id) = (State::MarkerCommandCreated, change.kind, change.id.clone());
        let key = self.insert(Machine::Patch(PatchMachine { state, kind, id }));
        let body = (!replaying).then(|| change.marker(upsert.is_some()));
        self.issue(CommandType::RecordMarker, key, Some(location), body);
        if let Some(search_attributes) = upsert {
            let attributes =
                UpsertWorkflowSearchAttributesCommandAttributes { search_attributes: Some(search_attributes) };
            self.upsert_change_version(attributes, location);
        }
        change.version
    }

    /// Notes a change's marker before the code that asks for it runs.
    pub(crate) fn patch_ahead(&mut self, event_id: i64, event: &MarkerRecordedEventAttributes) {
        if let Some(change) = Change::read(event) {
            let patches = self.patches.get_or_insert_default();
            let id = change.id.clone();
            patches.found.entry(id.clone()).or_insert(Found { change, is_listed: false, is_skipped: false });
            patches.last_found = Some((event_id, id));
        }
    }

    /// Notes an upsert of `TemporalChangeVersion`. It belongs to the marker directly before it.
    pub(crate) fn change_version_ahead(&mut self, event_id: i64) {
        if let Some(patches) = &mut self.patches
            && let Some((marker, id)) = patches.last_found.take()
            && marker + 1 == event_id
            && let Some(found) = patches.found.get_mut(&id)
        {
            found.is_listed = true;
        }
    }

    /// Returns true if an upsert is to be skipped, as its marker was.
    pub(crate) fn is_passed_over(&self, event_id: i64) -> bool {
        self.patches.as_ref().is_some_and(|patches| patches.passed_over == Some(event_id))
    }

    pub(crate) fn patch_recorded(&mut self, id: i64, event: &MarkerRecordedEventAttributes) -> Result<(), FollowError> {
        let Some(change) = Change::read(event) else {
            return Err(FollowError::Malformed(format!(
                "event {id} (MarkerRecorded {}): expected the id of a patch, or the id and the number of a version, in \
                 its details; found none",
                event.marker_name
            )));
        };
        let asked = self.commands.front().map(|command| command.machine);
        let asked =
            asked.filter(|key| matches!(self.machine(*key), Some(Machine::Patch(patch)) if patch.id == change.id));
        let Some(key) = asked else { return self.nobody_asked(id, &change) };
        self.commands.pop();
        if let Some(Machine::Patch(patch)) = self.machine(key) {
            let next = step(patch.state, Input::MarkerRecorded).ok_or_else(|| {
                let kind = NondeterminismKind::ImpossibleState;
                Nondeterminism::new(kind, id, "MarkerRecorded", format!("a second marker of patch `{}`", change.id))
            })?;
            patch.state = next;
        }
        self.free(key);
        Ok(())
    }

    fn nobody_asked(&mut self, id: i64, change: &Change) -> Result<(), FollowError> {
        let patches = self.patches.get_or_insert_default();
        let asked = patches.answers.contains_key(&change.id);
        let is_skipped = match change.kind {
            ChangeKind::Patch { deprecated } => deprecated,
            ChangeKind::Version => !asked,
        };
        if !is_skipped {
            return Err(self.missed(id, change, asked).into());
        }
        if let Some(found) = patches.found.get_mut(&change.id) {
            found.is_skipped = change.kind == ChangeKind::Version;
            if found.is_listed {
                patches.passed_over = Some(id + 1);
            }
        }
        Ok(())
    }

    /// Returns the error of a marker that must have a call.
    fn missed(&mut self, id: i64, change: &Change, asked: bool) -> Nondeterminism {
        let (what, name) = (change.kind.noun(), &change.id);
        let recorded = format!("the marker of {what} `{name}`, which the code does not ask for here");
        let asks_now = self.commands.front().map(|command| command.machine);
        let mut renamed = None;
        if let Some(Machine::Patch(patch)) = asks_now.and_then(|key| self.machine(key)) {
            renamed = Some(patch.id.clone());
        }
        let unmarked = self.patches.as_ref().and_then(|patches| patches.latest_unmarked.clone());
        let unmarked = unmarked.filter(|_| !asked && renamed.is_none());
        let renamed = renamed.or_else(|| unmarked.as_ref().map(|(change, _)| change.id.clone()));
        let produced = match unmarked {
            Some((Change { id, kind, .. }, location)) => {
                Some((format!("asked for {} `{id}`, which has no marker", kind.noun()), Some(location)))
            }
            None => self.front_command(),
        };
        let error = Nondeterminism::new(NondeterminismKind::PatchRemoved, id, "MarkerRecorded", recorded);
        let error = error.with_next_step(next_step(name, asked, renamed.as_deref()));
        match produced {
            Some((produced, location)) => error.produced(produced, location),
            None => error,
        }
    }
}

/// Returns the advice for a marker without a call at its place: the call may be gone, have another id, or be elsewhere.
fn next_step(id: &str, asked: bool, asked_instead: Option<&str>) -> String {
    match (asked, asked_instead) {
        (true, _) => format!(
            "the code asks for `{id}` at another place: move the call back to its old place, before or after the same \
             commands."
        ),
        (false, Some(other)) => format!(
            "the code asks for `{other}` here: if that is the same patch, restore its old id `{id}`; if not, restore \
             the call for `{id}`, and keep it until no run with its marker is left."
        ),
        (false, None) => format!(
            "let the code ask for `{id}` here, before it does anything else, until no run with its marker is left."
        ),
    }
}

/// Returns the upsert that lists all ids; `None` if the list has become too long.
fn change_version(ids: &BTreeSet<Box<str>>) -> Option<SearchAttributes> {
    let ids: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
    let payload = SearchAttributeKey::keyword_list(CHANGE_VERSION).set(ids).payload;
    let fits = payload.data.len() < CHANGE_VERSION_LIMIT;
    fits.then(|| SearchAttributes { indexed_fields: [(CHANGE_VERSION.to_string(), payload)].into() })
}
