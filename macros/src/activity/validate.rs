//! The rules for activities, each with a message at the token that breaks it.

use proc_macro2::TokenStream;
use syn::Signature;

use super::ActivityOptions;
use super::model::{ActivityFunction, ActivityMethods};
use crate::assignment;
use crate::diagnostics::{Diagnostics, keyword};
use crate::methods::{unique_functions, unique_names, validate_block};
use crate::role::Role;
use crate::signature;

pub(crate) fn function(model: &ActivityFunction, diagnostics: &mut Diagnostics) {
    signature::validate(&model.function.sig, Role::ActivityFunction, diagnostics);
    signature::validate_dynamic(&model.callable, diagnostics);
    validate_asyncness(&model.function.sig, &model.options, diagnostics);
}

/// Checks that exactly the functions that are not async are declared as blocking.
fn validate_asyncness(sig: &Signature, options: &ActivityOptions, diagnostics: &mut Diagnostics) {
    match (&sig.asyncness, &options.blocking) {
        (Some(token), Some(_)) => diagnostics.error(
            token,
            "an activity with `blocking` runs on a thread that it may block, and cannot be `async`: remove `async`, or \
             remove `blocking`",
        ),
        (None, None) => diagnostics.error(
            sig.fn_token,
            "an activity is an `async fn`; if its code blocks, write `#[activity(blocking)]`, and it runs on a thread of \
             its own",
        ),
        (Some(_), None) | (None, Some(_)) => {}
    }
}

/// Marks the methods with mistakes. Returns `false` if the block itself cannot be expanded.
pub(crate) fn methods(model: &mut ActivityMethods, diagnostics: &mut Diagnostics) -> bool {
    let before = diagnostics.count();
    validate_block(&model.block, "activities", diagnostics);
    let is_block_fine = diagnostics.count() == before;
    if model.methods.is_empty() {
        diagnostics.error(
            &model.block.self_ty,
            "this block has no activity: put `#[activity]` on the methods that are activities",
        );
    }
    for method in &mut model.methods {
        let before = diagnostics.count();
        signature::validate(&method.function.sig, Role::ActivityMethod, diagnostics);
        signature::validate_dynamic(&method.callable, diagnostics);
        validate_asyncness(&method.function.sig, &method.activity, diagnostics);
        method.is_broken |= diagnostics.count() > before;
    }
    let mut dynamic = model.methods.iter_mut().filter(|method| method.callable.is_dynamic);
    for second in dynamic.by_ref().skip(1) {
        diagnostics.error(&second.callable.ident, "there is already a dynamic activity in this block");
        second.is_broken = true;
    }
    unique_names("an activity", Role::ActivityMethod, &mut model.methods, diagnostics);
    unique_functions(&model.block, &mut model.methods, diagnostics);
    assignment::report(model.methods.iter_mut(), diagnostics);
    is_block_fine
}

/// Reports `#[activity]` on something that is not a function.
pub(crate) fn not_a_function(item: &TokenStream, error: syn::Error, diagnostics: &mut Diagnostics) {
    match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Impl(block)) => {
            diagnostics
                .error(block.impl_token, "`#[activity]` goes on a function: on an impl block use `#[activities]`");
        }
        Ok(syn::Item::Fn(_)) | Err(_) => diagnostics.push(error),
        Ok(other) => diagnostics.error(
            keyword(&other),
            "`#[activity]` goes on a function, or on a method in an impl block with `#[activities]`",
        ),
    }
}
