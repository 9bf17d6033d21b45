//! The failure that stands for a cancellation. Its texts are in histories, so they are written only here.

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure as FailureProto};

/// Message for a cancelled operation without a text of its own.
pub(crate) const CANCELLED: &str = "Cancelled";
/// Message for a cancelled activity, also a local one.
pub(crate) const ACTIVITY_CANCELLED: &str = "Activity cancelled";

/// Returns the failure of a cancellation.
pub(crate) fn cancelled_failure(message: &str, details: Option<Payloads>) -> FailureProto {
    FailureProto {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo { details, ..Default::default() })),
        ..Default::default()
    }
}
