//! Collects mistakes, so that one compilation reports all of them.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::DeriveInput;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Diagnostics {
    errors: Vec<syn::Error>,
}

impl Diagnostics {
    /// Reports a mistake that covers these tokens.
    pub(crate) fn error(&mut self, at: impl ToTokens, message: impl Display) {
        self.errors.push(syn::Error::new_spanned(at, message));
    }

    /// Reports a mistake at a position without tokens of its own.
    pub(crate) fn error_at(&mut self, at: Span, message: impl Display) {
        self.errors.push(syn::Error::new(at, message));
    }

    /// Reports an error of the parser.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// Returns the number of mistakes. Compare before and after a step to see if it found any.
    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    /// Returns a `compile_error!` for each mistake, at its position.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.errors.into_iter().map(syn::Error::into_compile_error).collect()
    }
}

/// Expands a derive macro in its steps: reads the type, checks the model, and generates code. `of` returns `None` if the
/// type cannot be expanded at all.
pub(crate) fn derive<Model>(
    item: TokenStream,
    of: impl FnOnce(&DeriveInput, &mut Diagnostics) -> Option<Model>,
    validate: impl FnOnce(&Model, &mut Diagnostics),
    expand: impl FnOnce(&Model) -> TokenStream,
) -> TokenStream {
    let input = match syn::parse2::<DeriveInput>(item) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut diagnostics = Diagnostics::default();
    let model = of(&input, &mut diagnostics);
    let output = model.map(|model| {
        validate(&model, &mut diagnostics);
        expand(&model)
    });
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}

/// Returns the part of an item to point at if the whole item is the mistake.
pub(crate) fn keyword(item: &syn::Item) -> TokenStream {
    match item {
        syn::Item::Struct(item) => item.struct_token.to_token_stream(),
        syn::Item::Enum(item) => item.enum_token.to_token_stream(),
        syn::Item::Trait(item) => item.trait_token.to_token_stream(),
        syn::Item::Mod(item) => item.mod_token.to_token_stream(),
        syn::Item::Impl(item) => item.impl_token.to_token_stream(),
        syn::Item::Fn(item) => item.sig.fn_token.to_token_stream(),
        other => other.to_token_stream(),
    }
}
