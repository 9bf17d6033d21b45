//! Calls of operators that the embedded server does not serve.

mod activities;
mod workflows;
