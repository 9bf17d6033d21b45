//! Silence during replay: what replayed workflow code records is not counted, wherever its handle comes from.
//!
//! Like the silence of the log (`runtime/logs.rs`), it is a state of the thread that runs the code.

use std::cell::Cell;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Silences the thread until this is dropped.
#[must_use = "the silence ends when this is dropped"]
pub(crate) struct Silence {
    before: bool,
}

pub(crate) fn silent() -> Silence {
    Silence { before: SILENT.replace(true) }
}

pub(super) fn is_silent() -> bool {
    SILENT.get()
}

impl Drop for Silence {
    fn drop(&mut self) {
        SILENT.set(self.before);
    }
}
