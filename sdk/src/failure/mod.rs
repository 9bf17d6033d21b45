//! Failures: what went wrong, as Temporal records it, and the errors that workflow and activity code returns.
//!
//! [`Failure`] is one recorded failure with its chain of causes. [`ApplicationFailure`] is how authors make one, and
//! [`ApplicationError`] makes an enum of theirs travel as one. [`ActivityError`] and [`WorkflowError`] are what activity
//! and workflow functions return: `?` turns any error into one of them; a [`FailureConverter`] is an author's own way to
//! do that. [`ActivityFailure`], [`Cancelled`] and their like are what operations in a workflow yield;
//! [`TemporalFailure`] is what can be asked of all of them.

mod activity_error;
mod application;
pub(crate) mod application_error;
mod chain;
mod child_workflow;
mod common_attributes;
mod converter;
mod encode;
mod external_workflow;
mod into_failure;
mod nexus_operation;
mod offer;
mod operation;
mod recorded;
mod temporal_failure;
mod workflow_error;

pub use activity_error::ActivityError;
pub use application::{ApplicationFailure, ErrorCategory};
pub use application_error::ApplicationError;
pub use child_workflow::ChildWorkflowFailure;
pub use converter::{FailureConverter, RaisedError};
pub use external_workflow::ExternalWorkflowFailure;
pub use into_failure::IntoFailure;
pub use nexus_operation::{NexusHandlerErrorType, NexusOperationFailure};
pub use operation::{ActivityFailure, Cancelled};
pub use recorded::{Failure, FailureKind, RetryState, TimeoutType};
pub use temporal_failure::TemporalFailure;
pub use workflow_error::WorkflowError;

pub(crate) use activity_error::ActivityErrorKind;
#[cfg(feature = "worker")]
pub(crate) use chain::shell;
pub(crate) use common_attributes::encode_common_attributes;
pub(crate) use converter::converted_failure;
pub(crate) use encode::application_failure;
pub(crate) use offer::offer;
pub(crate) use workflow_error::WorkflowErrorKind;

/// What `source` says in failures that are made here.
pub(crate) const SOURCE: &str = "AbideSDK";
