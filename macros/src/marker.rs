//! Generates the code that every definition has (its arguments), and for definitions of methods, that they can be
//! called.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::signature::Callable;
use crate::types::without_self;

/// A definition's type, and its code.
pub(crate) struct Marker<'a> {
    /// The type: `CheckInventoryActivity`, or `Payments_charge<Payments>`.
    pub(crate) ty: TokenStream,
    pub(crate) callable: &'a Callable,
    /// The type of the impl block, for methods.
    pub(crate) self_ty: Option<&'a Type>,
    /// The function with the body.
    pub(crate) body: TokenStream,
}

impl Marker<'_> {
    /// Generates `impl Arguments`: one payload for each argument.
    pub(crate) fn arguments(&self) -> TokenStream {
        let ty = &self.ty;
        let types = self.callable.arg_types(self.self_ty);
        let names = self.callable.arg_names();
        let pattern = self.callable.args_pattern();
        let args = match types.as_slice() {
            [one] => quote!(#one),
            _ => quote!((#(#types),*)),
        };
        let args = quote_spanned!(self.types_place()=> type Args = #args;);
        // Spanned at the argument's type, where the compiler reports a type that cannot be serialized.
        // The arguments of a dynamic definition stay unread.
        let travel = |ty: &TokenStream, span: Span| match self.callable.is_dynamic {
            true => quote_spanned!(span=> ::abide::__private::raw_travel()),
            false => quote_spanned!(span=> ::abide::__private::travel::<#ty>()),
        };
        let writes = types.iter().zip(&names).zip(&self.callable.args).map(|((ty, name), written)| {
            let travel = travel(ty, at(written));
            quote_spanned!(at(written)=> (#travel.write)(__abide_to, #name)?;)
        });
        let reads = types.iter().zip(&self.callable.args).map(|(ty, written)| {
            let travel = travel(ty, at(written));
            quote_spanned!(at(written)=> (#travel.read)(__abide_from))
        });
        let read = match types.len() {
            1 => quote!(#(#reads)*),
            _ => quote!(::core::result::Result::Ok((#(#reads?),*))),
        };
        quote! {
            #[automatically_derived]
            #[allow(clippy::needless_question_mark, clippy::unused_unit, clippy::let_unit_value)]
            impl ::abide::__private::Arguments for #ty {
                #args

                fn write_args(
                    __abide_args: &Self::Args,
                    __abide_to: &mut ::abide::__private::PayloadWriter,
                ) -> ::core::result::Result<(), ::abide::__private::PayloadError> {
                    let _ = &__abide_to;
                    let #pattern = __abide_args;
                    #(#writes)*
                    ::core::result::Result::Ok(())
                }

                fn read_args(
                    __abide_from: &mut ::abide::__private::PayloadReader<'_>,
                ) -> ::core::result::Result<Self::Args, ::abide::__private::PayloadError> {
                    let _ = &__abide_from;
                    #read
                }
            }
        }
    }

    /// Generates `impl Deref` to a function pointer, which makes `Payments::charge(&payments, payment)` a call.
    pub(crate) fn deref(&self) -> TokenStream {
        let Shape { host, context, for_any, output, .. } = self.shape();
        let (ty, types, names) = (&self.ty, self.callable.arg_types(self.self_ty), self.callable.arg_names());
        let (host, host_name) = (host.as_slice(), host.as_ref().map(|_| quote!(__abide_host)));
        let host_name = host_name.as_slice();
        let (context, context_name) = (context.as_slice(), context.as_ref().map(|_| quote!(__abide_ctx)));
        let context_name = context_name.as_slice();
        let params = quote!(#(#host_name,)* #(#context_name,)* #(#names),*);
        let call = self.boxed(quote!(#params));
        let target = quote!(#for_any fn(#(#host,)* #(#context,)* #(#types),*) -> #output);
        let declared = quote_spanned!(self.types_place()=> type Target = #target;);
        quote! {
            #[automatically_derived]
            impl ::core::ops::Deref for #ty {
                #declared

                fn deref(&self) -> &Self::Target {
                    static __ABIDE_CALL: #target = |#params| #call;
                    &__ABIDE_CALL
                }
            }
        }
    }

    /// Returns the position at which a private type in a workflow's public definition is reported.
    fn types_place(&self) -> Span {
        match self.callable.args.as_slice() {
            [] => at(&self.callable.output),
            [one] => at(one),
            _ => at(&self.callable.ident),
        }
    }

    /// Returns the same call as a trait method: its declaration and its implementation.
    pub(crate) fn trait_method(&self) -> (TokenStream, TokenStream) {
        let Shape { host, context, lifetime, output, .. } = self.shape();
        let (ident, types, names) =
            (&self.callable.ident, self.callable.arg_types(self.self_ty), self.callable.arg_names());
        let receiver = host.map(|_| quote!(&'a self,));
        let this = receiver.as_ref().map(|_| quote!(self,));
        let ctx = context.as_ref().map(|_| quote!(__abide_ctx,));
        let context = context.map(|ty| quote!(__abide_ctx: #ty,));
        let call = self.boxed(quote!(#this #ctx #(#names),*));
        let declaration = quote!(fn #ident #lifetime (#receiver #context #(#names: #types),*) -> #output);
        (declaration, call)
    }

    /// Returns the function as seen from outside: it borrows host and context, and returns a boxed future if it is
    /// async.
    fn shape(&self) -> Shape {
        let host = self.callable.has_receiver.then_some(self.self_ty).flatten().map(|ty| quote!(&'a #ty));
        let context = self.callable.has_context.then(|| self.callable.context_type()).map(|ty| quote!(&'a #ty));
        let mut output = without_self(&self.callable.output, self.self_ty);
        let is_borrowing = host.is_some() || context.is_some();
        if self.callable.is_async {
            let send = self.callable.role.is_activity().then(|| quote!(+ ::core::marker::Send));
            let lifetime = if is_borrowing { quote!('a) } else { quote!('static) };
            let future = quote!(dyn ::core::future::Future<Output = #output> #send + #lifetime);
            output = quote!(::core::pin::Pin<::abide::__private::Box<#future>>);
        }
        let (for_any, lifetime) = if is_borrowing { (quote!(for<'a>), quote!(<'a>)) } else { (quote!(), quote!()) };
        Shape { host, context, for_any, lifetime, output }
    }

    /// Calls the body, and boxes its future if it is async.
    fn boxed(&self, params: TokenStream) -> TokenStream {
        let body = &self.body;
        if self.callable.is_async {
            // Spanned at the function's name, where the compiler reports a future that is not `Send`.
            quote_spanned!(at(&self.callable.ident)=> ::abide::__private::Box::pin(#body(#params)))
        } else {
            quote!(#body(#params))
        }
    }
}

/// The types of a function as seen from outside.
struct Shape {
    host: Option<TokenStream>,
    context: Option<TokenStream>,
    /// `for<'a>`, if anything is borrowed.
    for_any: TokenStream,
    /// `<'a>`, if anything is borrowed.
    lifetime: TokenStream,
    output: TokenStream,
}

impl Callable {
    /// Returns the context's type.
    pub(crate) fn context_type(&self) -> TokenStream {
        let name = format_ident!("{}", self.role.context());
        quote!(::abide::__private::#name)
    }

    /// Calls the body with an owned `__abide_ctx` and the arguments; `host` is an expression of type `&Host`.
    pub(crate) fn call(&self, body: &TokenStream, host: &TokenStream) -> TokenStream {
        let host = self.has_receiver.then(|| quote!(#host,));
        let ctx = self.has_context.then(|| quote!(&__abide_ctx,));
        let names = self.arg_names();
        let wait = self.is_async.then(|| quote!(.await));
        quote!(#body(#host #ctx #(#names),*) #wait)
    }
}

/// Generates a method that says yes, if `is_so`; the trait's own says no.
pub(crate) fn says_yes(method: &str, is_so: bool) -> Option<TokenStream> {
    let method = format_ident!("{method}");
    is_so.then(|| {
        quote! {
            fn #method(&self) -> ::core::primitive::bool {
                true
            }
        }
    })
}

/// Returns the span at which the compiler reports a mistake in the user's code.
pub(crate) fn at(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::call_site())
}
