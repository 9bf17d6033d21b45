//! Headers: values that travel beside the arguments of a call or message, for interceptors and other observers.

use abide_protos::temporal::api::common::v1::Header;
use serde::Serialize;

use crate::converter::{PayloadError, to_payload};

/// The headers of one call. Boxed, because most calls have none.
#[derive(Debug, Default)]
pub(crate) struct Headers(Option<Box<Header>>);

impl Headers {
    /// Adds a header, or replaces the one with that name.
    pub(crate) fn set<T: Serialize + 'static>(
        &mut self,
        key: impl Into<String>,
        value: &T,
    ) -> Result<(), PayloadError> {
        // Serialized on replay too: a call that is prepared then may be sent later, when the run is live.
        let payload = to_payload(value)?;
        self.0.get_or_insert_default().fields.insert(key.into(), payload);
        Ok(())
    }

    pub(crate) fn to_proto(&self) -> Option<Header> {
        self.0.as_deref().cloned()
    }
}

/// Adds a header to a request of a client, or replaces the one with that name. An error names the header.
#[cfg(feature = "client")]
pub(crate) fn set_header<T: Serialize + 'static>(
    header: &mut Option<Header>,
    key: impl Into<String>,
    value: &T,
) -> Result<(), PayloadError> {
    let key = key.into();
    let payload = to_payload(value).map_err(|error| error.of(format_args!("header `{key}`")))?;
    header.get_or_insert_default().fields.insert(key, payload);
    Ok(())
}
