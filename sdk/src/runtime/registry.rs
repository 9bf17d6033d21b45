//! The workflows a worker can run, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::converter::{PayloadError, PayloadReader};
use crate::workflow::{WorkflowContext, WorkflowImplementation, WorkflowInstance};

type Instantiate =
    dyn Fn(&WorkflowContext, &mut PayloadReader<'_>) -> Result<Rc<dyn WorkflowInstance>, PayloadError> + Send + Sync;

/// The workflows a worker can run, by name.
#[derive(Clone, Default)]
pub struct WorkflowRegistry {
    workflows: BTreeMap<&'static str, Arc<Instantiate>>,
    duplicates: Vec<&'static str>,
}

impl WorkflowRegistry {
    /// Adds one workflow type.
    pub fn add<W: WorkflowImplementation>(&mut self, workflow: W) {
        let name = workflow.name();
        if self.workflows.insert(name, Arc::new(move |ctx, args| workflow.instantiate(ctx, args))).is_some() {
            self.duplicates.push(name);
        }
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.workflows.keys().copied()
    }

    /// Names that were added more than once.
    pub fn duplicates(&self) -> &[&'static str] {
        &self.duplicates
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Instantiate>> {
        self.workflows.get(name)
    }
}

impl fmt::Debug for WorkflowRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.workflows.keys()).finish()
    }
}
