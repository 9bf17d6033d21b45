//! Side effects: values that workflow code computes once and keeps in its history.

use std::any::type_name;
use std::panic::{Location, panic_any};

use abide_protos::temporal::api::common::v1::Payload;

use super::context::WorkflowContext;
use super::state::{ReadOnly, ReadOnlyCode};
use crate::converter::{read_one, to_payload};
use crate::definition::PayloadValue;

impl WorkflowContext {
    /// Computes a value once and keeps it in the history (Temporal's side effect). A replay returns the kept value and
    /// does not call `compute`.
    ///
    /// Use it for values that differ from call to call and need no I/O: an id of another format than
    /// [`uuid4`](Self::uuid4), the time of the machine. `compute` must not block or fail, and must not use the context: a
    /// workflow task that is retried calls it again. Anything else belongs in an activity, or in a
    /// [local activity](Self::local_activity).
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # mod ulid { pub fn new() -> String { "01J".to_string() } }
    /// #[workflow]
    /// async fn order(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ///     let number: String = ctx.side_effect(|| ulid::new());
    ///     Ok(number)
    /// }
    /// ```
    ///
    /// # Panics
    /// Panics, and so fails the workflow task, if the value cannot be written as a payload, or the recorded value cannot
    /// be read as a `T`.
    #[track_caller]
    pub fn side_effect<T: PayloadValue>(&self, compute: impl FnOnce() -> T) -> T {
        self.shared.must_not_be_read_only("a side effect");
        let location = Location::caller();
        let replayed = self.shared.operation_state.borrow_mut().machines.replayed_side_effect(location);
        let payload = match replayed {
            Ok(Some(recorded)) => recorded,
            Ok(None) => {
                let payload = write(&self.compute(compute));
                self.shared.operation_state.borrow_mut().machines.record_side_effect(payload.clone(), location);
                Some(payload)
            }
            Err(error) => panic_any(*error),
        };
        // A new value is read back too, so that live and replayed code get the same.
        read(payload.as_ref())
    }

    /// Computes a value at each call, and keeps it in the history if it has changed since the last call with this `id`
    /// (Temporal's mutable side effect). A replay returns the kept values and does not call `compute`.
    ///
    /// Use it for settings that may change while a workflow runs, such as a value of a configuration file. A value that
    /// stays the same costs one event for the whole run. For `compute` the rules of [`side_effect`](Self::side_effect)
    /// apply.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # mod config { pub fn batch_size() -> u32 { 100 } }
    /// #[workflow]
    /// async fn import(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ///     for _ in 0..10 {
    ///         let size: u32 = ctx.mutable_side_effect("batch-size", || config::batch_size());
    /// #       let _ = size;
    ///         // ..
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Panics
    /// As [`side_effect`](Self::side_effect).
    #[track_caller]
    pub fn mutable_side_effect<T: PayloadValue + PartialEq>(&self, id: &str, compute: impl FnOnce() -> T) -> T {
        self.shared.must_not_be_read_only("a side effect");
        let location = Location::caller();
        let last = self.shared.operation_state.borrow_mut().machines.last_mutable_side_effect(id, location);
        let last = last.unwrap_or_else(|error| panic_any(*error));
        let last: Option<T> = last.map(|last| read(Some(&last)));
        if self.is_replaying()
            && let Some(last) = last
        {
            return last;
        }
        let payload = write(&self.compute(compute));
        let new: T = read(Some(&payload));
        if last.as_ref() != Some(&new) {
            self.shared.operation_state.borrow_mut().machines.record_mutable_side_effect(id, payload, location);
        }
        new
    }

    /// Calls code that must not use the context: a replay does not call it again.
    fn compute<T>(&self, compute: impl FnOnce() -> T) -> T {
        let outer = self.shared.read_only.replace(Some(ReadOnlyCode::SideEffect));
        let guard = ReadOnly::begin(ReadOnlyCode::SideEffect);
        let value = compute();
        drop(guard);
        self.shared.read_only.set(outer);
        value
    }
}

#[track_caller]
fn write<T: PayloadValue>(value: &T) -> Payload {
    match to_payload(value) {
        Ok(payload) => payload,
        Err(error) => panic!("the value of the side effect, a `{}`, cannot be written: {error}", type_name::<T>()),
    }
}

#[track_caller]
fn read<T: PayloadValue>(payload: Option<&Payload>) -> T {
    match read_one(payload) {
        Ok(value) => value,
        Err(error) => panic!(
            "the recorded value of the side effect cannot be read: {error}; give the call the type that recorded it"
        ),
    }
}
