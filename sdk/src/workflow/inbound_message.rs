//! The message whose handler is running now.

use std::cell::RefCell;

use abide_protos::temporal::api::common::v1::Header;

use super::context::WorkflowContext;
use super::implementation::HandlerKind;
use crate::bounded_text::name as short;
use crate::converter::{PayloadError, from_payload};
use crate::definition::PayloadValue;
use crate::header::Headers;

/// A signal, an update or a query, for as long as its handler runs.
#[derive(Debug)]
pub(crate) struct InboundMessage {
    pub(crate) kind: HandlerKind,
    /// Name on the wire.
    pub(crate) name: String,
    /// Id of an update; empty for others.
    pub(crate) update_id: String,
    /// Event of a signal; 0 for others.
    pub(crate) signal_event_id: i64,
    /// The headers as they were sent, or as an interceptor has passed them on.
    pub(crate) header: RefCell<Option<Box<Header>>>,
}

impl InboundMessage {
    /// All headers.
    pub(crate) fn headers(&self) -> Headers {
        Headers::from_boxed(self.header.borrow().clone())
    }

    /// Replaces the headers that the handler sees.
    pub(crate) fn set_headers(&self, headers: Headers) {
        self.header.replace(headers.into_boxed());
    }

    /// Returns the words that say whose code does something; empty for the main routine.
    pub(crate) fn told(message: Option<&Self>) -> String {
        match message {
            None => String::new(),
            Some(Self { kind: HandlerKind::Signal, name, .. }) => {
                format!(" in the handler of signal `{}`", short(name))
            }
            Some(Self { kind: HandlerKind::Query, name, .. }) => format!(" in the handler of query `{}`", short(name)),
            Some(Self { kind: HandlerKind::Update, name, update_id, .. }) => {
                format!(" in the handler of update `{}` (id {})", short(name), short(update_id))
            }
        }
    }
}

/// An update, as its handler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpdateInfo {
    /// The update's id: given by the caller, or made by the client. Unique within the workflow run.
    pub id: String,
    /// Name on the wire.
    pub name: String,
}

impl WorkflowContext {
    /// The update whose handler or validator is running, also in branches that the handler spawned. `None` elsewhere.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # struct Account { applied: State<Vec<String>>, balance: State<u64> }
    /// # impl Account {
    /// // The handler of an update `deposit`. If a caller repeats it with the same id after the workflow continued as
    /// // new, `applied` shows that it was done, because it was passed to the next run.
    /// fn deposit(&self, ctx: &WorkflowContext, amount: u64) -> u64 {
    ///     let id = ctx.current_update().map(|update| update.id).unwrap_or_default();
    ///     if !self.applied.read().contains(&id) {
    ///         self.applied.write().push(id);
    ///         *self.balance.write() += amount;
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

    /// A header of the signal, update or query whose handler or validator is running, also in branches that the handler
    /// spawned. `None` elsewhere, and if the message has no header of that name. The workflow's start has its headers
    /// in its [info](super::WorkflowInfo::header).
    ///
    /// # Errors
    /// Returns an error if the header is not a `T`.
    pub fn message_header<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        let message = self.shared.current_message.borrow();
        let Some(message) = message.as_ref() else { return Ok(None) };
        let header = message.header.borrow();
        header.as_ref().and_then(|header| header.fields.get(key)).map(from_payload).transpose()
    }
}
