//! Activities: code with side effects, and its access to the attempt that runs it.
//!
//! This module does not know how an attempt is run: [`ActivityContext`] talks to its host (a worker, a test) through
//! [`ActivityOutbound`].

mod cancellation;
mod context;
mod function;
mod info;
mod registry;
mod resume;

pub use cancellation::{ActivityCancelReason, ActivityCancellation};
pub use context::{ActivityContext, ActivityOutbound, BlockingCode};
pub use function::CalledActivity;
pub use info::ActivityInfo;
pub use registry::{
    Activities, ActivityFuture, ActivityImplementation, ActivityRegistry, RegisteredActivity, SingleActivity,
};
pub use resume::Resumed;
