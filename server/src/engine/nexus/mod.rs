//! Nexus: endpoints, operations of workflows, tasks for handlers, and the completion of operations.

mod completion;
mod endpoint;
mod link;
pub(super) mod operation;
mod task;

pub(crate) use self::completion::CALLBACK_URL;
pub(crate) use self::endpoint::NexusEndpoints;
pub(crate) use self::operation::{
    NexusOperation, NexusTimeouts, Purpose, RequestStage, ends_nexus_operation, timeout_proto,
};
