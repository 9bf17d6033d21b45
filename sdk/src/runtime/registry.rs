//! The workflows that a worker can run, by name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::converter::{PayloadError, PayloadReader};
use crate::definition::{Workflow, WorkflowDefinition};
use crate::interceptor::workflow::{Interceptors, WorkflowInterceptor};
use crate::into_shared::IntoShared;
use crate::versioning::VersioningBehavior;
use crate::workflow::{PatchActivation, WorkflowContext, WorkflowImplementation, WorkflowInfo, WorkflowInstance};

type Instantiate =
    dyn Fn(&WorkflowContext, &mut PayloadReader<'_>) -> Result<Rc<dyn WorkflowInstance>, PayloadError> + Send + Sync;

/// An error that may fail a workflow, and not only its workflow task.
///
/// A failed task is retried without limit, so that corrected code can go on. A failed workflow is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WorkflowErrorType {
    /// The workflow's code no longer fits its history.
    Nondeterminism,
}

/// The workflows that a worker can run, by name.
#[derive(Clone, Default)]
pub struct WorkflowRegistry {
    workflows: BTreeMap<Cow<'static, str>, Registered>,
    /// The dynamic workflow, with its name.
    dynamic: Option<(Cow<'static, str>, Registered)>,
    duplicates: Vec<Cow<'static, str>>,
    /// Errors that fail every workflow.
    failure_errors: BTreeSet<WorkflowErrorType>,
    /// `None` without interceptors, so that runs need not look.
    interceptors: Option<Interceptors>,
    /// Decides about patches; `None` if each new run takes the new path.
    patch_activation: Option<PatchActivation>,
    /// Errors that in addition fail workflows of one type.
    failure_errors_of: BTreeMap<Cow<'static, str>, BTreeSet<WorkflowErrorType>>,
}

#[derive(Clone)]
struct Registered {
    instantiate: Arc<Instantiate>,
    versioning_behavior: Option<VersioningBehavior>,
}

impl WorkflowRegistry {
    /// Adds one workflow type.
    pub fn add<Kind, W>(&mut self, workflow: W)
    where
        W: Workflow<Kind>,
        W::Definition: WorkflowImplementation,
    {
        let workflow = workflow.definition();
        let (name, is_dynamic) = (workflow.name(), workflow.is_dynamic());
        let registered = Registered {
            versioning_behavior: workflow.versioning_behavior(),
            instantiate: Arc::new(move |ctx, args| workflow.instantiate(ctx, args)),
        };
        if is_dynamic {
            if let Some((other, _)) = self.dynamic.replace((name, registered)) {
                self.duplicates.push(Cow::Owned(format!("{other} (dynamic)")));
            }
        } else if self.workflows.insert(name.clone(), registered).is_some() {
            self.duplicates.push(name);
        }
    }

    /// Adds an interceptor of all workflows, within those that were added before.
    pub fn add_interceptor(&mut self, interceptor: impl IntoShared<dyn WorkflowInterceptor>) {
        Arc::make_mut(self.interceptors.get_or_insert_default()).push(interceptor.into_shared());
    }

    /// Returns a registry for another task queue of the same worker: with what applies to all workflows, and with none.
    #[cfg(feature = "worker")]
    pub(crate) fn without_workflows(&self) -> Self {
        let (failure_errors, interceptors) = (self.failure_errors.clone(), self.interceptors.clone());
        let patch_activation = self.patch_activation.clone();
        Self { failure_errors, interceptors, patch_activation, ..Self::default() }
    }

    /// Returns true if there is no workflow, and no dynamic one either.
    pub fn is_empty(&self) -> bool {
        self.workflows.is_empty() && self.dynamic.is_none()
    }

    /// Returns true if it can run a workflow of that type: by its name, or with the dynamic workflow.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Name and declared versioning behaviour of the dynamic workflow, which runs all types without a registration.
    pub fn dynamic(&self) -> Option<(&str, Option<VersioningBehavior>)> {
        self.dynamic.as_ref().map(|(name, registered)| (name.as_ref(), registered.versioning_behavior))
    }

    /// All names, sorted, without that of the dynamic workflow.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.workflows.keys().map(AsRef::as_ref)
    }

    /// Declared versioning behaviour of each workflow, by name.
    pub fn versioning_behaviors(&self) -> impl Iterator<Item = (&str, Option<VersioningBehavior>)> {
        self.workflows.iter().map(|(name, registered)| (name.as_ref(), registered.versioning_behavior))
    }

    /// Names that were added more than once.
    pub fn duplicates(&self) -> impl Iterator<Item = &str> {
        self.duplicates.iter().map(AsRef::as_ref)
    }

    /// Makes errors of these kinds fail the workflow, for one workflow type or (`None`) for all.
    pub fn fail_workflow_on(
        &mut self,
        workflow_type: Option<Cow<'static, str>>,
        errors: impl IntoIterator<Item = WorkflowErrorType>,
    ) {
        match workflow_type {
            Some(name) => self.failure_errors_of.entry(name).or_default().extend(errors),
            None => self.failure_errors.extend(errors),
        }
    }

    /// Returns a workflow type without code that [`fail_workflow_on`](Self::fail_workflow_on) was called with.
    #[cfg(feature = "worker")]
    pub(crate) fn failure_errors_of_unknown(&self) -> Option<&str> {
        self.failure_errors_of.keys().map(AsRef::as_ref).find(|name| !self.has(name))
    }

    /// Returns true if an error of that kind fails a workflow of that type.
    pub(crate) fn fails_workflow(&self, workflow_type: &str, error: WorkflowErrorType) -> bool {
        let of_type = || self.failure_errors_of.get(workflow_type).is_some_and(|errors| errors.contains(&error));
        self.failure_errors.contains(&error) || of_type()
    }

    /// Sets who decides whether a run takes the new path of a patch. Asked by live code only, once for each run and id.
    pub fn set_patch_activation(&mut self, activates: impl Fn(&WorkflowInfo, &str) -> bool + Send + Sync + 'static) {
        self.patch_activation = Some(Arc::new(activates));
    }

    pub(crate) fn patch_activation(&self) -> Option<&PatchActivation> {
        self.patch_activation.as_ref()
    }

    pub(crate) fn interceptors(&self) -> Option<&Interceptors> {
        self.interceptors.as_ref()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Instantiate>> {
        let dynamic = self.dynamic.as_ref().map(|(_, registered)| registered);
        self.workflows.get(name).or(dynamic).map(|registered| &registered.instantiate)
    }
}

impl fmt::Debug for WorkflowRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.workflows.keys()).finish()
    }
}
