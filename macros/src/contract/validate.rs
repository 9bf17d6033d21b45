//! The rules for contracts, each with a message at the token that breaks it.

use syn::{FnArg, ReturnType, Type};

use super::model::{Contract, Definition, Kind, Role};
use crate::diagnostics::Diagnostics;
use crate::signature::MAX_ARGUMENTS;

/// Marks the definitions with mistakes.
pub(super) fn contract(contract: &mut Contract, diagnostics: &mut Diagnostics) {
    let item = &contract.item;
    if !item.generics.params.is_empty() {
        diagnostics.error(&item.generics, "a contract cannot be generic: definitions are found by name");
    }
    if !item.supertraits.is_empty() {
        diagnostics.error(&item.supertraits, "a contract has no supertraits: it becomes a type with constants");
    }
    for definition in &mut contract.definitions {
        let before = diagnostics.count();
        signature(definition, diagnostics);
        definition.is_broken |= diagnostics.count() > before;
    }
    let count = |role| contract.definitions.iter().filter(|definition| definition.role == role).count();
    match contract.kind {
        Kind::Activities if contract.definitions.is_empty() => {
            diagnostics.error(
                &contract.item.ident,
                "this contract has no activity: write `fn name(argument: Type) -> Result;`",
            );
        }
        Kind::Nexus if contract.definitions.is_empty() => {
            diagnostics.error(
                &contract.item.ident,
                "this contract has no operation: write `fn name(argument: Type) -> Result;`",
            );
        }
        Kind::Workflow if count(Role::Run) == 0 => {
            diagnostics.error(
                &contract.item.ident,
                "this contract has no `#[run]`: a workflow needs one, `#[run] fn run(argument: Type) -> Output;`",
            );
        }
        Kind::Workflow if count(Role::Run) > 1 => {
            let second = contract.definitions.iter().filter(|definition| definition.role == Role::Run).nth(1);
            let second = second.map(Definition::ident);
            diagnostics.error(second, "there is already a `#[run]`: a workflow has only one");
        }
        Kind::Activities | Kind::Workflow | Kind::Nexus => {}
    }
}

fn signature(definition: &Definition, diagnostics: &mut Diagnostics) {
    let sig = &definition.function.sig;
    if let Some(body) = &definition.function.default {
        diagnostics.error(body, "a contract has no bodies: end the definition with `;` and implement it elsewhere");
    }
    if let Some(FnArg::Receiver(receiver)) = sig.inputs.first() {
        diagnostics.error(receiver, "a definition has no `self`: name only the arguments that are sent");
    }
    if let Some(token) = &sig.asyncness {
        diagnostics.error(token, "a definition is not `async`: the implementation decides");
    }
    if !sig.generics.params.is_empty() {
        diagnostics.error(&sig.generics, "a definition cannot be generic: it is found by its name");
    }
    if definition.role == Role::NexusOperation && definition.args.len() > 1 {
        diagnostics.error(&sig.ident, "a Nexus operation takes one argument at most: put them into a struct");
    } else if definition.args.len() > MAX_ARGUMENTS {
        let text = format!("a definition has at most {MAX_ARGUMENTS} arguments: put them into a struct");
        diagnostics.error(&sig.ident, text);
    }
    for ty in &definition.args {
        if ["WorkflowContext", "ActivityContext", "NexusContext"].iter().any(|context| is_named(ty, context)) {
            diagnostics.error(ty, "a definition has no context: name only the arguments that are sent");
        }
    }
    match &sig.output {
        ReturnType::Type(_, ty) if is_named(ty, "Result") => {
            diagnostics.error(ty, "a definition names what is sent: write `-> T` instead of `-> Result<T, E>`");
        }
        ReturnType::Type(_, ty) if definition.role == Role::Signal => {
            diagnostics.error(ty, "a signal has no result: remove the return type, or make it an `#[update]`");
        }
        ReturnType::Default if definition.role == Role::Query => {
            diagnostics.error(&sig.ident, "a query returns its answer: write `-> T`");
        }
        ReturnType::Default | ReturnType::Type(..) => {}
    }
}

fn is_named(ty: &Type, name: &str) -> bool {
    match ty {
        Type::Reference(reference) => is_named(&reference.elem, name),
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == name),
        _ => false,
    }
}
