//! Nexus operations as workflows call them: the names and types that caller and handler agree on.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// An operation of a Nexus service: its names on the wire, its input and its output.
///
/// With Nexus operations, a workflow calls a service of another team, namespace or language behind an *endpoint*. The
/// caller needs only a constant for each operation; the handler may use any SDK.
///
/// ```
/// # use abide::prelude::*;
/// use abide::NexusOperation;
///
/// const CHARGE: NexusOperation<u64, String> = NexusOperation::new("Payments", "charge");
///
/// #[workflow]
/// async fn order(ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
///     Ok(ctx.nexus_operation("payments-endpoint", CHARGE, cents).schedule_to_close_timeout(mins(10)).await?)
/// }
/// ```
///
/// Input and output are one payload each: `()` for an operation without input or output.
pub struct NexusOperation<Input, Output> {
    service: Cow<'static, str>,
    name: Cow<'static, str>,
    types: PhantomData<fn(Input) -> Output>,
}

impl<Input, Output> NexusOperation<Input, Output> {
    /// Creates the operation `name` of `service`, both as the handler names them.
    pub const fn new(service: &'static str, name: &'static str) -> Self {
        Self { service: Cow::Borrowed(service), name: Cow::Borrowed(name), types: PhantomData }
    }

    /// Creates the operation `name` of `service` with names known only at run time.
    pub fn named(service: impl Into<String>, name: impl Into<String>) -> Self {
        Self { service: Cow::Owned(service.into()), name: Cow::Owned(name.into()), types: PhantomData }
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns the name of the operation.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns owned names of service and operation.
    pub(crate) fn names(&self) -> (Cow<'static, str>, Cow<'static, str>) {
        (self.service.clone(), self.name.clone())
    }
}

// Written by hand, because derived ones would require the same traits of input and output.
impl<Input, Output> Clone for NexusOperation<Input, Output> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), name: self.name.clone(), types: PhantomData }
    }
}

impl<Input, Output> fmt::Debug for NexusOperation<Input, Output> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NexusOperation({}/{})", self.service, self.name)
    }
}
