//! The model of a block of Nexus handlers: the content of its attributes and signatures, unchecked.

use proc_macro2::Ident;

use super::attr::{Marked, take};
use crate::diagnostics::Diagnostics;
use crate::item::{Function, ImplBlock, Member};
use crate::role::Role;
use crate::signature::Callable;

/// An impl block with `#[nexus_handlers]`.
pub(crate) struct Handlers {
    /// The block without its handlers.
    pub(crate) block: ImplBlock,
    pub(crate) methods: Vec<Handler>,
}

/// A method that starts or cancels an operation.
pub(crate) struct Handler {
    pub(crate) function: Function,
    pub(crate) callable: Callable,
    /// The operation that it cancels. `None` for a method that starts the operation of its name.
    pub(crate) cancels: Option<Ident>,
    /// True if it has mistakes, so that it is not registered.
    pub(crate) is_broken: bool,
}

impl Handlers {
    pub(crate) fn of(mut block: ImplBlock, diagnostics: &mut Diagnostics) -> Self {
        let (mut methods, mut rest) = (Vec::new(), Vec::new());
        for member in std::mem::take(&mut block.members) {
            let Member::Function(mut function) = member else {
                rest.push(member);
                continue;
            };
            let before = diagnostics.count();
            let (role, cancels) = match take(&mut function.attrs, diagnostics) {
                Some(Marked::Operation) => (Role::NexusOperation, None),
                Some(Marked::Cancel(cancels)) => (Role::NexusCancel, cancels),
                None => {
                    rest.push(Member::Function(function));
                    continue;
                }
            };
            let callable = Callable::of(&function.sig, role);
            let is_broken = diagnostics.count() > before;
            methods.push(Handler { function: *function, callable, cancels, is_broken });
        }
        block.members = rest;
        Self { block, methods }
    }
}
