//! The client (being built).
