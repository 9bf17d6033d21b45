//! Generates the Rust code of workflow functions and workflow structs.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{LitStr, Signature, Type};

use super::model::{WorkflowFunction, WorkflowStruct};
use crate::attr::VersioningBehavior;
use crate::fallback;
use crate::function::DefinedFunction;
use crate::item::SortedAttrs;
use crate::marker::{Marker, at, says_yes};
use crate::signature::Callable;
use crate::types::without_self;

/// The function stays a function, and its return type carries the definition. The definition is also the instance,
/// because a run has no other state.
pub(crate) fn function(model: &WorkflowFunction, is_broken: bool) -> TokenStream {
    let WorkflowFunction { function, callable, name, versioning_behavior, definition: given } = model;
    if function.sig.receiver().is_some() {
        // A method outside a block with our attribute: no struct can be defined there, so the method stays unchanged.
        return quote!(#function);
    }
    let defined = DefinedFunction::of(function, callable, is_broken, "Workflow", given.as_ref());
    let (cfgs, marker) = (SortedAttrs::of(&function.attrs).cfgs, defined.marker());
    let run = run_method(&if is_broken { fallback::body() } else { run(&marker) });
    let (items, code, arguments) = (defined.items(), defined.code(), defined.arguments());
    let definition =
        definition(&marker.ty, &quote!(#name), output(callable, &function.sig, is_broken, None), &marker.ty);
    let implementation = implementation(
        &marker.ty,
        &behavior(versioning_behavior.as_ref()),
        &quote!(::core::result::Result::Ok(::abide::__private::Rc::new(*self))),
        callable.is_dynamic,
    );
    let ty = &marker.ty;
    quote! {
        #items

        #(#cfgs)*
        #[allow(deprecated, unused_qualifications)]
        const _: () = {
            #code
            #arguments
            #definition
            #implementation

            #[automatically_derived]
            #[allow(unused_variables)]
            impl ::abide::__private::WorkflowInstance for #ty {
                #run
            }
        };
    }
}

/// The struct stays unchanged; its name on the wire is recorded for the impl block.
pub(crate) fn structure(model: &WorkflowStruct) -> TokenStream {
    let WorkflowStruct { item, name, versioning_behavior } = model;
    let behavior = behavior(versioning_behavior.as_ref());
    let ident = &item.ident;
    let cfgs = SortedAttrs::of(&item.attrs).cfgs;
    let is_named = name.is_some();
    let name = name.clone().unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
    if !item.generics.params.is_empty() {
        return quote!(#item);
    }
    let has_methods =
        quote_spanned!(at(ident)=> const _: () = ::abide::__private::assert_workflow_methods::<#ident>(););
    quote! {
        #item

        #(#cfgs)*
        #[allow(deprecated, unused_qualifications)]
        const _: () = {
            #[automatically_derived]
            impl ::abide::__private::WorkflowStruct for #ident {
                const NAME: &'static ::core::primitive::str = #name;
                const IS_NAMED: ::core::primitive::bool = #is_named;
                const VERSIONING_BEHAVIOR: ::core::option::Option<::abide::__private::VersioningBehavior> = #behavior;
            }
            #has_methods
        };
    }
}

/// Returns the workflow's result type: `()` if it is unusable.
pub(crate) fn output(callable: &Callable, sig: &Signature, is_broken: bool, self_ty: Option<&Type>) -> TokenStream {
    if is_broken && !fallback::has_usable_output(callable, sig) {
        return quote!(());
    }
    let output = without_self(&callable.output, self_ty);
    quote_spanned!(at(&callable.output)=> <#output as ::abide::__private::WorkflowReturn>::Output)
}

/// Generates `impl WorkflowDefinition`; `workflow` is the type whose messages the workflow handles.
pub(crate) fn definition(
    marker: &TokenStream,
    name: &TokenStream,
    output: TokenStream,
    workflow: &TokenStream,
) -> TokenStream {
    let output = quote_spanned!(at(&output)=> type Output = #output;);
    quote! {
        #[automatically_derived]
        impl ::abide::__private::WorkflowDefinition for #marker {
            #output
            type Workflow = #workflow;

            fn name(&self) -> ::abide::__private::Cow<'static, ::core::primitive::str> {
                ::abide::__private::Cow::Borrowed(#name)
            }
        }
    }
}

/// Returns the given versioning behaviour as an expression.
fn behavior(given: Option<&VersioningBehavior>) -> TokenStream {
    match given.map(|given| &given.variant) {
        Some(variant) => {
            quote!(::core::option::Option::Some(::abide::__private::VersioningBehavior::#variant))
        }
        None => quote!(::core::option::Option::None),
    }
}

/// Generates `impl WorkflowImplementation`.
pub(crate) fn implementation(
    marker: &TokenStream,
    behavior: &TokenStream,
    instantiate: &TokenStream,
    is_dynamic: bool,
) -> TokenStream {
    let is_dynamic = says_yes("is_dynamic", is_dynamic);
    quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl ::abide::__private::WorkflowImplementation for #marker {
            fn versioning_behavior(&self) -> ::core::option::Option<::abide::__private::VersioningBehavior> {
                #behavior
            }

            #is_dynamic

            fn instantiate(
                &self,
                __abide_ctx: &::abide::__private::WorkflowContext,
                __abide_args: &mut ::abide::__private::PayloadReader<'_>,
            ) -> ::core::result::Result<
                ::abide::__private::Rc<dyn ::abide::__private::WorkflowInstance>,
                ::abide::__private::PayloadError,
            > {
                #instantiate
            }
        }
    }
}

/// Generates `WorkflowInstance::start_main_routine` around this code.
pub(crate) fn run_method(code: &TokenStream) -> TokenStream {
    quote! {
        fn start_main_routine(
            self: ::abide::__private::Rc<Self>,
            __abide_ctx: ::abide::__private::WorkflowContext,
            __abide_args: &mut ::abide::__private::PayloadReader<'_>,
        ) -> ::core::result::Result<
            ::abide::__private::RoutineFuture<::abide::__private::Payload>,
            ::abide::__private::PayloadError,
        > {
            #code
        }
    }
}

/// Reads the arguments and starts the main routine. The future owns the context and the state, and borrows from both.
pub(crate) fn run(marker: &Marker<'_>) -> TokenStream {
    let (ty, pattern) = (&marker.ty, marker.callable.args_pattern());
    let call = marker.callable.call(&marker.body, &quote!(&*self));
    let output = without_self(&marker.callable.output, marker.self_ty);
    // Spanned at the return type, as in the definition, so that the compiler reports a mistake in it only once.
    let result = quote_spanned! {at(&marker.callable.output)=>
        <#output as ::abide::__private::WorkflowReturn>::into_workflow_result(#call)
    };
    quote! {
        let #pattern = ::abide::__private::read_all_args::<#ty>(__abide_args)?;
        ::core::result::Result::Ok(::abide::__private::Box::pin(async move { #result }))
    }
}
