//! The parts of a request or a command that an input does not show.

use std::fmt;

/// The rest of a message, without the fields that an input shows. `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct Rest<R>(pub(crate) R);

impl<R> fmt::Debug for Rest<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
