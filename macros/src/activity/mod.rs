//! `#[activity]` on functions and `#[activities]` on impl blocks.

mod attr;
mod expand;
mod model;
mod options;
mod validate;

use proc_macro2::TokenStream;

pub(crate) use self::options::ActivityOptions;

use crate::attr::{OF_ACTIVITY, Options, no_unfinished_policy};
use crate::contract::implements_option;
use crate::diagnostics::Diagnostics;
use crate::item::{Function, ImplBlock};
use crate::methods::not_an_impl_block;

/// Expands `#[activity]` on a function.
pub(crate) fn function(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let mut options = Options::parse(options, OF_ACTIVITY, &mut diagnostics);
    options.only_for_workflows(&mut diagnostics);
    no_unfinished_policy(&options, &mut diagnostics);
    let output = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => {
            let before = diagnostics.count();
            let is_dynamic = options.is_dynamic(&mut diagnostics);
            let model = model::ActivityFunction::of(function, options, is_dynamic);
            validate::function(&model, &mut diagnostics);
            expand::function(&model, diagnostics.count() > before)
        }
        Err(error) => {
            validate::not_a_function(&item, error, &mut diagnostics);
            item
        }
    };
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}

/// Expands `#[activities]` on an impl block.
pub(crate) fn methods(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let implements = implements_option(options, "activities", &mut diagnostics);
    let output = match syn::parse2::<ImplBlock>(item.clone()) {
        Ok(block) => {
            let mut model = model::ActivityMethods::of(block, &mut diagnostics);
            let is_block_fine = validate::methods(&mut model, &mut diagnostics);
            if is_block_fine { expand::methods(&model, implements.as_ref()) } else { expand::plain(&model) }
        }
        Err(error) => {
            not_an_impl_block(&item, error, "activities", &mut diagnostics);
            item
        }
    };
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}
