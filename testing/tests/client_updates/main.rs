//! The client's updates with a hand-written worker (on the embedded server and, if `ABIDE_TEST_SERVER=host:port` is
//! set, on a real one), and with a scripted server.
#![expect(clippy::print_stderr, reason = "says by name what was not run on a real server")]

mod definitions;
mod scripted;
mod talks;
mod worker;
