//! Worker deployments: the program and version under which a worker takes tasks.

use abide_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use abide_protos::temporal::api::enums::v1::WorkerVersioningMode;

use super::error::WorkerError;
use crate::runtime::WorkflowRegistry;
use crate::versioning::{DeploymentVersion, VersioningBehavior};

/// A worker's deployment version (Temporal's worker versioning).
///
/// With [`use_worker_versioning`](Self::use_worker_versioning) the server sends a version's workers only the tasks of
/// workflows that belong to that version; each workflow type then needs a [`VersioningBehavior`]. A new version gets no
/// tasks until it is the deployment's current or ramping version (`temporal worker deployment set-current-version`).
///
/// ```no_run
/// use abide::VersioningBehavior;
/// use abide::worker::{DeploymentOptions, Worker, WorkerError};
/// # use abide::client::Client;
/// # async fn start(client: &Client, workflow: impl abide::workflow::WorkflowImplementation) -> Result<(), WorkerError> {
/// let deployment = DeploymentOptions::new("orders", "2026-11-23.1")
///     .use_worker_versioning()
///     .default_versioning_behavior(VersioningBehavior::Pinned);
/// Worker::builder(client, "orders").workflow(workflow).deployment(deployment).build()?.run().await
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "options do nothing until a worker takes them with `.deployment(..)`"]
pub struct DeploymentOptions {
    version: DeploymentVersion,
    use_worker_versioning: bool,
    default_versioning_behavior: Option<VersioningBehavior>,
}

impl DeploymentOptions {
    /// Names a build of a deployment. The deployment is the program as a whole; its name must not contain a `.`.
    pub fn new(deployment_name: impl Into<String>, build_id: impl Into<String>) -> Self {
        let version = DeploymentVersion::new(deployment_name, build_id);
        Self { version, use_worker_versioning: false, default_versioning_behavior: None }
    }

    /// Enables worker versioning: the server routes tasks by version. Default: the version is only shown.
    pub fn use_worker_versioning(mut self) -> Self {
        self.use_worker_versioning = true;
        self
    }

    /// Behaviour of workflow types that do not declare their own. Default: none, so each type must declare it.
    pub fn default_versioning_behavior(mut self, behavior: VersioningBehavior) -> Self {
        self.default_versioning_behavior = Some(behavior);
        self
    }

    pub(super) fn version(&self) -> &DeploymentVersion {
        &self.version
    }

    /// Returns the behaviour to report in completions of a workflow type, given the type's own.
    pub(super) fn behavior(&self, own: Option<VersioningBehavior>) -> Option<VersioningBehavior> {
        if self.use_worker_versioning { own.or(self.default_versioning_behavior) } else { None }
    }

    pub(super) fn to_proto(&self) -> WorkerDeploymentOptions {
        let mode = match self.use_worker_versioning {
            true => WorkerVersioningMode::Versioned,
            false => WorkerVersioningMode::Unversioned,
        };
        WorkerDeploymentOptions {
            deployment_name: self.version.deployment_name.clone(),
            build_id: self.version.build_id.clone(),
            worker_versioning_mode: mode as i32,
        }
    }
}

/// Checks that the workflow types declare the versioning behaviour that the worker needs, and no more.
///
/// # Errors
/// Returns the first mistake and how to fix it.
pub(super) fn check(options: Option<&DeploymentOptions>, workflows: &WorkflowRegistry) -> Result<(), WorkerError> {
    let versioned = options.is_some_and(|options| options.use_worker_versioning);
    if let Some(options) = options {
        let DeploymentVersion { deployment_name, build_id } = &options.version;
        if versioned && (deployment_name.is_empty() || build_id.is_empty()) {
            return Err(WorkerError::new(
                "the worker's deployment has no name or no build id: worker versioning needs both; set them with \
                 `DeploymentOptions::new(name, build_id)`",
            ));
        }
        if deployment_name.contains('.') {
            return Err(WorkerError::new(format!(
                "the deployment name `{deployment_name}` has a `.`, which separates deployment name and build id; \
                 choose a name without it"
            )));
        }
        if !versioned && options.default_versioning_behavior.is_some() {
            return Err(WorkerError::new(
                "the worker has a default versioning behaviour, but no worker versioning: remove the default, or turn \
                 versioning on with `DeploymentOptions::use_worker_versioning()`",
            ));
        }
    }
    for (name, own) in workflows.versioning_behaviors().chain(workflows.dynamic()) {
        if versioned && options.and_then(|options| options.behavior(own)).is_none() {
            return Err(WorkerError::new(format!(
                "workflow `{name}` has no versioning behaviour, which worker versioning needs: give it \
                 `#[workflow(versioning_behavior = pinned)]` or `auto_upgrade`, or give the worker a \
                 `DeploymentOptions::default_versioning_behavior`"
            )));
        }
        if !versioned && own.is_some() {
            return Err(WorkerError::new(format!(
                "workflow `{name}` has a versioning behaviour, but the worker has no versioning: give it \
                 `.deployment(DeploymentOptions::new(..).use_worker_versioning())`, or remove the behaviour"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{WorkflowContext, WorkflowError, workflow, workflow_methods};

    #[workflow]
    async fn says_nothing(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[workflow(versioning_behavior = pinned)]
    async fn stays(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[workflow(versioning_behavior = auto_upgrade)]
    #[derive(Default)]
    struct Moves;

    #[workflow_methods]
    impl Moves {
        #[run]
        async fn run(&self, _ctx: &WorkflowContext) -> Result<(), WorkflowError> {
            Ok(())
        }
    }

    fn silent() -> WorkflowRegistry {
        let mut registry = WorkflowRegistry::default();
        registry.add(says_nothing);
        registry
    }

    fn declared() -> WorkflowRegistry {
        let mut registry = WorkflowRegistry::default();
        registry.add(stays);
        registry.add(Moves::run);
        registry
    }

    fn versioned() -> DeploymentOptions {
        DeploymentOptions::new("shop", "1").use_worker_versioning()
    }

    fn refusal(options: Option<&DeploymentOptions>, workflows: &WorkflowRegistry) -> String {
        check(options, workflows).expect_err("they do not agree").to_string()
    }

    #[test]
    fn b129_a_behaviour_without_versioning_is_refused() {
        let text = refusal(None, &declared());
        assert!(
            text.contains("workflow `Moves` has a versioning behaviour, but the worker has no versioning"),
            "{text}"
        );
        let unversioned = DeploymentOptions::new("shop", "1");
        assert!(refusal(Some(&unversioned), &declared()).contains("has no versioning"));
        let useless = unversioned.default_versioning_behavior(VersioningBehavior::Pinned);
        assert!(
            refusal(Some(&useless), &silent()).contains("a default versioning behaviour, but no worker versioning")
        );
    }

    #[test]
    fn b129_versioning_without_a_behaviour_is_refused() {
        let text = refusal(Some(&versioned()), &silent());
        assert!(text.contains("`says_nothing` has no versioning behaviour, which worker versioning needs"), "{text}");
        check(Some(&versioned().default_versioning_behavior(VersioningBehavior::Pinned)), &silent()).unwrap();
        check(Some(&versioned()), &declared()).unwrap();
        check(None, &silent()).unwrap();
    }

    #[test]
    fn the_behaviour_of_a_type_wins_over_the_default() {
        let options = versioned().default_versioning_behavior(VersioningBehavior::Pinned);
        let declared = declared();
        let behaviors: Vec<_> =
            declared.versioning_behaviors().map(|(name, own)| (name, options.behavior(own).unwrap())).collect();
        assert_eq!(behaviors, [("Moves", VersioningBehavior::AutoUpgrade), ("stays", VersioningBehavior::Pinned)]);
        assert_eq!(options.behavior(None), Some(VersioningBehavior::Pinned));
    }

    #[test]
    fn names_that_the_server_cannot_tell_apart_are_refused() {
        let dotted = DeploymentOptions::new("my.shop", "1");
        assert!(refusal(Some(&dotted), &silent()).contains("`my.shop` has a `.`"));
        let nameless = DeploymentOptions::new("", "1").use_worker_versioning();
        assert!(refusal(Some(&nameless), &silent()).contains("no name or no build id"));
    }
}
