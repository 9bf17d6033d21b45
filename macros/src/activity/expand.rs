//! Generates the Rust code of activities.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{LitStr, Path, Signature, Type};

use super::ActivityOptions;
use super::model::{ActivityFunction, ActivityMethods};
use crate::contract;
use crate::fallback;
use crate::function::DefinedFunction;
use crate::item::SortedAttrs;
use crate::marker::{at, says_yes};
use crate::methods::{Method, Names, expand_block, expand_marker, with_cfgs};
use crate::signature::Callable;
use crate::types::without_self;

/// The function stays a function, and its return type carries the definition.
pub(crate) fn function(model: &ActivityFunction, is_broken: bool) -> TokenStream {
    let ActivityFunction { function, callable, name, definition: given, options } = model;
    if function.sig.receiver().is_some() {
        // A method outside a block with our attribute: no struct can be defined there, so the method stays unchanged.
        return quote!(#function);
    }
    let defined = DefinedFunction::of(function, callable, is_broken, "Activity", given.as_ref());
    let (cfgs, marker) = (SortedAttrs::of(&function.attrs).cfgs, defined.marker());
    let call = if is_broken { fallback::body() } else { call_function(callable, &marker.ty) };
    let (items, code, arguments) = (defined.items(), defined.code(), defined.arguments());
    let output = output(callable, &function.sig, is_broken, None);
    let definition = definition(&marker.ty, name, output, options, None);
    let has_default_timeout = options.has_default_timeout(&marker.ty);
    let implementation = implementation(&marker.ty, &quote!(()), callable, options, &call);
    quote! {
        #items

        #(#cfgs)*
        #[allow(deprecated, unused_qualifications)]
        const _: () = {
            #code
            #arguments
            #definition
            #has_default_timeout
            #implementation
        };
    }
}

/// Each activity becomes a constant of the type; registering the value registers all of them.
pub(crate) fn methods(model: &ActivityMethods, implements: Option<&Path>) -> TokenStream {
    let Some(names) = Names::of(&model.block.self_ty, "Activities") else { return plain(model) };
    let self_ty = names.self_ty;
    let block = expand_block(&model.block, &names, &model.methods.iter().collect::<Vec<_>>());
    let definitions = model.methods.iter().map(|method| expand_method(&names, method));
    let registrations = model.methods.iter().map(|method| {
        let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
        let marker = names.marker_struct(method);
        quote!(#(#cfgs)* __abide_registry.add(#marker(::core::marker::PhantomData), ::core::clone::Clone::clone(&__abide_host));)
    });
    let host = quote_spanned!(at(self_ty)=> #self_ty);
    let implemented = implements.map(|path| contract::check(path, self_ty, &model.methods));
    quote! {
        #block

        #[allow(deprecated, unused_qualifications)]
        const _: () = {
            #(#definitions)*
            #implemented

            #[automatically_derived]
            impl ::abide::__private::Activities for #host {
                fn register(self, __abide_registry: &mut ::abide::__private::ActivityRegistry) {
                    let __abide_host = ::abide::__private::Arc::new(self);
                    let _ = (&__abide_host, &__abide_registry);
                    #(#registrations)*
                }
            }
        };
    }
}

/// Returns the block without our attributes, for a block that cannot be expanded.
pub(crate) fn plain(model: &ActivityMethods) -> TokenStream {
    fallback::block(&model.block, model.methods.iter().map(|method| &method.function))
}

fn expand_method(names: &Names<'_>, method: &Method) -> TokenStream {
    let Method { function, callable, name, activity, is_broken, .. } = method;
    let self_ty = names.self_ty;
    let ty = names.marker_type(method);
    let call = if *is_broken { fallback::body() } else { call_method(callable, self_ty) };
    let output = output(callable, &function.sig, *is_broken, Some(self_ty));
    let cfgs = SortedAttrs::of(&function.attrs).cfgs;
    let marker = expand_marker(names, method);
    let impls = with_cfgs(
        &cfgs,
        [
            definition(&ty, name, output, activity, Some(self_ty)),
            activity.has_default_timeout(&ty).unwrap_or_default(),
            implementation(&ty, &self_ty.to_token_stream(), callable, activity, &call),
        ],
    );
    quote!(#marker #impls)
}

fn output(callable: &Callable, sig: &Signature, is_broken: bool, self_ty: Option<&Type>) -> TokenStream {
    if is_broken && !fallback::has_usable_output(callable, sig) {
        return quote!(());
    }
    let output = without_self(&callable.output, self_ty);
    quote_spanned!(at(&callable.output)=> <#output as ::abide::__private::ActivityReturn>::Output)
}

fn definition(
    marker: &TokenStream,
    name: &LitStr,
    output: TokenStream,
    options: &ActivityOptions,
    self_ty: Option<&Type>,
) -> TokenStream {
    let defaults = options.defaults(self_ty);
    let output = quote_spanned!(at(&output)=> type Output = #output;);
    quote! {
        #[automatically_derived]
        impl ::abide::__private::ActivityDefinition for #marker {
            #output

            fn name(&self) -> ::abide::__private::Cow<'static, ::core::primitive::str> {
                ::abide::__private::Cow::Borrowed(#name)
            }

            #defaults
        }
    }
}

fn implementation(
    marker: &TokenStream,
    host: &TokenStream,
    callable: &Callable,
    options: &ActivityOptions,
    call: &TokenStream,
) -> TokenStream {
    let (auto_heartbeat, is_blocking) = (options.auto_heartbeat(), options.is_blocking());
    let is_dynamic = says_yes("is_dynamic", callable.is_dynamic);
    // Spanned at the return type, as in the definition, so that the compiler reports a mistake in it only once.
    let method = quote_spanned! {at(&callable.output)=>
        fn call(
            &self,
            __abide_host: ::abide::__private::Arc<Self::Host>,
            __abide_ctx: ::abide::__private::ActivityContext,
            __abide_args: Self::Args,
        ) -> ::abide::__private::ActivityFuture<Self::Output> {
            #call
        }
    };
    quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl ::abide::__private::ActivityImplementation for #marker {
            type Host = #host;

            #auto_heartbeat

            #is_blocking

            #is_dynamic

            #method
        }
    }
}

/// Generates the attempt's future. A function that is not async runs at the first poll.
///
/// Calls the function as any caller does, so that the compiler reports a future that is not `Send` only once.
fn call_function(callable: &Callable, marker: &TokenStream) -> TokenStream {
    let ctx = callable.has_context.then(|| quote!(&__abide_ctx,));
    let names = callable.arg_names();
    attempt(callable, quote!(), quote!(#marker::__abide_call(#ctx #(#names),*).await), None)
}

/// Like [`call_function`], through the pointer that the method's constant stands for.
fn call_method(callable: &Callable, self_ty: &Type) -> TokenStream {
    let host = callable.has_receiver.then(|| quote!(&*__abide_host,));
    let ctx = callable.has_context.then(|| quote!(&__abide_ctx,));
    let names = callable.arg_names();
    let wait = callable.is_async.then(|| quote!(.await));
    let pointer = quote!(let __abide_call = *::core::ops::Deref::deref(self););
    attempt(callable, pointer, quote!(__abide_call(#host #ctx #(#names),*) #wait), Some(self_ty))
}

fn attempt(callable: &Callable, before: TokenStream, call: TokenStream, self_ty: Option<&Type>) -> TokenStream {
    let pattern = callable.args_pattern();
    let output = without_self(&callable.output, self_ty);
    let result = quote_spanned! {at(&callable.output)=>
        <#output as ::abide::__private::ActivityReturn>::into_activity_result(#call)
    };
    quote_spanned! {at(&callable.ident)=>
        let #pattern = __abide_args;
        #before
        ::abide::__private::Box::pin(async move { #result })
    }
}
