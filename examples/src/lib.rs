//! The examples are in the folders beside `src`.
