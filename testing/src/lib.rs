//! An embedded Temporal-compatible server and test utilities for Abide.

pub mod server;
