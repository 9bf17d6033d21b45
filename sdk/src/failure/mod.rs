//! Failures as Temporal records them, and the errors that workflow and activity code returns.
//!
//! [`Failure`] is a recorded failure with its chain of causes. User code makes one with [`ApplicationFailure`], or from
//! its own error type with [`ApplicationError`]. Activity and workflow functions return [`ActivityError`] and
//! [`WorkflowError`]: `?` converts any error to them, with a [`FailureConverter`] if there is one. [`ActivityFailure`],
//! [`Cancelled`] and similar types are the errors of operations in a workflow; [`TemporalFailure`] has the methods that
//! all of them share.

mod activity_error;
mod application;
pub(crate) mod application_error;
mod cancelled;
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
mod text;
mod workflow_error;

pub use activity_error::ActivityError;
pub use application::{ApplicationFailure, ErrorCategory};
pub use application_error::ApplicationError;
pub use child_workflow::ChildWorkflowFailure;
pub use converter::{FailureConverter, RaisedError};
pub use external_workflow::ExternalWorkflowFailure;
pub use into_failure::IntoFailure;
#[cfg(feature = "worker")]
pub(crate) use into_failure::type_name_of;
pub use nexus_operation::{NexusHandlerErrorType, NexusOperationFailure};
pub use operation::{ActivityFailure, Cancelled};
pub use recorded::{Failure, FailureKind, RetryState, TimeoutType};
pub use temporal_failure::TemporalFailure;
pub use workflow_error::WorkflowError;

#[cfg(feature = "worker")]
pub(crate) use activity_error::ActivityErrorKind;
#[cfg(feature = "worker")]
pub(crate) use application::{error_type, is_benign};
pub(crate) use cancelled::{ACTIVITY_CANCELLED, CANCELLED, cancelled_failure};
#[cfg(feature = "worker")]
pub(crate) use chain::shell;
pub(crate) use common_attributes::encode_common_attributes;
pub(crate) use converter::converted_failure;
pub(crate) use encode::application_failure;
pub(crate) use offer::offer;
#[cfg(feature = "worker")]
pub(crate) use offer::offered;
pub(crate) use workflow_error::WorkflowErrorKind;

/// The `source` of failures made by this crate.
pub(crate) const SOURCE: &str = "AbideSDK";
