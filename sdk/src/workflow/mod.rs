//! The API for workflow authors: the context, its calls, their options and handles.
//!
//! Begin with [`WorkflowContext`]. The traits whose names begin with `Workflow` or `Handler`, and [`SignalDispatch`]
//! and [`UpdateDispatch`], are for the macros: nobody implements them by hand.

mod activity;
mod activity_options;
mod activity_request;
mod cancellation;
mod child_workflow;
mod child_workflow_options;
mod concurrency;
pub(crate) mod condition;
mod context;
mod continue_as_new;
mod event_group;
mod external_workflow;
mod function;
mod implementation;
mod inbound_message;
mod info;
mod local_activity;
mod local_activity_options;
pub(crate) mod message_handlers;
mod metadata;
mod nexus_operation;
mod one_worker;
pub(crate) mod operation;
mod patch;
mod random;
mod retry;
mod saga;
mod search_attributes;
mod side_effect;
mod signal_with_start;
mod state;
mod timer;
mod versioning;

pub(crate) mod run_state;

pub use activity::{ActivityCall, ActivityHandle, ActivityWithoutTimeout};
pub use activity_options::{ActivityCancellationType, ActivityOptions};
pub use cancellation::CancellationScope;
pub use child_workflow::{ChildWorkflowCall, ChildWorkflowHandle, ChildWorkflowStart};
pub use child_workflow_options::{ChildWorkflowCancellationType, ChildWorkflowOptions, ParentClosePolicy};
pub use concurrency::{
    JoinHandle, TaskGroup, TimedOut, Timeout, UpdatableTimer, WatchClosed, WatchReceiver, WatchSender,
    for_each_concurrent, join_all, map_concurrent, watch,
};
pub use condition::{WaitUntil, WaitUntilTimeout};
pub use context::WorkflowContext;
pub use continue_as_new::ContinueAsNew;
pub use event_group::EventGroup;
pub use external_workflow::{CancelExternalWorkflow, DeliveryHandle, ExternalWorkflow, SignalExternalWorkflow};
pub use function::CalledWorkflow;
pub use implementation::{
    HandlerInfo, HandlerKind, RoutineFuture, SignalDispatch, UnfinishedPolicy, UpdateDispatch, WorkflowImplementation,
    WorkflowInstance,
};
pub(crate) use implementation::{unfit_query, update_result};
pub(crate) use inbound_message::InboundMessage;
pub use inbound_message::UpdateInfo;
pub use info::{ParentInfo, RootInfo, WorkflowInfo};
pub use local_activity::{LocalActivityCall, LocalActivityHandle, LocalActivityWithoutTimeout};
pub use local_activity_options::LocalActivityOptions;
pub(crate) use message_handlers::is_reserved;
pub use message_handlers::{RuntimeHandler, RuntimeUpdateHandler};
pub use nexus_operation::{
    NexusOperationCall, NexusOperationCancellationType, NexusOperationHandle, NexusOperationStart,
};
pub use one_worker::OWN_QUEUE;
pub use patch::DEFAULT_VERSION;
pub(crate) use patch::PatchActivation;
pub use random::{RandomValue, WorkflowRng};
pub use saga::{Saga, SagaError};
pub use search_attributes::MemoUpdate;
pub use signal_with_start::{SignalWithStart, SignalledWorkflow};
pub use state::State;
pub(crate) use state::{ReadOnly, ReadOnlyCode};
pub use timer::{TimerCall, TimerHandle};
pub use versioning::ContinueAsNewReason;

pub use crate::workflow_id_reuse_policy::WorkflowIdReusePolicy;

pub(crate) use info::event_time;
