//! The model of a function behind a definition, and the rules for its signature.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{FnArg, LitStr, Pat, PatType, ReturnType, Signature, Type, TypeReference};

use crate::diagnostics::Diagnostics;
use crate::role::{Asyncness, Receiver, Role};
use crate::types::{find_borrow, find_impl, find_reference, find_short_borrow, result_parts, without_self};

/// Maximum arguments of a function, limited by the traits through which functions name their definition.
pub(crate) const MAX_ARGUMENTS: usize = 12;

/// A function behind a definition.
#[derive(Clone)]
pub(crate) struct Callable {
    pub(crate) role: Role,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    /// True if it takes every name that nothing else takes, and its arguments unread.
    pub(crate) is_dynamic: bool,
    /// True if it takes `self`.
    pub(crate) has_receiver: bool,
    /// True if it takes a context.
    pub(crate) has_context: bool,
    /// The types of the serialized arguments.
    pub(crate) args: Vec<Type>,
    /// The return type; `()` if there is none.
    pub(crate) output: Type,
}

impl Callable {
    /// Reads a signature without checking it.
    pub(crate) fn of(sig: &Signature, role: Role) -> Self {
        let mut has_receiver = false;
        let mut has_context = false;
        let mut args = Vec::new();
        for input in &sig.inputs {
            match input {
                FnArg::Receiver(_) => has_receiver = true,
                FnArg::Typed(arg) if !has_context && args.is_empty() && is_context(arg, role) => has_context = true,
                // Validation reports a context in the wrong place. It is not an argument.
                FnArg::Typed(arg) if is_named_context(&arg.ty) => {}
                FnArg::Typed(arg) => args.push(Type::clone(&arg.ty)),
            }
        }
        let output = match &sig.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, ty) => Type::clone(ty),
        };
        Self {
            role,
            ident: sig.ident.clone(),
            is_async: sig.asyncness.is_some(),
            is_dynamic: false,
            has_receiver,
            has_context,
            args,
            output,
        }
    }

    /// Makes it dynamic.
    pub(crate) fn dynamic(self, is_dynamic: bool) -> Self {
        Self { is_dynamic, ..self }
    }

    /// Returns the function's name without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// Returns the default name on the wire.
    pub(crate) fn default_name(&self) -> LitStr {
        LitStr::new(&self.name(), self.ident.span())
    }

    /// Returns `__abide_arg0`, `__abide_arg1`, ..: one name for each serialized argument.
    pub(crate) fn arg_names(&self) -> Vec<Ident> {
        (0..self.args.len()).map(|index| format_ident!("__abide_arg{}", index)).collect()
    }

    /// Returns the types of the arguments, valid outside the impl block.
    pub(crate) fn arg_types(&self, self_ty: Option<&Type>) -> Vec<TokenStream> {
        self.args.iter().map(|ty| without_self(ty, self_ty)).collect()
    }

    /// Returns the pattern that splits `Arguments::Args` into [`arg_names`](Self::arg_names).
    pub(crate) fn args_pattern(&self) -> TokenStream {
        let names = self.arg_names();
        match names.as_slice() {
            [one] => one.to_token_stream(),
            _ => quote!((#(#names),*)),
        }
    }
}

/// Checks all rules for a signature.
pub(crate) fn validate(sig: &Signature, role: Role, diagnostics: &mut Diagnostics) {
    validate_qualifiers(sig, role, diagnostics);
    validate_receiver(sig, role, diagnostics);
    validate_parameters(sig, role, diagnostics);
    validate_output(sig, role, diagnostics);
}

/// Checks that a dynamic definition takes its arguments unread. Only the compiler can check their types.
pub(crate) fn validate_dynamic(callable: &Callable, diagnostics: &mut Diagnostics) {
    let has = callable.args.len();
    let (what, parameters, takes) = match callable.role {
        Role::ActivityFunction | Role::ActivityMethod => ("a dynamic activity", "args: RawArguments", 1),
        Role::WorkflowFunction => ("a dynamic workflow", "args: RawArguments", 1),
        Role::Signal => ("a dynamic signal handler", "name: String, args: RawArguments", 2),
        Role::Query => ("a dynamic query handler", "name: String, args: RawArguments", 2),
        Role::Update => ("a dynamic update handler", "name: String, args: RawArguments", 2),
        Role::Run | Role::Validator | Role::Init | Role::NexusOperation | Role::NexusCancel => return,
    };
    if callable.is_dynamic && has != takes {
        diagnostics.error(&callable.ident, format!("{what} takes `{parameters}`: it has {has} arguments"));
    }
}

fn validate_qualifiers(sig: &Signature, role: Role, diagnostics: &mut Diagnostics) {
    let noun = role.noun();
    if sig.generics.lifetimes().count() < sig.generics.params.len() {
        diagnostics.error(
            &sig.generics,
            format!("{noun} cannot be generic: it is found by its name at run time; write one for each type"),
        );
    } else if !sig.generics.params.is_empty() {
        let text =
            format!("{noun} has no lifetimes: remove them; the context needs none, and arguments own their data");
        diagnostics.error(&sig.generics, text);
    }
    if let Some(token) = &sig.unsafety {
        diagnostics.error(
            token,
            format!("{noun} cannot be `unsafe`: its caller, the worker, cannot know the safety conditions"),
        );
    }
    if let Some(token) = &sig.constness {
        diagnostics.error(token, format!("{noun} cannot be `const`"));
    }
    if let Some(token) = &sig.abi {
        diagnostics.error(token, format!("{noun} cannot be `extern`"));
    }
    match (role.asyncness(), &sig.asyncness) {
        (Asyncness::Required, None) => diagnostics.error(sig.fn_token, format!("{noun} must be `async fn`")),
        (Asyncness::Never, Some(token)) if role == Role::Query => diagnostics
            .error(token, "a query handler cannot be `async`: it answers at once from the state, and changes nothing"),
        (Asyncness::Never, Some(token)) if role == Role::Validator => diagnostics.error(
            token,
            "an update's validator cannot be `async`: it accepts or refuses at once, and changes nothing",
        ),
        (Asyncness::Never, Some(token)) => {
            diagnostics.error(token, format!("{noun} cannot be `async`: do asynchronous work in the `#[run]` method"))
        }
        _ => {}
    }
}

fn validate_receiver(sig: &Signature, role: Role, diagnostics: &mut Diagnostics) {
    let noun = role.noun();
    match (role.receiver(), sig.receiver()) {
        (Receiver::Required, None) => {
            diagnostics.error(&sig.ident, format!("{noun} takes `&self`, the workflow's state, as its first parameter"));
        }
        (Receiver::Never, Some(receiver)) => diagnostics.error(
            receiver,
            match role {
                Role::ActivityFunction => "put `#[activities]` on the impl block to make its methods activities",
                Role::Init => "an `#[init]` constructor takes no `self`: it returns `Self`",
                _ => "put `#[workflow]` on the struct, `#[workflow_methods]` on its impl block and `#[run]` on this method",
            },
        ),
        (Receiver::Required | Receiver::Optional, Some(receiver)) => {
            let is_shared = receiver.reference.is_some() && receiver.mutability.is_none();
            if is_shared && receiver.colon_token.is_none() {
                return;
            }
            let hint = if role.is_activity() {
                "all attempts share the value; keep what changes in a `Mutex` or an atomic"
            } else if role.is_nexus() {
                "all requests share the value; keep what changes in a `Mutex` or an atomic"
            } else {
                "the main routine and the handlers share the state; keep what changes in a `State<T>`"
            };
            diagnostics.error(receiver, format!("{noun} takes `&self`: {hint}"));
        }
        _ => {}
    }
}

fn validate_parameters(sig: &Signature, role: Role, diagnostics: &mut Diagnostics) {
    if let Some(variadic) = &sig.variadic {
        diagnostics.error(variadic, "each argument needs a name and a type");
    }
    let mut is_first = true;
    let mut arguments = 0;
    for input in &sig.inputs {
        let FnArg::Typed(arg) = input else { continue };
        if !(is_first && is_context(arg, role)) {
            validate_argument(arg, role, diagnostics);
            arguments += 1;
            if arguments == MAX_ARGUMENTS + 1 && matches!(role, Role::ActivityFunction | Role::WorkflowFunction) {
                let message =
                    format!("{} takes at most {MAX_ARGUMENTS} arguments: put them into a struct", role.noun());
                diagnostics.error(arg, message);
            }
        } else if let Type::Reference(reference) = &*arg.ty
            && let Some(token) = &reference.mutability
        {
            diagnostics.error(token, format!("the context is shared: take `&{}`", role.context()));
        }
        is_first = false;
    }
}

fn validate_argument(arg: &PatType, role: Role, diagnostics: &mut Diagnostics) {
    let context = role.context();
    let named = last_segment(&arg.ty);
    let is_reference = matches!(&*arg.ty, Type::Reference(_));
    match named.as_deref() {
        Some(name @ ("ActivityContext" | "WorkflowContext" | "NexusContext")) if name != context => {
            let hint = if role.is_activity() {
                "activities run outside the workflow"
            } else if role.is_nexus() {
                "a handler runs for a request, outside workflows"
            } else {
                "workflow code runs through the workflow's context"
            };
            return diagnostics.error(&arg.ty, format!("{} gets `ctx: &{context}`: {hint}", role.noun()));
        }
        Some(name) if name == context && is_reference => {
            return diagnostics.error(arg, "the context must be the first parameter, and there is only one");
        }
        Some(name) if name == context => {
            return diagnostics.error(&arg.ty, format!("take the context by reference: `&{context}`"));
        }
        _ => {}
    }
    if role == Role::Validator {
        if !is_reference {
            let ty = source(&arg.ty);
            diagnostics.error(&arg.ty, format!("a validator only reads the update's arguments: take `&{ty}`"));
        }
        return;
    }
    if let Some(token) = find_impl(arg.ty.to_token_stream()) {
        diagnostics.error(token, "an argument is read from a payload: give a concrete type, not `impl Trait`");
    } else if is_reference {
        let owned = source(&owned_type(&arg.ty));
        diagnostics.error(&arg.ty, format!("an argument is read from a payload and must own its data: take `{owned}`"));
    } else if let Some(token) = find_borrow(arg.ty.to_token_stream()) {
        let message = format!("an argument is read from a payload and must own its data{}", instead(&arg.ty));
        diagnostics.error_at(token.span(), message);
    }
}

fn validate_output(sig: &Signature, role: Role, diagnostics: &mut Diagnostics) {
    let ReturnType::Type(_, ty) = &sig.output else {
        if let Some(returns) = role.returns() {
            let message = format!("{} {returns}", role.noun());
            // Reported after the parameters, where the arrow is missing.
            diagnostics.error_at(sig.paren_token.span.close(), message);
        }
        return;
    };
    if matches!(role, Role::Init | Role::Validator) {
        return;
    }
    let (value, error) = result_parts(ty);
    if let Some(token) = find_impl(ty.to_token_stream()) {
        diagnostics.error(token, "a result is written to a payload: give a concrete type, not `impl Trait`");
    } else if let Some(token) = find_borrow(value.to_token_stream()) {
        let message = format!("a result is written to a payload and must own its data{}", instead(value));
        diagnostics.error_at(token.span(), message);
    } else if let Some(reference) = error.and_then(find_short_borrow) {
        let message =
            format!("an error is used after the code has returned and must own its data{}", instead_of(reference));
        diagnostics.error(reference, message);
    }
}

/// Names the owned type that replaces the first reference in a type. Empty if only a lifetime borrows.
fn instead(ty: &Type) -> String {
    find_reference(ty).map(instead_of).unwrap_or_default()
}

fn instead_of(reference: &TypeReference) -> String {
    let ty = Type::Reference(reference.clone());
    format!(": `{}`, not `{}`", source(&owned_type(&ty)), source(&ty))
}

/// Returns true if a first parameter is meant as the context: `&..Context`, or any reference named `ctx` or `context`.
///
/// Arguments are never references, so no valid signature is excluded, and aliases of the type work, too.
fn is_context(arg: &PatType, role: Role) -> bool {
    let Type::Reference(reference) = &*arg.ty else { return false };
    match last_segment(&reference.elem).as_deref() {
        Some("ActivityContext" | "WorkflowContext" | "NexusContext") => {
            last_segment(&reference.elem).as_deref() == Some(role.context())
        }
        Some(name) if name.ends_with("Context") => true,
        _ => matches!(&*arg.pat, Pat::Ident(name)
            if matches!(name.ident.to_string().as_str(), "ctx" | "_ctx" | "context" | "_context")),
    }
}

/// Returns true if a type is named like a context, with or without a reference.
fn is_named_context(ty: &Type) -> bool {
    matches!(last_segment(ty).as_deref(), Some("ActivityContext" | "WorkflowContext" | "NexusContext"))
}

/// Returns the last name in a type's path, without references.
fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Reference(reference) => last_segment(&reference.elem),
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// Returns the type to use instead of a reference; other types stay unchanged.
pub(crate) fn owned_type(ty: &Type) -> Type {
    let Type::Reference(reference) = ty else { return ty.clone() };
    match &*reference.elem {
        Type::Slice(slice) => {
            let elem = &slice.elem;
            syn::parse_quote!(Vec<#elem>)
        }
        Type::Path(path) if path.path.is_ident("str") => syn::parse_quote!(String),
        other => other.clone(),
    }
}

/// Returns a type formatted like rustfmt does, for messages.
fn source(ty: &Type) -> String {
    let tokens = ty.to_token_stream().to_string();
    tokens.replace("& ", "&").replace(" < ", "<").replace(" >", ">").replace(" :: ", "::").replace(" ,", ",")
}
