//! The rules for Nexus handlers, each with a message at the token that breaks it.

use syn::ext::IdentExt;

use super::ATTRIBUTE;
use super::model::{Handler, Handlers};
use crate::diagnostics::Diagnostics;
use crate::methods::validate_block;
use crate::role::Role;
use crate::signature;

/// Marks the methods with mistakes. Returns `false` if the block itself cannot be expanded.
pub(super) fn handlers(model: &mut Handlers, diagnostics: &mut Diagnostics) -> bool {
    let before = diagnostics.count();
    validate_block(&model.block, ATTRIBUTE, diagnostics);
    let is_block_fine = diagnostics.count() == before;
    let is_operation = |method: &&Handler| method.callable.role == Role::NexusOperation;
    if !model.methods.iter().any(|method| is_operation(&method)) {
        diagnostics.error(
            &model.block.self_ty,
            "this block serves no operation: put `#[nexus_operation]` on the methods that do",
        );
    }
    let operations: Vec<_> = model.methods.iter().filter(is_operation).map(|it| it.callable.ident.unraw()).collect();
    let mut cancelled = Vec::new();
    for method in &mut model.methods {
        let before = diagnostics.count();
        let role = method.callable.role;
        signature::validate(&method.function.sig, role, diagnostics);
        let arguments = method.callable.args.len();
        if role == Role::NexusCancel && arguments != 1 {
            let text = "a method that cancels an operation takes its token: `token: String`";
            diagnostics.error(&method.callable.ident, text);
        }
        if role == Role::NexusOperation && arguments > 1 {
            let text = "a Nexus operation takes one argument at most: put them into a struct";
            diagnostics.error(&method.callable.ident, text);
        }
        if let Some(operation) = &method.cancels {
            if !operations.contains(&operation.unraw()) {
                let text =
                    format!("this block has no operation `{operation}`: name a method with `#[nexus_operation]`");
                diagnostics.error(operation, text);
            } else if cancelled.contains(&operation.unraw()) {
                diagnostics.error(operation, format!("there is already a method that cancels `{operation}`"));
            }
            cancelled.push(operation.unraw());
        }
        method.is_broken |= diagnostics.count() > before;
    }
    is_block_fine
}
