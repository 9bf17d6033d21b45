//! Generates the Rust code of a workflow struct's impl block.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::model::WorkflowMethods;
use super::{expand, expand_dynamic};
use crate::contract;
use crate::fallback;
use crate::item::SortedAttrs;
use crate::marker::at;
use crate::methods::{Method, Names, expand_block, expand_marker, with_cfgs};
use crate::role::Role;
use crate::types::without_self;

/// The main routine and each handler become constants of the type; the type itself becomes an instance.
pub(crate) fn methods(model: &WorkflowMethods) -> TokenStream {
    let Some(names) = Names::of(&model.block.self_ty, "Methods") else { return plain(model) };
    let self_ty = names.self_ty;
    let block = expand_block(&model.block, &names, &model.methods.iter().collect::<Vec<_>>());
    let definitions = model.methods.iter().map(|method| {
        let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
        let marker = expand_marker(&names, method);
        let definition = match method.callable.role {
            Role::Signal => message("SignalOf", &names, method, model, signal_definition(&names, method)),
            Role::Query => message("QueryOf", &names, method, model, query_definition(&names, method)),
            Role::Update => message("UpdateOf", &names, method, model, update_definition(&names, method)),
            _ => run_definition(&names, method, model),
        };
        let definition = with_cfgs(&cfgs, definition);
        quote!(#marker #definition)
    });
    let named_twice = named_twice(&names, model);
    let contract = model.implements.as_ref();
    let implemented = contract.map(|contract| contract::check(contract, self_ty, &model.methods));
    let instance = instance(&names, model);
    quote! {
        #block

        #[allow(deprecated, unused_qualifications)]
        const _: () = {
            #(#definitions)*
            #named_twice
            #implemented

            #[automatically_derived]
            impl ::abide::__private::WorkflowMethods for #self_ty {}

            #instance
        };
    }
}

/// Returns the block without our attributes.
pub(crate) fn plain(model: &WorkflowMethods) -> TokenStream {
    fallback::block(&model.block, model.methods.iter().map(|method| &method.function))
}

fn run_definition(names: &Names<'_>, method: &Method, model: &WorkflowMethods) -> Vec<TokenStream> {
    let self_ty = names.self_ty;
    let ty = names.marker_type(method);
    let name = match (&model.implements, &model.run_name) {
        (Some(contract), _) => contract::run_name(contract, &method.callable.ident),
        (None, Some(name)) => quote!(#name),
        (None, None) => quote!(<#self_ty as ::abide::__private::WorkflowStruct>::NAME),
    };
    let output = expand::output(&method.callable, &method.function.sig, method.is_broken, Some(self_ty));
    let instantiate = if method.is_broken { fallback::body() } else { instantiate(names, method, model) };
    let behavior = quote!(<#self_ty as ::abide::__private::WorkflowStruct>::VERSIONING_BEHAVIOR);
    let workflow = model.implements.as_ref().map_or_else(|| quote!(#self_ty), |contract| quote!(#contract));
    vec![expand::definition(&ty, &name, output, &workflow), expand::implementation(&ty, &behavior, &instantiate, false)]
}

/// Creates the state: with the `#[init]` constructor if there is one, otherwise with `Default`.
fn instantiate(names: &Names<'_>, run: &Method, model: &WorkflowMethods) -> TokenStream {
    let self_ty = names.self_ty;
    let state = match model.inits.first() {
        Some(init) if init.is_broken => return fallback::body(),
        Some(init) => {
            let (ty, pattern, ident) = (names.marker_type(run), run.callable.args_pattern(), &init.callable.ident);
            let ctx = init.callable.has_context.then(|| quote!(__abide_ctx,));
            // Spanned at their types, where the compiler reports argument types that differ from those of `#[run]`.
            let mut args = init.callable.arg_names();
            args.iter_mut().zip(&init.callable.args).for_each(|(arg, ty)| arg.set_span(at(ty)));
            quote_spanned! {at(ident)=>
                let #pattern = ::abide::__private::read_all_args::<#ty>(__abide_args)?;
                let __abide_state: #self_ty = <#self_ty>::#ident(#ctx #(#args),*);
            }
        }
        None => quote_spanned! {at(self_ty)=>
            let __abide_state: #self_ty = ::abide::__private::a_workflow_starts_from_its_default_or_init::<#self_ty>();
        },
    };
    quote! {
        #state
        ::core::result::Result::Ok(::abide::__private::Rc::new(__abide_state))
    }
}

/// Reports a name given both at the struct and at `#[run]`. Each of the two macros knows only one of them.
fn named_twice(names: &Names<'_>, model: &WorkflowMethods) -> Option<TokenStream> {
    let self_ty = names.self_ty;
    model.run_name.as_ref().map(|name| {
        quote_spanned! {at(name)=>
            const _: () = ::core::assert!(
                !<#self_ty as ::abide::__private::WorkflowStruct>::IS_NAMED,
                "the workflow's name is given twice: at `#[workflow]` and at `#[run]`",
            );
        }
    })
}

/// Adds the workflows whose handles take the message.
fn message(
    of: &str,
    names: &Names<'_>,
    method: &Method,
    model: &WorkflowMethods,
    definition: TokenStream,
) -> Vec<TokenStream> {
    let of = quote::format_ident!("{of}");
    let (self_ty, ty) = (names.self_ty, names.marker_type(method));
    let contract = model.implements.as_ref().map(|contract| quote!(#contract));
    let workflows = [quote!(#self_ty), quote!(::abide::__private::AnyWorkflow)].into_iter().chain(contract);
    let belongs = workflows.map(|workflow| {
        quote_spanned! {at(&method.callable.ident)=>
            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl ::abide::__private::#of<#workflow> for #ty {}
        }
    });
    std::iter::once(definition).chain(belongs).collect()
}

fn signal_definition(names: &Names<'_>, method: &Method) -> TokenStream {
    let (ty, name) = (names.marker_type(method), &method.name);
    quote! {
        #[automatically_derived]
        impl ::abide::__private::SignalDefinition for #ty {
            fn name(&self) -> ::abide::__private::Cow<'static, ::core::primitive::str> {
                ::abide::__private::Cow::Borrowed(#name)
            }
        }
    }
}

fn query_definition(names: &Names<'_>, method: &Method) -> TokenStream {
    answering_definition("QueryDefinition", names, method)
}

fn update_definition(names: &Names<'_>, method: &Method) -> TokenStream {
    answering_definition("UpdateDefinition", names, method)
}

/// Generates a definition with an answer, whose type comes from the return type.
fn answering_definition(definition: &str, names: &Names<'_>, method: &Method) -> TokenStream {
    let definition = quote::format_ident!("{definition}");
    let (ty, name) = (names.marker_type(method), &method.name);
    let output = if method.is_broken && !fallback::has_usable_output(&method.callable, &method.function.sig) {
        quote!(())
    } else {
        let (answer, output) = answer(names, method);
        quote_spanned!(at(&method.callable.output)=> <#answer as ::abide::__private::AnswerOf<#output>>::Output)
    };
    let output = quote_spanned!(at(&output)=> type Output = #output;);
    quote! {
        #[automatically_derived]
        impl ::abide::__private::#definition for #ty {
            #output

            fn name(&self) -> ::abide::__private::Cow<'static, ::core::primitive::str> {
                ::abide::__private::Cow::Borrowed(#name)
            }
        }
    }
}

/// Returns the conversion of a query's or an update's return type (a value or a `Result`), and that type.
fn answer(names: &Names<'_>, method: &Method) -> (TokenStream, TokenStream) {
    let output = without_self(&method.callable.output, Some(names.self_ty));
    let answer = quote_spanned! {at(&method.callable.output)=>
        ::abide::__private::Answer<{
            use ::abide::__private::IsNoResult as _;
            <::abide::__private::Returns<#output>>::IS_RESULT
        }>
    };
    (answer, output)
}

/// Generates `impl WorkflowInstance`: for each kind of message, a match over the names on the wire.
fn instance(names: &Names<'_>, model: &WorkflowMethods) -> Option<TokenStream> {
    let self_ty = names.self_ty;
    let run = model.with_role(Role::Run).next()?;
    let run = if run.is_broken { fallback::body() } else { expand::run(&names.marker(run)) };
    let run = expand::run_method(&run);
    let sound = |role| model.with_role(role).filter(|method| !method.is_broken);
    let signals = sound(Role::Signal).map(|method| signal_arm(names, method));
    let queries = sound(Role::Query).map(|method| query_arm(names, method));
    let updates = sound(Role::Update).map(|method| update_arm(names, method, model.validator_of(method)));
    let handlers = handler_infos(model);
    let dynamic = expand_dynamic::arms(names, model);
    let (any_signal, any_query, any_update) = (dynamic.signals, dynamic.queries, dynamic.updates);
    Some(quote! {
        #[automatically_derived]
        #[allow(unused_variables, unreachable_patterns, clippy::too_many_lines)]
        impl ::abide::__private::WorkflowInstance for #self_ty {
            #run

            fn signal(
                self: ::abide::__private::Rc<Self>,
                __abide_ctx: ::abide::__private::WorkflowContext,
                __abide_name: &::core::primitive::str,
                __abide_args: &mut ::abide::__private::PayloadReader<'_>,
            ) -> ::abide::__private::SignalDispatch {
                match __abide_name {
                    #(#signals)*
                    #any_signal
                    _ => ::abide::__private::SignalDispatch::Unknown,
                }
            }

            fn query(
                &self,
                __abide_ctx: &::abide::__private::WorkflowContext,
                __abide_name: &::core::primitive::str,
                __abide_args: &mut ::abide::__private::PayloadReader<'_>,
            ) -> ::core::option::Option<
                ::core::result::Result<::abide::__private::Payload, ::abide::__private::WorkflowError>,
            > {
                match __abide_name {
                    #(#queries)*
                    #any_query
                    _ => ::core::option::Option::None,
                }
            }

            fn update(
                self: ::abide::__private::Rc<Self>,
                __abide_ctx: ::abide::__private::WorkflowContext,
                __abide_name: &::core::primitive::str,
                __abide_args: &mut ::abide::__private::PayloadReader<'_>,
                __abide_validate: ::core::primitive::bool,
            ) -> ::abide::__private::UpdateDispatch {
                match __abide_name {
                    #(#updates)*
                    #any_update
                    _ => ::abide::__private::UpdateDispatch::Unknown,
                }
            }

            fn handlers(&self) -> &'static [::abide::__private::HandlerInfo] {
                const __ABIDE_HANDLERS: &[::abide::__private::HandlerInfo] = &[#(#handlers),*];
                __ABIDE_HANDLERS
            }
        }
    })
}

fn signal_arm(names: &Names<'_>, method: &Method) -> TokenStream {
    let (ty, name, pattern) = (names.marker_type(method), &method.name, method.callable.args_pattern());
    let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
    let dispatch = handle_signal(names, method);
    quote! {
        #(#cfgs)*
        #name => match ::abide::__private::read_all_args::<#ty>(__abide_args) {
            ::core::result::Result::Ok(#pattern) => #dispatch,
            ::core::result::Result::Err(__abide_error) => ::abide::__private::SignalDispatch::Undecodable(__abide_error),
        },
    }
}

/// Runs a signal's handler, whose arguments are read.
pub(super) fn handle_signal(names: &Names<'_>, method: &Method) -> TokenStream {
    let call = method.callable.call(&names.body(method), &quote!(&*self));
    let output = without_self(&method.callable.output, Some(names.self_ty));
    // Spanned at the return type, where the compiler reports a type that a signal cannot return.
    let result = quote_spanned! {at(&method.callable.output)=>
        <#output as ::abide::__private::SignalReturn>::into_signal_result(#call)
    };
    if method.callable.is_async {
        quote!(::abide::__private::SignalDispatch::Running(::abide::__private::Box::pin(async move { #result })))
    } else {
        quote!(::abide::__private::SignalDispatch::Done(#result))
    }
}

fn query_arm(names: &Names<'_>, method: &Method) -> TokenStream {
    let (ty, name, pattern) = (names.marker_type(method), &method.name, method.callable.args_pattern());
    let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
    let answer = answer_query(names, method);
    quote! {
        #(#cfgs)*
        #name => ::core::option::Option::Some(match ::abide::__private::read_all_args::<#ty>(__abide_args) {
            ::core::result::Result::Ok(#pattern) => #answer,
            ::core::result::Result::Err(__abide_error) => {
                ::core::result::Result::Err(::abide::__private::unfit_query(#name, __abide_error))
            }
        }),
    }
}

/// Runs a query's handler, whose arguments are read.
pub(super) fn answer_query(names: &Names<'_>, method: &Method) -> TokenStream {
    let call = method.callable.call(&names.body(method), &quote!(self));
    let (answer, output) = answer(names, method);
    quote!(<#answer as ::abide::__private::AnswerOf<#output>>::into_answer(#call))
}

fn update_arm(names: &Names<'_>, method: &Method, validator: Option<&Method>) -> TokenStream {
    let (ty, name, pattern) = (names.marker_type(method), &method.name, method.callable.args_pattern());
    let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
    let handled = handle_update(names, method, validator);
    quote! {
        #(#cfgs)*
        #name => match ::abide::__private::read_all_args::<#ty>(__abide_args) {
            ::core::result::Result::Ok(#pattern) => { #handled }
            ::core::result::Result::Err(__abide_error) => ::abide::__private::UpdateDispatch::Undecodable(__abide_error),
        },
    }
}

/// Runs an update's handler, whose arguments are read. The validator gets them before the handler.
pub(super) fn handle_update(names: &Names<'_>, method: &Method, validator: Option<&Method>) -> TokenStream {
    let self_ty = names.self_ty;
    let call = method.callable.call(&names.body(method), &quote!(&*self));
    let (answer, output) = answer(names, method);
    let validation = validator.map(|validator| {
        let SortedAttrs { cfgs, .. } = SortedAttrs::of(&validator.function.attrs);
        let (ident, callable) = (&validator.callable.ident, &validator.callable);
        let ctx = callable.has_context.then(|| quote!(&__abide_ctx,));
        // Spanned at their types, where the compiler reports argument types that differ from the update's.
        let mut args = callable.arg_names();
        args.iter_mut().zip(&callable.args).for_each(|(arg, ty)| arg.set_span(at(ty)));
        let args = args.iter().zip(&callable.args).map(|(arg, ty)| quote_spanned!(at(ty)=> &#arg));
        let returned = without_self(&callable.output, Some(self_ty));
        let validated = quote_spanned! {at(&callable.output)=>
            <#returned as ::abide::__private::ValidatorReturn>::into_validation(
                <#self_ty>::#ident(&*self, #ctx #(#args),*)
            )
        };
        quote! {
            #(#cfgs)*
            if __abide_validate {
                if let ::core::result::Result::Err(__abide_error) = #validated {
                    return ::abide::__private::UpdateDispatch::Rejected(__abide_error);
                }
            }
        }
    });
    quote! {
        #validation
        ::abide::__private::UpdateDispatch::Accepted(::abide::__private::Box::pin(async move {
            <#answer as ::abide::__private::AnswerOf<#output>>::into_update_result(#call)
        }))
    }
}

/// Describes all handlers, by kind of message, the dynamic one last.
fn handler_infos(model: &WorkflowMethods) -> impl Iterator<Item = TokenStream> {
    let kinds = [("Signal", Role::Signal), ("Query", Role::Query), ("Update", Role::Update)];
    kinds.into_iter().flat_map(|(kind, role)| {
        let handlers = model.with_role(role).filter(|method| !method.is_broken).chain(model.dynamics_with_role(role));
        handlers.map(move |method| handler_info(kind, method))
    })
}

fn handler_info(kind: &str, method: &Method) -> TokenStream {
    let kind = quote::format_ident!("{kind}");
    // The dynamic handler has no name.
    let name = if method.callable.is_dynamic { String::new() } else { method.name.value() };
    let description = SortedAttrs::documentation(&method.function.attrs);
    let policy = quote::format_ident!("{}", method.unfinished_policy.unwrap_or("WarnAndAbandon"));
    let cfgs = SortedAttrs::of(&method.function.attrs).cfgs;
    let location = quote_spanned!(method.function.sig.ident.span()=> ::core::panic::Location::caller());
    quote! {
        #(#cfgs)*
        ::abide::__private::HandlerInfo {
            kind: ::abide::__private::HandlerKind::#kind,
            name: #name,
            description: #description,
            unfinished_policy: ::abide::__private::UnfinishedPolicy::#policy,
            location: #location,
        }
    }
}
