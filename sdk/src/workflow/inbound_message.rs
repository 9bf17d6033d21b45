//! Which message the code that runs now is the handler of.

use abide_protos::temporal::api::common::v1::Header;

use super::context::WorkflowContext;
use super::implementation::HandlerKind;
use crate::converter::{PayloadError, from_payload};
use crate::definition::PayloadValue;

/// A signal, an update or a query, as long as its handler runs.
#[derive(Debug)]
pub(crate) struct InboundMessage {
    pub(crate) kind: HandlerKind,
    /// Its name on the wire.
    pub(crate) name: String,
    /// An update's id; empty for others.
    pub(crate) update_id: String,
    /// The event that a signal arrived with; 0 for others.
    pub(crate) signal_event_id: i64,
    pub(crate) header: Option<Box<Header>>,
}

/// An update, as its handler can ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateInfo {
    /// The update's id: given by the caller, or made by the client. Unique within the workflow run.
    pub id: String,
    /// Its name on the wire.
    pub name: String,
}

impl WorkflowContext {
    /// The update whose handler or validator runs: in it, and in what it spawned. `None` elsewhere.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # struct Account { applied: State<Vec<String>>, balance: State<u64> }
    /// # impl Account {
    /// // The handler of an update `deposit`. A caller that tries again after the workflow continued as new, with the
    /// // same id, finds that it was done: `applied` was handed over.
    /// fn deposit(&self, ctx: &WorkflowContext, amount: u64) -> u64 {
    ///     let id = ctx.current_update().map(|update| update.id).unwrap_or_default();
    ///     if !self.applied.with(|applied| applied.contains(&id)) {
    ///         self.applied.update(|applied| applied.push(id));
    ///         self.balance.update(|balance| *balance += amount);
    ///     }
    ///     self.balance.get()
    /// }
    /// # }
    /// ```
    pub fn current_update(&self) -> Option<UpdateInfo> {
        let message = self.shared.current_message.borrow();
        let update = message.as_ref().filter(|message| message.kind == HandlerKind::Update)?;
        Some(UpdateInfo { id: update.update_id.clone(), name: update.name.clone() })
    }

    /// A header of the signal, update or query whose handler or validator runs: in it, and in what it spawned. `None` if there
    /// is none of that name, and elsewhere. What came with the workflow's start is in its
    /// [info](super::WorkflowInfo::header).
    ///
    /// # Errors
    /// When the header is not a `T`.
    pub fn message_header<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        let message = self.shared.current_message.borrow();
        let header = message.as_ref().and_then(|message| message.header.as_ref());
        header.and_then(|header| header.fields.get(key)).map(from_payload).transpose()
    }
}
