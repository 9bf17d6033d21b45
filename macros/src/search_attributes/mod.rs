//! `#[derive(SearchAttributes)]` on structs.

mod attr;
mod expand;
mod model;
mod validate;

use proc_macro2::TokenStream;

use crate::diagnostics;

pub(crate) fn derive(item: TokenStream) -> TokenStream {
    diagnostics::derive(item, model::Model::of, validate::model, expand::expand)
}
