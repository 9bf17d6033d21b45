//! SDK flags: the behaviours with which a run was recorded, so that a replay repeats them.
//!
//! A live task uses all flags that this version knows, and its completion records those that the history does not have
//! yet. A replayed task uses only the flags in the history.

use std::collections::BTreeSet;

use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;

/// A behaviour that Core-based SDKs record by number in `core_used_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreFlag {
    /// On replay an activity's or child's id and type must be the recorded ones.
    IdAndTypeDeterminismChecks = 1,
    /// A first patch call is followed by an upsert of `TemporalChangeVersion`.
    UpsertSearchAttributeOnPatch = 2,
    /// The first command that closes the workflow is moved behind all other commands.
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
/// Language flag with which the Python and TypeScript SDKs record that all jobs of a task come before the code runs, as
/// they do here. It is recorded so that those SDKs can continue runs from here.
pub(crate) const LANG_FLAG_SINGLE_BATCH: u32 = 2;
pub(crate) const SDK_NAME: &str = "abide";
pub(crate) const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version whose tasks are replayed by rules that later versions no longer have. It is recognized by its version
/// and not by a flag, because TypeScript and Go refuse a run with a language flag that they do not know.
const FIRST_VERSION: &str = "0.1.0";

/// The flags, SDK name and version that a run's history holds.
#[derive(Debug)]
pub(crate) struct Flags {
    core: BTreeSet<u32>,
    lang: BTreeSet<u32>,
    /// True if the first completed task records that all jobs come before the code runs; `None` before that task.
    begun_in_single_batch: Option<bool>,
    sdk_name: String,
    sdk_version: String,
    /// True if the server stores flags at all.
    stored: bool,
}

impl Flags {
    pub(crate) fn new(stored: bool) -> Self {
        let (core, lang) = (BTreeSet::new(), BTreeSet::new());
        let (sdk_name, sdk_version) = (String::new(), String::new());
        Self { core, lang, begun_in_single_batch: None, sdk_name, sdk_version, stored }
    }

    /// Adds the flags of a WorkflowTaskCompleted event. Fails with a core flag that this version does not know.
    ///
    /// Such a flag may change where tasks end or what they do, so a replay without it could take another path
    /// unnoticed. Unknown language flags are kept, because each SDK has its own.
    pub(crate) fn recorded(&mut self, metadata: &WorkflowTaskCompletedMetadata) -> Result<(), u32> {
        let unknown = |number: &&u32| !ALL.iter().any(|flag| *flag as u32 == **number);
        if let Some(unknown) = metadata.core_used_flags.iter().find(unknown) {
            return Err(*unknown);
        }
        self.core.extend(&metadata.core_used_flags);
        self.lang.extend(&metadata.lang_used_flags);
        self.begun_in_single_batch.get_or_insert_with(|| self.lang.contains(&LANG_FLAG_SINGLE_BATCH));
        if !metadata.sdk_name.is_empty() {
            self.sdk_name.clone_from(&metadata.sdk_name);
        }
        if !metadata.sdk_version.is_empty() {
            self.sdk_version.clone_from(&metadata.sdk_version);
        }
        Ok(())
    }

    /// Returns true if a behaviour applies now.
    pub(crate) fn uses(&self, flag: CoreFlag, replaying: bool) -> bool {
        self.core.contains(&(flag as u32)) || (!replaying && self.stored)
    }

    pub(crate) fn has_lang_flag(&self, flag: u32) -> bool {
        self.lang.contains(&flag)
    }

    /// Returns true if the run's first task records that all jobs come before the code runs. The .NET SDK decides this
    /// once for a run, so a flag in a later task changes nothing.
    pub(crate) fn began_in_single_batch(&self) -> bool {
        self.begun_in_single_batch.unwrap_or_default()
    }

    /// Name of the SDK that recorded the history; empty if it is not in the history.
    pub(crate) fn sdk_name(&self) -> &str {
        &self.sdk_name
    }

    /// Version of the SDK that recorded the history; empty if it is not in the history.
    pub(crate) fn sdk_version(&self) -> &str {
        &self.sdk_version
    }

    /// Returns true if the last completed task was completed by Abide.
    pub(crate) fn is_ours(&self) -> bool {
        self.sdk_name == SDK_NAME
    }

    /// Returns true if the last completed task was completed by Abide 0.1.0. Each task is judged separately: its
    /// version is in the event that completed it, or in the last earlier one that differs.
    pub(crate) fn is_of_our_first_version(&self) -> bool {
        self.is_ours() && matches!(self.sdk_version(), "" | FIRST_VERSION)
    }

    /// Returns true if a timer of zero length is a command like any other. Abide 0.1.0 began no such timer.
    pub(crate) fn zero_timer_is_command(&self, replaying: bool) -> bool {
        !replaying || !self.is_of_our_first_version()
    }

    /// Returns true if a condition with a timeout of zero begins a timer. Python begins none, and times out at once.
    pub(crate) fn zero_timeout_is_command(&self, replaying: bool) -> bool {
        self.zero_timer_is_command(replaying) && (!replaying || self.sdk_name() != "temporal-python")
    }

    /// Returns the metadata that the completion of a live task adds to the history.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(core: &[u32], lang: &[u32], name: &str, version: &str) -> WorkflowTaskCompletedMetadata {
        WorkflowTaskCompletedMetadata {
            core_used_flags: core.to_vec(),
            lang_used_flags: lang.to_vec(),
            sdk_name: name.into(),
            sdk_version: version.into(),
        }
    }

    #[test]
    fn flags_that_stand_in_the_history_are_not_written_again() {
        let mut flags = Flags::new(true);
        flags.recorded(&metadata(&[2], &[5], "", "")).unwrap();
        assert!(flags.has_lang_flag(5));
        assert_eq!(flags.to_record(), metadata(&[1, 3, 4], &[2], SDK_NAME, SDK_VERSION));
    }

    #[test]
    fn an_unknown_core_flag_is_refused() {
        let mut flags = Flags::new(true);
        assert_eq!(flags.recorded(&metadata(&[1, 2, 3, 4], &[7], "", "")), Ok(()));
        assert_eq!(flags.recorded(&metadata(&[4, 5], &[], "", "")), Err(5));
        assert_eq!(flags.recorded(&metadata(&[0], &[], "", "")), Err(0));
    }

    #[test]
    fn name_and_version_are_written_where_they_differ_from_the_last_ones() {
        let mut flags = Flags::new(true);
        assert_eq!(flags.to_record(), metadata(&[1, 2, 3, 4], &[2], SDK_NAME, SDK_VERSION));
        flags.recorded(&flags.to_record()).unwrap();
        assert_eq!(flags.to_record(), metadata(&[], &[], "", ""), "nothing is new");
        flags.recorded(&metadata(&[], &[], "", "0.0.0")).unwrap();
        assert_eq!(flags.to_record(), metadata(&[], &[], "", SDK_VERSION), "another version went on with it");
        flags.recorded(&metadata(&[], &[], "temporal-python", SDK_VERSION)).unwrap();
        assert_eq!(flags.to_record(), metadata(&[], &[], SDK_NAME, ""), "another SDK went on with it");
    }

    #[test]
    fn the_first_task_says_how_the_run_began() {
        let begun = |tasks: &[&[u32]]| {
            let mut flags = Flags::new(true);
            tasks.iter().for_each(|lang| flags.recorded(&metadata(&[], lang, "", "")).unwrap());
            flags.began_in_single_batch()
        };
        assert!(!begun(&[]));
        assert!(begun(&[&[2]]));
        assert!(begun(&[&[1, 2], &[]]));
        assert!(!begun(&[&[], &[2]]));
    }

    #[test]
    fn a_server_that_does_not_store_them_is_sent_none() {
        let flags = Flags::new(false);
        assert_eq!(flags.to_record(), WorkflowTaskCompletedMetadata::default());
        assert!(!flags.uses(CoreFlag::MoveTerminalCommands, false));
    }
}
