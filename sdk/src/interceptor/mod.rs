//! Interceptors: code around client calls, workflows, activities and Nexus handlers, which sees and changes what passes through.
//!
//! An interceptor is a trait whose methods pass everything on by default. Implement the methods of the calls that you want to
//! see, and pass the input on with `next.run(..)`, changed or not. An interceptor that does not call `next` replaces
//! what it surrounds. Several interceptors form a chain in the order in which they were added: the first one is the
//! outermost.
//!
//! The async methods need the attribute [`async_trait`](macro@async_trait), which this module exports.

// Each file here belongs to the layer that it is named after: `sdk/tests/tidy` checks it.
pub(crate) mod activity;
#[cfg(feature = "client")]
pub(crate) mod client;
#[cfg(feature = "worker")]
pub(crate) mod nexus;
pub(crate) mod rest;
pub(crate) mod workflow;

#[doc(no_inline)]
pub use async_trait::async_trait;

pub use activity::{ActivityInterceptor, ActivityNext, ExecuteActivityInput};
#[cfg(feature = "client")]
pub use client::{
    ActivityPage, ActivityResultInput, CancelActivityInput, CancelWorkflowInput, ClientCall, ClientInterceptor,
    ClientNext, CompleteActivityInput, CountActivitiesInput, CountNexusOperationsInput, CountSchedulesInput,
    CountWorkflowsInput, CreateScheduleInput, DeleteActivityInput, DeleteNexusOperationInput, DeleteScheduleInput,
    DescribeActivityInput, DescribeNexusOperationInput, DescribeScheduleInput, DescribeWorkflowInput,
    FailActivityInput, FetchHistoryInput, HeartbeatActivityInput, ListActivitiesInput, ListNexusOperationsInput,
    ListSchedulesInput, ListWorkflowsInput, NexusOperationPage, PatchScheduleInput, PollUpdateInput, QueryAnswer,
    QueryWorkflowInput, RequestCancelActivityInput, RequestCancelNexusOperationInput, ScheduleMatchingTimesInput,
    SchedulePage, SignalWithStartWorkflowInput, SignalWorkflowInput, StandaloneNexusOperationResultInput,
    StartActivityInput, StartStandaloneNexusOperationInput, StartUpdateInput, StartWorkflowInput, StartedActivity,
    StartedStandaloneNexusOperation, StartedUpdate, StartedUpdateWithStart, StartedWorkflow, TerminateActivityInput,
    TerminateNexusOperationInput, TerminateWorkflowInput, UpdateOutcome, UpdateScheduleInput,
    UpdateWithStartWorkflowInput, WorkflowPage, WorkflowResultInput,
};
#[cfg(feature = "worker")]
pub use nexus::{NexusCall, NexusCancelOperationInput, NexusInterceptor, NexusNext, NexusStartOperationInput};
pub use workflow::{
    CancelExternalWorkflowInput, CompletedActivity, CompletedChildWorkflow, CompletedNexusOperation,
    ContinueAsNewInput, ExecuteWorkflowInput, HandleQueryInput, HandleSignalInput, HandleUpdateInput, InboundCall,
    ScheduleActivityInput, ScheduleLocalActivityInput, SignalExternalWorkflowInput, StartChildWorkflowInput,
    StartNexusOperationInput, StartTimerInput, ValidateUpdateInput, WorkflowInterceptor, WorkflowNext,
};
