//! Arguments whose number and types are not known in advance.

use std::fmt;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::arguments::{PayloadReader, PayloadWriter};
use super::payload::{PayloadError, to_payload};

/// The arguments of a dynamic workflow, activity or message, which the code reads one by one.
///
/// The caller of [`fn(RawArguments) -> T`](crate::Signature) passes them on, whatever they are. The `Debug` form shows
/// their number, but no value.
///
/// ```
/// use abide::converter::{RawArguments, RawPayload};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut args = RawArguments::new();
/// args.push(&"book".to_string())?;
/// args.push(&3_u32)?;
/// assert_eq!(args.len(), 2);
/// assert_eq!(args.get::<String>(0)?, "book");
/// assert_eq!(args.get::<u32>(1)?, 3);
/// // A missing argument reads as `None`.
/// assert_eq!(args.get::<Option<u32>>(2)?, None);
/// assert!(args.get::<u32>(0).is_err());
/// assert_eq!(args.get::<RawPayload>(1)?.data, b"3");
/// args.set(0, &"bell".to_string())?;
/// assert_eq!(args.get::<String>(0)?, "bell");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct RawArguments {
    payloads: Vec<Payload>,
}

impl RawArguments {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of arguments.
    pub fn len(&self) -> usize {
        self.payloads.len()
    }

    /// Returns true if there is no argument.
    pub fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// Reads one argument, counted from 0. A [`RawPayload`](super::RawPayload) takes any argument as it is. A missing
    /// one reads as `None` if `T` is an `Option`, and as `()`.
    ///
    /// # Errors
    /// Returns an error if the argument is missing or does not fit `T`. The error does not contain the value.
    pub fn get<T: DeserializeOwned + 'static>(&self, index: usize) -> Result<T, PayloadError> {
        PayloadReader::at(&self.payloads, index).next()
    }

    /// Appends an argument.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn push<T: Serialize + 'static>(&mut self, value: &T) -> Result<(), PayloadError> {
        self.payloads.push(to_payload(value).map_err(|error| error.in_argument(self.payloads.len()))?);
        Ok(())
    }

    /// Replaces an argument, counted from 0. At the end of the list, it appends one.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value, or if there are fewer arguments than `index`.
    pub fn set<T: Serialize + 'static>(&mut self, index: usize, value: &T) -> Result<(), PayloadError> {
        if index > self.payloads.len() {
            let (count, position) = (self.payloads.len(), index + 1);
            return Err(PayloadError::new(format!(
                "there is no argument {position} to replace: expected an index of at most {count}, found {index}"
            )));
        }
        let payload = to_payload(value).map_err(|error| error.in_argument(index))?;
        match self.payloads.get_mut(index) {
            Some(argument) => *argument = payload,
            None => self.payloads.push(payload),
        }
        Ok(())
    }

    /// Takes all arguments that were not read yet.
    pub(crate) fn rest_of(from: &mut PayloadReader<'_>) -> Self {
        Self { payloads: from.take_rest().to_vec() }
    }

    pub(crate) fn from_payloads(payloads: Vec<Payload>) -> Self {
        Self { payloads }
    }

    pub(crate) fn into_payloads(self) -> Vec<Payload> {
        self.payloads
    }

    pub(crate) fn from_proto(payloads: Option<Payloads>) -> Self {
        Self::from_payloads(payloads.map(|payloads| payloads.payloads).unwrap_or_default())
    }

    /// Returns `None` without arguments, as requests expect it.
    pub(crate) fn into_proto(self) -> Option<Payloads> {
        (!self.payloads.is_empty()).then_some(Payloads { payloads: self.payloads })
    }

    /// Appends all arguments to a list.
    pub(crate) fn write(&self, to: &mut PayloadWriter) {
        to.extend(&self.payloads);
    }
}

/// Does not show values.
impl fmt::Debug for RawArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawArguments({} payloads)", self.payloads.len())
    }
}
