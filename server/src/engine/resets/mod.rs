//! Resets: a new run continues from a point of an old one.

mod children;
mod points;
mod rebuild;
mod reset;
