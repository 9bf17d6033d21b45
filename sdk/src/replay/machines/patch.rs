//! A patch: the marker that records that a run took the new path of a change to its code.
//!
//! ```text
//! MarkerCommandCreated --MarkerRecorded--> MarkerRecorded
//! ```
//!
//! The path of a call is chosen before there is a machine. Live code takes the new path. Replayed code takes it if the
//! look-ahead found the marker among the records of the current task or an earlier one. The answer is kept for the run.
//! A call that takes the new path records a marker, once for each id, and after it an upsert of `TemporalChangeVersion`
//! with all ids so far, so that runs can be listed by their patches.
//!
//! A marker without a call is nondeterminism, unless `deprecate_patch` recorded it: then it is skipped together with
//! its upsert.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    RecordMarkerCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{Payloads, SearchAttributes};
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;
use serde::{Deserialize, Serialize};

use super::upsert_search_attributes::CHANGE_VERSION;
use crate::converter::{from_payload, to_payload};
use crate::replay::command_queue::CommandBody;
use crate::replay::flags::CoreFlag;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::state_machines::{FollowError, Machine, StateMachines};
use crate::search_attributes::SearchAttributeKey;

/// Name of Core's patch markers.
pub(crate) const PATCH_MARKER: &str = "core_patch";
/// Name of the Go and Java SDKs' version markers, which are read like patches and never written.
pub(crate) const VERSION_MARKER: &str = "Version";
const PATCH_DATA: &str = "patch-data";
/// Size (in bytes of the value) from which on the server refuses the upsert, so that it is left out.
const CHANGE_VERSION_LIMIT: usize = 2048;

listed! {
    /// State of a patch's marker.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        MarkerCommandCreated,
        MarkerRecorded,
    }
}

listed! {
    /// Event of the marker.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        MarkerRecorded,
    }
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<State> {
    match (state, input) {
        (State::MarkerCommandCreated, Input::MarkerRecorded) => Some(State::MarkerRecorded),
        (State::MarkerRecorded, Input::MarkerRecorded) => None,
    }
}

/// A patch whose marker has no event yet.
#[derive(Debug)]
pub(crate) struct PatchMachine {
    state: State,
    id: Box<str>,
}

impl PatchMachine {
    pub(crate) fn describe(&self) -> String {
        format!("patch={}", self.id)
    }
}

/// State of a run's patches. Most runs have none.
#[derive(Debug, Default)]
pub(crate) struct Patches {
    answers: BTreeMap<Box<str>, bool>,
    /// Latest id that the code has asked for without a marker in the history so far, and the statement.
    latest_unmarked: Option<(Box<str>, &'static Location<'static>)>,
    /// Markers that the look-ahead found; true if an upsert of `TemporalChangeVersion` follows.
    found: BTreeMap<Box<str>, bool>,
    /// Ids of all patches that this code has taken. As in Core, skipped markers are not included.
    marked: BTreeSet<Box<str>>,
    /// Last marker that the look-ahead found.
    last_found: Option<(i64, Box<str>)>,
    /// Upsert of a deprecated marker that no call asks for any more.
    passed_over: Option<i64>,
}

/// Content of a marker's details.
#[derive(Debug, Serialize, Deserialize)]
struct PatchData {
    id: String,
    deprecated: bool,
}

impl StateMachines {
    /// Returns true if the code takes the new path of a change, and records the marker then.
    pub(crate) fn patch(&mut self, id: &str, deprecated: bool, location: &'static Location<'static>) -> bool {
        let (replaying, flag) = (self.replaying, CoreFlag::UpsertSearchAttributeOnPatch);
        let upserts = self.flags.uses(flag, replaying);
        let patches = self.patches.get_or_insert_default();
        if let Some(&answer) = patches.answers.get(id) {
            return answer;
        }
        let found = patches.found.get(id).copied();
        let answer = !replaying || found.is_some();
        patches.answers.insert(id.into(), answer);
        if !answer {
            patches.latest_unmarked = Some((id.into(), location));
            return false;
        }
        patches.marked.insert(id.into());
        // The list is written unless it has become too long. Runs without the flag have no list, except Go's.
        let upsert = match found {
            Some(true) if replaying => Some(SearchAttributes::default()),
            _ if upserts => change_version(&patches.marked),
            _ => None,
        };
        let key = self.insert(Machine::Patch(PatchMachine { state: State::MarkerCommandCreated, id: id.into() }));
        let body = (!replaying).then(|| marker(id, deprecated));
        self.issue(CommandType::RecordMarker, key, Some(location), body);
        if let Some(search_attributes) = upsert {
            let attributes =
                UpsertWorkflowSearchAttributesCommandAttributes { search_attributes: Some(search_attributes) };
            self.upsert_change_version(attributes, location);
        }
        true
    }

    /// Notes a patch's marker before the code that asks for it runs.
    pub(crate) fn patch_ahead(&mut self, event_id: i64, event: &MarkerRecordedEventAttributes) {
        if let Some(data) = patch_data(event) {
            let patches = self.patches.get_or_insert_default();
            let id: Box<str> = data.id.into();
            patches.found.entry(id.clone()).or_default();
            patches.last_found = Some((event_id, id));
        }
    }

    /// Notes an upsert of `TemporalChangeVersion`. It belongs to the marker directly before it.
    pub(crate) fn change_version_ahead(&mut self, event_id: i64) {
        if let Some(patches) = &mut self.patches
            && let Some((marker, id)) = patches.last_found.take()
            && marker + 1 == event_id
        {
            patches.found.insert(id, true);
        }
    }

    /// Returns true if an upsert is to be skipped, as its marker was.
    pub(crate) fn is_passed_over(&self, event_id: i64) -> bool {
        self.patches.as_ref().is_some_and(|patches| patches.passed_over == Some(event_id))
    }

    pub(crate) fn patch_recorded(&mut self, id: i64, event: &MarkerRecordedEventAttributes) -> Result<(), FollowError> {
        let Some(data) = patch_data(event) else {
            return Err(FollowError::Malformed(format!(
                "event {id} (MarkerRecorded {}): expected `{PATCH_DATA}` with the id of a patch in its details, found \
                 none",
                event.marker_name
            )));
        };
        let asked = self.commands.front().map(|command| command.machine);
        let asked =
            asked.filter(|key| matches!(self.machine(*key), Some(Machine::Patch(patch)) if *patch.id == *data.id));
        let Some(key) = asked else { return self.nobody_asked(id, data) };
        self.commands.pop();
        if let Some(Machine::Patch(patch)) = self.machine(key) {
            let next = step(patch.state, Input::MarkerRecorded).ok_or_else(|| {
                let kind = NondeterminismKind::ImpossibleState;
                Nondeterminism::new(kind, id, "MarkerRecorded", format!("a second marker of patch `{}`", data.id))
            })?;
            patch.state = next;
        }
        self.free(key);
        Ok(())
    }

    fn nobody_asked(&mut self, id: i64, data: PatchData) -> Result<(), FollowError> {
        if !data.deprecated {
            let recorded = format!("the marker of patch `{}`, which the code does not ask for here", data.id);
            let asks_now = self.commands.front().map(|command| command.machine);
            let renamed = match asks_now.and_then(|key| self.machine(key)) {
                Some(Machine::Patch(patch)) => Some(patch.id.clone()),
                _ => None,
            };
            let patches = self.patches.as_ref();
            let asked = patches.is_some_and(|patches| patches.answers.contains_key(&*data.id));
            let unmarked = patches.and_then(|patches| patches.latest_unmarked.clone());
            let unmarked = unmarked.filter(|_| !asked && renamed.is_none());
            let renamed = renamed.or_else(|| unmarked.as_ref().map(|(id, _)| id.clone()));
            let produced = match unmarked {
                Some((id, location)) => Some((format!("asked for patch `{id}`, which has no marker"), Some(location))),
                None => self.front_command(),
            };
            let mut error = Nondeterminism::new(NondeterminismKind::PatchRemoved, id, "MarkerRecorded", recorded);
            error = error.with_next_step(next_step(&data.id, asked, renamed.as_deref()));
            if let Some((produced, location)) = produced {
                error = error.produced(produced, location);
            }
            return Err(error.into());
        }
        let patches = self.patches.get_or_insert_default();
        if patches.found.get(&*data.id) == Some(&true) {
            patches.passed_over = Some(id + 1);
        }
        Ok(())
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

fn marker(id: &str, deprecated: bool) -> CommandBody {
    let data = PatchData { id: id.to_string(), deprecated };
    let payload = to_payload(&data).expect("a text and a flag are always JSON");
    let details = [(PATCH_DATA.to_string(), Payloads { payloads: vec![payload] })];
    CommandBody {
        attributes: Attributes::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
            marker_name: PATCH_MARKER.to_string(),
            details: details.into(),
            ..Default::default()
        }),
        user_metadata: None,
    }
}

/// Reads a marker: today's form, the form of old versions of Core (plain bytes), or the Go and Java SDKs' version
/// marker.
fn patch_data(event: &MarkerRecordedEventAttributes) -> Option<PatchData> {
    let first = |name: &str| event.details.get(name).and_then(|payloads| payloads.payloads.first());
    if event.marker_name == VERSION_MARKER {
        return Some(PatchData { id: from_payload(first("change-id")?).ok()?, deprecated: false });
    }
    if let Some(data) = first(PATCH_DATA) {
        return from_payload(data).ok();
    }
    let id = String::from_utf8(first("patch_id")?.data.clone()).ok()?;
    let deprecated = first("deprecated").and_then(|payload| payload.data.first()).is_some_and(|byte| *byte != 0);
    Some(PatchData { id, deprecated })
}
