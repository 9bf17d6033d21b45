//! Conversion of Rust errors to Temporal failures.

use std::error::Error;

use abide_protos::deep_failures::left_out;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto};

use super::SOURCE;
use super::chain::{MAX, linked, sources, unlinked};
use super::offer::offered;

/// Converts an error and its sources to a failure, cut to the limits. `type_name` is the error's Rust type, if known.
pub(crate) fn application_failure(error: &(dyn Error + 'static), type_name: Option<&str>) -> FailureProto {
    let all = sources(error);
    // For a long chain only both ends are converted, not what lies between them.
    let beginning = if all.len() > MAX { MAX - 2 } else { all.len() };
    let mut links: Vec<FailureProto> = Vec::with_capacity(MAX);
    for (index, error) in all.iter().enumerate() {
        if index >= beginning && index + 1 < all.len() {
            continue;
        }
        if index >= beginning {
            links.push(left_out(index - beginning));
        }
        let failure = one_failure(*error, type_name.filter(|_| index == 0));
        let has_causes = failure.cause.is_some();
        links.extend(unlinked(failure));
        // A recorded failure has its own causes.
        if has_causes {
            break;
        }
    }
    linked(links)
}

/// Converts one error to a failure, without its sources.
fn one_failure(error: &(dyn Error + 'static), type_name: Option<&str>) -> FailureProto {
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
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    }
}

/// Returns `Error` for `std::io::error::Error<T>`: the last segment of the path, without generic arguments.
pub(crate) fn short_type_name(type_name: &str) -> &str {
    let path = type_name.split('<').next().unwrap_or(type_name);
    path.rsplit("::").next().unwrap_or(path)
}
