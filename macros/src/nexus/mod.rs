//! `#[nexus_handlers]` on impl blocks: methods that serve the operations of a contract. The contract itself,
//! `#[nexus_service]`, is in `contract/`.

mod attr;
mod expand;
mod model;
mod validate;

use proc_macro2::{Span, TokenStream};

use crate::contract::implements_option;
use crate::diagnostics::Diagnostics;
use crate::item::ImplBlock;
use crate::methods::not_an_impl_block;

const ATTRIBUTE: &str = "nexus_handlers";

/// Expands `#[nexus_handlers]` on an impl block.
pub(crate) fn handlers(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let is_missing = options.is_empty();
    let implements = implements_option(options, ATTRIBUTE, &mut diagnostics);
    if is_missing {
        let text = "expected `#[nexus_handlers(implements = Contract)]`: a contract, a trait with `#[nexus_service]`, names \
                    the service and its operations";
        diagnostics.error_at(Span::call_site(), text);
    }
    let output = match syn::parse2::<ImplBlock>(item.clone()) {
        Ok(block) => {
            let mut model = model::Handlers::of(block, &mut diagnostics);
            let is_block_fine = validate::handlers(&mut model, &mut diagnostics);
            match implements {
                Some(contract) if is_block_fine => expand::handlers(&model, &contract),
                _ => expand::plain(&model),
            }
        }
        Err(error) => {
            not_an_impl_block(&item, error, ATTRIBUTE, &mut diagnostics);
            item
        }
    };
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}
