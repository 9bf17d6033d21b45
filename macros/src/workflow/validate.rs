//! The rules for workflows, each with a message at the token that breaks it.

use proc_macro2::TokenStream;

use super::model::{Validator, WorkflowFunction, WorkflowMethods, WorkflowStruct};
use crate::assignment;
use crate::diagnostics::{Diagnostics, keyword};
use crate::item::SortedAttrs;
use crate::methods::{unique_functions, unique_names, validate_block};
use crate::role::Role;
use crate::signature;

pub(crate) fn function(model: &WorkflowFunction, diagnostics: &mut Diagnostics) {
    signature::validate(&model.function.sig, Role::WorkflowFunction, diagnostics);
    signature::validate_dynamic(&model.callable, diagnostics);
}

pub(crate) fn structure(model: &WorkflowStruct, diagnostics: &mut Diagnostics) {
    if !model.item.generics.params.is_empty() {
        diagnostics.error(
            &model.item.generics,
            "a workflow cannot be generic and cannot borrow: it is found by its name at run time; write one workflow \
             for each type",
        );
    }
}

/// Marks the methods with mistakes. Returns `false` if the block itself cannot be expanded.
pub(crate) fn methods(model: &mut WorkflowMethods, diagnostics: &mut Diagnostics) -> bool {
    let before = diagnostics.count();
    validate_block(&model.block, "workflow_methods", diagnostics);
    let is_block_fine = diagnostics.count() == before;
    let validators = model.validators.iter_mut().map(|validator| &mut validator.method);
    for method in model.methods.iter_mut().chain(&mut model.dynamics).chain(&mut model.inits).chain(validators) {
        let before = diagnostics.count();
        signature::validate(&method.function.sig, method.callable.role, diagnostics);
        signature::validate_dynamic(&method.callable, diagnostics);
        method.is_broken |= diagnostics.count() > before;
    }
    if model.block.of_trait.is_none() {
        one_run(model, diagnostics);
    }
    one_init(model, diagnostics);
    one_dynamic(model, diagnostics);
    validators_fit(model, diagnostics);
    unique_names("a signal", Role::Signal, &mut model.methods, diagnostics);
    unique_names("a query", Role::Query, &mut model.methods, diagnostics);
    unique_names("an update", Role::Update, &mut model.methods, diagnostics);
    unique_functions(&model.block, &mut model.methods, diagnostics);
    assignment::report(model.methods.iter_mut(), diagnostics);
    is_block_fine
}

fn one_run(model: &mut WorkflowMethods, diagnostics: &mut Diagnostics) {
    let mut runs = model.methods.iter_mut().filter(|method| method.callable.role == Role::Run);
    if runs.next().is_none() {
        diagnostics.error(
            &model.block.self_ty,
            "this block has no `#[run]` method: a workflow needs one, `#[run] async fn run(&self, ctx: \
             &WorkflowContext) -> Result<T, WorkflowError>`",
        );
    }
    for second in runs {
        diagnostics.error(&second.function.sig.ident, "there is already a `#[run]` method: a workflow has only one");
        second.is_broken = true;
    }
}

fn one_init(model: &mut WorkflowMethods, diagnostics: &mut Diagnostics) {
    for second in model.inits.iter_mut().skip(1) {
        diagnostics.error(&second.function.sig.ident, "there is already an `#[init]` constructor");
        second.is_broken = true;
    }
    let run_args = model.with_role(Role::Run).next().map(|run| run.callable.args.len());
    let (Some(init), Some(run_args)) = (model.inits.first_mut(), run_args) else { return };
    let init_args = init.callable.args.len();
    if run_args != init_args {
        let message = format!(
            "`#[init]` takes the same arguments as `#[run]`: it has {init_args} of them, `#[run]` has {run_args}"
        );
        diagnostics.error(&init.function.sig.ident, message);
        init.is_broken = true;
    }
}

/// Checks that there is only one dynamic handler for each kind of message.
fn one_dynamic(model: &mut WorkflowMethods, diagnostics: &mut Diagnostics) {
    let mut seen = Vec::new();
    for method in &mut model.dynamics {
        // Methods under different `cfg`s are alternatives, since only one of them is compiled.
        if !SortedAttrs::of(&method.function.attrs).cfgs.is_empty() {
            continue;
        }
        let role = method.callable.role;
        if seen.contains(&role) {
            let kind = role.noun().trim_start_matches("an ").trim_start_matches("a ");
            diagnostics.error(&method.callable.ident, format!("there is already a dynamic {kind} in this block"));
            method.is_broken = true;
        }
        seen.push(role);
    }
}

/// Checks that each validator belongs to one update and has the same arguments.
fn validators_fit(model: &mut WorkflowMethods, diagnostics: &mut Diagnostics) {
    let dynamic = model.dynamics.iter().filter(|method| method.callable.role == Role::Update);
    let updates = model.with_role(Role::Update).chain(dynamic).map(|update| &update.callable);
    let updates: Vec<_> = updates.cloned().collect();
    let mut seen = Vec::new();
    for Validator { method, validates } in &mut model.validators {
        let Some(named) = validates else { continue };
        let before = diagnostics.count();
        match updates.iter().find(|update| update.ident == *named) {
            None => diagnostics.error(&named, format!("there is no method `{named}` with `#[update]` in this block")),
            Some(_) if seen.contains(named) => {
                diagnostics.error(&named, format!("the update `{named}` already has a validator"));
            }
            Some(update) if update.args.len() != method.callable.args.len() => {
                let (has, wanted) = (method.callable.args.len(), update.args.len());
                let message = format!(
                    "a validator takes the arguments of its update by reference: it has {has} of them, `{named}` has {wanted}"
                );
                diagnostics.error(&method.function.sig.ident, message);
            }
            Some(_) => {}
        }
        seen.push(named.clone());
        method.is_broken |= diagnostics.count() > before;
    }
}

/// Reports `#[workflow]` on something that is neither a function nor a struct.
pub(crate) fn not_a_workflow(item: &TokenStream, error: syn::Error, diagnostics: &mut Diagnostics) {
    match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Impl(block)) => {
            diagnostics.error(
                block.impl_token,
                "`#[workflow]` goes on the struct: on its impl block use `#[workflow_methods]`",
            );
        }
        Ok(syn::Item::Fn(_) | syn::Item::Struct(_)) | Err(_) => diagnostics.push(error),
        Ok(other) => diagnostics.error(keyword(&other), "`#[workflow]` goes on an async function or on a struct"),
    }
}
