//! Nexus operations as workflows call them: what a caller and a handler agree on.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// An operation of a Nexus service: its names on the wire, and what goes in and comes out.
///
/// Nexus operations are how a workflow calls what another team, namespace or language offers behind an *endpoint*. A
/// constant for each is all that a caller needs; the handler may be written with any SDK.
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
/// It travels as one payload each way: `()` for an operation that takes or returns nothing.
pub struct NexusOperation<Input, Output> {
    service: Cow<'static, str>,
    name: Cow<'static, str>,
    types: PhantomData<fn(Input) -> Output>,
}

impl<Input, Output> NexusOperation<Input, Output> {
    /// The operation `name` of `service`, both as the handler names them.
    pub const fn new(service: &'static str, name: &'static str) -> Self {
        Self { service: Cow::Borrowed(service), name: Cow::Borrowed(name), types: PhantomData }
    }

    /// The operation `name` of `service`, where the names are known only at run time.
    pub fn named(service: impl Into<String>, name: impl Into<String>) -> Self {
        Self { service: Cow::Owned(service.into()), name: Cow::Owned(name.into()), types: PhantomData }
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The operation's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of service and operation, to keep.
    pub(crate) fn names(&self) -> (Cow<'static, str>, Cow<'static, str>) {
        (self.service.clone(), self.name.clone())
    }
}

// Written out, because derived ones would ask the same of what goes in and comes out.
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
