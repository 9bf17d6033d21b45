//! The client's updates: against a worker that speaks the protocol by hand (on the embedded server and, where
//! `ABIDE_TEST_SERVER=host:port` is set, on a real one), and against a server that answers by a script.
#![expect(clippy::print_stderr, reason = "says by name what was not run on a real server")]

mod definitions;
mod scripted;
mod talks;
mod worker;
