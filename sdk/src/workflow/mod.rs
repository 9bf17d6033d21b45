//! PURE. What workflow authors see: the context, and one file per verb.
//!
//! [`WorkflowContext`] is where to begin. The traits whose names begin with `Workflow` or `Handler`, and
//! [`SignalDispatch`], are what the macros implement; nobody writes them by hand.

mod activity;
mod activity_options;
mod cancellation;
mod condition;
mod context;
mod continue_as_new;
mod event_group;
mod implementation;
mod info;
mod metadata;
mod operation;
mod patch;
mod random;
mod search_attributes;
mod select;
mod spawn;
mod state;
mod timer;
mod versioning;

pub(crate) mod shared;

pub use activity::{ActivityCall, ActivityHandle, ActivityWithoutTimeout};
pub use activity_options::{ActivityCancellationType, ActivityOptions};
pub use cancellation::CancellationScope;
pub use condition::{WaitUntil, WaitUntilTimeout};
pub use context::WorkflowContext;
pub use continue_as_new::ContinueAsNew;
pub use event_group::EventGroup;
pub use implementation::{
    HandlerInfo, HandlerKind, RoutineFuture, SignalDispatch, WorkflowImplementation, WorkflowInstance,
};
pub use info::{ParentInfo, RootInfo, WorkflowInfo};
pub use random::{RandomValue, WorkflowRng};
pub use search_attributes::MemoUpdate;
pub use spawn::JoinHandle;
pub(crate) use state::ReadOnly;
pub use state::State;
pub use timer::{TimerCall, TimerHandle};
pub use versioning::ContinueAsNewReason;

pub(crate) use info::event_time;
