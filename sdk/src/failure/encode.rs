//! Rust errors to Temporal failures.

use std::error::Error;

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::enums::v1::ApplicationErrorCategory;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, CanceledFailureInfo, Failure as FailureProto};

use super::SOURCE;
use super::application::{ApplicationFailure, ErrorCategory};
use super::child_workflow::ChildWorkflowFailure;
use super::external_workflow::ExternalWorkflowFailure;
use super::nexus_operation::NexusOperationFailure;
use super::operation::{ActivityFailure, Cancelled};
use super::recorded::Failure;
use crate::duration::to_proto;

/// The failure that stands for an error and its sources. `type_name` is the error's Rust type, where it is known.
pub(crate) fn application_failure(error: &(dyn Error + 'static), type_name: Option<&str>) -> FailureProto {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.as_proto().clone();
    }
    if let Some(failure) = error.downcast_ref::<ActivityFailure>() {
        return failure.failure().as_proto().clone();
    }
    if let Some(failure) = error.downcast_ref::<ChildWorkflowFailure>() {
        return failure.failure().as_proto().clone();
    }
    if let Some(failure) = error.downcast_ref::<ExternalWorkflowFailure>() {
        return failure.failure().as_proto().clone();
    }
    if let Some(failure) = error.downcast_ref::<NexusOperationFailure>() {
        return failure.failure().as_proto().clone();
    }
    if let Some(cancelled) = error.downcast_ref::<Cancelled>() {
        return FailureProto {
            message: cancelled.to_string(),
            source: SOURCE.into(),
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
            ..Default::default()
        };
    }
    let info = match error.downcast_ref::<ApplicationFailure>() {
        Some(failure) => ApplicationFailureInfo {
            r#type: failure.error_type.clone(),
            non_retryable: failure.non_retryable,
            details: (!failure.details.is_empty()).then(|| Payloads { payloads: failure.details.clone() }),
            next_retry_delay: failure.next_retry_delay.map(to_proto),
            category: match failure.category {
                ErrorCategory::Unspecified => ApplicationErrorCategory::Unspecified as i32,
                ErrorCategory::Benign => ApplicationErrorCategory::Benign as i32,
            },
        },
        None => ApplicationFailureInfo {
            r#type: type_name.map(short_type_name).unwrap_or_default().to_string(),
            ..Default::default()
        },
    };
    FailureProto {
        message: error.to_string(),
        source: SOURCE.into(),
        cause: error.source().map(|source| Box::new(application_failure(source, None))),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    }
}

/// `Error` for `std::io::error::Error<T>`: the last segment of the path, without generic arguments.
pub(crate) fn short_type_name(type_name: &str) -> &str {
    let path = type_name.split('<').next().unwrap_or(type_name);
    path.rsplit("::").next().unwrap_or(path)
}
