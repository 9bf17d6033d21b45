//! The model of workflows: the content of attributes and signatures, unchecked.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, ItemStruct, LitStr, Path, Token, Visibility};

use super::attr::{Marked, take_role};
use crate::activity::ActivityOptions;
use crate::attr::{Options, VersioningBehavior};
use crate::diagnostics::Diagnostics;
use crate::item::{Function, ImplBlock, Member};
use crate::methods::Method;
use crate::role::Role;
use crate::signature::Callable;

/// An item that `#[workflow]` can be applied to.
pub(crate) enum WorkflowItem {
    Function(Box<Function>),
    Struct(Box<ItemStruct>),
}

/// A function with `#[workflow]`.
pub(crate) struct WorkflowFunction {
    pub(crate) function: Function,
    pub(crate) callable: Callable,
    /// Name of the workflow type.
    pub(crate) name: LitStr,
    pub(crate) versioning_behavior: Option<VersioningBehavior>,
    /// Name of the definition's type, if given.
    pub(crate) definition: Option<Ident>,
}

/// A struct with `#[workflow]`.
pub(crate) struct WorkflowStruct {
    pub(crate) item: ItemStruct,
    /// Name of the workflow type, if given.
    pub(crate) name: Option<LitStr>,
    pub(crate) versioning_behavior: Option<VersioningBehavior>,
}

/// An impl block with `#[workflow_methods]`.
pub(crate) struct WorkflowMethods {
    /// The block without the main routine and the handlers; the `#[init]` constructor and validators stay in it.
    pub(crate) block: ImplBlock,
    /// The contract that the block implements.
    pub(crate) implements: Option<Path>,
    /// The main routine and the handlers, in source order.
    pub(crate) methods: Vec<Method>,
    /// The handlers of all names that no other handler takes. They stay in the block, because they are no definitions.
    pub(crate) dynamics: Vec<Method>,
    /// The name given at `#[run]`.
    pub(crate) run_name: Option<LitStr>,
    /// The `#[init]` constructors.
    pub(crate) inits: Vec<Method>,
    pub(crate) validators: Vec<Validator>,
}

/// A method with `#[update_validator(..)]`.
pub(crate) struct Validator {
    pub(crate) method: Method,
    /// The update's method; `None` if it could not be read.
    pub(crate) validates: Option<Ident>,
}

impl Parse for WorkflowItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        ahead.call(Attribute::parse_outer)?;
        ahead.parse::<Visibility>()?;
        if ahead.peek(Token![struct]) {
            Ok(Self::Struct(Box::new(input.parse()?)))
        } else {
            Ok(Self::Function(Box::new(input.parse()?)))
        }
    }
}

impl WorkflowFunction {
    pub(crate) fn of(function: Function, options: Options, is_dynamic: bool) -> Self {
        let callable = Callable::of(&function.sig, Role::WorkflowFunction).dynamic(is_dynamic);
        let name = options.name.unwrap_or_else(|| callable.default_name());
        Self {
            function,
            callable,
            name,
            versioning_behavior: options.versioning_behavior,
            definition: options.definition,
        }
    }
}

impl WorkflowStruct {
    pub(crate) fn of(item: ItemStruct, options: Options) -> Self {
        Self { item, name: options.name, versioning_behavior: options.versioning_behavior }
    }
}

impl WorkflowMethods {
    pub(crate) fn of(mut block: ImplBlock, implements: Option<Path>, diagnostics: &mut Diagnostics) -> Self {
        let members = std::mem::take(&mut block.members);
        let (methods, dynamics, inits, validators) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut model = Self { block, implements, methods, dynamics, run_name: None, inits, validators };
        for member in members {
            let Member::Function(mut function) = member else {
                model.block.members.push(member);
                continue;
            };
            let before = diagnostics.count();
            let Some(Marked { role, options, validates }) = take_role(&mut function.attrs, diagnostics) else {
                model.block.members.push(Member::Function(function));
                continue;
            };
            if role == Role::Run && model.run_name.is_none() {
                model.run_name.clone_from(&options.name);
            }
            let is_dynamic = options.is_dynamic(diagnostics);
            if is_dynamic || matches!(role, Role::Init | Role::Validator) {
                model.block.members.push(Member::Function(function.clone()));
            }
            let callable = Callable::of(&function.sig, role).dynamic(is_dynamic);
            let name = options.name.unwrap_or_else(|| callable.default_name());
            let is_broken = diagnostics.count() > before;
            let unfinished_policy = options.unfinished_policy.map(|(_, variant)| variant);
            let (function, activity) = (*function, ActivityOptions::default());
            let method = Method { function, callable, name, unfinished_policy, activity, is_broken };
            match role {
                Role::Init => model.inits.push(method),
                Role::Validator => model.validators.push(Validator { method, validates }),
                _ if is_dynamic => model.dynamics.push(method),
                _ => model.methods.push(method),
            }
        }
        model
    }

    /// Returns the valid validator of an update.
    pub(crate) fn validator_of(&self, update: &Method) -> Option<&Method> {
        let validator = self.validators.iter().find(|one| one.validates.as_ref() == Some(&update.callable.ident));
        validator.map(|validator| &validator.method).filter(|method| !method.is_broken)
    }

    /// Returns the valid dynamic handlers of one role: one, or several under different `cfg`s.
    pub(crate) fn dynamics_with_role(&self, role: Role) -> impl Iterator<Item = &Method> {
        self.dynamics.iter().filter(move |method| method.callable.role == role && !method.is_broken)
    }

    /// Returns the methods of one role.
    pub(crate) fn with_role(&self, role: Role) -> impl Iterator<Item = &Method> {
        self.methods.iter().filter(move |method| method.callable.role == role)
    }
}
