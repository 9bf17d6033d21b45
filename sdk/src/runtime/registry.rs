//! The workflows a worker can run, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::converter::{PayloadError, PayloadReader};
use crate::versioning::VersioningBehavior;
use crate::workflow::{WorkflowContext, WorkflowImplementation, WorkflowInstance};

type Instantiate =
    dyn Fn(&WorkflowContext, &mut PayloadReader<'_>) -> Result<Rc<dyn WorkflowInstance>, PayloadError> + Send + Sync;

/// The workflows a worker can run, by name.
#[derive(Clone, Default)]
pub struct WorkflowRegistry {
    workflows: BTreeMap<&'static str, Registered>,
    duplicates: Vec<&'static str>,
}

#[derive(Clone)]
struct Registered {
    instantiate: Arc<Instantiate>,
    versioning_behavior: Option<VersioningBehavior>,
}

impl WorkflowRegistry {
    /// Adds one workflow type.
    pub fn add<W: WorkflowImplementation>(&mut self, workflow: W) {
        let name = workflow.name();
        let registered = Registered {
            versioning_behavior: workflow.versioning_behavior(),
            instantiate: Arc::new(move |ctx, args| workflow.instantiate(ctx, args)),
        };
        if self.workflows.insert(name, registered).is_some() {
            self.duplicates.push(name);
        }
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.workflows.keys().copied()
    }

    /// What each workflow says of its versioning, by name.
    pub fn versioning_behaviors(&self) -> impl Iterator<Item = (&'static str, Option<VersioningBehavior>)> + '_ {
        self.workflows.iter().map(|(name, registered)| (*name, registered.versioning_behavior))
    }

    /// Names that were added more than once.
    pub fn duplicates(&self) -> &[&'static str] {
        &self.duplicates
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Instantiate>> {
        self.workflows.get(name).map(|registered| &registered.instantiate)
    }
}

impl fmt::Debug for WorkflowRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.workflows.keys()).finish()
    }
}
