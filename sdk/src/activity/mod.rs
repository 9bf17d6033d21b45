//! Activities: the code that touches the world, and what it is told about its attempt.
//!
//! Nothing here knows how an attempt is run: [`ActivityContext`] talks to whoever runs it (a worker, a test) through
//! [`ActivityOutbound`].

mod cancellation;
mod context;
mod function;
mod info;
mod registry;

pub use cancellation::{ActivityCancelReason, ActivityCancellation};
pub use context::{ActivityContext, ActivityOutbound};
pub use function::CalledActivity;
pub use info::ActivityInfo;
pub use registry::{
    Activities, ActivityFuture, ActivityImplementation, ActivityRegistry, RegisteredActivity, SingleActivity,
};
