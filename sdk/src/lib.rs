//! Durable programs in plain Rust: a Temporal-compatible worker SDK.

extern crate self as abide;

mod definition;
mod duration;
mod failure;
mod history;
mod retry_policy;

pub mod activity;
pub mod converter;
pub mod replay;
pub mod runtime;
pub mod workflow;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "worker")]
pub mod worker;

pub use activity::{ActivityContext, ActivityInfo};
pub use definition::{
    ActivityDefinition, Arguments, PayloadValue, QueryDefinition, SignalDefinition, WorkflowDefinition,
};
pub use duration::{days, hours, millis, mins, secs};
pub use failure::{
    ActivityError, ActivityFailure, ApplicationFailure, Cancelled, ErrorCategory, Failure, FailureKind, RetryState,
    TimeoutType, WorkflowError,
};
pub use history::{History, HistoryError};
pub use retry_policy::RetryPolicy;
pub use workflow::WorkflowContext;

/// Everything a program usually needs: `use abide::prelude::*;`.
pub mod prelude {
    pub use crate::{
        ActivityContext, ActivityError, ApplicationFailure, Failure, RetryPolicy, WorkflowContext, WorkflowError, days,
        hours, millis, mins, secs,
    };
}

/// What the macros' output names. Not for direct use: it may change in any version.
#[doc(hidden)]
pub mod __private {
    pub use crate::activity::{Activities, ActivityFuture, ActivityImplementation, ActivityRegistry};
    pub use crate::converter::{PayloadError, PayloadReader, PayloadWriter, to_payload};
    pub use crate::definition::{
        ActivityDefinition, Arguments, QueryDefinition, SignalDefinition, WorkflowDefinition,
    };
    pub use crate::workflow::{
        HandlerInfo, HandlerKind, RoutineFuture, SignalDispatch, WorkflowImplementation, WorkflowInstance,
    };
    pub use abide_protos::temporal::api::common::v1::Payload;
}
