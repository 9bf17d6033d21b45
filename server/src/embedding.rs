//! The parts of a running server that the test environment uses. Not a public API: it may change at any time.

pub use crate::attempts::{Attributed, Counting};
pub use crate::engine::stuck::WaitingRun;
pub use crate::engine::told::Told;
pub use crate::host::{Halt, Host, Promise, Test, Unexplained};
pub use crate::transport::spawn;
