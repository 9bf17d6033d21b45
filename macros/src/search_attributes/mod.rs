//! `#[derive(SearchAttributes)]` on structs.

mod attr;
mod expand;
mod model;
mod validate;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::diagnostics::Diagnostics;

pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let input = match syn::parse2::<DeriveInput>(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut diagnostics = Diagnostics::default();
    let output = match model::Model::of(&input, &mut diagnostics) {
        Some(model) => {
            validate::model(&model, &mut diagnostics);
            expand::expand(&model)
        }
        None => TokenStream::new(),
    };
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}
