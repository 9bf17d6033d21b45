//! State that a workflow changes through `&self`.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::fmt;
use std::panic::Location;

use crate::bounded_text::type_name;

/// A field of a workflow that changes.
///
/// The main routine and the handlers of a run share its state, so all of them take `&self`, and fields that change are
/// kept in a `State`. They run on one thread and take turns only at an `.await`: between two awaits no other code sees
/// the state, and no lock is needed.
///
/// [`read`](Self::read) and [`write`](Self::write) borrow the value, usually for one statement. A borrow must not be
/// held while the state is changed: neither across an `.await`, nor around a call that uses the same field. A borrow in
/// the head of a `while let`, `match` or `for` lives to the end of the body: use [`update`](Self::update) or
/// [`with`](Self::with) there, which borrow only during the call, as [`get`](Self::get) and [`set`](Self::set) do.
///
/// ```
/// use abide::prelude::*;
///
/// #[derive(Default)]
/// struct Cart {
///     items: State<Vec<String>>,
///     paid: State<bool>,
/// }
///
/// let cart = Cart::default();
/// cart.items.write().push("book".to_string());
/// cart.paid.set(true);
/// assert_eq!(cart.items.read().len(), 1);
/// assert!(cart.paid.get());
///
/// while let Some(item) = cart.items.update(|items| items.pop()) {
///     assert_eq!((item.as_str(), cart.items.read().len()), ("book", 0));
/// }
/// ```
///
/// # Panics
/// Every method panics if the field is borrowed at that moment in a way that forbids it. Methods that change the field
/// also panic if a query handler or an update validator calls them. The message says where the method was called and
/// what to do. In a workflow the panic fails the workflow task, not the workflow; in a query handler it fails the
/// query.
#[derive(Default)]
pub struct State<T> {
    cell: RefCell<T>,
}

impl<T> State<T> {
    /// Creates a field with this value.
    pub const fn new(value: T) -> Self {
        Self { cell: RefCell::new(value) }
    }

    /// Returns a copy of the value.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// assert_eq!(State::new(7).get(), 7);
    /// ```
    #[track_caller]
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.shared().clone()
    }

    /// Replaces the value.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// let health = State::new(100);
    /// health.set(80);
    /// assert_eq!(health.get(), 80);
    /// ```
    #[track_caller]
    pub fn set(&self, value: T) {
        let old = std::mem::replace(&mut *self.exclusive(), value);
        // In its own statement, after the borrow has ended, because the value's destructor may read this field.
        drop(old);
    }

    /// Changes the value in place, and returns the closure's result.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// let pending = State::new(vec![1, 2]);
    /// assert_eq!(pending.update(|pending| pending.pop()), Some(2));
    /// ```
    #[track_caller]
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.exclusive())
    }

    /// Reads the value, and returns the closure's result.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// assert!(State::new(vec![1, 2]).with(|pending| pending.contains(&2)));
    /// ```
    #[track_caller]
    pub fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.shared())
    }

    /// Takes the value out and leaves the default.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// let pending = State::new(vec![1, 2]);
    /// assert_eq!(pending.take(), [1, 2]);
    /// assert!(pending.with(Vec::is_empty));
    /// ```
    #[track_caller]
    pub fn take(&self) -> T
    where
        T: Default,
    {
        self.update(std::mem::take)
    }

    /// Borrows the value for as long as the guard lives. Let it end before the next `.await`.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// let name = State::new("Ada".to_string());
    /// assert!(name.read().starts_with('A'));
    /// ```
    #[track_caller]
    pub fn read(&self) -> Ref<'_, T> {
        self.shared()
    }

    /// Borrows the value for changes, for as long as the guard lives. Let it end with its statement.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// struct Save {
    ///     health: u32,
    ///     inventory: Vec<String>,
    /// }
    ///
    /// let save = State::new(Save { health: 100, inventory: Vec::new() });
    /// save.write().health -= 20;
    /// save.write().inventory.push("rope".to_string());
    /// assert_eq!(save.read().health, 80);
    /// ```
    #[track_caller]
    pub fn write(&self) -> RefMut<'_, T> {
        self.exclusive()
    }

    /// Returns the value, when the field is no longer needed.
    pub fn into_inner(self) -> T {
        self.cell.into_inner()
    }

    #[track_caller]
    fn shared(&self) -> Ref<'_, T> {
        let caller = Location::caller();
        // A closure here would put its own location into the panic, instead of the caller's.
        let Ok(guard) = self.cell.try_borrow() else {
            panic!(
                "State<{}> is read at {caller} while it is being changed: end the statement with `write` first (its \
                 guard must not live across an `.await`, and in the head of a `while let` or `match` it lives to the \
                 end of the body), and do not use the same field inside the closure of its `update`",
                type_name::<T>()
            )
        };
        guard
    }

    #[track_caller]
    fn exclusive(&self) -> RefMut<'_, T> {
        let caller = Location::caller();
        if let Some(code) = READ_ONLY.get() {
            let (who, advice) = match code {
                ReadOnlyCode::Query => {
                    ("a query handler", "a query must not change the workflow; use a signal or an update for that")
                }
                ReadOnlyCode::Validator => (
                    "an update validator",
                    "a validator only accepts or rejects; change the state in the update's handler",
                ),
                ReadOnlyCode::SideEffect => (
                    "the closure of a side effect",
                    "a replay does not call it again; change the state with its result",
                ),
            };
            panic!("State<{}> is changed at {caller} by {who}: {advice}", type_name::<T>());
        }
        let Ok(guard) = self.cell.try_borrow_mut() else {
            panic!(
                "State<{}> is changed at {caller} while it is borrowed: end the statement with `read` or `write` first \
                 (their guards must not live across an `.await`, and in the head of a `while let` or `match` they live \
                 to the end of the body), and do not use the same field inside the closure of its `with` or `update`",
                type_name::<T>()
            )
        };
        guard
    }
}

/// Code that must not change the workflow: it does not run again on replay, so its changes would be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOnlyCode {
    Query,
    Validator,
    SideEffect,
}

thread_local! {
    /// The read-only code that runs on this thread.
    static READ_ONLY: Cell<Option<ReadOnlyCode>> = const { Cell::new(None) };
}

/// Guard that forbids changes of any `State` on this thread while it lives.
pub(crate) struct ReadOnly {
    outer: Option<ReadOnlyCode>,
}

impl ReadOnly {
    pub(crate) fn begin(code: ReadOnlyCode) -> Self {
        Self { outer: READ_ONLY.replace(Some(code)) }
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        READ_ONLY.set(self.outer);
    }
}

impl<T> From<T> for State<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cell.try_borrow() {
            Ok(value) => value.fmt(f),
            Err(_) => f.write_str("<being changed>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Returns the message with which `code` panics.
    fn panic_text(code: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(code)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }

    #[test]
    fn a_value_is_read_changed_and_taken_through_a_shared_reference() {
        let state = &State::new(vec![1]);
        state.update(|value| value.push(2));
        assert_eq!(state.get(), [1, 2]);
        assert_eq!(state.with(Vec::len), 2);
        assert_eq!(state.read()[0], 1);
        assert_eq!(state.take(), [1, 2]);
        state.set(vec![3]);
        assert_eq!(format!("{state:?}"), "[3]");
    }

    #[test]
    fn changing_while_a_guard_lives_says_where_and_what_to_do() {
        let state = State::new(1_u32);
        let guard = state.read();
        let text = panic_text(|| state.set(2));
        assert!(text.starts_with("State<u32> is changed at sdk/src/workflow/state.rs:"), "{text}");
        assert!(text.contains("while it is borrowed: end the statement with `read` or `write` first"), "{text}");
        assert_eq!(*guard, 1);
    }

    #[test]
    fn reading_while_a_guard_for_changes_lives_says_where_and_what_to_do() {
        let state = State::new(vec![1_u32]);
        let text = panic_text(|| {
            while let Some(last) = state.write().pop() {
                assert_eq!((last, state.get().len()), (1, 0));
            }
        });
        assert!(text.contains("while it is being changed: end the statement with `write` first"), "{text}");
        state.write().push(2);
        assert_eq!(*state.read(), [2]);
    }

    #[test]
    fn reading_inside_an_update_says_where_and_what_to_do() {
        let state = State::new(1_u32);
        let text = panic_text(|| state.update(|_| assert_eq!(state.get(), 1)));
        assert!(text.contains("do not use the same field inside the closure of its `update`"), "{text}");
        assert_eq!(state.get(), 1);
    }

    #[test]
    fn the_destructor_of_a_replaced_value_may_look_at_the_field() {
        struct Looks(std::rc::Weak<State<Option<Looks>>>);
        impl Drop for Looks {
            fn drop(&mut self) {
                if let Some(state) = self.0.upgrade() {
                    assert!(state.with(Option::is_none));
                }
            }
        }
        let state = std::rc::Rc::new(State::new(None));
        state.set(Some(Looks(std::rc::Rc::downgrade(&state))));
        state.set(None);
        assert!(state.with(Option::is_none));
    }

    #[test]
    fn debug_works_even_while_it_is_being_changed() {
        let state = State::new(1_u32);
        assert_eq!(state.update(|_| format!("{state:?}")), "<being changed>");
    }
}
