//! Rust errors to Temporal failures.

use std::error::Error;

use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto};

use super::SOURCE;
use super::offer::offered;

/// The failure that stands for an error and its sources. `type_name` is the error's Rust type, where it is known.
pub(crate) fn application_failure(error: &(dyn Error + 'static), type_name: Option<&str>) -> FailureProto {
    if let Some(failure) = offered(error) {
        return *failure;
    }
    let info = ApplicationFailureInfo {
        r#type: type_name.map(short_type_name).unwrap_or_default().to_string(),
        ..Default::default()
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
