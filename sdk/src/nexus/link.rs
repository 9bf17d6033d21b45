//! Links between a call and what serves it.

/// A link from a Nexus operation to something that belongs to it, such as an event in a workflow's history. User
/// interfaces follow it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct NexusLink {
    /// The URL that it leads to. Links of Temporal begin with `temporal://`.
    pub url: String,
    /// Type of the target, such as `temporal.api.common.v1.Link.WorkflowEvent`.
    pub link_type: String,
}

impl NexusLink {
    /// Creates a link.
    pub fn new(url: impl Into<String>, link_type: impl Into<String>) -> Self {
        Self { url: url.into(), link_type: link_type.into() }
    }
}
