//! What a payload belongs to, for codecs that depend on it.

use abide_protos::payload_owners::Owner;

/// What the payloads that a codec encodes or decodes belong to (Temporal's `SerializationContext`).
///
/// A codec may choose its key by it, and bind a payload to its workflow, so that nobody can move it to another one. Both
/// sides of a payload see the same context: the client that starts a workflow and the worker that runs it, a parent and
/// its child, a workflow and its activity.
///
/// ```
/// use abide::converter::SerializationContext;
///
/// /// Returns the name of the key for a payload.
/// fn key_name(context: &SerializationContext) -> String {
///     context.workflow_id().map_or_else(|| "shared".into(), |id| format!("workflow-{id}"))
/// }
/// # let _ = key_name;
/// ```
///
/// Three kinds of payloads are encoded by a side that does not know the workflow. Let a codec that depends on the
/// workflow write into the metadata what it has used, and decode by that:
///
/// - A schedule encodes with the workflow id of its action, to which the server appends the time of each start.
/// - The result of a Nexus operation that a workflow backs is encoded by that workflow, and decoded by its caller as
///   [`Nexus`](Self::Nexus).
/// - [`Unknown`](Self::Unknown) is the context of a codec server, of an activity that is completed by its task token
///   ([by its ids](crate::Client::async_activity_by_id), it is known), of batch signals and of operators' calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SerializationContext {
    /// It is not known.
    #[default]
    Unknown,
    /// A workflow: its input, its result, its failure, its memo, and its signals, queries and updates with their answers.
    #[non_exhaustive]
    Workflow {
        /// The workflow's namespace.
        namespace: String,
        /// The workflow's id. For a child workflow and for a signal to another workflow, it is the id of that workflow.
        workflow_id: String,
    },
    /// An activity or a local activity: its arguments, its result, its failures, its heartbeats.
    ///
    /// The activity's type and number are missing on purpose: an event with an activity's result does not contain them.
    #[non_exhaustive]
    Activity {
        /// The activity's namespace.
        namespace: String,
        /// The id of the workflow that has scheduled it; `None` for a standalone activity.
        workflow_id: Option<String>,
        /// The id of a standalone activity; `None` for an activity of a workflow.
        activity_id: Option<String>,
    },
    /// A Nexus operation: its input, its result, its failure. Its caller and its handler may be in different namespaces.
    #[non_exhaustive]
    Nexus {},
}

impl SerializationContext {
    /// Returns the context of a workflow's payloads, for example to test a codec.
    pub fn workflow(namespace: impl Into<String>, workflow_id: impl Into<String>) -> Self {
        Self::Workflow { namespace: namespace.into(), workflow_id: workflow_id.into() }
    }

    /// Returns the id of the workflow, or of the activity's workflow; `None` if there is none or it is not known.
    pub fn workflow_id(&self) -> Option<&str> {
        match self {
            Self::Workflow { workflow_id, .. } => Some(workflow_id),
            Self::Activity { workflow_id, .. } => workflow_id.as_deref(),
            Self::Unknown | Self::Nexus {} => None,
        }
    }

    /// Returns the namespace, if the context has one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::Workflow { namespace, .. } | Self::Activity { namespace, .. } => Some(namespace),
            Self::Unknown | Self::Nexus {} => None,
        }
    }

    pub(super) fn of(namespace: &str, owner: Owner) -> Self {
        let given = |id: String| (!id.is_empty()).then_some(id);
        match owner {
            Owner::Unknown => Self::Unknown,
            Owner::Workflow { workflow_id } => Self::workflow(namespace, workflow_id),
            Owner::Activity { workflow_id, activity_id } => Self::Activity {
                namespace: namespace.into(),
                workflow_id: given(workflow_id),
                activity_id: given(activity_id),
            },
            Owner::Nexus => Self::Nexus {},
        }
    }
}

/// The owner of a message's payloads, unless its parts name another one. Borrowed, because most programs have no codec
/// that asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) owner: OwnerRef<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum OwnerRef<'a> {
    Known(&'a Owner),
    #[cfg_attr(not(feature = "worker"), allow(dead_code, reason = "only workers name workflows by their id"))]
    Workflow(&'a str),
    #[cfg(feature = "worker")]
    Activity {
        workflow_id: &'a str,
        activity_id: &'a str,
    },
    #[cfg(feature = "worker")]
    Nexus,
}

impl Whose<'_> {
    pub(super) fn to_owner(self) -> Owner {
        match self.owner {
            OwnerRef::Known(owner) => owner.clone(),
            OwnerRef::Workflow(id) => Owner::Workflow { workflow_id: id.into() },
            #[cfg(feature = "worker")]
            OwnerRef::Activity { workflow_id, activity_id } => Owner::activity(workflow_id, activity_id),
            #[cfg(feature = "worker")]
            OwnerRef::Nexus => Owner::Nexus,
        }
    }
}
