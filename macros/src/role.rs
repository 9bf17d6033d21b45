//! The roles of functions and methods, with their names and rules.

/// The role of a function or method. A new kind of handler is a new variant here and a file in `workflow/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    ActivityFunction,
    ActivityMethod,
    WorkflowFunction,
    Run,
    Signal,
    Query,
    Update,
    Validator,
    Init,
    NexusOperation,
    NexusCancel,
}

/// The rule for `self`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    Never,
    Optional,
    Required,
}

/// The rule for `async`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asyncness {
    Never,
    Optional,
    Required,
}

impl Role {
    /// Returns the name of the role with its article, for messages.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::ActivityFunction | Self::ActivityMethod => "an activity",
            Self::WorkflowFunction => "a workflow",
            Self::Run => "a `#[run]` method",
            Self::Signal => "a signal handler",
            Self::Query => "a query handler",
            Self::Update => "an update handler",
            Self::Validator => "an update's validator",
            Self::Init => "an `#[init]` constructor",
            Self::NexusOperation => "a Nexus operation",
            Self::NexusCancel => "a method that cancels a Nexus operation",
        }
    }

    /// Returns the type whose reference may be the first parameter.
    pub(crate) fn context(self) -> &'static str {
        match self {
            Self::ActivityFunction | Self::ActivityMethod => "ActivityContext",
            Self::NexusOperation | Self::NexusCancel => "NexusContext",
            _ => "WorkflowContext",
        }
    }

    pub(crate) fn receiver(self) -> Receiver {
        match self {
            Self::ActivityFunction | Self::WorkflowFunction | Self::Init => Receiver::Never,
            Self::ActivityMethod | Self::NexusOperation | Self::NexusCancel => Receiver::Optional,
            Self::Run | Self::Signal | Self::Query | Self::Update | Self::Validator => Receiver::Required,
        }
    }

    pub(crate) fn asyncness(self) -> Asyncness {
        match self {
            Self::ActivityFunction | Self::ActivityMethod | Self::Signal | Self::Update => Asyncness::Optional,
            Self::NexusOperation | Self::NexusCancel => Asyncness::Optional,
            Self::WorkflowFunction | Self::Run => Asyncness::Required,
            Self::Query | Self::Validator | Self::Init => Asyncness::Never,
        }
    }

    /// Returns the required return type, for the message if there is none; `None` if none is required.
    pub(crate) fn returns(self) -> Option<&'static str> {
        match self {
            Self::ActivityFunction | Self::ActivityMethod => Some("returns `Result<T, ActivityError>`"),
            Self::WorkflowFunction | Self::Run => Some("returns `Result<T, WorkflowError>`"),
            Self::Query => Some("returns its answer"),
            Self::Init => Some("returns `Self`"),
            Self::Validator => Some("returns `Result<(), WorkflowError>`"),
            Self::NexusOperation => Some("returns `Result<T, NexusError>`"),
            Self::NexusCancel => Some("returns `Result<(), NexusError>`"),
            Self::Signal | Self::Update => None,
        }
    }

    /// Returns true if the code runs on a worker's async threads, so that its futures must be `Send`.
    pub(crate) fn is_activity(self) -> bool {
        matches!(self, Self::ActivityFunction | Self::ActivityMethod)
    }

    /// Returns true for the handler of a Nexus operation.
    pub(crate) fn is_nexus(self) -> bool {
        matches!(self, Self::NexusOperation | Self::NexusCancel)
    }
}
