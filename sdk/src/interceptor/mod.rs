//! Interceptors: code around client calls, workflows and activities, which sees and changes what passes through.

pub(crate) mod workflow;

/// Lets traits have async methods: needed on each `impl` of an interceptor.
pub use async_trait::async_trait;
pub use workflow::{
    CancelExternalWorkflowInput, CompletedActivity, CompletedChildWorkflow, CompletedNexusOperation,
    ContinueAsNewInput, ExecuteWorkflowInput, HandleQueryInput, HandleSignalInput, HandleUpdateInput, InboundCall,
    ScheduleActivityInput, ScheduleLocalActivityInput, SignalExternalWorkflowInput, StartChildWorkflowInput,
    StartNexusOperationInput, StartTimerInput, ValidateUpdateInput, WorkflowInterceptor, WorkflowNext,
};
