//! Handlers of Nexus operations: code that serves the calls of workflows in any namespace and any language.
//!
//! A service is declared once, as a trait with [`nexus_service`](macro@crate::nexus_service). Callers use the constants
//! of the type that it becomes, and [`nexus_handlers`](macro@crate::nexus_handlers) checks the handler against it.
//!
//! This module does not know how a request arrives: the worker makes a [`NexusContext`] for each request and calls the
//! registered operation.

mod backing;
mod backing_update;
mod cancellation;
mod context;
mod error;
mod info;
mod link;
mod registry;
mod start;
mod temporal_link;
mod token;

pub use self::backing::BacksOperation;
pub use self::cancellation::NexusCancelReason;
pub use self::context::NexusContext;
pub use self::error::NexusError;
pub use self::info::NexusInfo;
pub use self::link::NexusLink;
pub use self::registry::{NexusFuture, NexusHandlers, NexusRegistry};
pub use self::start::NexusStart;

pub(crate) use self::cancellation::NexusCancellation;
pub(crate) use self::context::Request;
pub(crate) use self::error::{HandlerError, NexusErrorKind, Raised};
pub(crate) use self::registry::RegisteredOperation;
pub(crate) use self::start::Started;
