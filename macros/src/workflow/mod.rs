//! `#[workflow]` on functions and structs, and `#[workflow_methods]` on the impl block of such a struct.

mod attr;
mod expand;
mod expand_dynamic;
mod expand_methods;
mod model;
mod validate;

use proc_macro2::TokenStream;

use crate::attr::{OF_WORKFLOW, Options, no_unfinished_policy};
use crate::contract::implements_option;
use crate::diagnostics::Diagnostics;
use crate::item::ImplBlock;
use crate::methods::not_an_impl_block;

/// Expands `#[workflow]` on a function or a struct.
pub(crate) fn workflow(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let mut options = Options::parse(options, OF_WORKFLOW, &mut diagnostics);
    no_unfinished_policy(&options, &mut diagnostics);
    options.activity.only_for_activities(&mut diagnostics);
    let output = match syn::parse2::<model::WorkflowItem>(item.clone()) {
        Ok(model::WorkflowItem::Function(function)) => {
            let before = diagnostics.count();
            let is_dynamic = options.is_dynamic(&mut diagnostics);
            let model = model::WorkflowFunction::of(*function, options, is_dynamic);
            validate::function(&model, &mut diagnostics);
            expand::function(&model, diagnostics.count() > before)
        }
        Ok(model::WorkflowItem::Struct(item)) => {
            options.only_for_functions(&mut diagnostics);
            options.not_dynamic(
                "a dynamic workflow is a function: it sets handlers with `ctx.set_dynamic_signal_handler(..)`",
                &mut diagnostics,
            );
            let model = model::WorkflowStruct::of(*item, options);
            validate::structure(&model, &mut diagnostics);
            expand::structure(&model)
        }
        Err(error) => {
            validate::not_a_workflow(&item, error, &mut diagnostics);
            item
        }
    };
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}

/// Expands `#[workflow_methods]` on an impl block.
pub(crate) fn methods(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let implements = implements_option(options, "workflow_methods", &mut diagnostics);
    let output = match syn::parse2::<ImplBlock>(item.clone()) {
        Ok(block) => {
            let mut model = model::WorkflowMethods::of(block, implements, &mut diagnostics);
            let is_block_fine = validate::methods(&mut model, &mut diagnostics);
            if is_block_fine { expand_methods::methods(&model) } else { expand_methods::plain(&model) }
        }
        Err(error) => {
            not_an_impl_block(&item, error, "workflow_methods", &mut diagnostics);
            item
        }
    };
    let errors = diagnostics.into_tokens();
    quote::quote!(#errors #output)
}
