//! `#[activity_definitions]`, `#[workflow_definition]` and `#[nexus_service]` on traits: definitions without bodies, and the check that an
//! impl block implements them.

mod attr;
mod expand;
mod implements;
mod model;
mod validate;

use proc_macro2::TokenStream;
use syn::ItemTrait;

use self::model::{Contract, Kind};
use crate::diagnostics::{Diagnostics, keyword};

pub(crate) use self::attr::implements_option;
pub(crate) use self::implements::{check, run_name};

/// Expands `#[activity_definitions]` on a trait.
pub(crate) fn activities(options: TokenStream, item: TokenStream) -> TokenStream {
    contract(Kind::Activities, options, item)
}

/// Expands `#[workflow_definition]` on a trait.
pub(crate) fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    contract(Kind::Workflow, options, item)
}

/// Expands `#[nexus_service]` on a trait.
pub(crate) fn nexus(options: TokenStream, item: TokenStream) -> TokenStream {
    contract(Kind::Nexus, options, item)
}

fn contract(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let name = attr::contract_name(kind, options, &mut diagnostics);
    let output = match syn::parse2::<ItemTrait>(item.clone()) {
        Ok(item) => {
            let mut contract = Contract::of(kind, item, name, &mut diagnostics);
            validate::contract(&mut contract, &mut diagnostics);
            expand::contract(&contract)
        }
        Err(error) => {
            match syn::parse2::<syn::Item>(item) {
                Ok(syn::Item::Trait(_)) | Err(_) => diagnostics.push(error),
                Ok(other) => {
                    let text = format!("`#[{}]` goes on a trait: its functions are the definitions", kind.attribute());
                    diagnostics.error(keyword(&other), text);
                }
            }
            TokenStream::new()
        }
    };
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}
