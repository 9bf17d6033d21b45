//! Headers: values that travel beside the arguments of a call or message, for interceptors and other observers.

use std::fmt;

use abide_protos::temporal::api::common::v1::Header;
use serde::Serialize;

use crate::converter::{PayloadError, from_payload, to_payload};
use crate::definition::PayloadValue;

/// Headers of a call or a message: values by name, which travel beside the arguments. Workflow and activity code can
/// read them, and [interceptors](crate::interceptor) can read and change them.
///
/// Payload codecs do not encode headers, unless the data converter has
/// [`encode_headers`](crate::converter::DataConverter::encode_headers). The history stores headers, so put no secrets into
/// them otherwise. The `Debug` form shows the names, but no value.
///
/// ```
/// use abide::Headers;
///
/// # fn main() -> Result<(), abide::converter::PayloadError> {
/// let mut headers = Headers::default();
/// headers.set("tenant", &"acme".to_string())?;
/// assert_eq!(headers.get::<String>("tenant")?.as_deref(), Some("acme"));
/// assert_eq!(headers.get::<String>("user")?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Headers(
    /// Boxed, because most calls have none.
    Option<Box<Header>>,
);

impl Headers {
    /// Returns the value of that name; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the value is not a `T`. The error does not contain the value.
    pub fn get<T: PayloadValue>(&self, name: &str) -> Result<Option<T>, PayloadError> {
        let payload = self.0.as_ref().and_then(|header| header.fields.get(name));
        let read = payload.map(from_payload).transpose();
        read.map_err(|error| error.of(format_args!("header `{name}`")))
    }

    /// Sets a value, and replaces the one with that name.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn set<T: Serialize + 'static>(&mut self, name: impl Into<String>, value: &T) -> Result<(), PayloadError> {
        // Serialized on replay too: a call that is prepared then may be sent later, when the run is live.
        let payload = to_payload(value)?;
        self.0.get_or_insert_default().fields.insert(name.into(), payload);
        Ok(())
    }

    /// Removes a value. Returns true if there was one with that name.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.as_mut().is_some_and(|header| header.fields.remove(name).is_some())
    }

    /// Returns the names, sorted.
    pub fn names(&self) -> Vec<&str> {
        let fields = self.0.iter().flat_map(|header| header.fields.keys());
        let mut names: Vec<&str> = fields.map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Returns true if there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|header| header.fields.is_empty())
    }

    pub(crate) fn from_proto(header: Option<Header>) -> Self {
        Self(header.map(Box::new))
    }

    pub(crate) fn from_boxed(header: Option<Box<Header>>) -> Self {
        Self(header)
    }

    /// Returns `None` without headers.
    pub(crate) fn into_boxed(self) -> Option<Box<Header>> {
        self.0.filter(|header| !header.fields.is_empty())
    }

    pub(crate) fn to_proto(&self) -> Option<Header> {
        self.0.as_deref().filter(|header| !header.fields.is_empty()).cloned()
    }
}

/// Shows no value.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
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
