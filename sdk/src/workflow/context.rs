//! The context (being built).

/// What a workflow's code can ask and do. Clones are the same context.
#[derive(Clone, Debug)]
pub struct WorkflowContext {}
