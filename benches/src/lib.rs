//! The workflows and the activity that every SDK in the comparison runs, and what the two binaries share.
//!
//! `benches/README.md` says how the figures are made.

pub mod arguments;
pub mod histories;
pub mod history_pages;
pub mod process;
pub mod workflows;
