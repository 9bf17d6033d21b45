//! Functions that become definitions: the part shared by activities and workflows.
//!
//! The function keeps its name, and its return type carries the definition. A constant or a unit struct of that name
//! would be a pattern, so that `let charge = ..` and `fn pay(charge: Charge)` would be compared with it. The definition
//! itself is a struct named after the function, such as `ChargeActivity`. It does not have the function's own name,
//! because modules often do: `mod charge; use charge::charge;`. The body moves to a hidden function.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{FnArg, Pat, PatType, Signature};

use crate::fallback;
use crate::item::{Function, SortedAttrs};
use crate::marker::{Marker, at};
use crate::signature::Callable;

/// A function that becomes a definition.
pub(crate) struct DefinedFunction<'a> {
    pub(crate) function: &'a Function,
    pub(crate) callable: &'a Callable,
    /// True if it has mistakes, so that it becomes a stub.
    pub(crate) is_broken: bool,
    /// `CalledActivity` or `CalledWorkflow`: the return type of a call.
    pub(crate) called: &'static str,
    /// Name of the definition's type.
    pub(crate) marker: Ident,
    /// Name of the function with the body.
    pub(crate) code: Ident,
}

impl<'a> DefinedFunction<'a> {
    /// `kind` is `Activity` or `Workflow`; `given` is the name for the definition's type, if the author set it.
    pub(crate) fn of(
        function: &'a Function,
        callable: &'a Callable,
        is_broken: bool,
        kind: &str,
        given: Option<&Ident>,
    ) -> Self {
        let (name, span) = (callable.name(), function.sig.ident.span());
        let camel_case = camel_case(&name);
        Self {
            function,
            callable,
            is_broken,
            called: if callable.role.is_activity() { "CalledActivity" } else { "CalledWorkflow" },
            marker: given.cloned().unwrap_or_else(|| format_ident!("{camel_case}{kind}", span = span)),
            code: format_ident!("__{name}", span = span),
        }
    }

    /// Returns the definition, in the form used for methods.
    pub(crate) fn marker(&self) -> Marker<'_> {
        let (ident, code) = (&self.marker, &self.code);
        Marker { ty: quote!(#ident), callable: self.callable, self_ty: None, body: quote!(#code) }
    }

    /// Generates `impl Arguments`.
    pub(crate) fn arguments(&self) -> TokenStream {
        let marker = self.marker();
        if self.is_broken {
            return fallback::arguments(&marker.ty, self.callable, &self.function.sig, None);
        }
        marker.arguments()
    }

    /// Generates the function as callers see it, and the definition's type.
    pub(crate) fn items(&self) -> TokenStream {
        let SortedAttrs { cfgs, shown, .. } = SortedAttrs::of(&self.function.attrs);
        let (vis, ident, marker) = (&self.function.vis, &self.function.sig.ident, &self.marker);
        let (types, context_type) = (self.types(), self.callable.context_type());
        let (context, arguments) = self.parameters();
        let returned = self.returned();
        let track_caller = self.track_caller();
        let docs = format!("The type of the definition of `{}`.", self.callable.name());
        quote! {
            #(#cfgs)*
            #(#shown)*
            #[allow(
                private_interfaces,
                unused_qualifications,
                clippy::too_many_arguments,
                clippy::type_complexity,
                clippy::used_underscore_binding
            )]
            #track_caller
            #vis fn #ident(#(#context: &#context_type,)* #(#arguments: #types),*) -> #returned {
                #marker::__abide_call(#(#context,)* #(#arguments),*)
            }

            #(#cfgs)*
            #[doc = #docs]
            #[allow(dead_code, unreachable_pub)]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::default::Default, ::core::fmt::Debug)]
            #vis struct #marker {}
        }
    }

    /// Generates the hidden function, and the visible function's call of it.
    pub(crate) fn code(&self) -> TokenStream {
        let (marker, code, body) = (&self.marker, &self.code, &self.function.body);
        let (types, names, context_type) = (self.types(), self.callable.arg_names(), self.callable.context_type());
        let context = self.callable.has_context.then(|| format_ident!("__abide_ctx")).into_iter().collect::<Vec<_>>();
        let (called, returned, track_caller) = (format_ident!("{}", self.called), self.returned(), self.track_caller());
        let (code, call) = if self.is_broken {
            (fallback::uncalled(code, &self.function.sig, body), fallback::body())
        } else {
            let attrs = SortedAttrs::of(&self.function.attrs).body;
            let sig = Signature { ident: code.clone(), ..self.function.sig.clone() };
            // Spanned at the function's name, where the compiler reports a future that is not `Send`.
            let span = at(&self.callable.ident);
            let call = quote_spanned!(span=> #code(#(#context,)* #(#names),*));
            let future = if self.callable.is_async { call } else { quote_spanned!(span=> async move { #call }) };
            let function = self.callable.role.is_activity().then(|| self.callable.name()).into_iter();
            let call = quote_spanned!(span=> ::abide::__private::#called::new(#(#function,)* #future));
            (quote!(#(#attrs)* #sig #body), call)
        };
        quote! {
            #code

            #[automatically_derived]
            impl #marker {
                #[allow(unused_variables, clippy::too_many_arguments, clippy::type_complexity)]
                #track_caller
                fn __abide_call(#(#context: &#context_type,)* #(#names: #types),*) -> #returned {
                    #call
                }
            }
        }
    }

    /// Returns the type of a call: a future of the author's return type.
    fn returned(&self) -> TokenStream {
        let (called, marker) = (format_ident!("{}", self.called), &self.marker);
        let lifetime = if self.callable.has_context { quote!('_) } else { quote!('static) };
        let output = match self.is_broken && !fallback::has_usable_output(self.callable, &self.function.sig) {
            true => quote!(()),
            false => self.callable.output.to_token_stream(),
        };
        quote!(::abide::__private::#called<#lifetime, #marker, #output>)
    }

    /// Returns the attribute by which a direct call of an activity knows its statement.
    fn track_caller(&self) -> Option<TokenStream> {
        self.callable.role.is_activity().then(|| quote!(#[track_caller]))
    }

    fn types(&self) -> Vec<TokenStream> {
        match self.is_broken {
            true => fallback::arg_types(self.callable, &self.function.sig, None),
            false => self.callable.arg_types(None),
        }
    }

    /// Returns the names of the context, if there is one, and of the arguments, as the author wrote them. Generated
    /// documentation shows simple names as they are.
    fn parameters(&self) -> (Vec<Ident>, Vec<Ident>) {
        let written = self.function.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(arg) => Some(arg),
            FnArg::Receiver(_) => None,
        });
        let mut ours = self.callable.arg_names();
        if self.callable.has_context {
            ours.insert(0, format_ident!("__abide_ctx"));
        }
        let mut context: Vec<_> = written.zip(ours).map(|(arg, ours)| name_of(arg).unwrap_or(ours)).collect();
        let arguments = context.split_off(usize::from(self.callable.has_context));
        (context, arguments)
    }
}

fn name_of(arg: &PatType) -> Option<Ident> {
    match &*arg.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(pat.ident.clone()),
        _ => None,
    }
}

/// Returns a name as types are spelled: `CheckInventory` for `check_inventory`.
pub(crate) fn camel_case(name: &str) -> String {
    let capitalized = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    };
    name.split('_').map(capitalized).collect::<Vec<String>>().concat()
}
