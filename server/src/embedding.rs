//! The parts of a running server that the test environment holds in its hands: not an API for anybody else, and it may
//! change at any time.

pub use crate::attempts::{Attributed, Counting};
pub use crate::engine::stuck::WaitingRun;
pub use crate::host::{Halt, Host, Promise, Test, Unexplained};
pub use crate::transport::spawn;
