//! The builds and versions of the workers that have answered a run, as in its search attributes.
//!
//! Extends `Transaction`.

use super::versions;
use crate::engine::api::enums::VersioningBehavior;
use crate::engine::api::{common, deployment, history};
use crate::engine::transaction::Transaction;
use crate::engine::visibility::filter;
use crate::engine::visibility::{VALUE_LIMIT, keyword, keyword_list};

const BUILDS: &str = "BuildIds";
const CHECKSUMS: &str = "BinaryChecksums";
const USED_VERSIONS: &str = "TemporalUsedWorkerDeploymentVersions";
const DEPLOYMENT: &str = "TemporalWorkerDeployment";
const VERSION: &str = "TemporalWorkerDeploymentVersion";
const BEHAVIOR: &str = "TemporalWorkflowVersioningBehavior";

/// First among the builds of a run that no versioned worker has answered.
const UNVERSIONED: &str = "unversioned";

type Answer = history::WorkflowTaskCompletedEventAttributes;

impl Transaction<'_> {
    /// Records the answer of a worker to the run's workflow task; the answer is that event.
    #[expect(deprecated, reason = "workers without a deployment tell their build in older fields")]
    pub(crate) fn note_answer(&mut self, event_id: i64, answer: &Answer) {
        let is_new = self.note_reset_point(event_id, answer);
        self.note_builds(answer);
        if is_new && !answer.binary_checksum.is_empty() {
            let points = self.execution.state.reset_points.iter().map(|point| point.binary_checksum.clone());
            let checksums = points.filter(|checksum| !checksum.is_empty()).collect();
            self.set_attribute(CHECKSUMS, Some(keyword_list(&bounded(checksums))));
        }
    }

    #[expect(deprecated, reason = "workers without a deployment tell their build in older fields")]
    fn note_builds(&mut self, answer: &Answer) {
        let shown = versions::Shown::of(self.execution, answer);
        let version = shown.version.as_ref().map(name_of);
        let first = match shown.behavior {
            VersioningBehavior::Unspecified => {
                let versioned = answer.worker_version.as_ref().is_some_and(|stamp| stamp.use_versioning);
                (!versioned).then(|| UNVERSIONED.to_owned())
            }
            VersioningBehavior::Pinned => Some(format!("pinned:{}", version.as_deref().unwrap_or_default())),
            VersioningBehavior::AutoUpgrade => None,
        };
        let builds = with_build(self.keywords(BUILDS), first, answer.worker_version.as_ref());
        self.set_attribute(BUILDS, Some(keyword_list(&bounded(builds))));
        if let Some(used) = answer.deployment_version.as_ref().map(name_of) {
            let mut all = self.keywords(USED_VERSIONS);
            if !all.contains(&used) {
                all.push(used);
            }
            self.set_attribute(USED_VERSIONS, Some(keyword_list(&bounded(all))));
        }
        let behavior = Some(shown.behavior).filter(|behavior| *behavior != VersioningBehavior::Unspecified);
        self.set_attribute(BEHAVIOR, behavior.map(|behavior| keyword(&format!("{behavior:?}"))));
        self.set_attribute(VERSION, version.map(|version| keyword(&version)));
        let deployment = Some(shown.deployment).filter(|name| !name.is_empty());
        self.set_attribute(DEPLOYMENT, deployment.map(|name| keyword(&name)));
    }

    fn set_attribute(&mut self, name: &str, value: Option<common::Payload>) {
        let attributes = &mut self.state().search_attributes;
        match value {
            Some(value) => drop(attributes.insert(name.to_owned(), value)),
            None => drop(attributes.remove(name)),
        }
    }

    fn keywords(&self, name: &str) -> Vec<String> {
        let value = self.execution.state.search_attributes.get(name);
        let text = value.and_then(|value| std::str::from_utf8(&value.data).ok());
        text.map(filter::strings).unwrap_or_default()
    }
}

/// Returns the builds so far and that of an answer, after `first`, which describes the run's current versioning.
fn with_build(known: Vec<String>, first: Option<String>, stamp: Option<&common::WorkerVersionStamp>) -> Vec<String> {
    let build = stamp.map(|stamp| match (stamp.build_id.as_str(), stamp.use_versioning) {
        ("", _) => UNVERSIONED.to_owned(),
        (build, true) => format!("versioned:{build}"),
        (build, false) => format!("unversioned:{build}"),
    });
    let build = build.filter(|build| !known.contains(build));
    let says_how = |text: &String| text == UNVERSIONED || text.starts_with("assigned:") || text.starts_with("pinned");
    first.into_iter().chain(known.into_iter().filter(|text| !says_how(text))).chain(build).collect()
}

/// Keeps as many of the latest entries as a search attribute may have. The entry for the kind of versioning stays
/// first.
fn bounded(mut all: Vec<String>) -> Vec<String> {
    while keyword_list(&all).data.len() > VALUE_LIMIT {
        let says_how = all.len() > 1 && all.first().is_some_and(|first| first == UNVERSIONED);
        all.remove(usize::from(says_how));
    }
    all
}

fn name_of(version: &deployment::WorkerDeploymentVersion) -> String {
    format!("{}:{}", version.deployment_name, version.build_id)
}
