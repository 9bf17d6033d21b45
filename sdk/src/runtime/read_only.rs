//! Authors' code that must not change the workflow: query handlers and update validators.

use super::panics::{self, Panic};
use crate::workflow::run_state::RunState;
use crate::workflow::{ReadOnly, ReadOnlyCode};

/// Executes the code. An attempt to begin, cancel or change something panics; the panic is returned as a value.
pub(super) fn read_only<T>(shared: &RunState, code: ReadOnlyCode, run: impl FnOnce() -> T) -> Result<T, Panic> {
    shared.read_only.set(Some(code));
    let guard = ReadOnly::begin(code);
    let result = panics::catch(run);
    drop(guard);
    shared.read_only.set(None);
    result
}
