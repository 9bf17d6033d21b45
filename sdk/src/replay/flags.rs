//! SDK flags: which behaviours a run was recorded with, so that a replay repeats them.
//!
//! Every completion of a live task may use all flags that this version knows; those that the history does not hold
//! yet are written with it. A replayed task uses only what the history holds.

use std::collections::BTreeSet;

use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;

/// A behaviour that Core-based SDKs record by number in `core_used_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreFlag {
    /// On replay an activity's or child's id and type must be the recorded ones.
    IdAndTypeDeterminismChecks = 1,
    /// A first patch call is followed by an upsert of `TemporalChangeVersion`.
    UpsertSearchAttributeOnPatch = 2,
    /// All other commands come first, then the first command that closes the workflow.
    MoveTerminalCommands = 3,
    /// On replay a Nexus operation's service and name must be the recorded ones.
    NexusOperationDeterminismChecks = 4,
}

const ALL: [CoreFlag; 4] = [
    CoreFlag::IdAndTypeDeterminismChecks,
    CoreFlag::UpsertSearchAttributeOnPatch,
    CoreFlag::MoveTerminalCommands,
    CoreFlag::NexusOperationDeterminismChecks,
];
/// The language flag by which the Python and TypeScript SDKs say that all jobs of a task come before the code runs, as
/// they do here. It is written so that those SDKs can go on with runs from here.
pub(crate) const LANG_FLAG_SINGLE_BATCH: u32 = 2;
const SDK_NAME: &str = "abide";
const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The flags, SDK name and version that a run's history holds.
#[derive(Debug)]
pub(crate) struct Flags {
    core: BTreeSet<u32>,
    lang: BTreeSet<u32>,
    sdk_name: String,
    sdk_version: String,
    /// Whether the server stores them at all.
    stored: bool,
}

impl Flags {
    pub(crate) fn new(stored: bool) -> Self {
        let (core, lang) = (BTreeSet::new(), BTreeSet::new());
        Self { core, lang, sdk_name: String::new(), sdk_version: String::new(), stored }
    }

    /// Takes in what a WorkflowTaskCompleted event says.
    pub(crate) fn recorded(&mut self, metadata: &WorkflowTaskCompletedMetadata) {
        self.core.extend(&metadata.core_used_flags);
        self.lang.extend(&metadata.lang_used_flags);
        if !metadata.sdk_name.is_empty() {
            self.sdk_name.clone_from(&metadata.sdk_name);
        }
        if !metadata.sdk_version.is_empty() {
            self.sdk_version.clone_from(&metadata.sdk_version);
        }
    }

    /// Whether a behaviour applies now.
    pub(crate) fn uses(&self, flag: CoreFlag, replaying: bool) -> bool {
        self.core.contains(&(flag as u32)) || (!replaying && self.stored)
    }

    pub(crate) fn has_lang_flag(&self, flag: u32) -> bool {
        self.lang.contains(&flag)
    }

    /// Who recorded the history; empty if it does not say.
    pub(crate) fn sdk_name(&self) -> &str {
        &self.sdk_name
    }

    /// The version of who recorded it; empty if it does not say.
    pub(crate) fn sdk_version(&self) -> &str {
        &self.sdk_version
    }

    /// Whether the last task that was completed was completed by Abide.
    pub(crate) fn is_ours(&self) -> bool {
        self.sdk_name == SDK_NAME
    }

    /// What the completion of a live task has to add to the history.
    pub(crate) fn to_record(&self) -> WorkflowTaskCompletedMetadata {
        if !self.stored {
            return WorkflowTaskCompletedMetadata::default();
        }
        let unless_same = |known: &str, ours: &str| if known == ours { String::new() } else { ours.to_string() };
        WorkflowTaskCompletedMetadata {
            core_used_flags: ALL.iter().map(|flag| *flag as u32).filter(|flag| !self.core.contains(flag)).collect(),
            lang_used_flags: [LANG_FLAG_SINGLE_BATCH].into_iter().filter(|flag| !self.lang.contains(flag)).collect(),
            sdk_name: unless_same(&self.sdk_name, SDK_NAME),
            sdk_version: unless_same(&self.sdk_version, SDK_VERSION),
        }
    }
}
