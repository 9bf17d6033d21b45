//! Headers of calls: values that travel beside the arguments.

use abide_protos::temporal::api::common::v1::Header;
use serde::Serialize;

use crate::converter::{PayloadError, to_payload};

/// The headers of one call. Most calls have none.
#[derive(Debug, Default)]
pub(super) struct Headers(Option<Box<Header>>);

impl Headers {
    /// Adds a header, or replaces the one of that name.
    pub(super) fn set<T: Serialize + 'static>(
        &mut self,
        key: impl Into<String>,
        value: &T,
    ) -> Result<(), PayloadError> {
        // Serialized on replay too: a call that is prepared then may be sent later, when the run is live.
        let payload = to_payload(value)?;
        self.0.get_or_insert_default().fields.insert(key.into(), payload);
        Ok(())
    }

    pub(super) fn to_proto(&self) -> Option<Header> {
        self.0.as_deref().cloned()
    }
}
