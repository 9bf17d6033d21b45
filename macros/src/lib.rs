//! The attribute macros of Abide. Use them through the crate `abide`, which re-exports all of them.
//!
//! Each macro works in the same steps, with one file for each step: read the attributes (`attr`), build a small model
//! of the item (`model`), check every rule with a message at the token that breaks it (`validate`), and generate Rust
//! code from the model (`expand`). All mistakes are reported at once, and a broken item still expands to a stub of the
//! same name (`fallback`), so that the rest of the program is checked and an IDE keeps working.
//!
//! The output refers only to `::core`, `::abide::__private` and the user's code. Its own variables begin with
//! `__abide_`. Otherwise, if the user had a constant named `args`, `let args = ..` would be a pattern that compares
//! with the constant.

mod activity;
mod application_error;
mod assignment;
mod attr;
mod contract;
mod diagnostics;
mod fallback;
mod function;
mod item;
mod marker;
mod methods;
mod nexus;
mod role;
mod search_attributes;
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

#[doc = include_str!("../docs/activity_definitions.md")]
#[proc_macro_attribute]
pub fn activity_definitions(options: TokenStream, item: TokenStream) -> TokenStream {
    contract::activities(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/workflow_definition.md")]
#[proc_macro_attribute]
pub fn workflow_definition(options: TokenStream, item: TokenStream) -> TokenStream {
    contract::workflow(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/nexus_service.md")]
#[proc_macro_attribute]
pub fn nexus_service(options: TokenStream, item: TokenStream) -> TokenStream {
    contract::nexus(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/nexus_handlers.md")]
#[proc_macro_attribute]
pub fn nexus_handlers(options: TokenStream, item: TokenStream) -> TokenStream {
    nexus::handlers(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/search_attributes.md")]
#[proc_macro_derive(SearchAttributes, attributes(search_attribute))]
pub fn search_attributes(item: TokenStream) -> TokenStream {
    search_attributes::derive(item.into()).into()
}

#[doc = include_str!("../docs/application_error.md")]
#[proc_macro_derive(ApplicationError, attributes(error, from, source))]
pub fn application_error(item: TokenStream) -> TokenStream {
    application_error::derive(item.into()).into()
}
