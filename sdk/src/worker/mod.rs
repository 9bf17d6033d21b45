//! The worker (being built).
