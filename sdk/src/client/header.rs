//! Headers that a client sends: values that travel beside the arguments, for interceptors and other observers.

use abide_protos::temporal::api::common::v1::Header;
use serde::Serialize;

use crate::converter::{PayloadError, to_payload};

/// Adds a header, or replaces the one with that name.
pub(super) fn set_header<T: Serialize + 'static>(
    header: &mut Option<Header>,
    key: impl Into<String>,
    value: &T,
) -> Result<(), PayloadError> {
    let key = key.into();
    let payload = to_payload(value).map_err(|error| error.of(format_args!("header `{key}`")))?;
    header.get_or_insert_default().fields.insert(key, payload);
    Ok(())
}
