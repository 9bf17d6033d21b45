//! The markers of changes, as Core (`core_patch`) and the Go and Java SDKs (`Version`) write them.
//!
//! A version's marker is written with the keys of both Go and Java, so that a worker of either can continue the run.

use abide_protos::temporal::api::command::v1::RecordMarkerCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;
use serde::{Deserialize, Serialize};

use crate::converter::{from_payload, to_payload};
use crate::replay::command_queue::CommandBody;

/// Name of Core's patch markers.
pub(crate) const PATCH_MARKER: &str = "core_patch";
/// Name of the Go and Java SDKs' version markers.
pub(crate) const VERSION_MARKER: &str = "Version";
/// Version of the code from before a change.
pub(crate) const DEFAULT_VERSION: i32 = -1;
/// Version that a patch counts as.
pub(super) const PATCH_VERSION: i32 = 1;
const PATCH_DATA: &str = "patch-data";
const GO_CHANGE_ID: &str = "change-id";
const JAVA_CHANGE_ID: &str = "changeId";
const VERSION: &str = "version";
/// Written by Go if it is false.
const GO_IS_LISTED: &str = "version-search-attribute-updated";
/// Written by Java if it is true.
const JAVA_IS_LISTED: &str = "versionSearchAttributeUpdated";

/// A change and the version that a run has of it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) id: Box<str>,
    pub(super) version: i32,
    pub(super) kind: ChangeKind,
}

/// The two kinds of markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    Patch { deprecated: bool },
    Version,
}

/// Content of a patch's marker.
#[derive(Debug, Serialize, Deserialize)]
struct PatchData {
    id: String,
    deprecated: bool,
}

impl ChangeKind {
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Patch { .. } => "patch",
            Self::Version => "change",
        }
    }
}

impl Change {
    /// Reads a marker: today's form, the form of old versions of Core (plain bytes), or those of Go and Java.
    pub(super) fn read(event: &MarkerRecordedEventAttributes) -> Option<Self> {
        let first = |name: &str| event.details.get(name).and_then(|payloads| payloads.payloads.first());
        if event.marker_name == VERSION_MARKER {
            let id: String = from_payload(first(GO_CHANGE_ID).or_else(|| first(JAVA_CHANGE_ID))?).ok()?;
            let version = from_payload(first(VERSION)?).ok()?;
            return Some(Self { id: id.into(), version, kind: ChangeKind::Version });
        }
        let data = match first(PATCH_DATA) {
            Some(data) => from_payload(data).ok()?,
            None => PatchData {
                id: String::from_utf8(first("patch_id")?.data.clone()).ok()?,
                deprecated: first("deprecated").and_then(|payload| payload.data.first()).is_some_and(|byte| *byte != 0),
            },
        };
        let kind = ChangeKind::Patch { deprecated: data.deprecated };
        Some(Self { id: data.id.into(), version: PATCH_VERSION, kind })
    }

    /// Returns the change's entry in `TemporalChangeVersion`.
    pub(super) fn entry(&self) -> Box<str> {
        match self.kind {
            ChangeKind::Patch { .. } => self.id.clone(),
            ChangeKind::Version => format!("{}-{}", self.id, self.version).into(),
        }
    }

    /// Returns the command that records the change. `is_listed` is true if an upsert of the list follows.
    pub(super) fn marker(&self, is_listed: bool) -> CommandBody {
        let (marker_name, details) = match self.kind {
            ChangeKind::Patch { deprecated } => {
                let data = PatchData { id: self.id.to_string(), deprecated };
                (PATCH_MARKER, vec![(PATCH_DATA, json(&data))])
            }
            ChangeKind::Version => {
                let (id, version) = (json(&self.id.to_string()), json(&self.version));
                let is_listed = if is_listed { (JAVA_IS_LISTED, json(&true)) } else { (GO_IS_LISTED, json(&false)) };
                let details = vec![(GO_CHANGE_ID, id.clone()), (JAVA_CHANGE_ID, id), (VERSION, version), is_listed];
                (VERSION_MARKER, details)
            }
        };
        let list = |payload| Payloads { payloads: vec![payload] };
        CommandBody {
            attributes: Attributes::RecordMarkerCommandAttributes(RecordMarkerCommandAttributes {
                marker_name: marker_name.to_string(),
                details: details.into_iter().map(|(key, payload)| (key.to_string(), list(payload))).collect(),
                ..Default::default()
            }),
            user_metadata: None,
        }
    }
}

fn json<T: Serialize + 'static>(value: &T) -> Payload {
    to_payload(value).expect("texts, numbers and flags are always JSON")
}
