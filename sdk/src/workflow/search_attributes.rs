//! Search attributes and memo of the run: reading them, and changing them while the run goes on.

use std::fmt;

use std::panic::Location;

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    ModifyWorkflowPropertiesCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{Memo, SearchAttributes as SearchAttributesProto};
use serde::Serialize;

use super::context::WorkflowContext;
use crate::converter::{PayloadError, from_payload, to_payload};
use crate::definition::PayloadValue;
use crate::replay::command_queue::CommandBody;
use crate::replay::flags::CoreFlag;
use crate::replay::machines::upsert_search_attributes::CHANGE_VERSION;
use crate::search_attributes::{
    SearchAttributeKey, SearchAttributeUpdate, SearchAttributeValue, SearchAttributes, SearchAttributesReader, apply,
    is_nothing,
};

/// Changes that a run made to its search attributes and its memo. Most runs make none.
#[derive(Debug, Default)]
pub(crate) struct Upserted {
    search_attributes: Option<SearchAttributesProto>,
    memo: Option<Memo>,
}

/// A change of the run's memo, sent by [`WorkflowContext::upsert_memo`].
#[derive(Clone, Default)]
#[must_use = "a change of the memo does nothing until it is upserted"]
pub struct MemoUpdate {
    fields: Memo,
    unwritable: Option<(String, PayloadError)>,
}

/// Shows the keys only.
impl fmt::Debug for MemoUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields.fields.keys()).finish()
    }
}

impl MemoUpdate {
    /// Creates a change without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field. A value that cannot be written fails the workflow task.
    pub fn set<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        match to_payload(value) {
            Ok(payload) => drop(self.fields.fields.insert(key, payload)),
            Err(error) => self.unwritable = Some((key, error)),
        }
        self
    }

    /// Removes a field.
    pub fn remove(mut self, key: impl Into<String>) -> Self {
        let nothing = to_payload(&()).expect("nothing always converts");
        self.fields.fields.insert(key.into(), nothing);
        self
    }
}

impl WorkflowContext {
    /// A search attribute of this run, from its start or a later change; `None` if it is not set or does not have the
    /// key's type.
    pub fn search_attribute<T: SearchAttributeValue>(&self, key: &SearchAttributeKey<T>) -> Option<T> {
        let core = self.shared.operation_state.borrow();
        let changed = core.upserted.as_ref().and_then(|upserted| upserted.search_attributes.as_ref());
        key.read(changed.or_else(|| self.info().raw_search_attributes())?)
    }

    /// The search attributes of this run as a struct with [`#[derive(SearchAttributes)]`](derive@crate::SearchAttributes);
    /// `None` if one of them is not set whose field is not an `Option`.
    pub fn search_attributes<T: SearchAttributes>(&self) -> Option<T> {
        let core = self.shared.operation_state.borrow();
        let changed = core.upserted.as_ref().and_then(|upserted| upserted.search_attributes.as_ref());
        T::read(&SearchAttributesReader(changed.or_else(|| self.info().raw_search_attributes())))
    }

    /// Changes search attributes of this run: replaces those that are set and removes those that are unset (Temporal's
    /// upsert).
    ///
    /// `TemporalChangeVersion` belongs to the SDK (see [`patched`](Self::patched)) and is not changed. If nothing is
    /// left to change, nothing is sent.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// use abide::SearchAttributeKey;
    /// const STAGE: SearchAttributeKey<String> = SearchAttributeKey::keyword("Stage");
    ///
    /// #[workflow]
    /// async fn ship(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ///     ctx.upsert_search_attributes([STAGE.set("packing")]);
    ///     ctx.timer(hours(1)).await?;
    ///     ctx.upsert_search_attributes([STAGE.set("on its way")]);
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn upsert_search_attributes(&self, updates: impl IntoIterator<Item = SearchAttributeUpdate>) {
        self.shared.must_not_be_read_only("a change of search attributes");
        let mut core = self.shared.operation_state.borrow_mut();
        let machines = &core.machines;
        let reserved = machines.flags.uses(CoreFlag::UpsertSearchAttributeOnPatch, machines.replaying);
        let updates: Vec<SearchAttributeUpdate> =
            updates.into_iter().filter(|update| !(reserved && update.name == CHANGE_VERSION)).collect();
        if updates.is_empty() {
            // The server refuses a command without fields.
            return;
        }
        let known = || self.info().raw_search_attributes().cloned().unwrap_or_default();
        let upserted = core.upserted.get_or_insert_default();
        apply(&updates, upserted.search_attributes.get_or_insert_with(known));
        let body = (!core.machines.replaying).then(|| CommandBody {
            attributes: Attributes::UpsertWorkflowSearchAttributesCommandAttributes(
                UpsertWorkflowSearchAttributesCommandAttributes {
                    search_attributes: Some(SearchAttributesProto {
                        indexed_fields: updates
                            .into_iter()
                            .map(|update| (update.name.to_string(), update.payload))
                            .collect(),
                    }),
                },
            ),
            user_metadata: None,
        });
        core.machines.upsert_search_attributes(Location::caller(), body);
    }

    /// A field of this run's memo, from its start or a later change; `None` if there is none of that key.
    ///
    /// # Errors
    /// Returns an error if the field is not a `T`.
    pub fn memo<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        let core = self.shared.operation_state.borrow();
        let changed = core.upserted.as_ref().and_then(|upserted| upserted.memo.as_ref());
        let memo = changed.or_else(|| self.info().raw_memo());
        memo.and_then(|memo| memo.fields.get(key)).map(from_payload).transpose()
    }

    /// The keys of this run's memo, sorted.
    pub fn memo_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.current_memo().unwrap_or_default().fields.into_keys().collect();
        keys.sort_unstable();
        keys
    }

    /// Changes fields of this run's memo (Temporal's upsert of the memo).
    ///
    /// ```
    /// # use abide::prelude::*;
    /// use abide::workflow::MemoUpdate;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// ctx.upsert_memo(MemoUpdate::new().set("carrier", &"Ocean Ltd".to_string()).remove("draft"));
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn upsert_memo(&self, update: MemoUpdate) {
        self.shared.must_not_be_read_only("a change of the memo");
        if let Some((key, error)) = update.unwritable {
            let text = format!("the memo field `{key}` cannot be written: {error}");
            self.shared.fail_task(text, Location::caller());
            return;
        }
        if update.fields.fields.is_empty() {
            // The server refuses a command without fields.
            return;
        }
        let mut core = self.shared.operation_state.borrow_mut();
        let known = || self.info().raw_memo().cloned().unwrap_or_default();
        let memo = core.upserted.get_or_insert_default().memo.get_or_insert_with(known);
        for (key, payload) in sorted(&update.fields) {
            if is_nothing(payload) {
                memo.fields.remove(key);
            } else {
                memo.fields.insert(key.clone(), payload.clone());
            }
        }
        let body = (!core.machines.replaying).then_some(CommandBody {
            attributes: Attributes::ModifyWorkflowPropertiesCommandAttributes(
                ModifyWorkflowPropertiesCommandAttributes { upserted_memo: Some(update.fields) },
            ),
            user_metadata: None,
        });
        core.machines.modify_properties(Location::caller(), body);
    }

    /// The memo at this moment, for the next run.
    pub(super) fn current_memo(&self) -> Option<Memo> {
        let core = self.shared.operation_state.borrow();
        let changed = core.upserted.as_ref().and_then(|upserted| upserted.memo.as_ref());
        changed.or_else(|| self.info().raw_memo()).cloned()
    }

    /// The search attributes at this moment, for the next run. Patches are left out, because the next run has its own.
    pub(super) fn current_search_attributes(&self) -> Option<SearchAttributesProto> {
        let core = self.shared.operation_state.borrow();
        let changed = core.upserted.as_ref().and_then(|upserted| upserted.search_attributes.as_ref());
        let mut all = changed.or_else(|| self.info().raw_search_attributes()).cloned()?;
        all.indexed_fields.remove(CHANGE_VERSION);
        (!all.indexed_fields.is_empty()).then_some(all)
    }
}

fn sorted(memo: &Memo) -> Vec<(&String, &abide_protos::temporal::api::common::v1::Payload)> {
    let mut fields: Vec<_> = memo.fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    fields
}
