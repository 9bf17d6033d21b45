//! A panic in workflow code fails the workflow task, with the panic's message and place.
//!
//! Only the panic hook knows the place, so a hook is set in front of the program's own. On threads that execute
//! workflow code it keeps message and place and stays silent; everywhere else it passes the panic on.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::direct_call::DirectCall;
use crate::replay::Nondeterminism;

thread_local! {
    /// `Some` while workflow code is executed on this thread.
    static CAUGHT: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A caught panic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) location: String,
    /// The activity function that the code had called directly.
    pub(crate) direct_call: Option<DirectCall>,
    /// The difference that a call of the context found and could not return.
    pub(crate) nondeterminism: Option<Box<Nondeterminism>>,
    armed: bool,
}

impl Panic {
    /// Returns true if tokio refused to work because workflow code runs outside its runtime.
    pub(crate) fn is_missing_reactor(&self) -> bool {
        self.message.contains("there is no reactor running") || self.message.contains("context of a Tokio 1.x runtime")
    }
}

/// Executes workflow code, and returns a panic as a value.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let outer = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !keep(info) {
                outer(info);
            }
        }));
    });
    let before = CAUGHT.replace(Some(Panic { armed: true, ..Panic::default() }));
    let result = panic::catch_unwind(AssertUnwindSafe(code));
    let caught = CAUGHT.replace(before);
    result.map_err(|payload| {
        let mut caught = caught.unwrap_or_default();
        if caught.location.is_empty() {
            // The hook was not called: the program has set its own since, or the panic was resumed.
            caught.message = panic_message(&*payload).to_owned();
            caught.location = "an unknown place".to_string();
        }
        if let Ok(error) = payload.downcast::<Nondeterminism>() {
            caught.message = error.to_string();
            caught.nondeterminism = Some(error);
        }
        caught
    })
}

/// Executes a part of a workflow's code, for test environments.
///
/// # Errors
/// Returns the place and the message of a panic.
pub fn catch_panic<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch(code).map_err(|panic| format!("at {}: {}", panic.location, panic.message))
}

/// Keeps the panic if workflow code is executed on this thread. Returns true if so.
fn keep(info: &PanicHookInfo<'_>) -> bool {
    CAUGHT.with_borrow_mut(|caught| match caught {
        Some(caught) if caught.armed => {
            caught.message = panic_message(info.payload()).to_owned();
            caught.location = info.location().map(ToString::to_string).unwrap_or_default();
            true
        }
        _ => false,
    })
}

/// Returns the message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic whose value is not a string")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_its_text_and_its_place() {
        let caught = catch(|| panic!("index {}", 7)).unwrap_err();
        assert_eq!(caught.message, "index 7");
        assert!(caught.location.contains("panics.rs:"), "{}", caught.location);
    }

    #[test]
    fn a_panic_of_which_no_hook_was_told_keeps_its_text() {
        let caught = catch(|| panic::resume_unwind(Box::new("resumed"))).unwrap_err();
        assert_eq!(caught.message, "resumed");
    }
}
