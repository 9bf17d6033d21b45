//! Durable programs in plain Rust: a Temporal-compatible worker SDK.
//!
#![doc = include_str!("../docs/front_page.md")]

// The macros' output refers to `::abide`, in this crate's own tests, too.
#[cfg(test)]
extern crate self as abide;

mod activity_defaults;
mod bounded_text;
mod by_name;
mod debug_only;
mod definition;
mod direct_call;
mod duration;
mod failure;
mod header;
mod history;
#[cfg(any(feature = "codec-server", feature = "prometheus"))]
mod http_server;
mod into_shared;
mod memo_and_attributes;
mod nexus_operation;
mod presence;
mod priority;
mod retry_policy;
mod search_attributes;
mod versioning;
mod workflow_id_reuse_policy;

pub mod activity;
pub mod contract;
pub mod converter;
pub mod interceptor;
pub mod metrics;
pub mod replay;
pub mod runtime;
pub mod workflow;

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "codec-server")]
pub mod codec_server;
#[cfg(feature = "external-storage")]
pub mod external_storage;
#[cfg(feature = "client")]
pub mod plugin;
#[cfg(feature = "client")]
pub mod raw;
// Pages without code: only the documentation and its tests need them.
#[cfg(all(any(doc, doctest), feature = "worker"))]
pub mod guide;
#[cfg(feature = "worker")]
pub mod nexus;
#[cfg(feature = "otel")]
pub mod otel;
#[cfg(feature = "worker")]
pub mod replayer;
#[cfg(feature = "worker")]
pub mod worker;

pub use abide_macros::{
    ApplicationError, SearchAttributes, activities, activity, activity_definitions, nexus_handlers, nexus_service,
    workflow, workflow_definition, workflow_methods,
};
pub use activity::{ActivityContext, ActivityInfo};
pub use activity_defaults::ActivityDefaults;
pub use by_name::{ActivityType, QueryType, SignalType, Signature, UpdateType, WorkflowType};
#[cfg(feature = "client")]
pub use client::{Client, ClientOptions, WorkflowFailedError, WorkflowHandle};
pub use definition::{
    Activity, ActivityDefinition, AnyWorkflow, Arguments, ByValue, PayloadValue, QueryDefinition, QueryOf,
    SignalDefinition, SignalOf, UpdateDefinition, UpdateOf, Workflow, WorkflowDefinition,
};
pub use duration::{days, hours, millis, mins, secs};
pub use failure::{
    ActivityError, ActivityFailure, ApplicationError, ApplicationFailure, Cancelled, ChildWorkflowFailure,
    ErrorCategory, ExternalWorkflowFailure, Failure, FailureConverter, FailureKind, IntoFailure, NexusHandlerErrorType,
    NexusOperationFailure, RaisedError, RetryState, TemporalFailure, TimeoutType, WorkflowError,
};
pub use header::Headers;
pub use history::{History, HistoryError};
pub use into_shared::IntoShared;
#[cfg(feature = "worker")]
pub use nexus::{NexusContext, NexusError, NexusStart};
pub use nexus_operation::NexusOperation;
pub use priority::Priority;
#[doc(inline)]
pub use replay::{Nondeterminism, NondeterminismKind};
#[cfg(feature = "worker")]
pub use replayer::WorkflowReplayer;
pub use retry_policy::RetryPolicy;
pub use search_attributes::{SearchAttributeKey, SearchAttributeUpdate, SearchAttributeValue, SearchAttributes};
pub use versioning::{
    ContinueAsNewVersioningBehavior, DeploymentVersion, VersioningBehavior, VersioningIntent, VersioningOverride,
};
#[cfg(feature = "worker")]
pub use worker::Worker;
pub use workflow::{State, WorkflowContext};

/// The items that most programs need: `use abide::prelude::*;`.
///
/// It contains the macros, contexts, errors, [`State`], [`RetryPolicy`],
/// [`ActivityOptions`](crate::workflow::ActivityOptions), [`select!`], [`join!`](crate::join),
/// [`join_all`](crate::workflow::join_all), [`for_each_concurrent`](crate::workflow::for_each_concurrent),
/// [`map_concurrent`](crate::workflow::map_concurrent), the client, [`Worker`], and durations such as `secs(5)`.
///
/// Of the types whose values options take, it contains those that programs name most:
/// [`ActivityCancellationType`](crate::workflow::ActivityCancellationType),
/// [`ParentClosePolicy`](crate::workflow::ParentClosePolicy),
/// [`WorkflowIdReusePolicy`](crate::workflow::WorkflowIdReusePolicy), `WorkflowIdConflictPolicy` of the client, and
/// [`SearchAttributeKey`]. Name all other types by their path.
///
/// ```
/// use abide::prelude::*;
///
/// const REGION: SearchAttributeKey<String> = SearchAttributeKey::keyword("Region");
///
/// #[activity]
/// async fn ship(order: String) -> Result<(), ActivityError> {
///     Ok(())
/// }
///
/// #[workflow]
/// async fn remind(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
///     pause(ctx).await?;
///     Ok(())
/// }
///
/// #[workflow]
/// async fn process_order(ctx: &WorkflowContext, order: String) -> Result<(), WorkflowError> {
///     let wait = ActivityCancellationType::WaitCancellationCompleted;
///     ctx.activity(ship, order).start_to_close_timeout(mins(1)).cancellation_type(wait).await?;
///     let reminder = ctx.child_workflow(remind, ()).parent_close_policy(ParentClosePolicy::Abandon).start();
///     reminder.await?.detach();
///     Ok(())
/// }
///
/// async fn pause(ctx: &WorkflowContext) -> Result<(), Cancelled> {
///     ctx.timer(days(1)).await
/// }
///
/// # #[cfg(feature = "client")]
/// async fn start(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
///     let start = client.start(process_order, "order-1".into()).id("order-1").task_queue("orders");
///     let start = start.id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate);
///     start.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).search_attributes([REGION.set("EU")]).await?;
///     Ok(())
/// }
/// ```
pub mod prelude {
    // From the macro crate, because `activity` and `workflow` are modules of this crate, too.
    pub use abide_macros::{activities, activity, workflow, workflow_methods};

    #[cfg(feature = "client")]
    pub use crate::client::{Client, ClientOptions, WorkflowHandle, WorkflowIdConflictPolicy};
    #[cfg(feature = "worker")]
    pub use crate::worker::Worker;
    pub use crate::workflow::{
        ActivityCancellationType, ActivityOptions, ParentClosePolicy, WorkflowIdReusePolicy, for_each_concurrent,
        join_all, map_concurrent,
    };
    pub use crate::{
        ActivityContext, ActivityError, ActivityFailure, ApplicationError, ApplicationFailure, Cancelled, Failure,
        RetryPolicy, SearchAttributeKey, State, TemporalFailure, WorkflowContext, WorkflowError, days, hours, join,
        millis, mins, secs, select,
    };
}

// Only for the macros' output.
#[doc(hidden)]
pub mod __private;

/// Compiles the program in README.md.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles and runs the macros' examples. As tests of their own crate they would need this crate as a dependency of a
/// procedural macro, with all its dependencies.
#[cfg(doctest)]
mod macros {
    #[doc = include_str!("../../macros/docs/activity.md")]
    struct Activity;
    #[doc = include_str!("../../macros/docs/activities.md")]
    struct Activities;
    #[doc = include_str!("../../macros/docs/workflow.md")]
    struct Workflow;
    #[doc = include_str!("../../macros/docs/workflow_methods.md")]
    struct WorkflowMethods;
    #[cfg(feature = "worker")]
    #[doc = include_str!("../../macros/docs/nexus_service.md")]
    struct NexusService;
    #[cfg(feature = "worker")]
    #[doc = include_str!("../../macros/docs/nexus_handlers.md")]
    struct NexusHandlers;
    #[doc = include_str!("../../macros/docs/application_error.md")]
    struct ApplicationError;
}
