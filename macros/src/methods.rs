//! The shared part of impl blocks of activities and workflows.
//!
//! An inherent method and an inherent constant cannot have the same name, but a *trait* method and an inherent constant
//! can. So the definition becomes the constant `Payments::charge`, a hidden trait has the method `payments.charge(..)`,
//! and the body stays in the block with a hidden name, called by both. (The trait's method returns a boxed future: an
//! `async fn` there would warn about private types, and users could not allow the warning.) Everything else in the
//! block stays unchanged.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, GenericArgument, LitStr, PathArguments, Signature, Type, Visibility};

use crate::activity::ActivityOptions;
use crate::diagnostics::{Diagnostics, keyword};
use crate::fallback;
use crate::item::{Function, ImplBlock, Member, SortedAttrs};
use crate::marker::{Marker, at};
use crate::role::Role;
use crate::signature::Callable;

/// A method with one of our attributes.
pub(crate) struct Method {
    /// The method, without our attributes.
    pub(crate) function: Function,
    pub(crate) callable: Callable,
    /// Name on the wire.
    pub(crate) name: LitStr,
    /// The requested variant of `UnfinishedPolicy`.
    pub(crate) unfinished_policy: Option<&'static str>,
    /// The options of an activity.
    pub(crate) activity: ActivityOptions,
    /// True if it has mistakes, so that it becomes a stub.
    pub(crate) is_broken: bool,
}

/// The names that the expansion of a block uses.
pub(crate) struct Names<'a> {
    pub(crate) self_ty: &'a Type,
    /// Last segment of the type's path.
    pub(crate) type_ident: Ident,
    /// The hidden trait.
    pub(crate) trait_ident: Ident,
}

impl Method {
    /// Returns the name of the body in the impl block.
    fn body_ident(&self) -> Ident {
        if self.callable.is_dynamic && !self.callable.role.is_activity() {
            // It is no definition, so it keeps its name.
            return self.callable.ident.clone();
        }
        format_ident!("__{}", self.callable.name(), span = self.callable.ident.span())
    }
}

impl<'a> Names<'a> {
    /// Returns the names for a block on this type; `kind` distinguishes the traits of several blocks.
    pub(crate) fn of(self_ty: &'a Type, kind: &str) -> Option<Self> {
        let Type::Path(path) = self_ty else { return None };
        let type_ident = path.path.segments.last()?.ident.unraw();
        let trait_ident = format_ident!("__{}{}", type_ident, kind, span = type_ident.span());
        Some(Self { self_ty, type_ident, trait_ident })
    }

    /// Returns the name of the struct behind a method's constant.
    pub(crate) fn marker_struct(&self, method: &Method) -> Ident {
        format_ident!("{}_{}", self.type_ident, method.callable.ident.unraw(), span = method.callable.ident.span())
    }

    /// Returns the type of a method's constant.
    pub(crate) fn marker_type(&self, method: &Method) -> TokenStream {
        let (marker, self_ty) = (self.marker_struct(method), self.self_ty);
        quote!(#marker<#self_ty>)
    }

    /// Returns the path of the function with a method's body.
    pub(crate) fn body(&self, method: &Method) -> TokenStream {
        let (self_ty, ident) = (self.self_ty, method.body_ident());
        quote!(<#self_ty>::#ident)
    }

    /// Returns the marker of a method.
    pub(crate) fn marker<'m>(&'m self, method: &'m Method) -> Marker<'m> {
        Marker {
            ty: self.marker_type(method),
            callable: &method.callable,
            self_ty: Some(self.self_ty),
            body: self.body(method),
        }
    }
}

/// Checks the rules for the block itself.
pub(crate) fn validate_block(block: &ImplBlock, attribute: &str, diagnostics: &mut Diagnostics) {
    if let Some(path) = &block.of_trait {
        diagnostics.error(path, format!("`#[{attribute}]` goes on the type's own impl block, not on a trait's"));
    }
    if !block.generics.params.is_empty() {
        diagnostics.error(
            &block.generics,
            format!("`#[{attribute}]` cannot be generic: definitions are found by name; write one block for each type"),
        );
    }
    let Type::Path(path) = &block.self_ty else {
        diagnostics.error(&block.self_ty, format!("`#[{attribute}]` goes on the impl block of a struct or an enum"));
        return;
    };
    let arguments = path.path.segments.last().map(|segment| &segment.arguments);
    if let Some(PathArguments::AngleBracketed(arguments)) = arguments {
        for argument in &arguments.args {
            if matches!(argument, GenericArgument::Lifetime(lifetime) if lifetime.ident != "static") {
                diagnostics.error(
                    argument,
                    "a worker keeps a value of this type for as long as it runs: the type must not borrow",
                );
            }
        }
    }
}

/// Reports `#[activities]` or `#[workflow_methods]` on something that is not an impl block.
pub(crate) fn not_an_impl_block(item: &TokenStream, error: syn::Error, attribute: &str, diagnostics: &mut Diagnostics) {
    match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Impl(_)) | Err(_) => diagnostics.push(error),
        Ok(other) => {
            diagnostics.error(keyword(&other), format!("`#[{attribute}]` goes on an impl block"));
        }
    }
}

/// Reports methods of one role with the same name on the wire, and marks all but the first as broken.
pub(crate) fn unique_names(noun: &str, role: Role, methods: &mut [Method], diagnostics: &mut Diagnostics) {
    let mut seen = Vec::new();
    for method in methods.iter_mut().filter(|method| method.callable.role == role) {
        // Methods under different `cfg`s may share a name, since only one of them is compiled.
        if !SortedAttrs::of(&method.function.attrs).cfgs.is_empty() {
            continue;
        }
        let name = method.name.value();
        if seen.contains(&name) {
            diagnostics.error(&method.name, format!("there is already {noun} named `{name}` in this block"));
            method.is_broken = true;
        }
        seen.push(name);
    }
}

/// Reports definitions whose function name the block has already, and removes them, because both could not be expanded.
pub(crate) fn unique_functions(block: &ImplBlock, methods: &mut Vec<Method>, diagnostics: &mut Diagnostics) {
    let others = block.members.iter().filter_map(|member| match member {
        Member::Function(function) if SortedAttrs::of(&function.attrs).cfgs.is_empty() => Some(&function.sig.ident),
        Member::Function(_) | Member::Other(_) => None,
    });
    let mut seen: Vec<_> = others.map(IdentExt::unraw).collect();
    methods.retain(|method| {
        if !SortedAttrs::of(&method.function.attrs).cfgs.is_empty() {
            return true;
        }
        let ident = method.callable.ident.unraw();
        if !seen.contains(&ident) {
            seen.push(ident);
            return true;
        }
        if !method.is_broken {
            let name = method.name.value();
            let text = format!(
                "there is already a function `{ident}` in this block: rename one of them; to keep its name on the \
                 wire, put `name = \"{name}\"` into its attribute"
            );
            diagnostics.error(&method.callable.ident, text);
        }
        false
    });
}

/// Generates the block without its definitions, and the hidden trait with their code.
pub(crate) fn expand_block(block: &ImplBlock, names: &Names<'_>, methods: &[&Method]) -> TokenStream {
    let Names { self_ty, trait_ident, .. } = names;
    let attrs = &block.attrs;
    let rest = &block.members;
    let bodies = methods.iter().map(|method| {
        let SortedAttrs { cfgs, body: attrs, .. } = SortedAttrs::of(&method.function.attrs);
        let sig = Signature { ident: method.body_ident(), ..method.function.sig.clone() };
        let body = &method.function.body;
        let allow = method.is_broken.then(|| quote!(#[allow(unused)]));
        quote!(#(#cfgs)* #allow #(#attrs)* #sig #body)
    });
    let vis = methods.iter().fold(&Visibility::Inherited, |widest, method| wider(widest, &method.function.vis));
    let (declarations, calls): (Vec<_>, Vec<_>) = methods
        .iter()
        .filter(|method| !method.is_broken)
        .map(|method| {
            let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
            let (declaration, call) = names.marker(method).trait_method();
            (quote!(#(#cfgs)* #declaration;), quote!(#(#cfgs)* #declaration { #call }))
        })
        .unzip();
    quote! {
        #(#attrs)*
        impl #self_ty {
            #(#rest)*
            #(#bodies)*
        }

        #[doc(hidden)]
        #[allow(
            dead_code,
            missing_docs,
            non_camel_case_types,
            private_interfaces,
            unreachable_pub,
            unused_qualifications,
            clippy::too_many_arguments,
            clippy::type_complexity
        )]
        #vis trait #trait_ident {
            #(#declarations)*
        }

        #[automatically_derived]
        #[allow(deprecated, unused_qualifications, clippy::too_many_arguments, clippy::type_complexity)]
        impl #trait_ident for #self_ty {
            #(#calls)*
        }
    }
}

/// Generates the struct behind a method's constant, the constant, and the impls of every definition.
pub(crate) fn expand_marker(names: &Names<'_>, method: &Method) -> TokenStream {
    let self_ty = names.self_ty;
    let marker = names.marker(method);
    let (name, ty) = (names.marker_struct(method), &marker.ty);
    let SortedAttrs { cfgs, shown, .. } = SortedAttrs::of(&method.function.attrs);
    let (vis, ident) = (&method.function.vis, &method.callable.ident);
    let shown_name = format!("{}::{}", names.type_ident, method.callable.name());
    let (arguments, deref) = if method.is_broken {
        (fallback::arguments(ty, &method.callable, &method.function.sig, Some(self_ty)), TokenStream::new())
    } else {
        (marker.arguments(), marker.deref())
    };
    // A private method's types may be private. The main routine's definition, however, is as public as the workflow.
    let marker_vis = if method.callable.role == Role::Run { quote!(pub) } else { quote!(#vis) };
    // The type parameter carries the visibility of the user's type: without it, a public method of a private type would
    // expose that type.
    let constant = quote_spanned!(at(ident)=> #vis const #ident: #ty = #name(::core::marker::PhantomData););
    with_cfgs(
        &cfgs,
        [
            quote! {
                #[allow(non_camel_case_types, unreachable_pub, missing_docs)]
                #marker_vis struct #name<Host>(::core::marker::PhantomData<fn() -> Host>);
            },
            quote! {
                #[automatically_derived]
                impl ::core::clone::Clone for #ty {
                    fn clone(&self) -> Self {
                        *self
                    }
                }
            },
            quote! {
                #[automatically_derived]
                impl ::core::marker::Copy for #ty {}
            },
            quote! {
                #[automatically_derived]
                impl ::core::fmt::Debug for #ty {
                    fn fmt(&self, __abide_f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        __abide_f.write_str(#shown_name)
                    }
                }
            },
            quote! {
                impl #self_ty {
                    #(#shown)*
                    #[allow(non_upper_case_globals, dead_code)]
                    #constant
                }
            },
            arguments,
            deref,
        ],
    )
}

/// Adds `cfg` attributes to each of several items.
pub(crate) fn with_cfgs(cfgs: &[Attribute], items: impl IntoIterator<Item = TokenStream>) -> TokenStream {
    items.into_iter().filter(|item| !item.is_empty()).map(|item| quote!(#(#cfgs)* #item)).collect()
}

fn wider<'v>(a: &'v Visibility, b: &'v Visibility) -> &'v Visibility {
    match (a, b) {
        (Visibility::Public(_), _) | (Visibility::Restricted(_), Visibility::Inherited) => a,
        _ => b,
    }
}
