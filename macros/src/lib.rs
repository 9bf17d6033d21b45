//! The attribute macros of Abide. Use them through the crate `abide`, which re-exports them all.
//!
//! Each macro goes the same way, one file for each step: the attributes are read (`attr`), the item becomes a small
//! model (`model`), every rule is checked with a message at the token that breaks it (`validate`), and the model is
//! written out as Rust (`expand`). All mistakes are reported at once, and what is broken is still expanded to a stub
//! of the same name (`fallback`), so that the rest of the program is checked and an IDE keeps working.
//!
//! The output names only `::core`, `::abide::__private` and what the user wrote. Its own variables begin with `__abide_`:
//! a constant of the user's takes every pattern of its name, so that one named `args` would turn `let args = ..` into a
//! comparison with it.

mod activity;
mod application_error;
mod assignment;
mod attr;
mod diagnostics;
mod fallback;
mod function;
mod item;
mod marker;
mod methods;
mod role;
mod signature;
mod types;
mod workflow;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/activity.md")]
#[proc_macro_attribute]
pub fn activity(options: TokenStream, item: TokenStream) -> TokenStream {
    activity::function(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/activities.md")]
#[proc_macro_attribute]
pub fn activities(options: TokenStream, item: TokenStream) -> TokenStream {
    activity::methods(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/workflow.md")]
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    workflow::workflow(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/workflow_methods.md")]
#[proc_macro_attribute]
pub fn workflow_methods(options: TokenStream, item: TokenStream) -> TokenStream {
    workflow::methods(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/application_error.md")]
#[proc_macro_derive(ApplicationError, attributes(error, from, source))]
pub fn application_error(item: TokenStream) -> TokenStream {
    application_error::derive(item.into()).into()
}
