//! Reports about activities that are completed from elsewhere.

use crate::client::AsyncActivityId;
use crate::converter::{RawArguments, RawPayload};
use crate::failure::ApplicationFailure;

/// The completion of an activity, as an [interceptor](super::ClientInterceptor::complete_activity) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompleteActivityInput {
    /// The activity.
    pub activity: AsyncActivityId,
    /// The activity's result.
    pub result: RawPayload,
}

/// The report that an activity failed, as an [interceptor](super::ClientInterceptor::fail_activity) sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailActivityInput {
    /// The activity.
    pub activity: AsyncActivityId,
    /// The failure.
    pub failure: ApplicationFailure,
}

/// The report that an activity was cancelled, as an [interceptor](super::ClientInterceptor::cancel_activity) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CancelActivityInput {
    /// The activity.
    pub activity: AsyncActivityId,
    /// Details for the workflow.
    pub details: RawArguments,
}

/// A heartbeat of an activity, as an [interceptor](super::ClientInterceptor::heartbeat_activity) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeartbeatActivityInput {
    /// The activity.
    pub activity: AsyncActivityId,
    /// The activity's progress.
    pub details: RawArguments,
}
