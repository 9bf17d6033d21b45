//! The workflows and the activity that every SDK in the comparison runs, and the shared code of the programs.
//!
//! `benches/README.md` describes how the figures are measured.

pub mod arguments;
pub mod histories;
pub mod history_pages;
pub mod process;
pub mod replaying;
pub mod workflows;
