//! PURE. What workflow authors see: the context, and one file per verb.

mod context;
mod implementation;
mod select;
mod state;

pub use context::WorkflowContext;
pub use implementation::{
    HandlerInfo, HandlerKind, RoutineFuture, SignalDispatch, WorkflowImplementation, WorkflowInstance,
};
pub use state::State;
