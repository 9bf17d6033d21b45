//! The model of activities: the content of attributes and signatures, unchecked.

use syn::{Ident, LitStr};

use super::ActivityOptions;
use super::attr::take_activity;
use crate::attr::Options;
use crate::diagnostics::Diagnostics;
use crate::item::{Function, ImplBlock, Member};
use crate::methods::Method;
use crate::role::Role;
use crate::signature::Callable;

/// A function with `#[activity]`.
pub(crate) struct ActivityFunction {
    pub(crate) function: Function,
    pub(crate) callable: Callable,
    /// Name on the wire.
    pub(crate) name: LitStr,
    /// Name of the definition's type, if given.
    pub(crate) definition: Option<Ident>,
    pub(crate) options: ActivityOptions,
}

/// An impl block with `#[activities]`.
pub(crate) struct ActivityMethods {
    /// The block without its activities.
    pub(crate) block: ImplBlock,
    pub(crate) methods: Vec<Method>,
}

impl ActivityFunction {
    pub(crate) fn of(function: Function, options: Options, is_dynamic: bool) -> Self {
        let callable = Callable::of(&function.sig, Role::ActivityFunction).dynamic(is_dynamic);
        let name = options.name.unwrap_or_else(|| callable.default_name());
        Self { function, callable, name, definition: options.definition, options: options.activity }
    }
}

impl ActivityMethods {
    pub(crate) fn of(mut block: ImplBlock, diagnostics: &mut Diagnostics) -> Self {
        let mut methods = Vec::new();
        let mut rest = Vec::new();
        for member in std::mem::take(&mut block.members) {
            let Member::Function(mut function) = member else {
                rest.push(member);
                continue;
            };
            let before = diagnostics.count();
            match take_activity(&mut function.attrs, diagnostics) {
                Some(options) => {
                    let is_dynamic = options.is_dynamic(diagnostics);
                    let callable = Callable::of(&function.sig, Role::ActivityMethod).dynamic(is_dynamic);
                    let name = options.name.unwrap_or_else(|| callable.default_name());
                    let (activity, is_broken) = (options.activity, diagnostics.count() > before);
                    let function = *function;
                    methods.push(Method { function, callable, name, unfinished_policy: None, activity, is_broken });
                }
                None => rest.push(Member::Function(function)),
            }
        }
        block.members = rest;
        Self { block, methods }
    }
}
