//! Resets: a new run goes on from a point of an old one.

mod children;
mod points;
mod rebuild;
mod reset;
