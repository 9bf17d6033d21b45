//! Checks and conversions of Nexus handlers, for the macros.

use super::IntoErrorOf;
use crate::nexus::{NexusError, NexusStart};

/// The argument of a contract's operation as the method takes it: the same type.
#[diagnostic::on_unimplemented(
    message = "the contract's operation takes `{Self}`, but this method takes `{T}`",
    label = "expected `{Self}`"
)]
pub trait NexusArgument<T> {
    /// Returns the argument.
    fn into_argument(self) -> T;
}

impl<T> NexusArgument<T> for T {
    fn into_argument(self) -> T {
        self
    }
}

/// Checks and passes the argument of an operation.
pub fn nexus_argument<T, I: NexusArgument<T>>(input: I) -> T {
    input.into_argument()
}

/// A result of a method for a contract's operation with the result `O`: the result itself, or how the operation starts.
#[diagnostic::on_unimplemented(
    message = "the contract's operation returns `{O}`, but this method returns `{Self}`",
    label = "expected `Result<{O}, NexusError>`, or `Result<NexusStart<{O}>, NexusError>` if it may take longer"
)]
pub trait NexusReturn<O> {
    /// Converts both forms.
    fn into_start(self) -> NexusStart<O>;
}

impl<O> NexusReturn<O> for O {
    fn into_start(self) -> NexusStart<O> {
        NexusStart::completed(self)
    }
}

#[diagnostic::do_not_recommend]
impl<O> NexusReturn<O> for NexusStart<O> {
    fn into_start(self) -> Self {
        self
    }
}

/// Converts what a handler's method has returned.
pub fn nexus_started<R: NexusReturn<O>, O, E: IntoErrorOf<NexusError>>(
    returned: Result<R, E>,
) -> Result<NexusStart<O>, NexusError> {
    returned.map(NexusReturn::into_start).map_err(IntoErrorOf::into_error)
}

/// Converts what a method that cancels operations has returned.
pub fn nexus_cancelled<E: IntoErrorOf<NexusError>>(returned: Result<(), E>) -> Result<(), NexusError> {
    returned.map_err(IntoErrorOf::into_error)
}
